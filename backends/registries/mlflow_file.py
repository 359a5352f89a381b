"""An SQLite file that should hold an MLflow registry, read without MLflow."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from backends.errors import BackendError, Forbidden, Malformed, Rejected, TimedOut, Unreachable

UPGRADE = "compare the versions of mlflow here and there; `mlflow db upgrade` migrates a database, after a backup"
STEPS = 100_000  # instructions of SQLite's virtual machine between two checks of the clock: some milliseconds
REFUSALS = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST")


class SqliteFile:
    """The file of a ``sqlite:///relative`` or ``sqlite:////absolute`` URI. It is never created. Thread-safe."""

    def __init__(self, uri: str) -> None:
        self._path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
        self._lock = threading.Lock()
        self._watch: tuple[tuple[int, int], sqlite3.Connection] | None = None

    def state(self, deadline: float) -> list[object]:
        """A value that differs after every write by another connection.

        It holds the identity of the file, the version of its tables, and SQLite's counter of commits by other
        connections (https://www.sqlite.org/pragma.html#pragma_data_version). To read it takes SQLite's lock for
        reading.

        Raises:
            Unreachable, Forbidden.
            TimedOut: the file is locked.
            Malformed: the file is not an MLflow database.
        """
        with self._lock, self.failures():
            watch = self._open(deadline)
            schema = watch.execute("SELECT version_num FROM alembic_version").fetchall()
            return [self._identity(), schema, watch.execute("PRAGMA data_version").fetchall()]

    def schema(self, deadline: float) -> list[str]:
        """The versions of the tables; a sound database has exactly one.

        Raises:
            As ``state`` does.
        """
        return [str(one) for (one,) in self.rows("SELECT version_num FROM alembic_version", (), deadline)]

    def rows(self, question: str, values: tuple[object, ...], deadline: float) -> list[tuple[Any, ...]]:
        """The rows of a SELECT. At the deadline the query ends, and so does a wait for a lock.

        Raises:
            As ``state`` does.
        """
        with self._lock, self.failures():
            watch = self._open(deadline)
            watch.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
            try:
                return watch.execute(question, values).fetchall()
            finally:
                watch.set_progress_handler(None, 0)

    def address(self, mode: str) -> str:
        """The file as a URI of SQLite. ``mode`` is "ro" or "rw"; neither creates a file."""
        return f"file:{quote(str(self._path))}?mode={mode}"

    def writable(self) -> bool:
        return os.access(self._path, os.W_OK) and os.access(self._path.parent, os.W_OK)

    def close(self) -> None:
        with self._lock:
            self._close_watch()

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turns what sqlite3, SQLAlchemy and MLflow raise about this file into errors of ``backends.errors``."""
        try:
            yield
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001  MLflow raises SQLAlchemy's, sqlite3's and its own
            raise self._translated(error) from None

    def _open(self, deadline: float) -> sqlite3.Connection:
        """The connection to the file. If another file has taken its place, that file is opened."""
        identity = self._identity()
        if self._watch is None or self._watch[0] != identity:
            self._close_watch()
            opened = sqlite3.connect(self.address("ro"), uri=True, check_same_thread=False, isolation_level=None)
            self._watch = (identity, opened)
        watch = self._watch[1]
        watch.execute(f"PRAGMA busy_timeout = {left_ms(deadline)}")
        return watch

    def _identity(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            hint = "check the uri; nothing was created"
            raise Unreachable(f"no file {self._path}", hint=hint, maybe_applied=False) from None
        except OSError as error:
            words = f"the file {self._path} cannot be read: {error.strerror}"
            raise Unreachable(words, maybe_applied=False) from None
        return found.st_dev, found.st_ino

    def _close_watch(self) -> None:
        if self._watch is not None:
            self._watch[1].close()
            self._watch = None

    def _translated(self, error: Exception) -> BackendError:
        """The error of ``backends.errors`` for it, by the text of SQLite, which SQLAlchemy and MLflow pass on. MLflow
        makes each write in one transaction, and a failed one is rolled back."""
        said = str(getattr(error.__cause__, "orig", None) or getattr(error, "orig", None) or error)
        name = self._path.name
        if "locked" in said:
            hint = "find out which: fuser or lsof name it"
            return TimedOut(f"another program has {name} locked", hint=hint, maybe_applied=False)
        if said == "interrupted":
            return TimedOut(f"{name} could not be read in time")
        if "readonly database" in said:
            if os.access(self._path, os.W_OK):
                return Malformed(f"{name} lacks tables that this mlflow wants", hint=UPGRADE, maybe_applied=False)
            return Forbidden(f"{name} may not be written by this user")
        if "unable to open" in said:
            hint = "check the rights to the file and its folder"
            return Unreachable(f"{name} cannot be opened", hint=hint, maybe_applied=False)
        if "no such table: alembic_version" in said or "not a database" in said or "malformed" in said:
            return Malformed(f"{name} is not an MLflow database", hint="check the uri")
        if any(words in said for words in ("no such table", "no such column", "database schema", "migration")):
            return Malformed(f"{name} has another version of MLflow's tables than this mlflow", hint=UPGRADE)
        if getattr(error, "error_code", "") in REFUSALS:
            return Rejected(said.splitlines()[0][:300])
        return Malformed(f"{name} could not be read: {type(error).__name__}")


def left_ms(deadline: float) -> int:
    """Milliseconds until ``deadline`` on ``time.monotonic``'s clock, for SQLite's busy timeout: at least 1."""
    return max(1, round((deadline - time.monotonic()) * 1000))
