"""MLflow's tables in an SQLite file, read without MLflow, where their version is one whose meaning is known.

To import MLflow takes a second or more and 80 MB; to read its tables takes neither. What is read here is what MLflow's
own client would answer (``mlflow/store/model_registry/sqlalchemy_store.py``, ``mlflow/store/tracking/…``), which a test
compares. Tables of any other version are MLflow's to read, and all writing is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backends.contracts import ModelVersion
from backends.errors import Rejected
from backends.registries.mlflow_file import SqliteFile
from backends.registries.mlflow_store import UNFINISHED, Model, Run, version_of

KNOWN = frozenset({"dc11669786a5"})
"""Versions of the tables (``alembic_version``): MLflow 3.17."""

ELSEWHERE = "SELECT EXISTS (SELECT 1 FROM registered_models WHERE workspace <> 'default')"

MODELS = """SELECT name, last_updated_time FROM registered_models WHERE workspace = 'default'
 AND name NOT IN (SELECT name FROM registered_model_tags
 WHERE workspace = 'default' AND key = 'mlflow.prompt.is_prompt' AND value = 'true') ORDER BY name LIMIT ? OFFSET ?"""
"""Prompts are kept as models are; MLflow's searches leave them out."""

ALL_ALIASES = "SELECT name, alias, version FROM registered_model_aliases WHERE workspace = 'default'"

ALIASES = """SELECT alias, version FROM registered_model_aliases WHERE workspace = 'default' AND name = ?"""

EXISTS = "SELECT 1 FROM registered_models WHERE workspace = 'default' AND name = ?"

VERSIONS = """SELECT version, current_stage, creation_time, last_updated_time, user_id, run_id, source, status,
 description FROM model_versions WHERE workspace = 'default' AND name = ? AND current_stage <> 'Deleted_Internal'
 AND name NOT IN (SELECT name FROM model_version_tags
 WHERE workspace = 'default' AND key = 'mlflow.prompt.is_prompt' AND value = 'true')
 ORDER BY version DESC LIMIT ? OFFSET ?"""

VERSION_TAGS = """SELECT version, key, value FROM model_version_tags WHERE workspace = 'default' AND name = ?
 AND version BETWEEN ? AND ?"""

RUN = "SELECT status FROM runs WHERE run_uuid = ?"
METRICS = "SELECT key, CASE WHEN is_nan THEN NULL ELSE value END FROM latest_metrics WHERE run_uuid = ?"
PARAMS = "SELECT key, value FROM params WHERE run_uuid = ?"
TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"


class KnownTables:
    """The reading half of ``backends.registries.mlflow_store.Store``. Thread-safe."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def are_known(self, deadline: float) -> bool:
        """Whether the tables are of a known version, and hold nothing that MLflow would refuse to open."""
        if set(self._file.schema(deadline)) - KNOWN:
            return False
        return not self._file.rows(ELSEWHERE, (), deadline)[0][0]

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]:
        begin = int(token or 0)
        found = self._file.rows(MODELS, (size + 1, begin), deadline)
        aliases: dict[str, dict[str, str]] = {}
        for name, alias, version in self._file.rows(ALL_ALIASES, (), deadline):
            aliases.setdefault(name, {})[alias] = str(version)
        page = [Model(name, aliases.get(name, {}), updated or 0) for name, updated in found[:size]]
        return page, str(begin + size) if len(found) > size else ""

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        begin = int(token or 0)
        found = self._file.rows(VERSIONS, (model, size + 1, begin), deadline)
        page = found[:size]
        tags: dict[int, dict[str, str]] = {}
        if page:
            between = (model, page[-1][0], page[0][0])
            for version, key, value in self._file.rows(VERSION_TAGS, between, deadline):
                tags.setdefault(version, {})[key] = str(value)
        return [_version(model, one, tags) for one in page], str(begin + size) if len(found) > size else ""

    def run(self, run: str, deadline: float) -> Run:
        found = self._file.rows(RUN, (run,), deadline)
        if not found:
            raise Rejected(f"Run with id={run} not found")
        metrics = {key: float("nan") if value is None else value for key, value in self._pairs(METRICS, run, deadline)}
        params, tags = _texts(self._pairs(PARAMS, run, deadline)), _texts(self._pairs(TAGS, run, deadline))
        return Run(metrics, params, tags, final=found[0][0] not in UNFINISHED)

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]:
        if not self._file.rows(EXISTS, (model,), deadline):
            raise Rejected(f"Registered Model with name={model} not found")
        return _texts(self._file.rows(ALIASES, (model,), deadline))

    def _pairs(self, question: str, run: str, deadline: float) -> list[tuple[Any, ...]]:
        return self._file.rows(question, (run,), deadline)


def _version(model: str, row: tuple[Any, ...], tags: Mapping[int, Mapping[str, str]]) -> ModelVersion:
    version, stage, created, updated, author, run, source, status, description = row
    return version_of(
        model,
        str(version),
        stage=stage or "",
        created=created or 0,
        updated=updated or 0,
        author=author or "",
        run=run or "",
        source=source or "",
        status=status or "",
        description=description or "",
        tags=tags.get(version, {}),
    )


def _texts(pairs: Iterable[tuple[Any, ...]]) -> dict[str, str]:
    return {str(key): str(value) for key, value in pairs}
