"""The kind of change that moves an endpoint's traffic. It is sent call by call, observed until it settles, and then
measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from backends.contracts import Diverged, Endpoint, EndpointRef, Registry, Serving, Settled, same_weight
from backends.errors import BackendError
from shiftdeck.changes.advisory_lock import at_work
from shiftdeck.changes.executor import Timing
from shiftdeck.changes.kind import KIND, MARKED, Desk, Ended, Judgement, Planned, maybe_applied
from shiftdeck.changes.plan import Plan, changed_by, difference
from shiftdeck.changes.record import intent_data, outcome_data
from shiftdeck.changes.run import Outcome, OutcomeKind, Run, Stage

if TYPE_CHECKING:
    from shiftdeck.journal.entry import Entry

MEASURED_TOLERANCE = 5.0
"""Percentage points by which a measured share may differ from the desired one, because it is a sample."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Changes of traffic. ``serving`` returns the adapter of an endpoint's system, ``registries`` all registries by
    source name. ``shares`` returns the measured percent by variant; ``None``: not known."""

    serving: Callable[[EndpointRef], Serving]
    registries: Callable[[], Mapping[str, Registry]]
    shares: Callable[[Endpoint], Mapping[str, float] | None]
    timing: Timing
    name: str = "traffic"
    exclusive: bool = True

    def plans(self, plan: Planned) -> bool:
        return isinstance(plan, Plan)

    def owns(self, data: Mapping[str, object]) -> bool:
        """The previous version wrote no kind, and marked every kind except traffic by a key of its own."""
        told = data.get(KIND)
        return told == self.name if told is not None else not any(data.get(key) for key in MARKED)

    def idle(self, plan: Plan) -> Outcome | None:
        return None

    def refusal(self, plan: Plan, *, reason: str, override: str) -> str:
        if plan.unable:
            return plan.unable
        if not plan.steps:
            return "there is nothing to send"
        if plan.blocked and not (override.strip() and reason.strip()):
            return "blocked by " + ", ".join(check.name for check in plan.blocks)
        return ""

    def intent(self, plan: Plan, *, reason: str, override: str) -> Mapping[str, object]:
        return intent_data(plan, reason, override)

    def apply(self, plan: Plan, desk: Desk) -> TrafficApplication:
        registries = self.registries() if plan.alias is not None else {}
        return TrafficApplication(plan, desk, self.serving(plan.ref), registries, self.shares, self.timing)

    def judge(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Judgement:
        ref = EndpointRef.parse(entry.ref)
        now = self.serving(ref).read(ref)
        outcome, message = judge_intent(entry.data, now)
        if outcome is OutcomeKind.UNKNOWN:
            message += _part_way(entry.data, sent())
        return Judgement(outcome, message, {variant.name: variant.observed for variant in now.variants})


class TrafficApplication:
    """One change of traffic being applied."""

    def __init__(
        self,
        plan: Plan,
        desk: Desk,
        serving: Serving,
        registries: Mapping[str, Registry],
        shares: Callable[[Endpoint], Mapping[str, float] | None],
        timing: Timing,
    ) -> None:
        self._plan = plan
        self._desk = desk
        self._serving = serving
        self._registries = registries
        self._shares = shares
        self._timing = timing
        self._base = plan.before
        self._settled: Settled | None = None

    @property
    def _run(self) -> Run[Any]:
        return self._desk.run

    def announced(self) -> AbstractContextManager[None]:
        return at_work(self._serving, self._plan.ref, self._timing.longest_s)

    # ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────

    def before(self, number: int) -> None:
        """Wait until the call may be sent. A registry call waits until the traffic is in effect. A later serving call
        reads the endpoint first, so that its own effect can be told from the effects of the earlier calls."""
        if self._plan.steps[number].kind == "registries":
            self._settle()
        elif number > 0:
            self._base = self._between_calls()

    def send(self, number: int) -> Mapping[str, object]:
        step = self._plan.steps[number]
        if step.kind == "registries":
            return {"answer": self._registries[step.source].send(step.call).detail}
        receipt = self._serving.send(step.call)
        return {"revision": receipt.revision, "answer": receipt.detail}

    def lost(self, number: int, error: BackendError) -> Mapping[str, object]:
        if self._plan.steps[number].kind == "registries":
            raise Ended(self._alias_failed(number, error))
        self._read_back(error)
        return {"answer": f"{error}; read back: applied"}

    def conflict(self, number: int, error: BackendError) -> Outcome:
        if self._plan.steps[number].kind == "registries":
            return self._alias_failed(number, error)
        changes: tuple[str, ...] = ()
        who = ""
        try:
            now = self._serving.read(self._plan.ref)
        except BackendError:
            now = None
        if now is not None:
            self._desk.update(now=now)
            changes = difference(self._base, now)
            who = changed_by(now, self._base)
        by = f" by {who}" if who else ""
        words = f"changed{by} since the plan was made; nothing was sent over it: {error}"
        if number:
            words = f"{self._count()}{words}. {self._so_far()}"
        return Outcome(OutcomeKind.CONFLICT, words, changed=changes)

    def failed(self, number: int, error: BackendError) -> Outcome:
        if self._plan.steps[number].kind == "registries":
            return self._alias_failed(number, error)
        hint = f" ({error.hint})" if error.hint else ""
        if number:
            return Outcome(OutcomeKind.UNKNOWN, f"{self._count()}{error}{hint}. {self._so_far()}")
        return Outcome(OutcomeKind.FAILED, f"nothing was changed: {error}{hint}")

    def _alias_failed(self, number: int, error: BackendError) -> Outcome:
        lost = maybe_applied(error)
        unless = ", unless the answer was lost" if lost else ""
        return Outcome(
            OutcomeKind.UNKNOWN if lost else OutcomeKind.FAILED,
            f"the traffic is changed, but not the registry{unless} ({self._plan.steps[number].call.summary}): {error}",
        )

    def _count(self) -> str:
        return f"{self._run.sent} of {len(self._plan.steps)} calls sent, then: "

    def _so_far(self) -> str:
        """The calls that were sent, the calls that were not, and the way back."""
        calls = [step.call.summary for step in self._plan.steps]
        out, left = calls[: self._run.sent], calls[self._run.sent :]
        return f"sent: {'; '.join(out)}. Not sent: {'; '.join(left)}. The way back: {self._plan.way_back}"

    def _between_calls(self) -> Endpoint:
        """The endpoint as read after one of several calls."""
        deadline = self._desk.clock() + self._timing.read_back_s
        while (now := self._read()) is None:
            if self._desk.clock() > deadline:
                words = f"the endpoint cannot be read any more: {self._so_far()}"
                raise Ended(Outcome(OutcomeKind.UNKNOWN, words))
            self._desk.wait()
        return now

    # ── reading back ────────────────────────────────────────────────────────────────────────────────────────────

    def _read_back(self, error: BackendError) -> None:
        """After a write without a usable answer: read the endpoint until the write shows, for at most
        ``Timing.read_back_s``."""
        deadline = self._desk.clock() + self._timing.read_back_s
        self._desk.update(message=f"{error}; reading back")
        now: Endpoint | None = None
        while self._desk.clock() < deadline:
            now = self._read()
            if now is not None and self._has_landed(now):
                progress = self._serving.progress(self._plan.before, now, self._plan.change)
                if isinstance(progress, Diverged):
                    changed = difference(self._plan.before, now)
                    words = f"{error}; since then: {progress.message}"
                    raise Ended(Outcome(OutcomeKind.UNKNOWN, words, changed=changed))
                return
            self._desk.wait()
        if now is None:
            raise Ended(Outcome(OutcomeKind.UNKNOWN, f"{error}; the endpoint cannot be read to see whether it landed"))
        if self._run.sent:
            raise Ended(self.failed(self._run.sent, error))
        raise Ended(Outcome(OutcomeKind.FAILED, f"{error}; read back: not applied"))

    def _has_landed(self, now: Endpoint) -> bool:
        """Whether ``now`` shows an effect of the call. A new revision alone counts only if the call changes nothing
        else that can be seen: some systems raise the revision for their own bookkeeping."""
        moves = any(
            (row.after is not None and row.before != row.after) or row.mirror_before != row.mirror_after
            for row in self._plan.rows
        )
        return bool(difference(self._base, now, revision=not moves))

    # ── observing ───────────────────────────────────────────────────────────────────────────────────────────────

    def confirm(self) -> Outcome:
        settled = self._settle()
        confirmed = self._measure()
        words = settled.message or "in effect"
        if confirmed is False:
            words += "; the metrics do not show it yet"
        elif confirmed is None and self._targets():
            words += "; no metrics to confirm it by"
        return Outcome(OutcomeKind.SETTLED, words, confirmed)

    def record(self, outcome: Outcome) -> Mapping[str, object]:
        return outcome_data(self._run)

    def _settle(self) -> Settled:
        if self._settled is None:
            self._settled = self._observe()
        return self._settled

    def _observe(self) -> Settled:
        timing = self._timing
        began = last_progress = self._desk.clock()
        seen: object = None
        self._desk.update(stage=Stage.OBSERVING, message="")
        while True:
            now = self._read()
            at = self._desk.clock()
            if now is not None:
                progress = self._serving.progress(self._plan.before, now, self._plan.change)
                if isinstance(progress, Settled):
                    self._desk.update(message=progress.message, stalled=False)
                    return progress
                if isinstance(progress, Diverged):
                    self._diverged(progress, now)
                state = [(variant.name, variant.observed, variant.ready) for variant in now.variants]
                if state != seen:
                    seen, last_progress = state, at
                stalled = progress.stalled or at - last_progress > timing.stall_s
                self._desk.update(message=progress.message, stalled=stalled)
            elif at - last_progress > timing.stall_s:
                self._desk.update(stalled=True)
            if at - began > timing.settle_s:
                words = f"sent, but not in effect after {timing.settle_s:g} s: {self._run.message}"
                raise Ended(Outcome(OutcomeKind.UNKNOWN, words))
            self._desk.wait()

    def _diverged(self, progress: Diverged, now: Endpoint) -> NoReturn:
        """End with the divergence. A change back of our own also makes the endpoint diverge; that run is superseded
        instead."""
        self._desk.check_superseded()
        words = f"sent, but then: {progress.message}"
        raise Ended(Outcome(OutcomeKind.UNKNOWN, words, changed=difference(self._plan.before, now)))

    def _targets(self) -> Mapping[str, float]:
        """The percent by variant that the plan leads to; empty if only the system knows its next step."""
        return {row.variant: row.after for row in self._plan.rows if row.after is not None}

    def _measure(self) -> bool | None:
        """Whether the metrics agree with the control plane; ``None``: not known."""
        targets = self._targets()
        if not targets:
            return None
        deadline = self._desk.clock() + self._timing.measure_s
        self._desk.update(stage=Stage.MEASURING)
        told = False
        while True:
            endpoint = self._run.now or self._plan.before
            shares = self._shares(endpoint)
            if shares is not None:
                told = True
                self._desk.update(shares=shares)
                if agrees(shares, targets):
                    return True
            if self._desk.clock() > deadline:
                return False if told else None
            self._desk.wait()

    def _read(self) -> Endpoint | None:
        try:
            now = self._serving.read(self._plan.ref)
        except BackendError as error:
            self._desk.update(message=f"cannot be read: {error}")
            return None
        self._desk.update(now=now)
        return now


def agrees(shares: Mapping[str, float], targets: Mapping[str, float]) -> bool:
    """Whether the measured shares match the targets: within the tolerance, and exactly 0 where the target is 0."""
    for name, target in targets.items():
        share = shares.get(name, 0.0)
        if (target == 0.0 and share > 0.0) or abs(share - target) > MEASURED_TOLERANCE:
            return False
    return bool(shares)


# ── after a crash ───────────────────────────────────────────────────────────────────────────────────────────────


def judge_intent(data: Mapping[str, object], now: Endpoint) -> tuple[OutcomeKind, str]:
    """Applied, not applied, or unknown, judged from the journal's record of a plan and the endpoint as it is now.
    Pure."""
    before, after = _table(data.get("before")), _table(data.get("after"))
    if _matches(after, now):
        arrived = all(v.observed is None or v.desired is None or _same(v.observed, v.desired) for v in now.variants)
        words = "applied" if arrived else "applied, still on its way"
        alias = _table(data.get("alias"))
        if alias:
            words += f"; look whether {alias.get('alias')} of {alias.get('model')} moved to {alias.get('version')}"
        return OutcomeKind.SETTLED, words
    if before.get("revision") and before.get("revision") == now.revision:
        return OutcomeKind.FAILED, "not applied: the endpoint is as it was before"
    weights = ", ".join(f"{v.name} {v.desired:g} %" for v in now.variants if v.desired is not None)
    return OutcomeKind.UNKNOWN, f"unknown: the endpoint was changed since, and is now at {weights or 'no weights'}"


def _part_way(data: Mapping[str, object], sent: Sequence[str]) -> str:
    """The calls that the journal recorded as sent, if the change has several and not all were recorded; else ""."""
    calls = data.get("calls")
    if not isinstance(calls, list) or len(calls) < 2 or len(sent) >= len(calls):
        return ""
    out = "; ".join(sent) or "none"
    return f"; {len(sent)} of {len(calls)} calls are known to be sent: {out}. The way back: {data.get('way_back')}"


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _matches(after: Mapping[str, object], now: Endpoint) -> bool:
    weights, mirror = _table(after.get("weights")), _table(after.get("mirror"))
    if not weights and not mirror:
        return False
    live = {variant.name: variant.desired for variant in now.variants}
    copied = {variant.name: variant.mirror or 0.0 for variant in now.variants}
    return all(_same(live.get(name), weight) for name, weight in weights.items() if weight or live.get(name)) and all(
        _same(copied.get(name, 0.0), percent or 0.0) for name, percent in mirror.items()
    )


def _same(one: object, other: object) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float) and same_weight(one, other)
