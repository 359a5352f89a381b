"""Reads MLflow's tables in an SQLite file without MLflow, if the version of the tables is known.

To import MLflow takes a second or more and 80 MB; to read its tables takes neither. The results equal those of MLflow's
own client (``mlflow/store/model_registry/sqlalchemy_store.py``, ``mlflow/store/tracking/…``); a test compares them.
Tables of any other version are read by MLflow. All writes go through MLflow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backends.contracts import ModelVersion
from backends.errors import Rejected
from backends.registries.mlflow_file import SqliteFile
from backends.registries.mlflow_store import UNFINISHED, Logged, Model, Run, version_of

KNOWN = frozenset({"dc11669786a5"})
"""Known versions of the tables (``alembic_version``): that of MLflow 3.17."""

ELSEWHERE = "SELECT EXISTS (SELECT 1 FROM registered_models WHERE workspace <> 'default')"

MODELS = """SELECT name, last_updated_time FROM registered_models WHERE workspace = 'default'
 AND name NOT IN (SELECT name FROM registered_model_tags
 WHERE workspace = 'default' AND key = 'mlflow.prompt.is_prompt' AND value = 'true') ORDER BY name LIMIT ? OFFSET ?"""
"""MLflow stores prompts as models. Its searches for models leave prompts out."""

ALL_ALIASES = "SELECT name, alias, version FROM registered_model_aliases WHERE workspace = 'default'"

ALIASES = """SELECT alias, version FROM registered_model_aliases WHERE workspace = 'default' AND name = ?"""

STAGED = """SELECT name, max(version) FROM model_versions WHERE workspace = 'default'
 AND current_stage NOT IN ('None', 'Deleted_Internal') GROUP BY name, current_stage ORDER BY name, current_stage"""

EXISTS = "SELECT 1 FROM registered_models WHERE workspace = 'default' AND name = ?"

VERSIONS = """SELECT name, version, current_stage, creation_time, last_updated_time, user_id, run_id, source, status,
 description, coalesce(storage_location, source) FROM model_versions WHERE workspace = 'default' AND ? IN (name, '')
 AND current_stage <> 'Deleted_Internal' AND name NOT IN (SELECT name FROM model_version_tags
 WHERE workspace = 'default' AND key = 'mlflow.prompt.is_prompt' AND value = 'true')
 ORDER BY name, version DESC LIMIT ? OFFSET ?"""

VERSION = """SELECT name, version, current_stage, creation_time, last_updated_time, user_id, run_id, source, status,
 description, coalesce(storage_location, source) FROM model_versions WHERE workspace = 'default' AND name = ?
 AND version = ? AND current_stage <> 'Deleted_Internal'"""

VERSION_TAGS = """SELECT name, version, key, value FROM model_version_tags WHERE workspace = 'default'
 AND name BETWEEN ? AND ?"""

RUNS = "SELECT run_uuid, status, artifact_uri FROM runs WHERE run_uuid IN ({})"
METRICS = """SELECT run_uuid, key, CASE WHEN is_nan THEN NULL ELSE value END FROM latest_metrics
 WHERE run_uuid IN ({})"""
PARAMS = "SELECT run_uuid, key, value FROM params WHERE run_uuid IN ({})"
TAGS = "SELECT run_uuid, key, value FROM tags WHERE run_uuid IN ({})"
LOGGED = "SELECT model_id FROM logged_models WHERE model_id IN ({})"
LOGGED_METRICS = """SELECT model_id, metric_name, metric_value FROM logged_model_metrics WHERE model_id IN ({})
 ORDER BY metric_step, metric_timestamp_ms"""
LOGGED_PARAMS = "SELECT model_id, param_key, param_value FROM logged_model_params WHERE model_id IN ({})"
DATASETS = """SELECT destination_id, datasets.name, datasets.digest, coalesce(input_tags.value, '') FROM inputs
 JOIN datasets ON datasets.dataset_uuid = inputs.source_id
 LEFT JOIN input_tags ON input_tags.input_uuid = inputs.input_uuid AND input_tags.name = 'mlflow.data.context'
 WHERE inputs.source_type = 'DATASET' AND inputs.destination_type = 'RUN' AND destination_id IN ({})"""


class KnownTables:
    """The reading half of ``backends.registries.mlflow_store.Store``. Thread-safe."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def are_known(self, deadline: float) -> bool:
        """Whether the tables are of a known version and hold no workspace but the default one.

        MLflow refuses to open a file with other workspaces.
        """
        if set(self._file.schema(deadline)) - KNOWN:
            return False
        return not self._file.rows(ELSEWHERE, (), deadline)[0][0]

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]:
        begin = int(token or 0)
        found = self._file.rows(MODELS, (size + 1, begin), deadline)
        aliases: dict[str, dict[str, str]] = {}
        for name, alias, version in self._file.rows(ALL_ALIASES, (), deadline):
            aliases.setdefault(name, {})[alias] = str(version)
        staged: dict[str, list[str]] = {}
        for name, version in self._file.rows(STAGED, (), deadline):
            staged.setdefault(name, []).append(str(version))
        page = [
            Model(name, aliases.get(name, {}), updated or 0, tuple(staged.get(name, ())))
            for name, updated in found[:size]
        ]
        return page, str(begin + size) if len(found) > size else ""

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        begin = int(token or 0)
        found = self._file.rows(VERSIONS, (model, size + 1, begin), deadline)
        page = found[:size]
        tags = self._tags(page[0][0], page[-1][0], deadline) if page else {}
        return [_version(one, tags) for one in page], str(begin + size) if len(found) > size else ""

    def version(self, model: str, version: str, deadline: float) -> tuple[ModelVersion, str]:
        found = self._file.rows(VERSION, (model, version), deadline)
        if not found:
            raise Rejected(f"Model Version (name={model}, version={version}) not found")
        return _version(found[0], self._tags(model, model, deadline)), found[0][-1] or ""

    def runs(self, runs: Sequence[str], deadline: float) -> Mapping[str, Run]:
        def told(question: str) -> list[tuple[Any, ...]]:
            return self._file.rows(question.format(", ".join("?" * len(runs))), tuple(runs), deadline)

        metrics = _by_run((run, key, float("nan") if value is None else value) for run, key, value in told(METRICS))
        params, tags = _by_run(told(PARAMS)), _by_run(told(TAGS))
        datasets: dict[str, list[tuple[str, str, str]]] = {}
        for run, *dataset in told(DATASETS):
            datasets.setdefault(run, []).append((dataset[0], dataset[1], dataset[2]))
        return {
            run: Run(
                metrics.get(run, {}),
                _texts(params.get(run, {}).items()),
                _texts(tags.get(run, {}).items()),
                status not in UNFINISHED,
                folder or "",
                tuple(datasets.get(run, ())),
            )
            for run, status, folder in told(RUNS)
        }

    def logged(self, models: Sequence[str], deadline: float) -> Mapping[str, Logged]:
        def told(question: str) -> list[tuple[Any, ...]]:
            return self._file.rows(question.format(", ".join("?" * len(models))), tuple(models), deadline)

        found = told(LOGGED_METRICS)
        metrics = _by_run((model, key, float("nan") if value is None else value) for model, key, value in found)
        params = _by_run(told(LOGGED_PARAMS))
        return {
            model: Logged(metrics.get(model, {}), _texts(params.get(model, {}).items())) for (model,) in told(LOGGED)
        }

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]:
        if not self._file.rows(EXISTS, (model,), deadline):
            raise Rejected(f"Registered Model with name={model} not found")
        return _texts(self._file.rows(ALIASES, (model,), deadline))

    def _tags(self, first: str, last: str, deadline: float) -> dict[tuple[str, int], dict[str, str]]:
        """Tags by version, of the models whose names are from ``first`` to ``last`` in alphabetical order."""
        found: dict[tuple[str, int], dict[str, str]] = {}
        for name, version, key, value in self._file.rows(VERSION_TAGS, (first, last), deadline):
            found.setdefault((name, version), {})[key] = str(value)
        return found


def _version(row: tuple[Any, ...], tags: Mapping[tuple[str, int], Mapping[str, str]]) -> ModelVersion:
    model, version, stage, created, updated, author, run, source, status, description, _ = row
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
        tags=tags.get((model, version), {}),
    )


def _by_run(rows: Iterable[Sequence[Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for run, key, value in rows:
        found.setdefault(run, {})[key] = value
    return found


def _texts(pairs: Iterable[tuple[Any, ...]]) -> dict[str, str]:
    return {str(key): str(value) for key, value in pairs}
