"""The lab's folder: only its owner can read it. It is removed at the end; after a kill, by the next lab."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "shiftdeck-lab-"
LOCK = "lock"  # held by the lab that runs in the folder
DATABASE = "mlflow.db"


@contextmanager
def folder(given: Path | None) -> Iterator[Path]:
    """The folder for this run: ``given``, which is kept, or a temporary one, which is removed.

    Raises:
        OSError: the folder cannot be created, or another lab runs in it.
    """
    if given is None:
        sweep()
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
    else:
        path = given.absolute()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock(path)
    if lock is None:
        raise OSError(f"another lab lives in {path}")
    try:
        if given is not None:
            for stale in path.glob(f"{DATABASE}*"):
                stale.unlink()
        yield path
    finally:
        if given is None:
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def sweep() -> None:
    """Remove the temporary folders of this user's labs that do not run any more."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if path.is_symlink() or path.stat().st_uid != os.getuid() or not (path / LOCK).exists():
                continue
            lock = _lock(path)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _lock(path: Path) -> int | None:
    """The descriptor of the folder's lock; ``None`` if another process holds it."""
    descriptor = os.open(path / LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
