"""The journal's files: locks with a deadline, reading from the end, and writes that survive a power loss."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 64 * 1024
_RETRY_S = 0.005
_BUSY = (errno.EAGAIN, errno.EACCES)

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "your disk quota is used up: free some space",
    errno.EROFS: "the file system is read-only: name another place as `journal` in the configuration",
    errno.EACCES: "you may not: check who owns it, or name another place as `journal` in the configuration",
    errno.EPERM: "you may not: check who owns it, or name another place as `journal` in the configuration",
    errno.ENOLCK: "its file system has no locks: put the journal on a local disk",
    errno.EOPNOTSUPP: "its file system has no locks: put the journal on a local disk",
    errno.EIO: "the disk reports an error: name another place as `journal` in the configuration",
}


class JournalError(Exception):
    """The journal cannot be read or written. ``str`` says what to do about it. Nothing was recorded."""


class Busy(Exception):
    """Another process holds the lock."""


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turns an ``OSError`` into a ``JournalError`` that says what to do about it."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, error.strerror or type(error).__name__)
        raise JournalError(f"the journal {path} cannot be {doing}: {advice}") from error


def make_folder(folder: Path) -> None:
    """Make the folder and its missing parents durably, with access for the user only."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        with suppress(FileExistsError):  # another process made it first
            each.mkdir(mode=0o700)
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in the folder durable, where the file system can."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some network file systems refuse; they keep names durable themselves
            os.fsync(fd)
    finally:
        os.close(fd)


def open_locked(path: Path, flags: int, lock: int, wait_s: float) -> int:
    """Open the file and take its lock (``fcntl.LOCK_SH`` or ``LOCK_EX``); returns the descriptor, which the caller
    closes.

    Once the lock is held, the descriptor is that of the file of that name: a file replaced meanwhile is opened anew.
    The lock belongs to the descriptor and ends with the process, however that ends.

    Raises:
        Busy: the lock was not free within ``wait_s`` seconds.
        OSError: the file cannot be opened.
    """
    deadline = time.monotonic() + wait_s
    while True:
        fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            _lock(fd, lock, deadline)
            if _is_at(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _lock(fd: int, lock: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(fd, lock | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _BUSY:
                raise
            if time.monotonic() >= deadline:
                raise Busy from None
            time.sleep(_RETRY_S)
        else:
            return


def _is_at(fd: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def lines_backward(fd: int, end: int) -> Iterator[bytes]:
    """The lines before offset ``end``, from the last to the first, without newlines. Reads block by block.

    The first item is what follows the last newline: empty, unless the last line is torn.
    """
    rest = b""
    while end > 0:
        start = max(0, end - _BLOCK)
        rest = _read_at(fd, start, end - start) + rest
        end = start
        rest, *lines = rest.split(b"\n")
        yield from reversed(lines)
    yield rest


def lines_forward(path: Path, size: int) -> Iterator[bytes]:
    """The lines in the first ``size`` bytes, each with its newline if it has one."""
    with path.open("rb") as file:
        for line in file:
            size -= len(line)
            yield line if size >= 0 else line[:size]
            if size <= 0:
                return


def _read_at(fd: int, start: int, count: int) -> bytes:
    parts = []
    while count > 0:
        part = os.pread(fd, count, start)
        if not part:
            break
        parts.append(part)
        start, count = start + len(part), count - len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


@dataclass(frozen=True, slots=True)
class Head:
    """Number and hash of the newest entry, kept in a file beside the journal. Without it, a cut-off end would leave no
    trace."""

    seq: int
    hash: str


def head_path(journal: Path) -> Path:
    return journal.with_name(journal.name + ".head")


def head_bytes(journal: Path) -> bytes | None:
    """The bytes of the head file; ``None`` where there is no such file."""
    try:
        return head_path(journal).read_bytes()
    except FileNotFoundError:
        return None


def parse_head(written: bytes) -> Head:
    """Raises:
    ValueError: this is no head.
    """
    try:
        fields = json.loads(written)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    seq, digest = (fields.get("seq"), fields.get("hash")) if isinstance(fields, dict) else (None, None)
    if not isinstance(seq, int) or not isinstance(digest, str):
        raise ValueError("not a head")  # noqa: TRY004 (foreign bytes: one error for all that may be wrong with them)
    return Head(seq, digest)


def write_head(journal: Path, head: Head) -> None:
    """Replace the head in one step, durably. The caller holds the journal's lock."""
    path = head_path(journal)
    beside = path.with_name(path.name + ".tmp")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        try:
            write_all(fd, json.dumps({"hash": head.hash, "seq": head.seq}).encode() + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)
