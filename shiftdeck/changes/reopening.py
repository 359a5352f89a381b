"""Reopens outcomes that rest on a look at the system, if the system later shows exactly what was asked for.

"Not applied" and "unknown" may rest on what the system showed and not on its answer. Such a change is watched for a
day, in what the sources say anyway. Its outcome is superseded by a further one in the journal, at most once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shiftdeck.changes.recovery import Finding, Kinds
from shiftdeck.common.clock import time_of_day
from shiftdeck.journal.entry import BY_LOOK, Entry, EntryKind
from shiftdeck.journal.journal import Journal, JournalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shiftdeck.changes.kind import ChangeKind, Shown
    from shiftdeck.fleet.view import FleetView

WATCHED_S = 86_400.0
"""How long an outcome is watched, in seconds of wall time."""


class Reopening:
    """Watches the changes of one context. ``reopened`` is called with each finding, and ``changed`` after the
    first look, on a thread of its own."""

    def __init__(
        self,
        journal: Journal,
        context: str,
        kinds: Kinds,
        reopened: Callable[[Finding], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal = journal
        self._context = context
        self._kinds = kinds
        self._reopened = reopened
        self._changed = changed
        self._entries: tuple[Entry, ...] = ()
        self._watched: list[tuple[Entry, Entry]] = []
        self._stamp: object = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.has_looked = False
        """Whether all watched changes were compared with a view of all sources once."""

    def tend(self, view: FleetView) -> None:
        """Compare a view with the watched changes, if there are any. Returns at once."""
        if self._thread is not None and self._thread.is_alive():
            return
        if self._journal.stamp() == self._stamp and not self._watched:
            self.has_looked = True
            return
        self._thread = threading.Thread(target=self._attempt, args=(view,), name="reopening", daemon=True)
        self._thread.start()

    def look(self, view: FleetView) -> None:
        """Compare a view with the watched changes now, on the caller's thread.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        with self._lock:
            stamp = self._journal.stamp()
            if stamp != self._stamp:
                self._entries = self._journal.recent(view.at - WATCHED_S)
                self._stamp = stamp
                self._watched = watched(self._entries, self._context)
            for intent, outcome in self._watched:
                self._compare(intent, outcome, view)

    def _attempt(self, view: FleetView) -> None:
        try:
            self.look(view)
        except JournalError:
            self._stamp = None  # read it again with the next view
        if not self.has_looked and (view.loaded or not self._watched):
            self.has_looked = True
            self._changed()

    def _compare(self, intent: Entry, outcome: Entry, view: FleetView) -> None:
        try:
            kind = _kind_of(self._kinds(), intent)
            shown = None if kind is None or _explained(intent, kind, self._entries) else kind.shown(intent, view)
        except Exception:  # noqa: BLE001 - a defect in one adapter must not hide the other changes; the next view tries again
            return
        if shown is None or shown.at <= outcome.at:
            return
        words, settled = _words(intent, shown)
        data = {"outcome": "settled" if settled else str(outcome.data.get("outcome")), "message": words}
        entry = self._journal.reopen(intent, data)
        if entry is not None:
            self._entries = (*self._entries, entry)
            self._reopened(_finding(intent, words, settled=settled))


def watched(entries: Iterable[Entry], context: str) -> list[tuple[Entry, Entry]]:
    """The intents whose outcome rests on a look, each with that outcome; the newest intent first."""
    intents: dict[int, Entry] = {}
    outcomes: dict[int, Entry] = {}
    for entry in entries:
        if entry.kind is EntryKind.INTENT and entry.context == context:
            intents[entry.seq] = entry
        elif entry.kind is EntryKind.OUTCOME and entry.intent in intents:
            outcomes[entry.intent] = entry
    looked = [seq for seq, outcome in outcomes.items() if outcome.data.get(BY_LOOK) is True]
    return [(intents[seq], outcomes[seq]) for seq in sorted(looked, reverse=True)]


def _kind_of(kinds: Iterable[ChangeKind[Any]], intent: Entry) -> ChangeKind[Any] | None:
    return next((kind for kind in kinds if kind.owns(intent.data)), None)


def _explained(intent: Entry, kind: ChangeKind[Any], entries: Iterable[Entry]) -> bool:
    """Whether a later change of ours may have made what the system shows."""
    from shiftdeck.changes.under_way import NOTHING_SENT

    outcomes = {entry.intent: entry.data.get("outcome") for entry in entries if entry.kind is EntryKind.OUTCOME}
    return any(
        later.kind is EntryKind.INTENT
        and later.seq > intent.seq
        and (later.context, later.ref) == (intent.context, intent.ref)
        and kind.owns(later.data)
        and (kind.exclusive or later.data.get("change") == intent.data.get("change"))
        and outcomes.get(later.seq) not in NOTHING_SENT
        for later in entries
    )


def _words(intent: Entry, shown: Shown) -> tuple[str, bool]:
    """The outcome in words, and whether the change itself is in effect."""
    from shiftdeck.changes.traffic_judgement import is_ours

    at = time_of_day(shown.at)
    if is_ours(shown.by, intent.operator):
        return f"applied after all: the system shows what was asked for, read at {at}", True
    return f"not applied; {shown.by} set the same, read at {at}", False


def _finding(intent: Entry, words: str, *, settled: bool) -> Finding:
    from shiftdeck.changes.run import OutcomeKind

    return Finding(intent, OutcomeKind.SETTLED if settled else OutcomeKind.FAILED, words, reopened=True)
