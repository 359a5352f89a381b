"""Carrying a plan out: record, send with the guard, read back, observe, confirm by the metrics, record the outcome.

A time-out is read back and never sent again; a conflict is reported with the difference and never overwritten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from backends.contracts import Diverged, Endpoint, Registry, Serving, Settled
from backends.errors import BackendError, Conflict, Malformed, TimedOut
from shiftdeck.changes.advisory_lock import at_work
from shiftdeck.changes.plan import Plan, Step, changed_by, difference
from shiftdeck.changes.record import intent_data, outcome_data
from shiftdeck.changes.run import Outcome, OutcomeKind, Run, Stage
from shiftdeck.journal.journal import InFlight, Journal, JournalError


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: between two readings, until settled, until the metrics agree, until lack of progress is called a stall,
    and for how long a time-out is read back."""

    poll_s: float = 0.5
    settle_s: float = 300.0
    measure_s: float = 90.0  # longer than the window that shares are measured over, or a share never falls to 0
    stall_s: float = 30.0
    read_back_s: float = 10.0

    @property
    def longest_s(self) -> float:
        """After which a change has an outcome, whatever happens."""
        return self.read_back_s + self.settle_s + self.measure_s


MEASURED_TOLERANCE = 5.0
"""Percentage points by which a measured share may differ from what is desired, sampling being what it is."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What an execution needs from the outside.

    ``shares`` gives the measured percent by variant, or ``None`` where no metrics can tell. ``ending`` is set when the
    program is about to end: observation stops, and the change is left in the journal without an outcome, to be
    resolved at the next start. ``refusal`` says why nothing may be changed now, or "".
    """

    serving: Serving
    registries: Mapping[str, Registry]
    shares: Callable[[Endpoint], Mapping[str, float] | None]
    journal: Journal
    clock: Callable[[], float]
    ending: threading.Event
    timing: Timing = Timing()
    refusal: Callable[[], str] = str


class _Ended(Exception):
    """The outcome is known: no further step is taken."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class _Leaving(Exception):
    """The program ends; the change stays without an outcome."""


class Execution:
    """One plan being carried out. ``publish`` is called with every new state of the run, on the executing thread."""

    def __init__(self, plan: Plan, ports: Ports, publish: Callable[[Run], None], *, reason: str, override: str) -> None:
        self._plan = plan
        self._ports = ports
        self._publish = publish
        self._reason = reason
        self._override = override
        self._base = plan.before
        self._unrecorded = ""
        now = ports.clock()
        self.run = Run(plan, Stage.RECORDING, now, now, reason=reason)

    def carry_out(self) -> Run:
        """Do it all; returns the run as it ended. Raises nothing: what goes wrong is in the outcome."""
        refusal = self._refusal()
        if refusal:
            return self._refuse(refusal)
        try:
            flight = self._ports.journal.begin(
                context=self._plan.context,
                ref=str(self._plan.ref),
                data=intent_data(self._plan, self._reason, self._override),
            )
        except (JournalError, TypeError) as error:  # TypeError: a call that JSON cannot hold
            return self._done(Outcome(OutcomeKind.REFUSED, f"nothing was sent: {error}"))
        self._update(seq=flight.seq)
        try:
            with at_work(self._ports.serving, self._plan.ref, self._ports.timing.longest_s):
                outcome = self._outcome(flight)
        except _Leaving:
            flight.leave()
            return self.run
        except Exception as error:  # noqa: BLE001 - a defect of an adapter: what was sent is out all the same
            outcome = Outcome(
                OutcomeKind.UNKNOWN, f"the adapter failed, look what is in effect: {type(error).__name__}: {error}"
            )
        return self._finish(flight, replace(outcome, message=outcome.message + self._unrecorded))

    def _outcome(self, flight: InFlight) -> Outcome:
        try:
            return self._apply(flight)
        except _Ended as ended:
            return ended.outcome

    def _finish(self, flight: InFlight, outcome: Outcome) -> Run:
        try:
            flight.finish(outcome_data(outcome, self.run))
        except JournalError as error:
            flight.leave()
            outcome = replace(outcome, message=f"{outcome.message}; the outcome could not be recorded: {error}")
        return self._done(outcome)

    def _refusal(self) -> str:
        plan = self._plan
        if plan.unable:
            return plan.unable
        if not_now := self._ports.refusal():
            return not_now
        if not plan.steps:
            return "there is nothing to send"
        if plan.blocked and not (self._override.strip() and self._reason.strip()):
            return "blocked by " + ", ".join(check.name for check in plan.blocks)
        return ""

    def _refuse(self, why: str) -> Run:
        data = {**intent_data(self._plan, self._reason, self._override), "outcome": "refused", "message": why}
        try:
            entry = self._ports.journal.note(context=self._plan.context, ref=str(self._plan.ref), data=data)
            self._update(seq=entry.seq)
        except JournalError:
            pass  # nothing was sent, so nothing is lost; the refusal itself is what the operator must see
        return self._done(Outcome(OutcomeKind.REFUSED, why))

    # ── applying ────────────────────────────────────────────────────────────────────────────────────────────────

    def _apply(self, flight: InFlight) -> Outcome:
        for step in self._plan.steps:
            if step.kind == "serving":
                self._send_traffic(step, flight)
        settled = self._observe()
        for step in self._plan.steps:
            if step.kind == "registries":
                self._send_alias(step, flight)
        confirmed = self._measure()
        words = settled.message or "in effect"
        if confirmed is False:
            words += "; the metrics do not show it yet"
        elif confirmed is None and self._targets():
            words += "; no metrics to confirm it by"
        return Outcome(OutcomeKind.SETTLED, words, confirmed)

    def _send_traffic(self, step: Step, flight: InFlight) -> None:
        self._update(stage=Stage.SENDING, message=step.call.summary)
        try:
            receipt = self._ports.serving.send(step.call)
        except Conflict as error:
            raise _Ended(self._conflict(error)) from None
        except (TimedOut, Malformed) as error:
            if isinstance(error, TimedOut) and not error.maybe_applied:
                raise _Ended(self._failed(error)) from None
            self._read_back(error)
            self._record(flight, {"call": step.call.summary, "answer": f"{error}; read back: applied"})
        except BackendError as error:
            raise _Ended(self._failed(error)) from None
        else:
            data = {"call": step.call.summary, "revision": receipt.revision, "answer": receipt.detail}
            self._record(flight, data)
        self._update(sent=self.run.sent + 1)
        if any(later.kind == "serving" for later in self._plan.steps[self.run.sent :]):
            self._base = self._between_calls()

    def _between_calls(self) -> Endpoint:
        """The endpoint after one of several calls: what the next one changes is told by comparing with it."""
        deadline = self._ports.clock() + self._ports.timing.read_back_s
        while (now := self._read()) is None:
            if self._ports.clock() > deadline:
                words = f"the endpoint cannot be read any more: {self._so_far()}"
                raise _Ended(Outcome(OutcomeKind.UNKNOWN, words))
            self._wait()
        return now

    def _so_far(self) -> str:
        """Exactly which calls are out, which are not, and what leads back from there."""
        calls = [step.call.summary for step in self._plan.steps]
        out, left = calls[: self.run.sent], calls[self.run.sent :]
        return f"sent: {'; '.join(out)}. Not sent: {'; '.join(left)}. The way back: {self._plan.way_back}"

    def _send_alias(self, step: Step, flight: InFlight) -> None:
        self._update(stage=Stage.SENDING, message=step.call.summary)
        try:
            receipt = self._ports.registries[step.source].send(step.call)
        except BackendError as error:
            lost = isinstance(error, Malformed) or (isinstance(error, TimedOut) and error.maybe_applied)
            unless = ", unless the answer was lost" if lost else ""
            raise _Ended(
                Outcome(
                    OutcomeKind.UNKNOWN if lost else OutcomeKind.FAILED,
                    f"the traffic is changed, but not the registry{unless} ({step.call.summary}): {error}",
                )
            ) from None
        self._record(flight, {"call": step.call.summary, "answer": receipt.detail})
        self._update(sent=self.run.sent + 1)

    def _record(self, flight: InFlight, data: Mapping[str, object]) -> None:
        try:
            flight.sent(data)
        except JournalError as error:
            # The call is out: what becomes of it matters more than the line that is missing.
            self._unrecorded = f"; that it was sent could not be recorded: {error}"

    def _conflict(self, error: Conflict) -> Outcome:
        changes: tuple[str, ...] = ()
        who = ""
        try:
            now = self._ports.serving.read(self._plan.ref)
        except BackendError:
            now = None
        if now is not None:
            self._update(now=now)
            changes = difference(self._base, now)
            who = changed_by(now, self._base)
        by = f" by {who}" if who else ""
        words = f"changed{by} since the plan was made; nothing was sent over it: {error}"
        if self.run.sent:
            words = f"{self._count()}{words}. {self._so_far()}"
        return Outcome(OutcomeKind.CONFLICT, words, changed=changes)

    def _count(self) -> str:
        return f"{self.run.sent} of {len(self._plan.steps)} calls sent, then: "

    def _failed(self, error: BackendError) -> Outcome:
        hint = f" ({error.hint})" if error.hint else ""
        if self.run.sent:
            return Outcome(OutcomeKind.UNKNOWN, f"{self._count()}{error}{hint}. {self._so_far()}")
        return Outcome(OutcomeKind.FAILED, f"nothing was changed: {error}{hint}")

    def _read_back(self, error: BackendError) -> None:
        """After a write without a usable answer: look whether it landed, for as long as it may still be on its way."""
        deadline = self._ports.clock() + self._ports.timing.read_back_s
        self._update(message=f"{error}; reading back")
        now: Endpoint | None = None
        while self._ports.clock() < deadline:
            now = self._read()
            if now is not None and self._has_landed(now):
                progress = self._ports.serving.progress(self._plan.before, now, self._plan.change)
                if isinstance(progress, Diverged):
                    raise _Ended(
                        Outcome(
                            OutcomeKind.UNKNOWN,
                            f"{error}; since then: {progress.message}",
                            changed=difference(self._plan.before, now),
                        )
                    )
                return
            self._wait()
        if now is None:
            raise _Ended(Outcome(OutcomeKind.UNKNOWN, f"{error}; the endpoint cannot be read to see whether it landed"))
        if self.run.sent:
            raise _Ended(self._failed(error))
        raise _Ended(Outcome(OutcomeKind.FAILED, f"{error}; read back: not applied"))

    def _has_landed(self, now: Endpoint) -> bool:
        """Whether ``now`` shows anything of the call. A new revision alone tells only where the call changes nothing
        else that is to be seen: some systems count their own bookkeeping."""
        moves = any(
            (row.after is not None and row.before != row.after) or row.mirror_before != row.mirror_after
            for row in self._plan.rows
        )
        return bool(difference(self._base, now, revision=not moves))

    # ── observing ───────────────────────────────────────────────────────────────────────────────────────────────

    def _observe(self) -> Settled:
        timing = self._ports.timing
        began = last_progress = self._ports.clock()
        seen: object = None
        self._update(stage=Stage.OBSERVING, message="")
        while True:
            now = self._read()
            at = self._ports.clock()
            if now is not None:
                progress = self._ports.serving.progress(self._plan.before, now, self._plan.change)
                if isinstance(progress, Settled):
                    self._update(message=progress.message, stalled=False)
                    return progress
                if isinstance(progress, Diverged):
                    raise _Ended(
                        Outcome(
                            OutcomeKind.UNKNOWN,
                            f"sent, but then: {progress.message}",
                            changed=difference(self._plan.before, now),
                        )
                    )
                state = [(variant.name, variant.observed, variant.ready) for variant in now.variants]
                if state != seen:
                    seen, last_progress = state, at
                stalled = progress.stalled or at - last_progress > timing.stall_s
                self._update(message=progress.message, stalled=stalled)
            elif at - last_progress > timing.stall_s:
                self._update(stalled=True)
            if at - began > timing.settle_s:
                raise _Ended(
                    Outcome(
                        OutcomeKind.UNKNOWN, f"sent, but not in effect after {timing.settle_s:g} s: {self.run.message}"
                    )
                )
            self._wait()

    def _targets(self) -> Mapping[str, float]:
        """Percent by variant that the plan leads to; empty where only the system knows."""
        return {row.variant: row.after for row in self._plan.rows if row.after is not None}

    def _measure(self) -> bool | None:
        """Whether the metrics see what the control plane says; ``None`` where they cannot tell."""
        targets = self._targets()
        if not targets:
            return None
        deadline = self._ports.clock() + self._ports.timing.measure_s
        self._update(stage=Stage.MEASURING)
        told = False
        while True:
            endpoint = self.run.now or self._plan.before
            shares = self._ports.shares(endpoint)
            if shares is not None:
                told = True
                self._update(shares=shares)
                if agrees(shares, targets):
                    return True
            if self._ports.clock() > deadline:
                return False if told else None
            self._wait()

    def _read(self) -> Endpoint | None:
        try:
            now = self._ports.serving.read(self._plan.ref)
        except BackendError as error:
            self._update(message=f"cannot be read: {error}")
            return None
        self._update(now=now)
        return now

    def _wait(self) -> None:
        if self._ports.ending.wait(self._ports.timing.poll_s):
            raise _Leaving

    def _update(self, **changes: object) -> None:
        self.run = replace(self.run, updated=self._ports.clock(), **changes)  # type: ignore[arg-type]  # fields by name
        self._publish(self.run)

    def _done(self, outcome: Outcome) -> Run:
        self._update(stage=Stage.DONE, message=outcome.message, outcome=outcome, stalled=False)
        return self.run


def agrees(shares: Mapping[str, float], targets: Mapping[str, float]) -> bool:
    """Whether measured shares show the target: nothing at all where 0 is asked, else within the tolerance."""
    for name, target in targets.items():
        share = shares.get(name, 0.0)
        if (target == 0.0 and share > 0.0) or abs(share - target) > MEASURED_TOLERANCE:
            return False
    return bool(shares)
