"""An MLflow registry in an SQLite file: watched from here, and read from here where its tables are of a known version.

Whatever else is read, and all that is written, goes through a child process that has MLflow. It is started when it is
first needed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from backends.child import Child, ChildEnded
from backends.contracts import ModelRef, ModelVersion
from backends.errors import TimedOut, Unreachable
from backends.registries.mlflow_file import SqliteFile
from backends.registries.mlflow_store import Model, Run
from backends.registries.mlflow_tables import KnownTables

START_S = 60.0  # for the child to import MLflow: some seconds, more on a busy machine
GRACE_S = 2.0  # the child keeps deadlines itself; so long after one it is ended


class SqliteStore:
    """Thread-safe."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._file = SqliteFile(uri)
        self._child = Child("backends.registries.mlflow_process", "MLflow")
        self._tables = KnownTables(self._file)
        self._known = False
        self._ready = False

    def prepare(self, deadline: float) -> None:
        self._known = self._tables.are_known(deadline)
        if not self._known:
            self._start()

    def _start(self) -> None:
        if not self._ready:
            self._ask("prepare", time.monotonic() + START_S)
            self._ready = True

    def state(self, deadline: float) -> object:
        return self._file.state(deadline)

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]:
        if self._known:
            return self._tables.models(size, token, deadline)
        page, token = cast("tuple[list[Any], str]", self._ask("models", deadline, size, token))
        return [Model(**one) for one in page], token

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        if self._known:
            return self._tables.versions(model, size, token, deadline)
        page, token = cast("tuple[list[Any], str]", self._ask("versions", deadline, model, size, token))
        return [ModelVersion(**{**one, "ref": ModelRef(**one["ref"]), "aliases": ()}) for one in page], token

    def run(self, run: str, deadline: float) -> Run:
        if self._known:
            return self._tables.run(run, deadline)
        return Run(**cast("dict[str, Any]", self._ask("run", deadline, run)))

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]:
        if self._known:
            return self._tables.aliases(model, deadline)
        return cast("dict[str, str]", self._ask("aliases", deadline, model))

    def set_alias(self, model: str, alias: str, version: str, deadline: float) -> None:
        self._write("set_alias", deadline, model, alias, version)

    def delete_alias(self, model: str, alias: str, deadline: float) -> None:
        self._write("delete_alias", deadline, model, alias)

    def writable(self) -> bool | None:
        return self._file.writable()

    def close(self) -> None:
        self._child.close()
        self._file.close()

    def _ask(self, do: str, deadline: float, *arguments: object) -> object:
        try:
            return self._request(do, deadline, arguments)
        except TimedOut as error:
            raise TimedOut(error.message, hint=error.hint) from None

    def _write(self, do: str, deadline: float, *arguments: object) -> None:
        left = deadline - time.monotonic()
        self._start()  # which takes its own time, and not that of the write
        deadline = time.monotonic() + left
        try:
            self._request(do, deadline, arguments)
        except ChildEnded as error:
            raise TimedOut(error.message, maybe_applied=True) from None

    def _request(self, do: str, deadline: float, arguments: tuple[object, ...]) -> object:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimedOut("the registry could not be read in time")
        request = {"uri": self._uri, "do": do, "with": arguments, "left_s": left}
        try:
            return self._child.ask(request, left + GRACE_S)
        except (Unreachable, TimedOut):
            self._ready = False  # if it was ended, the next has to import MLflow anew
            raise
