"""Carrying a plan out: record, send with the guard, read back, observe, confirm by the metrics, record the outcome.

A time-out is read back and never sent again; a conflict is reported with the difference and never overwritten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from backends.contracts import Diverged, Endpoint, Registry, Serving, Settled
from backends.errors import BackendError, Conflict, TimedOut
from ops.journal import InFlight, Journal, JournalError
from ops.plans import Plan, Step, changed_by, describe, difference
from ops.runs import Outcome, OutcomeKind, Run, Stage


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: between two readings, until settled, until the metrics agree, until lack of progress is called a stall,
    and for how long a time-out is read back."""

    poll_s: float = 0.5
    settle_s: float = 300.0
    measure_s: float = 60.0
    stall_s: float = 30.0
    read_back_s: float = 10.0


MEASURED_TOLERANCE = 5.0
"""Percentage points by which a measured share may differ from what is desired, sampling being what it is."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What an execution needs from the outside.

    ``shares`` gives the measured percent by variant, or ``None`` where no metrics can tell. ``ending`` is set when the
    program is about to end: observation stops, and the change is left in the journal without an outcome, to be
    resolved at the next start.
    """

    serving: Serving
    registries: Mapping[str, Registry]
    shares: Callable[[Endpoint], Mapping[str, float] | None]
    journal: Journal
    clock: Callable[[], float]
    ending: threading.Event
    timing: Timing = Timing()


class _Ended(Exception):
    """The outcome is known: no further step is taken."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class _Leaving(Exception):
    """The program ends; the change stays without an outcome."""


def intent_data(plan: Plan, reason: str, override: str) -> dict[str, object]:
    """What the journal keeps of a plan: enough to tell later, from the system alone, whether it was applied."""
    return {
        "plan": plan.id,
        "change": describe(plan.change),
        "reason": reason,
        "override": override,
        "before": {
            "revision": plan.before.revision,
            "weights": {variant.name: variant.desired for variant in plan.before.variants},
            "mirror": {variant.name: variant.mirror for variant in plan.before.variants if variant.mirror is not None},
        },
        "after": {
            "weights": {row.variant: row.after for row in plan.rows if row.after is not None},
            "mirror": {row.variant: row.mirror_after for row in plan.rows if row.mirror_after is not None},
        },
        "checks": [
            {"name": check.name, "verdict": str(check.verdict), "evidence": check.evidence} for check in plan.checks
        ],
        "calls": [
            {
                "source": step.source,
                "method": step.call.method,
                "path": step.call.path,
                "body": step.call.body,
                "guard": step.call.guard,
            }
            for step in plan.steps
        ],
        "way_back": plan.way_back,
    }


class Execution:
    """One plan being carried out. ``publish`` is called with every new state of the run, on the executing thread."""

    def __init__(self, plan: Plan, ports: Ports, publish: Callable[[Run], None], *, reason: str, override: str) -> None:
        self._plan = plan
        self._ports = ports
        self._publish = publish
        self._reason = reason
        self._override = override
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
        except JournalError as error:
            return self._done(Outcome(OutcomeKind.REFUSED, f"nothing was sent: {error}"))
        self._update(seq=flight.seq)
        try:
            outcome = self._apply(flight)
        except _Ended as ended:
            outcome = ended.outcome
        except _Leaving:
            flight.leave()
            return self.run
        try:
            flight.finish(outcome_data(outcome, self.run))
        except JournalError as error:
            outcome = replace(outcome, message=f"{outcome.message}; the outcome could not be recorded: {error}")
        return self._done(outcome)

    def _refusal(self) -> str:
        plan = self._plan
        if plan.unable:
            return plan.unable
        if not plan.steps:
            return "there is nothing to send"
        if plan.blocked and not (self._override and self._reason):
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
        serving = [step for step in self._plan.steps if step.kind == "serving"]
        registry = [step for step in self._plan.steps if step.kind == "registries"]
        for step in serving:
            self._send_traffic(step, flight)
        settled = self._observe()
        confirmed = self._measure()
        for step in registry:
            self._send_alias(step, flight)
        words = settled.message or "in effect"
        if confirmed is False:
            words += "; the metrics do not show it yet"
        elif confirmed is None:
            words += "; no metrics to confirm it by"
        return Outcome(OutcomeKind.SETTLED, words, confirmed)

    def _send_traffic(self, step: Step, flight: InFlight) -> None:
        self._update(stage=Stage.SENDING, message=step.call.summary)
        try:
            receipt = self._ports.serving.send(step.call)
        except Conflict as error:
            raise _Ended(self._conflict(error)) from None
        except TimedOut as error:
            if not error.maybe_applied:
                raise _Ended(self._failed(error)) from None
            self._read_back(error)
            flight.sent({"call": step.call.summary, "answer": f"{error}; read back: applied"})
        except BackendError as error:
            raise _Ended(self._failed(error)) from None
        else:
            flight.sent({"call": step.call.summary, "revision": receipt.revision, "answer": receipt.detail})
        self._update(sent=self.run.sent + 1)

    def _send_alias(self, step: Step, flight: InFlight) -> None:
        self._update(stage=Stage.SENDING, message=step.call.summary)
        try:
            receipt = self._ports.registries[step.source].send(step.call)
        except BackendError as error:
            kind = OutcomeKind.UNKNOWN if isinstance(error, TimedOut) and error.maybe_applied else OutcomeKind.FAILED
            raise _Ended(
                Outcome(kind, f"the traffic is changed, but not the registry ({step.call.summary}): {error}")
            ) from None
        flight.sent({"call": step.call.summary, "answer": receipt.detail})
        self._update(sent=self.run.sent + 1)

    def _conflict(self, error: Conflict) -> Outcome:
        changes: tuple[str, ...] = ()
        who = ""
        try:
            now = self._ports.serving.read(self._plan.ref)
        except BackendError:
            now = None
        if now is not None:
            self._update(now=now)
            changes = difference(self._plan.before, now)
            who = changed_by(now)
        by = f" by {who}" if who else ""
        return Outcome(
            OutcomeKind.CONFLICT,
            f"changed{by} since the plan was made; nothing was sent over it: {error}",
            changed=changes,
        )

    def _failed(self, error: BackendError) -> Outcome:
        hint = f" ({error.hint})" if error.hint else ""
        if self.run.sent:
            return Outcome(
                OutcomeKind.UNKNOWN, f"{self.run.sent} of {len(self._plan.steps)} calls sent, then: {error}{hint}"
            )
        return Outcome(OutcomeKind.FAILED, f"nothing was changed: {error}{hint}")

    def _read_back(self, error: TimedOut) -> None:
        """After a write without an answer: look whether it landed, for as long as it may still be on its way."""
        deadline = self._ports.clock() + self._ports.timing.read_back_s
        self._update(message=f"{error}; reading back")
        now: Endpoint | None = None
        while self._ports.clock() < deadline:
            now = self._read()
            if now is not None and now.revision != self._plan.before.revision:
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
        raise _Ended(Outcome(OutcomeKind.FAILED, f"{error}; read back: not applied"))

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
            if at - began > timing.settle_s:
                raise _Ended(
                    Outcome(
                        OutcomeKind.UNKNOWN, f"sent, but not in effect after {timing.settle_s:g} s: {self.run.message}"
                    )
                )
            self._wait()

    def _measure(self) -> bool | None:
        """Whether the metrics see what the control plane says; ``None`` where they cannot tell."""
        targets = {row.variant: row.after for row in self._plan.rows if row.after is not None}
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


def outcome_data(outcome: Outcome, run: Run) -> dict[str, object]:
    """What the journal keeps of an outcome."""
    return {
        "outcome": str(outcome.kind),
        "message": outcome.message,
        "confirmed": outcome.confirmed,
        "changed": list(outcome.changed),
        "seconds": round(run.updated - run.started, 3),
        "observed": {v.name: v.observed for v in run.now.variants} if run.now is not None else {},
        "measured": {name: round(share, 2) for name, share in run.shares.items()},
    }
