"""The kind of change that moves an endpoint's traffic. It is sent call by call, observed until it settles, and then
measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from backends.contracts import Call, Diverged, Endpoint, EndpointRef, Fences, Registry, Serving, Settled, same_weight
from backends.errors import BackendError
from shiftdeck.changes import traffic_judgement as judgement
from shiftdeck.changes.advisory_lock import at_work
from shiftdeck.changes.check import blocked_by
from shiftdeck.changes.kind import KIND, MARKED, Desk, Ended, Fence, Judgement, Planned, Shown, Shows, Sight
from shiftdeck.changes.plan import AliasMove, Plan, PlanRow, changed_by, difference
from shiftdeck.changes.record import intent_data, outcome_data
from shiftdeck.changes.registry_edit import alias_is_at
from shiftdeck.changes.run import Outcome, OutcomeKind, Run
from shiftdeck.changes.timing import Timing
from shiftdeck.changes.traffic_observation import Observation, Shares

if TYPE_CHECKING:
    from shiftdeck.fleet.view import FleetView
    from shiftdeck.journal.entry import Entry


@dataclass(frozen=True, slots=True)
class Traffic:
    """Changes of traffic. ``serving`` returns the adapter of an endpoint's system, ``registries`` all registries by
    source name. ``shares`` returns the measured percent by variant; ``None``: not known."""

    serving: Callable[[EndpointRef], Serving]
    registries: Callable[[], Mapping[str, Registry]]
    shares: Shares
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
            return blocked_by(plan.checks)
        return ""

    def intent(self, plan: Plan, *, reason: str, override: str) -> Mapping[str, object]:
        return intent_data(plan, reason, override)

    def apply(self, plan: Plan, desk: Desk) -> TrafficApplication:
        registries = self.registries() if plan.alias is not None else {}
        return TrafficApplication(plan, desk, self.serving(plan.ref), registries, self.shares, self.timing)

    def judge(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Judgement:
        ref = EndpointRef.parse(entry.ref)
        now = self.serving(ref).read(ref)
        outcome, message = judgement.judge_intent(entry.data, now, entry.operator)
        pending = message == judgement.ON_ITS_WAY
        if outcome is OutcomeKind.UNKNOWN and not pending:
            message += judgement.part_way(entry.data, sent())
        found = Judgement(
            outcome,
            message,
            {variant.name: variant.observed for variant in now.variants},
            may_land=outcome is not OutcomeKind.SETTLED and judgement.is_as_before(entry.data, now),
            pending=pending,
        )
        alias = entry.data.get("alias")
        if outcome is OutcomeKind.SETTLED and isinstance(alias, Mapping) and alias:
            return self._with_alias(found, {str(key): str(value or "") for key, value in alias.items()})
        return found

    def _with_alias(self, found: Judgement, alias: Mapping[str, str]) -> Judgement:
        """The judgement of a change whose traffic is in effect, and which moves an alias after that."""
        model, name, version = alias["model"], alias["alias"], alias["version"]
        known = self.registries()
        asked = [known[alias["registry"]]] if alias.get("registry") in known else list(known.values())
        where = f"at {version}" if version else "unset"
        if not asked:
            return replace(found, message=f"{found.message}; look whether {name} of {model} is {where}")
        try:
            there = any(alias_is_at(one, model, name, version, alias.get("before")) for one in asked)
        except BackendError as error:
            return replace(found, message=f"{found.message}; look whether {name} of {model} is {where}: {error}")
        if there:
            return replace(found, message=f"{found.message}; {name} of {model} is {where}")
        words = f"the traffic is in effect, but not the registry: {name} of {model} is not {where}"
        return replace(found, outcome=OutcomeKind.FAILED, message=words, may_land=True)

    def fence(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Fence | None:
        ref = EndpointRef.parse(entry.ref)
        lost = judgement.lost_call(entry.data, sent(), ref.backend)
        return None if lost is None else _fence(self.serving(ref), self.serving(ref).read(ref), lost)

    def shown(self, entry: Entry, fleet: FleetView) -> Shown | None:
        view = fleet.endpoint(EndpointRef.parse(entry.ref))
        status = fleet.newest(view.source) if view is not None else None
        if view is None or status is None or not status.fresh or status.at is None:
            return None
        now, alias = view.endpoint, entry.data.get("alias")
        if not (judgement.is_as_asked(entry.data, now) and judgement.has_arrived(now)):
            return None
        if isinstance(alias, Mapping) and alias and not _alias_shown(alias, fleet):
            return None
        return Shown(judgement.author_of(entry.data, now), status.at)


def _fence(serving: Serving, now: Endpoint, lost: Call) -> Fence | None:
    call = serving.fence(now, lost) if isinstance(serving, Fences) else None
    return None if call is None else Fence(call, lambda: serving.send(call))


def _alias_shown(alias: Mapping[str, object], fleet: FleetView) -> bool:
    of_model = [one for one in fleet.versions if one.ref.model == alias.get("model")]
    holder = next((one.ref.version for one in of_model if alias.get("alias") in one.aliases), "")
    return bool(of_model) and holder == alias.get("version")


class TrafficApplication:
    """One change of traffic being applied."""

    def __init__(
        self,
        plan: Plan,
        desk: Desk,
        serving: Serving,
        registries: Mapping[str, Registry],
        shares: Shares,
        timing: Timing,
    ) -> None:
        self._plan = plan
        self._desk = desk
        self._serving = serving
        self._registries = registries
        self._timing = timing
        self._observation = Observation(plan, desk, serving, shares, timing)
        self._base = plan.before

    @property
    def _run(self) -> Run[Any]:
        return self._desk.run

    def announced(self) -> AbstractContextManager[None]:
        return at_work(self._serving, self._plan.ref, self._timing.longest_s)

    # ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────

    def before(self, number: int) -> None:
        """Wait until the call may be sent. A registry call follows a reading that shows the traffic in effect. A later
        serving call reads the endpoint first, so that its own effect can be told from the effects of the earlier
        calls."""
        if self._plan.steps[number].kind == "registries":
            self._observation.shown()
        elif number > 0:
            self._base = self._between_calls()

    def send(self, number: int) -> Mapping[str, object]:
        step = self._plan.steps[number]
        if step.kind == "registries":
            return {"answer": self._registries[step.source].send(step.call).detail}
        receipt = self._serving.send(step.call)
        return {"revision": receipt.revision, "answer": receipt.detail}

    def look(self, number: int) -> Sight:
        if self._plan.steps[number].kind == "registries":
            return self._look_at_alias()
        now = self._serving.read(self._plan.ref)
        self._desk.update(now=now)
        untouched = bool(now.revision) and now.revision == self._base.revision
        if not self._has_landed(now):
            # A release that was made since, and the split of before: somebody changed it back.
            if back := changed_by(now, self._base):
                words = f"it is as before, by a change of {back}; whether this one was in effect is not known"
                return Sight(Shows.OTHER, words, difference(self._base, now))
            return Sight(Shows.BEFORE, untouched=untouched)
        progress = self._serving.progress(self._plan.before, now, self._plan.change)
        if isinstance(progress, Diverged):
            return Sight(Shows.OTHER, progress.message, difference(self._plan.before, now))
        one_of_several = len([step for step in self._plan.steps if step.kind == "serving"]) > 1
        exact = one_of_several or (self._is_as_asked(now) if self._moves else isinstance(progress, Settled))
        return Sight(Shows.EFFECT, exact=exact, untouched=untouched)

    def fence(self, number: int) -> Fence | None:
        """None for a change that moves no weight: its effect could not be told from that of the fence."""
        now = self._run.now
        if now is None or not self._moves or self._plan.steps[number].kind == "registries":
            return None
        return _fence(self._serving, now, self._plan.steps[number].call)

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

    def failed(self, number: int, error: BackendError, proof: str = "") -> Outcome:
        if self._plan.steps[number].kind == "registries":
            return self._alias_failed(number, error, proof)
        hint = f" ({error.hint})" if error.hint and not proof else ""
        words = f"{error}{hint}" + (f"; {proof}" if proof else "")
        if number:
            return Outcome(OutcomeKind.UNKNOWN, f"{self._count()}{words}. {self._so_far()}")
        return Outcome(OutcomeKind.FAILED, words if proof else f"nothing was changed: {words}")

    def _alias_failed(self, number: int, error: BackendError, proof: str = "") -> Outcome:
        told = f"{error}; {proof}" if proof else f"{error}"
        words = f"the traffic is changed, but not the registry ({self._plan.steps[number].call.summary}): {told}"
        return Outcome(OutcomeKind.FAILED, words)

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
        while (now := self._observation.read()) is None:
            if self._desk.clock() > deadline:
                words = f"the endpoint cannot be read any more: {self._so_far()}"
                raise Ended(Outcome(OutcomeKind.UNKNOWN, words))
            self._desk.wait()
        return now

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _moves(self) -> bool:
        """Whether the plan changes a weight or a mirrored share."""
        return any(
            (row.after is not None and row.before != row.after) or row.mirror_before != row.mirror_after
            for row in self._plan.rows
        )

    def _has_landed(self, now: Endpoint) -> bool:
        """Whether ``now`` shows an effect of the call. A new revision alone counts only if the call changes nothing
        else that can be seen: some systems raise the revision for their own bookkeeping."""
        return bool(difference(self._base, now, revision=not self._moves))

    def _is_as_asked(self, now: Endpoint) -> bool:
        """Whether every row of the plan is asked for as planned, or is so where the system does not report that."""
        return all(map(partial(_has_row, now), self._plan.rows))

    def _look_at_alias(self) -> Sight:
        move = self._plan.alias
        assert move is not None
        there = alias_is_at(self._registries[move.registry], move.model, move.alias, move.version, move.expected)
        return Sight(Shows.EFFECT if there else Shows.BEFORE, exact=there)

    # ── confirming ──────────────────────────────────────────────────────────────────────────────────────────────

    def confirm(self) -> Outcome:
        settled, confirmed = self._observation.measure()
        words = settled.message or "in effect"
        if confirmed is False:
            words += "; the metrics do not show it yet"
        elif confirmed is None and self._observation.targets:
            words += "; no metrics to confirm it by"
        if self._plan.alias is not None:
            words += self._alias_kept(self._plan.alias)
        return Outcome(OutcomeKind.SETTLED, words, confirmed, read_at=self._observation.settled_at)

    def _alias_kept(self, move: AliasMove) -> str:
        """What is not known of the alias. Raises ``Ended`` if it was moved again while the traffic was observed."""
        try:
            there = self._look_at_alias().exact
        except BackendError as error:
            return f"; whether {move.alias} of {move.model} is still there is not known: {error}"
        if there:
            return ""
        words = f"the traffic is in effect, but {move.alias} of {move.model} was moved again since"
        raise Ended(Outcome(OutcomeKind.UNKNOWN, words))

    def record(self, outcome: Outcome) -> Mapping[str, object]:
        return outcome_data(self._run)


def _has_row(now: Endpoint, row: PlanRow) -> bool:
    variant = now.variant(row.variant)
    if row.after is not None:
        weight = None if variant is None else variant.observed if variant.desired is None else variant.desired
        if not same_weight(weight or 0.0, row.after):
            return False
    mirror = (variant.mirror if variant is not None else None) or 0.0
    return row.mirror_before == row.mirror_after or same_weight(mirror, row.mirror_after or 0.0)
