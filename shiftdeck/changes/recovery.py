"""Recovery: resolves changes of any kind that have an intent in the journal but no outcome, by reading the system.

A system that is as it was before the change proves nothing: the call may still be on its way. Such a change stays
without an outcome until a fence was set, or ``Timing.lost_s`` have passed since the last thing that is known of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shiftdeck.changes.time_known import Ages
from shiftdeck.changes.timing import Timing
from shiftdeck.common.clock import seconds_since_boot, time_of_day
from shiftdeck.journal.entry import BY_LOOK, Entry, EntryKind
from shiftdeck.journal.journal import Journal, JournalError

if TYPE_CHECKING:
    from shiftdeck.changes.kind import ChangeKind, Judgement
    from shiftdeck.changes.run import OutcomeKind
    from shiftdeck.journal.journal import InFlight

RETRY_S = 10.0
"""The time between two attempts, while a change has no outcome."""

SOON_S = 2.0
"""The same while a change was taken by the system, and is not in effect yet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one unfinished change. ``outcome`` is ``None`` while it is not known. ``left_s`` is the time until
    a further look decides, if that is known. ``reopened``: the change had an outcome, which this one supersedes."""

    entry: Entry
    outcome: OutcomeKind | None
    message: str
    left_s: float | None = None
    reopened: bool = False


Kinds = Callable[[], "Iterable[ChangeKind[Any]]"]
"""Returns the kinds of change. Called only if a change has no outcome, because it imports the modules that plan, check
and record."""


def _usual() -> Timing:
    return Timing()


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long to wait for a call that may be on its way. ``refusal`` returns why nothing may be changed now, or "":
    then no fence is set. ``fenced`` are the numbers of the intents for which a fence was tried."""

    timing: Callable[[], Timing] = _usual
    ages: Ages = field(default_factory=Ages)
    refusal: Callable[[], str] = str
    fenced: set[int] = field(default_factory=set)


def resolve(journal: Journal, context: str, kinds: Kinds, bounds: Bounds | None = None) -> tuple[Finding, ...]:
    """Judge each unfinished change of ``context`` by reading its system, and record the outcome.

    A change stays unfinished, to be tried again, if its system cannot be read, or if its call may still be on its way.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    findings = []
    for entry in journal.unfinished():
        if entry.context != context:
            continue
        try:
            finding = _Unfinished(journal, entry, kinds, bounds or Bounds()).resolved()
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect in one adapter must not hide the other unfinished changes
            finding = Finding(entry, None, f"cannot be resolved yet: {error}")
        if finding is not None:
            findings.append(finding)
    return tuple(findings)


class _Unfinished:
    """One unfinished change."""

    def __init__(self, journal: Journal, entry: Entry, kinds: Kinds, bounds: Bounds) -> None:
        from shiftdeck.changes.kinds import owner_of

        self._journal = journal
        self._entry = entry
        self._bounds = bounds
        self._kind = owner_of(kinds(), entry.data)
        self._later: tuple[Entry, ...] | None = None

    def resolved(self) -> Finding | None:
        """What is known of it; ``None``: another process works on it, or has resolved it."""
        lost_left_s, settle_left_s = self._left_s()  # first: what is waited counts while the system cannot be read, too
        found = self._judge()
        flight = self._journal.claim(self._entry.seq)
        if flight is None:
            return None
        try:
            if found.pending and settle_left_s > 0:
                return Finding(self._entry, None, f"{found.message}; looking again", SOON_S)
            if found.may_land and lost_left_s > 0:
                again = self._fenced(found, flight)
                if again is None:
                    return Finding(self._entry, None, self._until(lost_left_s), lost_left_s)
                found = again
            flight.finish(_data(found))
        finally:
            flight.leave()
        return Finding(self._entry, found.outcome, found.message)

    def _judge(self) -> Judgement:
        return self._kind.judge(self._entry, self._sent)

    def _sent(self) -> list[str]:
        """The calls of the plan that the journal recorded as sent."""
        from shiftdeck.changes.lost_answer import FENCE

        return [str(one.data.get("call", "")) for one in self._of_it() if not one.data.get(FENCE)]

    def _of_it(self) -> tuple[Entry, ...]:
        if self._later is None:
            later = self._journal.since(self._entry.seq)
            self._later = tuple(one for one in later if one.kind is EntryKind.SENT and one.intent == self._entry.seq)
        return self._later

    def _left_s(self) -> tuple[float, float]:
        """The seconds until a call of it cannot be on its way any more, and until it must have settled."""
        timing, newest = self._bounds.timing(), (self._entry, *self._of_it())[-1]
        age = self._bounds.ages.of(newest)
        # The call may have left that long after the entry: the system was read before it.
        return timing.lost_s + min(timing.read_back_s, timing.lost_s) - age, timing.settle_s - age

    def _fenced(self, found: Judgement, flight: InFlight) -> Judgement | None:
        """The judgement after a fence was set, or after the call has landed meanwhile; ``None``: neither."""
        from shiftdeck.changes.lost_answer import FENCED, set_fence
        from shiftdeck.changes.run import OutcomeKind

        seq = self._entry.seq
        if seq in self._bounds.fenced or self._bounds.refusal():
            return None
        self._bounds.fenced.add(seq)

        def still_before() -> bool:
            return self._judge().may_land

        fenced = set_fence(lambda: self._kind.fence(self._entry, self._sent), flight.sent, still_before)
        again = self._judge()
        if not again.may_land:
            return again
        if not fenced:
            return None
        return replace(found, message=FENCED) if found.outcome is OutcomeKind.FAILED else found

    def _until(self, left_s: float) -> str:
        until = time_of_day(self._bounds.ages.time_in(left_s))
        look = f"look again then: shiftdeck --context {self._entry.context} status"
        return f"unknown until {until}: the call may still be on its way; {look}"


def _data(found: Judgement) -> Mapping[str, object]:
    from shiftdeck.changes.run import OutcomeKind

    by_look = {} if found.outcome is OutcomeKind.SETTLED else {BY_LOOK: True}
    return {"outcome": str(found.outcome), "message": found.message, "observed": found.observed, **by_look}


class Recovery:
    """Resolves the unfinished changes of one context, on a thread of its own, until all have an outcome.

    ``changed`` is called on that thread after each attempt.
    """

    def __init__(
        self, journal: Journal, context: str, kinds: Kinds, changed: Callable[[], None], bounds: Bounds | None = None
    ) -> None:
        self._journal = journal
        self._context = context
        self._kinds = kinds
        self._changed = changed
        self._bounds = bounds or Bounds()
        self._lock = threading.Lock()
        self._findings: dict[int, Finding] = {}
        self._thread: threading.Thread | None = None
        self._tried_at: float | None = None
        self._again = True
        self.attempted = False
        """Whether a first attempt has ended."""

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
        findings = resolve(self._journal, self._context, self._kinds, self._bounds)
        with self._lock:
            # An unfinished change that is not among the new findings was resolved by another process.
            kept = {seq: finding for seq, finding in self._findings.items() if finding.outcome is not None}
            self._findings = kept | {finding.entry.seq: finding for finding in findings}
        self._changed()
        return findings

    def add(self, finding: Finding) -> None:
        """Add a finding of another origin."""
        with self._lock:
            self._findings = self._findings | {finding.entry.seq: finding}

    def tend(self) -> None:
        """Start an attempt if one is due. Returns at once."""
        busy = self._thread is not None and self._thread.is_alive()
        rested = self._tried_at is None or seconds_since_boot() - self._tried_at > self._rest_s()
        if self._again and rested and not busy:
            self._tried_at = seconds_since_boot()
            self._thread = threading.Thread(target=self._attempt, name="recovery", daemon=True)
            self._thread.start()

    def _rest_s(self) -> float:
        """The time until the next attempt: the usual one, or until the next look decides."""
        return min([RETRY_S, *(one.left_s for one in self.findings if one.outcome is None and one.left_s is not None)])

    def _attempt(self) -> None:
        try:
            self.resolve()
        except JournalError:
            return
        finally:
            self.attempted = True
        self._again = bool(self.unfinished)
