"""The child process that reads and writes an SQLite registry through MLflow's own client.

MLflow has a process of its own, because its import holds the interpreter's lock for seconds, takes 80 MB, and needs
settings in environment variables. MLflow would create a missing file, migrate a file whose tables are missing, and wait
20 s for a lock. Here a file is opened read-only for reading, and in a mode that never creates it for writing. The wait
for a lock ends at the deadline of the request.

A request is ``{"uri": …, "do": a method of Tables, "with": [arguments], "left_s": seconds}``.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, cast

from backends.child import Request, serve
from backends.contracts import ModelVersion
from backends.registries.mlflow_file import SqliteFile, left_ms
from backends.registries.mlflow_store import CONTEXT, UNFINISHED, Logged, Model, Run, among, named, version_of

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # a pool would keep reading a file that was replaced
    "GIT_PYTHON_REFRESH": "quiet",
}


class Tables:
    """One registry's tables. Each method returns a value that JSON can hold."""

    def __init__(self, uri: str) -> None:
        self._file = SqliteFile(uri)
        self._clients: dict[str, Any] = {}
        self._until = 0.0
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        importlib.import_module("mlflow.tracking")
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.listen(Engine, "before_cursor_execute", self._limit_wait, retval=True)

    def answer(self, do: str, arguments: list[Any], left_s: float) -> object:
        self._until = time.monotonic() + left_s
        # Read the file without MLflow first: that gives the clearest error if something is wrong with the file.
        self._file.state(self._until)
        methods = (
            self.prepare,
            self.models,
            self.versions,
            self.version,
            self.runs,
            self.logged,
            self.aliases,
            self.write,
        )
        with self._file.failures():
            return {method.__name__: method for method in methods}[do](*arguments)

    def prepare(self) -> None:
        self._client().search_registered_models(max_results=1)

    def models(self, size: int, token: str) -> object:
        page = self._client().search_registered_models(max_results=size, page_token=token or None)
        return [asdict(_model(one)) for one in page], _token(page)

    def versions(self, model: str, size: int, token: str) -> object:
        filtered, order = (named(model), "version_number DESC") if model else (None, "name ASC")
        page = self._client().search_model_versions(
            filtered, max_results=size, order_by=[order], page_token=token or None
        )
        return [asdict(_version(one)) for one in page], _token(page)

    def version(self, model: str, version: str) -> object:
        client = self._client()
        found = client.get_model_version(model, version)
        return asdict(_version(found)), client.get_model_version_download_uri(model, version)

    def runs(self, runs: list[str]) -> object:
        from mlflow.entities import ViewType

        client = self._client()
        experiments = [one.experiment_id for one in _all(partial(client.search_experiments, view_type=ViewType.ALL))]
        found = client.search_runs(experiments, among(runs), ViewType.ALL, len(runs)) if experiments else []
        return {one.info.run_id: asdict(_run(one)) for one in found}

    def logged(self, models: list[str]) -> object:
        client = self._client()
        if not hasattr(client, "get_logged_model"):  # MLflow 2 has none
            return {}
        found = {}
        for model in models:
            try:
                one = client.get_logged_model(model)
            except Exception as error:  # a model that is gone takes no other with it
                if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                    raise
                continue
            found[model] = asdict(_logged(one))
        return found

    def aliases(self, model: str) -> object:
        return _texts(self._client().get_registered_model(model).aliases)

    def write(self, path: str, method: str, body: dict[str, Any]) -> None:
        client = self._client("rw")
        {
            ("POST", "/registered-models/alias"): client.set_registered_model_alias,
            ("DELETE", "/registered-models/alias"): client.delete_registered_model_alias,
            ("POST", "/model-versions/set-tag"): client.set_model_version_tag,
            ("DELETE", "/model-versions/delete-tag"): client.delete_model_version_tag,
            ("POST", "/model-versions/transition-stage"): client.transition_model_version_stage,
        }[method, path](**body)

    def _client(self, mode: str = "ro") -> Any:
        from mlflow.tracking import MlflowClient

        if mode not in self._clients:
            # If the URI named no driver, MLflow would take the address for a path and create folders for it.
            uri = f"sqlite+pysqlite:///{self._file.address(mode)}&uri=true"
            self._clients[mode] = MlflowClient(tracking_uri=uri, registry_uri=uri)
        return self._clients[mode]

    def _limit_wait(
        self, _connection: object, _cursor: object, statement: str, parameters: object, _context: object, _many: bool
    ) -> tuple[str, object]:
        """Replace the wait of ``PRAGMA busy_timeout = 20000``, which begins MLflow's sessions, by the time left."""
        if statement.startswith("PRAGMA busy_timeout"):
            statement = f"PRAGMA busy_timeout = {left_ms(self._until)};"
        return statement, parameters


def _model(one: Any) -> Model:
    staged = sorted((other.current_stage, str(other.version)) for other in one.latest_versions or ())
    named = tuple(version for stage, version in staged if stage not in ("", "None"))
    return Model(one.name, _texts(one.aliases), one.last_updated_timestamp or 0, named)


def _run(one: Any) -> Run:
    datasets = one.inputs.dataset_inputs if one.inputs is not None else []
    return Run(
        dict(one.data.metrics),
        _texts(one.data.params),
        _texts(one.data.tags),
        one.info.status not in UNFINISHED,
        one.info.artifact_uri or "",
        tuple(
            (read.dataset.name, read.dataset.digest, {tag.key: tag.value for tag in read.tags}.get(CONTEXT, ""))
            for read in datasets
        ),
    )


def _logged(one: Any) -> Logged:
    ordered = sorted(one.metrics or (), key=lambda metric: (metric.step, metric.timestamp))
    return Logged({metric.key: metric.value for metric in ordered}, _texts(one.params))


def _all(page_of: Callable[..., Any]) -> Iterator[Any]:
    token = None
    while True:
        page = page_of(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _version(one: Any) -> ModelVersion:
    return version_of(
        one.name,
        str(one.version),
        stage=one.current_stage or "",
        created=one.creation_timestamp or 0,
        updated=one.last_updated_timestamp or 0,
        author=one.user_id or "",
        run=one.run_id or "",
        source=one.source or "",
        status=one.status or "",
        description=one.description or "",
        tags=_texts(one.tags),
    )


def _token(page: Any) -> str:
    """The token of the next page. MLflow's store gives bytes, its server text."""
    token = page.token or ""
    return token.decode() if isinstance(token, bytes) else str(token)


def _texts(mapping: Mapping[str, object] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (mapping or {}).items()}


def main() -> None:
    tables: dict[str, Tables] = {}

    def handle(request: Request) -> object:
        uri = str(request["uri"])
        if uri not in tables:
            tables[uri] = Tables(uri)
        arguments = cast("list[Any]", request["with"])
        return tables[uri].answer(str(request["do"]), arguments, cast("float", request["left_s"]))

    serve(handle)


if __name__ == "__main__":
    main()
