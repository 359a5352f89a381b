"""The journal: intents, calls sent and outcomes, append-only and hash-chained, one JSON object a line.

Several processes may write to one journal. When ``append`` returns, the entry is on the disk, and its number and hash
are in ``JOURNAL.head``. A line that a power loss tore is moved to ``JOURNAL.torn-TIME`` and never dropped. A change in
flight is marked by a lock that ends with its process, so that the next process finds the changes that no process owns
any more. The locks and the head follow the file itself: a journal that is reached through links, of itself or of its
folder, is the same journal. To begin a new journal, move the old one away together with its ``.head``.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, cast

from shiftdeck.common.redaction import redact
from shiftdeck.journal.entry import REOPENED, Entry, EntryKind
from shiftdeck.journal.locks import held, hold, is_held, let_go, lock_path
from shiftdeck.journal.open_changes import OpenChange, entry_or_none, is_known, open_changes
from shiftdeck.journal.operator import current_operator
from shiftdeck.journal.storage import (
    Busy,
    JournalError,
    explained,
    head_bytes,
    lines_backward,
    lines_forward,
    make_folder,
    open_locked,
)
from shiftdeck.journal.writer import end_of_chain, write_entry

if TYPE_CHECKING:
    from shiftdeck.journal.verify import Verification

__all__ = [
    "Entry",
    "EntryKind",
    "InFlight",
    "Journal",
    "JournalError",
    "current_operator",
]

_NOTHING: Mapping[str, object] = {}
_CLAIM_WAIT_S = 0.25  # other processes take a lock for a moment to see whether it is held


class Journal:
    """The journal at ``path``. Making one does no I/O. Thread-safe. ``wait_s`` bounds the wait for other processes.
    ``clock`` returns Unix seconds and dates the entries.

    All methods raise ``JournalError`` where the file cannot be read or written; nothing is recorded then.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        operator: str | None = None,
        host: str | None = None,
        wait_s: float = 5.0,
    ) -> None:
        self.path = path
        self._clock = clock
        self._operator = current_operator() if operator is None else operator
        self._host = socket.gethostname() if host is None else host
        self._wait_s = wait_s

    @property
    def operator(self) -> str:
        """Who writes the entries of this process."""
        return self._operator

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def append(
        self, kind: EntryKind, *, context: str = "", ref: str = "", data: Mapping[str, object] = _NOTHING
    ) -> Entry:
        """Record an entry durably. Texts in ``data`` that look like secrets are masked.

        Raises:
            TypeError: ``data`` holds what JSON cannot.
        """
        draft = self._draft(kind, context, ref, data)
        with self._writing() as fd:
            return write_entry(fd, self.file, draft, end_of_chain(fd, self.file, self._torn_note))

    def note(self, *, context: str = "", ref: str = "", data: Mapping[str, object] = _NOTHING) -> Entry:
        """Record something that is not a change."""
        return self.append(EntryKind.NOTE, context=context, ref=ref, data=data)

    def begin(self, *, context: str, ref: str, data: Mapping[str, object]) -> InFlight:
        """Record that a change is about to be sent. It is in flight until it is finished or this process ends."""
        draft = self._draft(EntryKind.INTENT, context, ref, data)
        with self._writing() as fd:
            end = end_of_chain(fd, self.file, self._torn_note)
            # The lock comes before the entry: a process that sees the intent must see that the change is in flight.
            marker = lock_path(self.file, end.seq + 1)
            lock = hold(marker, wait_s=_CLAIM_WAIT_S)
            if lock is None:
                raise JournalError(f"the journal {self.path} was replaced while its entry {end.seq + 1} is in flight")
            try:
                entry = write_entry(fd, self.file, draft, end)
            except BaseException:
                let_go(lock, marker, forget=True)
                raise
        return InFlight(self, entry, marker, lock)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def tail(self, count: int) -> tuple[Entry, ...]:
        """The newest ``count`` entries, oldest first. Reads no more of the file than it needs."""
        return tuple(reversed(list(islice(self._backward(), max(0, count)))))

    def entries(self, limit: int | None = None, *, newest_first: bool = True) -> tuple[Entry, ...]:
        """The newest ``limit`` entries, or all. Lines that are no entries are left out; ``verify`` names them."""
        found = tuple(islice(self._backward(), limit))
        return found if newest_first else found[::-1]

    def unreadable(self, limit: int | None = None) -> int:
        """The number of lines, among the newest ``limit`` or all, that are no entries and are left out of lists."""
        return sum(entry_or_none(line) is None for line in islice(self._lines_backward(), limit))

    def since(self, seq: int, *, most_bytes: int | None = None) -> tuple[Entry, ...]:
        """The entries after that number, oldest first; with ``most_bytes``, only those in the last bytes of the file.
        Reads no more of the file than it needs."""
        return tuple(reversed(list(takewhile(lambda entry: entry.seq > seq, self._backward(most_bytes)))))

    def recent(self, at: float) -> tuple[Entry, ...]:
        """The entries from that wall time on, oldest first. Reads no more of the file than it needs."""
        return tuple(reversed(list(takewhile(lambda entry: entry.at >= at, self._backward()))))

    def verify(self, expected: str = "") -> Verification:
        """Verify the whole chain: names each line that was changed, removed, inserted, moved, torn or cut off.
        ``expected`` is a hash that was kept elsewhere: the result tells which entry has it."""
        from shiftdeck.journal.verify import check_lines

        with explained(self.path, "read"):
            size, head = self._extent()
            return check_lines(lines_forward(self.path, size) if size else (), head, expected)

    def newest(self) -> Entry | None:
        """The newest entry, whose hash depends on all entries before it; ``None``: there is none.

        Raises:
            JournalError: the end of the journal was changed or cut off.
        """
        from shiftdeck.journal.verify import newest_of

        with explained(self.path, "read"):
            _, head = self._extent()
        try:
            return newest_of(next(self._lines_backward(), None), head)
        except ValueError:
            raise JournalError(f"the end of the journal {self.path} was changed or cut off") from None

    def stamp(self) -> object:
        """A value that changes whenever the journal is written to. Costs one ``stat``."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    # ── changes without an outcome ──────────────────────────────────────────────────────────────────────────────

    def unfinished(self) -> tuple[Entry, ...]:
        """The intents without an outcome that are not in flight in any living process, oldest first."""
        return tuple(one.intent for one in self._free() if one.outcome is None)

    def undecided(self) -> tuple[OpenChange, ...]:
        """The changes that have no known outcome, oldest first: those without an outcome, also in flight, and those
        whose outcome is "unknown"."""
        return open_changes(self._lines_backward())

    def _free(self) -> tuple[OpenChange, ...]:
        """The changes without a known outcome that are not in flight in any living process."""
        free = {one.intent.seq for one in self.undecided() if not is_held(lock_path(self.file, one.intent.seq))}
        if not free:
            return ()
        # A change may have been finished and its lock released after its intent was read.
        return tuple(one for one in self.undecided() if one.intent.seq in free)

    def in_flight(self) -> tuple[Entry, ...]:
        """The intents without an outcome that are in flight in a living process, oldest first. Reads no more of the
        file than it needs."""
        numbers = held(self.file)
        if not numbers:
            return ()
        # Read after the locks were seen: a change that was finished meanwhile has its outcome by now.
        found = _without_outcome(self.since(min(numbers) - 1))
        return tuple(entry for number, entry in found.items() if number in numbers)

    def claim(self, intent: int) -> InFlight | None:
        """Take over an unfinished change; its outcome will say that it was recovered.

        ``None`` where the change is in flight elsewhere, or has an outcome by now.

        Raises:
            ValueError: there is no intent of that number.
        """
        marker = lock_path(self.file, intent)
        lock = hold(marker, wait_s=_CLAIM_WAIT_S)
        if lock is None:
            return None
        entry, outcome = None, None
        try:
            entry, outcome = self._find_intent(intent)
        finally:
            if entry is None or outcome is not None:
                let_go(lock, marker, forget=True)
        if entry is None:
            raise ValueError(f"entry {intent} of the journal is not an intent")
        return None if outcome is not None else InFlight(self, entry, marker, lock, recovered=True)

    def resolve(self, intent: int, data: Mapping[str, object]) -> Entry | None:
        """Write the outcome of an unfinished change; ``None`` where the change is in flight or has an outcome."""
        flight = self.claim(intent)
        if flight is None:
            return None
        try:
            return flight.finish(data)
        finally:
            flight.leave()

    def decide(self, intent: int, data: Mapping[str, object]) -> Entry:
        """Record an outcome that a person has found out, of a change that has none or an unknown one.

        Raises:
            LookupError: there is no intent of that number.
            ValueError: the change is in flight, or its outcome is known.
        """
        self.undecided_change(intent)
        marker = lock_path(self.file, intent)
        lock = hold(marker, wait_s=_CLAIM_WAIT_S)
        if lock is None:
            raise ValueError(f"change {intent} is in flight in a process of this host")
        try:
            intended = self.undecided_change(intent).intent
            data = {**data, "intent": intent}
            return self.append(EntryKind.OUTCOME, context=intended.context, ref=intended.ref, data=data)
        finally:
            let_go(lock, marker, forget=True)

    def undecided_change(self, intent: int) -> OpenChange:
        """That change. Raises as ``decide`` does, except for a change in flight."""
        entry, outcome = self._find_intent(intent)
        if entry is None:
            raise LookupError(f"entry {intent} of the journal is not the intent of a change")
        if outcome is not None and is_known(outcome):
            raise ValueError(f"the outcome of change {intent} is known: {outcome.data.get('outcome')}")
        return OpenChange(entry, outcome)

    def reopen(self, intent: Entry, data: Mapping[str, object]) -> Entry | None:
        """Supersede the outcome of a change by a further one; ``None`` where that was done before."""
        kept = {**data, "intent": intent.seq, REOPENED: True}
        draft = self._draft(EntryKind.OUTCOME, intent.context, intent.ref, kept)
        with self._writing() as fd:
            newest = self._find_intent(intent.seq)[1]
            if newest is None or newest.data.get(REOPENED) is True:
                return None
            return write_entry(fd, self.file, draft, end_of_chain(fd, self.file, self._torn_note))

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def file(self) -> Path:
        """The file itself, where ``path`` is a link or lies in a folder that is one."""
        return Path(os.path.realpath(self.path))

    def _draft(self, kind: EntryKind, context: str, ref: str, data: Mapping[str, object]) -> Entry:
        context, ref, operator, host = (str(redact(text)) for text in (context, ref, self._operator, self._host))
        at = round(float(self._clock()), 6)
        return Entry(0, at, kind, context, ref, operator, host, cast("Mapping[str, object]", redact(data)))

    def _torn_note(self, words: str, count: int) -> Entry:
        return self._draft(EntryKind.NOTE, "", "", {"message": words, "bytes": count})

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """The journal, open for appending and locked."""
        with explained(self.path, "written"):
            make_folder(self.file.parent)
            fd = self._open(os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX)
            try:
                yield fd
            finally:
                os.close(fd)

    def _open(self, flags: int, lock: int) -> int:
        try:
            return open_locked(self.file, flags, lock, wait_s=self._wait_s)
        except Busy:
            held = f"the journal {self.path} has been locked by another process for {self._wait_s:g} s"
            raise JournalError(f"{held}: look for one that is stopped") from None

    def _extent(self) -> tuple[int, bytes | None]:
        """The size of the journal in bytes and the content of its head file, at one moment."""
        try:
            fd = self._open(os.O_RDONLY, fcntl.LOCK_SH)
        except FileNotFoundError:
            return 0, head_bytes(self.file)
        try:
            return os.fstat(fd).st_size, head_bytes(self.file)
        finally:
            os.close(fd)

    def _lines_backward(self) -> Iterator[bytes]:
        with explained(self.path, "read"):
            try:
                fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            try:
                yield from islice(lines_backward(fd, os.fstat(fd).st_size), 1, None)
            finally:
                os.close(fd)

    def _backward(self, most_bytes: int | None = None) -> Iterator[Entry]:
        left = most_bytes
        for line in self._lines_backward():
            if (entry := entry_or_none(line)) is not None:
                yield entry
            if left is not None and (left := left - len(line)) <= 0:
                return

    def _find_intent(self, intent: int) -> tuple[Entry | None, Entry | None]:
        """The intent of that number, and the newest of its outcomes."""
        outcome = None
        for entry in self._backward():
            if entry.seq == intent:
                return (entry, outcome) if entry.kind is EntryKind.INTENT else (None, None)
            if outcome is None and entry.kind is EntryKind.OUTCOME and entry.intent == intent:
                outcome = entry
        return None, None


def _without_outcome(entries: Iterable[Entry]) -> dict[int, Entry]:
    """The intents among these, from the oldest entry to the newest, that none of them is the outcome of."""
    intents: dict[int, Entry] = {}
    for entry in entries:
        if entry.kind is EntryKind.INTENT:
            intents[entry.seq] = entry
        elif entry.kind is EntryKind.OUTCOME and entry.intent is not None:
            intents.pop(entry.intent, None)
    return intents


class InFlight:
    """A change that this process owns. Made by ``Journal.begin`` and ``Journal.claim``. Thread-safe.

    ``finish`` ends it. After ``leave``, or after the end of the process, it is one of ``Journal.unfinished``.
    """

    def __init__(self, journal: Journal, entry: Entry, marker: Path, lock: int, *, recovered: bool = False) -> None:
        self.entry = entry
        self._journal = journal
        self._marker = marker
        self._lock: int | None = lock
        self._recovered = recovered
        self._mutex = threading.Lock()

    @property
    def seq(self) -> int:
        """The number of the intent."""
        return self.entry.seq

    def sent(self, data: Mapping[str, object]) -> Entry:
        """Record that the system accepted a call."""
        return self._append(EntryKind.SENT, data)

    def finish(self, data: Mapping[str, object]) -> Entry:
        """Record the outcome. After a ``JournalError`` it can be tried again.

        Raises:
            ValueError: the change is finished, or was left.
        """
        with self._mutex:
            if self._lock is None:
                raise ValueError(f"the change of entry {self.seq} is not in flight any more")
            entry = self._append(EntryKind.OUTCOME, {**data, "recovered": True} if self._recovered else data)
            self._release(forget=True)
            return entry

    def leave(self) -> None:
        """Give the change up without an outcome: the next start finds out how it ended."""
        with self._mutex:
            self._release(forget=False)

    def _append(self, kind: EntryKind, data: Mapping[str, object]) -> Entry:
        return self._journal.append(
            kind, context=self.entry.context, ref=self.entry.ref, data={**data, "intent": self.seq}
        )

    def _release(self, *, forget: bool) -> None:
        if self._lock is not None:
            let_go(self._lock, self._marker, forget=forget)
            self._lock = None
