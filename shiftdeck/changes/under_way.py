"""The other changes of a subject that are under way, in this process and in other processes of this host. The journal
holds them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.kind import BACK, ChangeKind
from shiftdeck.changes.plan import Plan
from shiftdeck.common.durations import age
from shiftdeck.journal.entry import EntryKind
from shiftdeck.journal.journal import Journal, JournalError

if TYPE_CHECKING:
    from shiftdeck.journal.entry import Entry

NAME = "one at a time"


class UnderWay:
    """The changes under way of one kind and one subject in one context."""

    def __init__(self, journal: Journal, context: str, subject: str, kind: ChangeKind[Any]) -> None:
        self._journal = journal
        self._context = context
        self._subject = subject
        self._kind = kind
        self._stamp: object = None
        self._superseding: Entry | None = None

    def first(self, *, before: int | None = None) -> Entry | None:
        """The oldest intent without an outcome whose process still runs; with ``before``, only if its number is
        smaller.

        Raises:
            JournalError: the journal cannot be read.
        """
        found = (entry for entry in self._journal.in_flight() if self._ours(entry))
        return next((entry for entry in found if before is None or entry.seq < before), None)

    def superseding(self, seq: int) -> Entry | None:
        """A later intent of a change back, or ``None``. The journal is read only after it was written to. If it cannot
        be read, the answer is ``None``."""
        stamp = self._journal.stamp()
        if self._superseding is not None or stamp == self._stamp:
            return self._superseding
        try:
            later = self._journal.since(seq)
        except JournalError:
            return None
        self._stamp = stamp
        intents = (entry for entry in later if entry.kind is EntryKind.INTENT and self._ours(entry))
        self._superseding = next((entry for entry in intents if entry.data.get(BACK) is True), None)
        return self._superseding

    def _ours(self, entry: Entry) -> bool:
        return (entry.context, entry.ref) == (self._context, self._subject) and self._kind.owns(entry.data)


def describe_entry(entry: Entry, now: float) -> str:
    """The change under way in words: "#12 shift v8=25 by ada is under way since 40s"."""
    change = entry.data.get("change", "a change")
    return f"#{entry.seq} {change} by {entry.operator} is under way since {age(max(0.0, now - entry.at))}"


def with_exclusivity_check(plan: Plan, others: UnderWay, now: float) -> Plan:
    """The plan with a check of whether another change is under way. The check blocks a forward change. A change back
    gets a warning, because it supersedes the other change."""
    try:
        first = others.first()
    except JournalError as error:
        return _with(plan, Check(NAME, CheckVerdict.UNKNOWN, str(error)))
    if first is None:
        return plan
    words = describe_entry(first, now)
    if plan.back:
        return _with(plan, Check(NAME, CheckVerdict.WARN, f"{words}: this supersedes it"))
    return _with(plan, Check(NAME, CheckVerdict.BLOCK, f"{words}: wait for its outcome, or go back"))


def _with(plan: Plan, check: Check) -> Plan:
    return replace(plan, checks=(*plan.checks, check))
