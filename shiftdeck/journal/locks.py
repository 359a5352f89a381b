"""Locks that mark changes in flight. A lock is held until the process that owns the change ends, however it ends.

They are ``flock`` locks on files in ``inflight/`` beside the journal. Every process that writes to one journal sees the
same locks, and neither a reused process id nor a crash can leave one held. A child made by ``fork`` without ``exec``
would inherit them: start children by ``exec`` or ``spawn``.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from shiftdeck.journal.storage import Busy, explained, make_folder, open_locked


def lock_path(journal: Path, seq: int) -> Path:
    """The file whose lock marks the change that entry ``seq`` is the intent of."""
    return journal.parent / "inflight" / f"{journal.name}-{seq}.lock"


def held(journal: Path) -> frozenset[int]:
    """The numbers of the intents whose locks any process holds. Costs one look into a folder, and one per lock."""
    with explained(journal, "read"):
        try:
            names = [one.name for one in (journal.parent / "inflight").iterdir()]
        except FileNotFoundError:
            return frozenset()
    found = (name.removeprefix(f"{journal.name}-").removesuffix(".lock") for name in names)
    numbers = {int(one) for one in found if one.isascii() and one.isdigit()}
    return frozenset(number for number in numbers if is_held(lock_path(journal, number)))


def hold(path: Path, wait_s: float) -> int | None:
    """Take the lock; returns the descriptor that holds it, or ``None`` where another process holds it for longer than
    ``wait_s``."""
    with explained(path, "locked"):
        make_folder(path.parent)
        try:
            return open_locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX, wait_s=wait_s)
        except Busy:
            return None


def is_held(path: Path) -> bool:
    """Whether any process holds the lock."""
    with explained(path, "read"):
        try:
            fd = open_locked(path, os.O_RDONLY, fcntl.LOCK_SH, wait_s=0.0)
        except Busy:
            return True
        except FileNotFoundError:
            return False
        os.close(fd)
        return False


def let_go(fd: int, path: Path, *, forget: bool) -> None:
    """Release the lock. ``forget`` removes its file as well, for a change that has an outcome."""
    if forget:
        with suppress(OSError):  # a file that stays does no harm: nobody holds its lock
            path.unlink()
    os.close(fd)
