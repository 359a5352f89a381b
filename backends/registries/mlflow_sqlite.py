"""An MLflow registry in an SQLite file, through ``MlflowClient`` in this process.

MLflow would create a file that is not there, migrate one whose tables are missing, and wait 20 s for a lock. Here the
file is opened read-only to read and without leave to create it to write, and the wait for a lock ends with our
deadline. MLflow reads settings from environment variables when it is imported and when it opens a store; those that are
not set yet are set for the whole process: no telemetry, no messages, no pool of connections (a pool would go on reading
a file that was replaced).
"""

from __future__ import annotations

import importlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from backends.contracts import ModelVersion
from backends.errors import BackendError, Forbidden, Malformed, Rejected, TimedOut, Unreachable
from backends.registries.mlflow_store import UNFINISHED, Model, Run, named, version_of

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",
    "GIT_PYTHON_REFRESH": "quiet",
}
MARK = "shiftdeck"  # a parameter in the URL of our databases, which SQLite ignores
UPGRADE = "compare the versions of mlflow here and there; `mlflow db upgrade` migrates a database, after a backup"

_sdk_lock = threading.Lock()
_sdk_ready = False
_waiting = threading.local()  # .until: when the current thread stops to wait for a lock


class SqliteStore:
    """A registry in a file. Thread-safe. ``uri`` is ``sqlite:///relative`` or ``sqlite:////absolute``."""

    def __init__(self, uri: str) -> None:
        self._path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
        self._lock = threading.Lock()
        self._watch: tuple[tuple[int, int], sqlite3.Connection] | None = None
        self._clients: dict[str, Any] = {}

    def prepare(self, deadline: float) -> None:
        """Import MLflow and let it look at the tables: seconds, which tell nothing of the registry."""
        self.state(deadline)
        _prepare()
        with self._client("ro", time.monotonic() + max(1.0, deadline - time.monotonic())) as client:
            client.search_registered_models(max_results=1)

    def state(self, deadline: float) -> object:
        """The file's identity and SQLite's own counter of what others committed
        (https://www.sqlite.org/pragma.html#pragma_data_version). To read it takes the lock that reading takes."""
        with self._lock, self._failures():
            identity = self._identity()
            if self._watch is None or self._watch[0] != identity:
                self._unwatch()
                opened = sqlite3.connect(self._address("ro"), uri=True, check_same_thread=False, isolation_level=None)
                self._watch = (identity, opened)
            watch = self._watch[1]
            watch.execute(f"PRAGMA busy_timeout = {_left_ms(deadline)}")
            schema = watch.execute("SELECT version_num FROM alembic_version").fetchall()
            return identity, schema, watch.execute("PRAGMA data_version").fetchall()

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]:
        with self._client("ro", deadline) as client:
            page = client.search_registered_models(max_results=size, page_token=token or None)
        models = [Model(one.name, _texts(one.aliases), one.last_updated_timestamp or 0) for one in page]
        return models, _token(page)

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        with self._client("ro", deadline) as client:
            page = client.search_model_versions(
                named(model), max_results=size, order_by=["version_number DESC"], page_token=token or None
            )
        return [_version(one) for one in page], _token(page)

    def run(self, run: str, deadline: float) -> Run:
        with self._client("ro", deadline) as client:
            found = client.get_run(run)
        data = found.data
        return Run(dict(data.metrics), _texts(data.params), _texts(data.tags), found.info.status not in UNFINISHED)

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]:
        with self._client("ro", deadline) as client:
            return _texts(client.get_registered_model(model).aliases)

    def set_alias(self, model: str, alias: str, version: str, deadline: float) -> None:
        with self._client("rw", deadline) as client:
            client.set_registered_model_alias(model, alias, version)

    def delete_alias(self, model: str, alias: str, deadline: float) -> None:
        with self._client("rw", deadline) as client:
            client.delete_registered_model_alias(model, alias)

    def writable(self) -> bool | None:
        return os.access(self._path, os.W_OK) and os.access(self._path.parent, os.W_OK)

    def close(self) -> None:
        with self._lock:
            self._unwatch()
            self._clients.clear()

    @contextmanager
    def _client(self, mode: str, deadline: float) -> Iterator[Any]:
        """MLflow's client. What is wrong with the file is found first, by looking at it without MLflow."""
        self.state(deadline)
        from mlflow.tracking import MlflowClient

        _waiting.until = deadline
        with self._failures():
            with self._lock:
                if mode not in self._clients:
                    # With the driver named, MLflow does not take the address for a path and make folders for it.
                    uri = f"sqlite+pysqlite:///{self._address(mode)}&uri=true&{MARK}=1"
                    self._clients[mode] = MlflowClient(tracking_uri=uri, registry_uri=uri)
                client = self._clients[mode]
            yield client

    def _address(self, mode: str) -> str:
        return f"file:{quote(str(self._path))}?mode={mode}"

    def _identity(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            raise Unreachable(f"no file {self._path}", hint="check the uri; nothing was created") from None
        except OSError as error:
            raise Unreachable(f"the file {self._path} cannot be looked at: {error.strerror}") from None
        return found.st_dev, found.st_ino

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch[1].close()
            self._watch = None

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001  MLflow lets out SQLAlchemy's, sqlite3's and its own, as they come
            raise self._meaning(error) from None

    def _meaning(self, error: Exception) -> BackendError:
        """What it comes to, told by SQLite's own words, which stand somewhere in what MLflow and SQLAlchemy say."""
        said = str(getattr(error.__cause__, "orig", None) or getattr(error, "orig", None) or error)
        code = str(getattr(error, "error_code", ""))
        name = self._path.name
        if "locked" in said:
            return TimedOut(f"another program has {name} locked", hint="find out which: fuser or lsof name it")
        if "readonly database" in said:
            if os.access(self._path, os.W_OK):
                return Malformed(f"{name} lacks tables that this mlflow wants", hint=UPGRADE)
            return Forbidden(f"{name} may not be written by this user")
        if "unable to open" in said:
            return Unreachable(f"{name} cannot be opened", hint="check the rights to the file and its folder")
        if "no such table: alembic_version" in said or "not a database" in said or "malformed" in said:
            return Malformed(f"{name} is not an MLflow database", hint="check the uri")
        if any(words in said for words in ("no such table", "no such column", "database schema", "migration")):
            return Malformed(f"{name} has another version of MLflow's tables than this mlflow", hint=UPGRADE)
        if code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST"):
            return Rejected(said.splitlines()[0][:300])
        return Malformed(f"{name} could not be read: {type(error).__name__}")


def _prepare() -> None:
    """Import MLflow (a second or more), silence it, and put our deadline in place of its 20 s."""
    global _sdk_ready
    with _sdk_lock:
        if _sdk_ready:
            return
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        importlib.import_module("mlflow.tracking")
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        for name in ("mlflow", "alembic"):
            logger = logging.getLogger(name)
            logger.handlers = [logging.NullHandler()]
            logger.propagate = False
        event.listen(Engine, "before_cursor_execute", _limit_wait, retval=True)
        _sdk_ready = True


def _limit_wait(
    connection: Any, _cursor: object, statement: str, parameters: object, _context: object, _many: bool
) -> tuple[str, object]:
    """MLflow begins each session with ``PRAGMA busy_timeout = 20000``; on our databases it is what is left instead."""
    if statement.startswith("PRAGMA busy_timeout") and MARK in connection.engine.url.query:
        statement = f"PRAGMA busy_timeout = {_left_ms(getattr(_waiting, 'until', 0.0))};"
    return statement, parameters


def _left_ms(deadline: float) -> int:
    return max(1, round((deadline - time.monotonic()) * 1000))


def _token(page: Any) -> str:
    """Where the next page begins: bytes in this process, text from a server."""
    token = page.token or ""
    return token.decode() if isinstance(token, bytes) else str(token)


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


def _texts(mapping: Mapping[str, object] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (mapping or {}).items()}
