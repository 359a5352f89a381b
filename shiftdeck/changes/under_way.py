"""The other changes of a subject that are under way, in this process and in other processes of this host. The journal
holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backends.contracts import Endpoint, Phase
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.kind import BACK, ChangeKind
from shiftdeck.changes.lost_answer import FENCE
from shiftdeck.changes.plan import Plan
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.way_back import current_release
from shiftdeck.common.durations import age
from shiftdeck.journal.entry import EntryKind
from shiftdeck.journal.journal import Journal, JournalError

if TYPE_CHECKING:
    from shiftdeck.journal.entry import Entry

NAME = "one at a time"
MOVING = "still changing"

RECENT_S = 3600.0
"""How old a release may be so that its author is named for a change that is still on its way."""

NOTHING_SENT = (OutcomeKind.REFUSED, OutcomeKind.CONFLICT, OutcomeKind.FAILED, OutcomeKind.SUPERSEDED)
"""How a change ends of which no call was taken, where the journal has none as sent."""


class UnderWay:
    """The changes under way of one kind and one subject in one context."""

    def __init__(self, journal: Journal, context: str, subject: str, kind: ChangeKind[Any]) -> None:
        self._journal = journal
        self._context = context
        self._subject = subject
        self._kind = kind
        self._stamp: object = None
        self._later: tuple[Entry, ...] = ()

    def first(self, *, before: int | None = None) -> Entry | None:
        """The oldest intent without an outcome whose process still runs; with ``before``, only if its number is
        smaller.

        Raises:
            JournalError: the journal cannot be read.
        """
        found = (entry for entry in self._journal.in_flight() if self._ours(entry))
        return next((entry for entry in found if before is None or entry.seq < before), None)

    def superseding(self, seq: int, *, pending: bool) -> Entry | None:
        """A later change that leads back and sent a call, or ``None``; with ``pending``, also one that may send yet.

        One that ended without sending anything supersedes nothing: of two changes back that begin at once, the second
        is refused by the system, and the first is the one in effect. The journal is read only when it was written to;
        one that cannot be read supersedes nothing.
        """
        stamp = self._journal.stamp()
        if stamp != self._stamp:
            try:
                self._later = self._journal.since(seq)
            except JournalError:
                return None
            self._stamp = stamp
        intents = (entry for entry in self._later if entry.kind is EntryKind.INTENT and self._ours(entry))
        return next((one for one in intents if one.data.get(BACK) is True and _sent(one, self._later, pending)), None)

    def _ours(self, entry: Entry) -> bool:
        return (entry.context, entry.ref) == (self._context, self._subject) and self._kind.owns(entry.data)


def _sent(intent: Entry, later: Sequence[Entry], pending: bool) -> bool:
    """Whether a call of that change is out, or may be; ``pending`` is the answer where nothing is known of it yet."""
    of_it = [entry for entry in later if entry.intent == intent.seq]
    if any(entry.kind is EntryKind.SENT and not entry.data.get(FENCE) for entry in of_it):
        return True
    ended = [entry.data.get("outcome") for entry in of_it if entry.kind is EntryKind.OUTCOME]
    return ended[-1] not in NOTHING_SENT if ended else pending


def describe_entry(entry: Entry, now: float) -> str:
    """The change under way in words: "#12 shift v8=25 by ada is under way since 40s"."""
    change = entry.data.get("change", "a change")
    return f"#{entry.seq} {change} by {entry.operator} is under way since {age(now - entry.at)}"


def with_exclusivity_check(plan: Plan, others: UnderWay, now: float, ours: str = "") -> Plan:
    """The plan with a check of whether another change is under way. The check blocks a forward change. A change back
    gets a warning, because it supersedes the other change. ``ours`` is the newest change that the journal has of the
    endpoint, in words, if it is recent: an endpoint that is still changing may be on its way to it."""
    try:
        first = others.first()
    except JournalError as error:
        return _with(plan, Check(NAME, CheckVerdict.UNKNOWN, str(error)))
    if first is None:
        moving = whose_change(plan.before, now, ours)
        return _with(plan, Check(MOVING, CheckVerdict.WARN, moving)) if moving else plan
    words = describe_entry(first, now)
    if plan.back:
        return _with(plan, Check(NAME, CheckVerdict.WARN, f"{words}: this supersedes it"))
    return _with(plan, Check(NAME, CheckVerdict.BLOCK, f"{words}: wait for its outcome, or go back"))


def whose_change(endpoint: Endpoint, now: float, ours: str = "") -> str:
    """The change that a plan meets on an endpoint that is still changing, in words; "" if nothing is. It is ``ours`` if
    the journal has a recent one, else of the author whom the system names, else somebody's."""
    if endpoint.phase is not Phase.PROGRESSING:
        return ""
    current = current_release(endpoint)
    recent = current is not None and current.at is not None and abs(now - current.at) < RECENT_S
    who = f"{current.by}'s change" if current is not None and current.by and recent else "somebody's change"
    what = f", to release {current.id}" if current is not None else ""
    who, what = (ours, "") if ours else (who, what)
    why = f" ({endpoint.message})" if endpoint.message else ""
    return f"this plan meets {who}{what}, which is not in effect yet{why}"


def _with(plan: Plan, check: Check) -> Plan:
    return replace(plan, checks=(*plan.checks, check))
