"""Observes a change of traffic that was sent: until the control plane reports it as in effect, and then until the
metrics agree. Every wait ends with a reading: what was read before it may have changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from backends.contracts import Diverged, Endpoint, Progress, Serving, Settled
from backends.errors import BackendError, Rejected
from shiftdeck.changes.kind import Desk, Ended
from shiftdeck.changes.plan import Plan, difference
from shiftdeck.changes.run import Outcome, OutcomeKind, Stage
from shiftdeck.changes.timing import Timing
from shiftdeck.common.clock import time_of_day
from shiftdeck.fleet.share_watch import MEASURED_TOLERANCE

GONE = 3
"""After so many readings in a row that find no such endpoint, it is gone: it may be missing while it is replaced."""

UNREAD = "cannot be read: "

Shares = Callable[[Endpoint], "Mapping[str, float] | None"]
"""Returns the measured percent by variant; ``None``: not known."""


class Observation:
    """The observation of one plan. ``settled_at`` is when it was last read to be in effect, in Unix seconds; ``None``:
    it never was."""

    def __init__(self, plan: Plan, desk: Desk, serving: Serving, shares: Shares, timing: Timing) -> None:
        self._plan = plan
        self._desk = desk
        self._serving = serving
        self._shares = shares
        self._timing = timing
        self.settled_at: float | None = None
        self._missed = 0

    def read(self) -> Endpoint | None:
        """The endpoint, read now; ``None``: it cannot be read."""
        try:
            now = self._serving.read(self._plan.ref)
            self._missed = 0
        except BackendError as error:
            self._missed = self._missed + 1 if isinstance(error, Rejected) else 0
            self._desk.update(message=f"{UNREAD}{error}")
            return None
        self._desk.update(now=now)
        return now

    def settle(self) -> Settled:
        """Observe until a reading shows the change in effect; at once if the first reading does.

        Raises:
            Ended: it is not in effect within ``Timing.settle_s``, or another change came over it.
        """
        timing = self._timing
        began = last_progress = self._desk.clock()
        seen: object = None
        self._desk.update(stage=Stage.OBSERVING, message="")
        while True:
            now, progress = self._look()
            at = self._desk.clock()
            if isinstance(progress, Settled):
                self._desk.update(message=progress.message, stalled=False)
                return progress
            if now is not None and progress is not None:
                state = [(variant.name, variant.observed, variant.ready) for variant in now.variants]
                if state != seen:
                    seen, last_progress = state, at
                stalled = getattr(progress, "stalled", False) or at - last_progress > timing.stall_s
                self._desk.update(message=progress.message, stalled=stalled)
            elif at - last_progress > timing.stall_s:
                self._desk.update(stalled=True)
            if at - began > timing.settle_s:
                self._not_in_effect(f"not in effect after {timing.settle_s:g} s: {self._desk.run.message}")
            self._desk.wait()

    def shown(self) -> None:
        """Observe until the change is in effect, by the control plane or, where that does not tell, by the metrics.

        Raises:
            Ended: as ``settle`` and ``measure``.
        """
        if not self.settle().proven:
            self.measure()

    def measure(self) -> tuple[Settled, bool | None]:
        """The last reading, which shows the change in effect, and whether the metrics agree with it; ``None``: not
        known.

        Raises:
            Ended: it is not in effect any more, or another change came over it.
        """
        settled = self.settle()
        targets = self.targets
        if not targets:
            if not settled.proven:
                self._not_in_effect(f"{settled.message}, and {_unconfirmed(None)}")
            return settled, None
        deadline = self._desk.clock() + self._timing.measure_s
        self._desk.update(stage=Stage.MEASURING)
        confirmed: bool | None = None
        while True:
            shares = self._shares(self._desk.run.now or self._plan.before)
            if shares is not None:
                confirmed = agrees(shares, targets)
                self._desk.update(shares=shares)
            _, progress = self._look()  # after the query, which may take long
            late_s = self._desk.clock() - deadline
            if isinstance(progress, Settled) and (late_s >= 0 or (shares is not None and confirmed)):
                if not progress.proven and not confirmed:
                    self._not_in_effect(f"{progress.message}, and {_unconfirmed(confirmed)}")
                return progress, confirmed
            if late_s >= self._timing.read_back_s:
                self._not_in_effect(self._desk.run.message if progress is None else progress.message)
            self._desk.wait()

    @property
    def targets(self) -> Mapping[str, float]:
        """The percent by variant that the plan leads to; empty if only the system knows its next step."""
        return {row.variant: row.after for row in self._plan.rows if row.after is not None}

    def _look(self) -> tuple[Endpoint | None, Progress | None]:
        """One reading, and the progress that it shows; ``None``: the endpoint cannot be read."""
        now = self.read()
        if now is None:
            if self._missed >= GONE:
                self._not_in_effect(f"it is gone: {self._desk.run.message.removeprefix(UNREAD)}")
            return None, None
        progress = self._serving.progress(self._plan.before, now, self._plan.change)
        if isinstance(progress, Diverged):
            self._diverged(progress, now)
        if isinstance(progress, Settled) and progress.proven:
            self.settled_at = self._desk.dated(self._desk.clock())
        return now, progress

    def _diverged(self, progress: Diverged, now: Endpoint) -> NoReturn:
        """End with the divergence. A change back of our own also makes the endpoint diverge; that run is superseded
        instead."""
        self._desk.check_superseded()
        words = f"{self._until_now}, but then: {progress.message}"
        raise Ended(Outcome(OutcomeKind.UNKNOWN, words, changed=difference(self._plan.before, now)))

    def _not_in_effect(self, words: str) -> NoReturn:
        raise Ended(Outcome(OutcomeKind.UNKNOWN, f"{self._until_now}, but {words}"))

    @property
    def _until_now(self) -> str:
        return "sent" if self.settled_at is None else f"in effect at {time_of_day(self.settled_at)}"


def _unconfirmed(confirmed: bool | None) -> str:
    return "no metrics tell whether it is in effect" if confirmed is None else "the metrics do not show it"


def agrees(shares: Mapping[str, float], targets: Mapping[str, float]) -> bool:
    """Whether the measured shares match the targets: within the tolerance, and exactly 0 where the target is 0."""
    for name, target in targets.items():
        share = shares.get(name, 0.0)
        if (target == 0.0 and share > 0.0) or abs(share - target) > MEASURED_TOLERANCE:
            return False
    return bool(shares)
