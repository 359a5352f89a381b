"""Writes to a journal that is open and locked: finds the end of its chain, repairs a torn end, appends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from shiftdeck.journal.entry import GENESIS, Entry, read_line, seal
from shiftdeck.journal.storage import (
    Head,
    JournalError,
    head_bytes,
    lines_backward,
    parse_head,
    sync_folder,
    write_all,
    write_head,
)

Draft = Callable[[str, int], Entry]
"""Makes the note that records a torn end, from its message and the number of bytes."""


def write_entry(fd: int, path: Path, draft: Entry, end: Head) -> Entry:
    """Append after ``end``. Either both the line and the head are on the disk afterwards, or neither."""
    entry, line = seal(replace(draft, seq=end.seq + 1, prev=end.hash))
    size = os.fstat(fd).st_size
    try:
        write_all(fd, line)
        os.fsync(fd)
        if size == 0:
            sync_folder(path.parent)
        write_head(path, Head(entry.seq, entry.hash))
    except BaseException:
        with suppress(OSError):
            os.ftruncate(fd, size)
            os.fsync(fd)
        raise
    return entry


def end_of_chain(fd: int, path: Path, draft: Draft) -> Head:
    """Number and hash of the entry that the next one follows. Repairs a torn end.

    A head that is ahead of the last line means that the journal's end was cut off. The next entry then follows the
    head, so that the gap stays visible.
    """
    lines = lines_backward(fd, os.fstat(fd).st_size)
    torn = next(lines)
    end = _last_sound(lines, path)
    return _repair(fd, path, torn, end, draft) if torn else end


def _last_sound(lines: Iterator[bytes], path: Path) -> Head:
    end = Head(0, GENESIS)
    unsound = 0
    for line in lines:
        found = _sound(line)
        if found is not None:
            end = Head(found.seq + unsound, found.hash)
            break
        unsound += 1
    else:
        end = Head(unsound, GENESIS)
    head = None
    with suppress(ValueError):
        written = head_bytes(path)
        head = parse_head(written) if written is not None else None
    return head if head is not None and (head.seq > end.seq or (unsound and head.seq == end.seq)) else end


def _sound(line: bytes) -> Entry | None:
    try:
        read = read_line(line)
    except ValueError:
        return None
    return read.entry if read.sound else None


def _repair(fd: int, path: Path, torn: bytes, end: Head, draft: Draft) -> Head:
    whole = _sound(torn)
    if whole is not None and (whole.hash == end.hash or (whole.seq, whole.prev) == (end.seq + 1, end.hash)):
        # Only the newline did not reach the disk.
        write_all(fd, b"\n")
        os.fsync(fd)
        return Head(whole.seq, whole.hash)
    aside = _set_aside(path, torn, draft("", 0).at)
    os.ftruncate(fd, os.fstat(fd).st_size - len(torn))
    os.fsync(fd)
    words = f"the last line was torn, as by a power loss: moved to {aside.name}"
    note = write_entry(fd, path, draft(words, len(torn)), end)
    return Head(note.seq, note.hash)


def _set_aside(path: Path, torn: bytes, at: float) -> Path:
    when = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    for count in range(1000):
        aside = path.with_name(f"{path.name}.torn-{when}{f'-{count}' if count else ''}")
        with suppress(FileExistsError):
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                write_all(fd, torn)
                os.fsync(fd)
            finally:
                os.close(fd)
            sync_folder(aside.parent)
            return aside
    raise JournalError(f"the journal {path} has too many torn parts beside it: look at them first")
