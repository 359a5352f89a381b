"""Locks the registry's database, so that nobody can read it: the drill ``registry-down``."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path


class RegistryLock:
    """An exclusive lock on an SQLite file: readers get "database is locked" after their timeout."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: sqlite3.Connection | None = None
        self._mutex = threading.Lock()

    def take(self, patience_s: float = 5.0) -> None:
        """Take the lock; waits up to ``patience_s`` for running readers. A second call changes nothing.

        Raises:
            OSError: the lock could not be taken in that time.
        """
        with self._mutex:
            if self._held is not None:
                return
            connection = sqlite3.connect(self._path, timeout=patience_s, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                connection.close()
                raise OSError(f"the registry's database cannot be locked: {error}") from None
            self._held = connection

    def release(self) -> None:
        with self._mutex:
            if self._held is not None:
                self._held.rollback()
                self._held.close()
                self._held = None
