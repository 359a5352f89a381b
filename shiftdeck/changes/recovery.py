"""Recovery: resolves changes of any kind that have an intent in the journal but no outcome, by reading the system."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shiftdeck.common.clock import seconds_since_boot
from shiftdeck.journal.entry import Entry, EntryKind
from shiftdeck.journal.journal import Journal, JournalError

if TYPE_CHECKING:
    from shiftdeck.changes.kind import ChangeKind, Judgement
    from shiftdeck.changes.run import OutcomeKind

RETRY_S = 10.0
"""The time between two attempts, if the journal or an endpoint could not be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one unfinished change. ``outcome`` is ``None`` while the system cannot be read."""

    entry: Entry
    outcome: OutcomeKind | None
    message: str


Kinds = Callable[[], "Iterable[ChangeKind[Any]]"]
"""Returns the kinds of change. Called only if a change has no outcome, because it imports the modules that plan, check
and record."""


def resolve(journal: Journal, context: str, kinds: Kinds) -> tuple[Finding, ...]:
    """Judge each unfinished change of ``context`` by reading its system, and record the outcome.

    A change whose system cannot be read stays unfinished, to be tried again.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    findings = []
    for entry in journal.unfinished():
        if entry.context != context:
            continue
        try:
            found = _judge(journal, entry, kinds)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect in one adapter must not hide the other unfinished changes
            findings.append(Finding(entry, None, f"cannot be resolved yet: {error}"))
            continue
        data = {"outcome": str(found.outcome), "message": found.message, "observed": found.observed}
        if journal.resolve(entry.seq, data) is not None:
            findings.append(Finding(entry, found.outcome, found.message))
    return tuple(findings)


def _judge(journal: Journal, entry: Entry, kinds: Kinds) -> Judgement:
    from shiftdeck.changes.kinds import owner_of

    def sent() -> list[str]:
        later = (one for one in journal.since(entry.seq) if one.kind is EntryKind.SENT and one.intent == entry.seq)
        return [str(one.data.get("call", "")) for one in later]

    return owner_of(kinds(), entry.data).judge(entry, sent)


class Recovery:
    """Resolves the unfinished changes of one context, on a thread of its own, until all have an outcome.

    ``changed`` is called on that thread after each attempt.
    """

    def __init__(
        self,
        journal: Journal,
        context: str,
        kinds: Kinds,
        changed: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._context = context
        self._kinds = kinds
        self._changed = changed
        self._lock = threading.Lock()
        self._findings: dict[int, Finding] = {}
        self._thread: threading.Thread | None = None
        self._tried_at: float | None = None
        self._again = True

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings so far, oldest first."""
        with self._lock:
            return tuple(finding for _, finding in sorted(self._findings.items()))

    @property
    def unfinished(self) -> tuple[Entry, ...]:
        """The changes that are still without an outcome."""
        return tuple(finding.entry for finding in self.findings if finding.outcome is None)

    def resolve(self) -> tuple[Finding, ...]:
        """Make an attempt now, on the caller's thread, and return its findings.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        findings = resolve(self._journal, self._context, self._kinds)
        with self._lock:
            # An unfinished change that is not among the new findings was resolved by another process.
            kept = {seq: finding for seq, finding in self._findings.items() if finding.outcome is not None}
            self._findings = kept | {finding.entry.seq: finding for finding in findings}
        self._changed()
        return findings

    def tend(self) -> None:
        """Start an attempt if one is due. Returns at once."""
        busy = self._thread is not None and self._thread.is_alive()
        rested = self._tried_at is None or seconds_since_boot() - self._tried_at > RETRY_S
        if self._again and rested and not busy:
            self._tried_at = seconds_since_boot()
            self._thread = threading.Thread(target=self._attempt, name="recovery", daemon=True)
            self._thread.start()

    def _attempt(self) -> None:
        try:
            self.resolve()
        except JournalError:
            return
        self._again = bool(self.unfinished)
