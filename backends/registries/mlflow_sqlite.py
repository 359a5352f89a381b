"""An MLflow registry in an SQLite file.

This process watches the file for changes. It reads the tables itself if their version is known. All other reads, and
all writes, go through a child process that imports MLflow. The child is started on demand and ended when it is idle.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from backends.child import Child, ChildEnded
from backends.contracts import ModelRef, ModelVersion
from backends.errors import TimedOut, Unsupported, before_sending
from backends.registries.mlflow_artifacts import list_local, local_path, read_local
from backends.registries.mlflow_file import SqliteFile
from backends.registries.mlflow_store import Location, Logged, Model, Run
from backends.registries.mlflow_tables import KnownTables

START_S = 60.0  # time for the child to import MLflow, which takes some seconds, and more on a busy machine
REST_S = 120.0
"""A child without a request for this time is ended: with MLflow it takes more memory than the rest of the program."""

GRACE_S = 2.0  # the child keeps deadlines itself; it is ended if it has not answered this long after one


class SqliteStore:
    """Thread-safe."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._file = SqliteFile(uri)
        self._child = Child("backends.registries.mlflow_process", "MLflow", rest_s=REST_S)
        self._tables = KnownTables(self._file)
        self._known = False

    def prepare(self, deadline: float) -> None:
        self._known = self._tables.are_known(deadline)
        if not self._known:
            self._start()

    def _start(self) -> None:
        """Start the child if there is none, with a deadline of its own.

        To import MLflow takes longer than the deadline of a call allows. A running child has imported MLflow, even if
        its last request failed, for example on a locked file.
        """
        if not self._child.awake():
            self._ask("prepare", time.monotonic() + START_S)

    def state(self, deadline: float) -> object:
        return self._file.state(deadline)

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]:
        if self._known:
            return self._tables.models(size, token, deadline)
        page, token = cast("tuple[list[Any], str]", self._ask("models", deadline, size, token))
        return [Model(**{**one, "staged": tuple(one["staged"])}) for one in page], token

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        if self._known:
            return self._tables.versions(model, size, token, deadline)
        page, token = cast("tuple[list[Any], str]", self._ask("versions", deadline, model, size, token))
        return [_version(one) for one in page], token

    def version(self, model: str, version: str, deadline: float) -> tuple[ModelVersion, str]:
        if self._known:
            return self._tables.version(model, version, deadline)
        one, folder = cast("tuple[Any, str]", self._ask("version", deadline, model, version))
        return _version(one), folder

    def runs(self, runs: Sequence[str], deadline: float) -> Mapping[str, Run]:
        if self._known:
            return self._tables.runs(runs, deadline)
        told = cast("dict[str, Any]", self._ask("runs", deadline, list(runs)))
        return {
            run: Run(**{**one, "datasets": tuple(tuple(dataset) for dataset in one["datasets"])})
            for run, one in told.items()
        }

    def logged(self, models: Sequence[str], deadline: float) -> Mapping[str, Logged]:
        if self._known:
            return self._tables.logged(models, deadline)
        told = cast("dict[str, Any]", self._ask("logged", deadline, list(models)))
        return {model: Logged(**one) for model, one in told.items()}

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]:
        if self._known:
            return self._tables.aliases(model, deadline)
        return cast("dict[str, str]", self._ask("aliases", deadline, model))

    def write(self, path: str, method: str, body: Mapping[str, object], deadline: float) -> None:
        left = deadline - time.monotonic()
        with before_sending():
            self._start()  # the start has its own deadline, and takes no time from the write
        deadline = time.monotonic() + left
        try:
            self._request("write", deadline, (path, method, dict(body)))
        except ChildEnded as error:
            raise TimedOut(error.message, maybe_applied=True) from None

    def files(self, location: Location, folder: str, deadline: float) -> list[str]:
        names = list_local(_local(folder), location.path)
        return [f"{location.path}/{name}".lstrip("/") for name in names]

    def file(self, location: Location, folder: str, deadline: float) -> bytes:
        return read_local(_local(folder), location.path)

    def writable(self) -> bool | None:
        return self._file.writable()

    def close(self) -> None:
        self._child.close()
        self._file.close()

    def _ask(self, do: str, deadline: float, *arguments: object) -> object:
        try:
            return self._request(do, deadline, arguments)
        except TimedOut as error:
            raise TimedOut(error.message, hint=error.hint, maybe_applied=False) from None

    def _request(self, do: str, deadline: float, arguments: tuple[object, ...]) -> object:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimedOut("the registry could not be read in time", maybe_applied=False)
        request = {"uri": self._uri, "do": do, "with": arguments, "left_s": left}
        return self._child.ask(request, left + GRACE_S)


def _version(one: dict[str, Any]) -> ModelVersion:
    told = {**one, "ref": ModelRef(**one["ref"]), "aliases": (), "datasets": (), "signature": None}
    return ModelVersion(**told)


def _local(folder: str) -> Path:
    found = local_path(folder)
    if found is None:
        scheme = folder.partition(":")[0]
        raise Unsupported(
            f"the artifacts are in {scheme}:, which is not on this machine",
            hint="where a server serves them, give its http(s) uri",
        )
    return found
