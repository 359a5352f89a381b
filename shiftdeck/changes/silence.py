"""The kind of change that silences alerts for a time, or ends a silence."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from backends.contracts import Adapter, Alert, AlertState, Call, EndpointRef, Silence, Silences
from backends.errors import BackendError, Malformed, Rejected, Unsupported
from shiftdeck.changes.kind import SILENCES, Desk, Ended, Fence, Judgement, Planned, Shown, Shows, Sight, of_kind
from shiftdeck.changes.run import Outcome, OutcomeKind
from shiftdeck.common.durations import format_duration
from shiftdeck.fleet.view import FleetView
from shiftdeck.journal.journal import current_operator

if TYPE_CHECKING:
    from shiftdeck.journal.entry import Entry

TOLERANCE_S = 2.0
"""Seconds. Systems round the times of a silence, and replace a start in the past by the present time."""

EXPIRED = "expired"

Read = Callable[[str], tuple[Silence, ...]]
"""Returns the silences that a source knows of."""


@dataclass(frozen=True, slots=True)
class SilenceStep:
    """One call to one source. ``wanted`` is the silence that it creates (without an id). ``expires`` is the id of the
    silence that it ends."""

    source: str
    call: Call
    wanted: Silence | None = None
    expires: str = ""


@dataclass(frozen=True, slots=True)
class SilencePlan:
    """Silences to create or to end. ``subject`` is the endpoint concerned, as text, or "". ``until`` is ``None`` if the
    plan ends silences."""

    id: str
    context: str
    subject: str
    words: str
    reason: str
    steps: tuple[SilenceStep, ...]
    created: float
    until: float | None = None
    back: bool = False


# ── planning ────────────────────────────────────────────────────────────────────────────────────────────────────


def plan_silences(
    alerts: Sequence[Alert],
    adapter: Callable[[str], object],
    *,
    context: str,
    ref: str,
    duration_s: float,
    reason: str,
    author: str,
    now: float,
) -> SilencePlan:
    """The plan to silence exactly these alerts for ``duration_s`` seconds. Pure, except that it may create adapters.

    Raises:
        Rejected: no alert, no reason, or no such duration.
        Unsupported: the source of an alert knows no silences.
    """
    if not alerts:
        raise Rejected("there is no such alert", hint="shiftdeck status shows those that fire")
    steps = []
    for alert in alerts:
        adapted = _silencing(adapter(alert.source), alert.source)
        call = adapted.compile_silence(alert, starts=now, duration_s=duration_s, author=author, comment=reason)
        wanted = Silence("", alert.labels, now, now + duration_s, author, reason)
        steps.append(SilenceStep(alert.source, call, wanted))
    names = ", ".join(dict.fromkeys(alert.name for alert in alerts))
    change = f"silence {names} for {format_duration(duration_s)}"
    return SilencePlan(uuid.uuid4().hex[:12], context, ref, change, reason, tuple(steps), now, now + duration_s)


def plan_expiry(
    silence: str, source: str, adapter: Callable[[str], object], *, context: str, ref: str, reason: str, now: float
) -> SilencePlan:
    """The plan to end a silence before its time.

    Raises:
        Unsupported: the source knows no silences.
    """
    call = _silencing(adapter(source), source).compile_expire(silence)
    step = SilenceStep(source, call, expires=silence)
    return SilencePlan(uuid.uuid4().hex[:12], context, ref, f"end silence {silence}", reason, (step,), now)


def _silencing(adapter: object, source: str) -> Silences:
    if not isinstance(adapter, Silences):
        raise Unsupported(f"{source} knows no silences", hint="they are made in an Alertmanager: add it as a source")
    return adapter


def endpoint_of(fleet: FleetView, alert: Alert) -> str:
    """The endpoint that an alert joined to, as text, or ""."""
    return next((str(one.ref) for one in fleet.endpoints if alert in one.alerts), "")


def firing_on(fleet: FleetView, ref: EndpointRef) -> tuple[Alert, ...]:
    """The alerts that fire on an endpoint."""
    found = fleet.endpoint(ref)
    return tuple(one for one in (found.alerts if found else ()) if one.state is AlertState.FIRING)


# ── the kind ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SilenceAlerts:
    """Silences of one context. ``adapter`` returns the adapter of an alert source by name. ``sources`` are the names of
    the alert sources. Planning may block."""

    adapter: Callable[[str], Adapter]
    sources: tuple[str, ...] = ()
    name: str = "silence"
    exclusive: bool = False

    def plan(self, fleet: FleetView, alerts: Sequence[Alert], *, duration_s: float, reason: str) -> SilencePlan:
        """The plan to silence these alerts. If one alert comes from several sources, the silence goes to the sources
        that know silences.

        Raises:
            BackendError: there is no alert, no source of them knows silences, or an argument is not valid.
        """
        able = [alert for alert in alerts if isinstance(self.adapter(alert.source), Silences)]
        refs = {endpoint_of(fleet, alert) for alert in alerts}
        return plan_silences(
            able or alerts,
            self.adapter,
            context=fleet.context,
            ref=refs.pop() if len(refs) == 1 else "",
            duration_s=duration_s,
            reason=reason,
            author=current_operator(),
            now=fleet.at,
        )

    def plan_end(self, fleet: FleetView, silence: str, *, reason: str) -> SilencePlan:
        """The plan to end a silence, in the alert source that has it.

        Raises:
            Rejected: no source has a silence of that id that has not ended.
            BackendError: a source could not be read, and no other source has the silence.
        """
        failure: BackendError | None = None
        for source in self.sources:
            try:
                adapted = self.adapter(source)
                if not isinstance(adapted, Silences):
                    continue
                known = adapted.silences()
            except BackendError as error:
                failure = error
                continue
            if any(one.id == silence and one.state != EXPIRED for one in known):
                quiet = [alert for alert in fleet.alerts if silence in alert.silenced_by]
                ref = endpoint_of(fleet, quiet[0]) if quiet else ""
                return plan_expiry(
                    silence, source, self.adapter, context=fleet.context, ref=ref, reason=reason, now=fleet.at
                )
        raise failure or Rejected(f"there is no silence {silence}, or it has ended already")

    def plans(self, plan: Planned) -> bool:
        return isinstance(plan, SilencePlan)

    def owns(self, data: Mapping[str, object]) -> bool:
        return of_kind(data, self.name, SILENCES)

    def idle(self, plan: SilencePlan) -> Outcome | None:
        return None

    def refusal(self, plan: SilencePlan, *, reason: str, override: str) -> str:
        return ""

    def intent(self, plan: SilencePlan, *, reason: str = "", override: str = "") -> Mapping[str, object]:
        return intent_data(plan)

    def apply(self, plan: SilencePlan, desk: Desk) -> SilenceApplication:
        return SilenceApplication(plan, desk, self.adapter)

    def judge(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Judgement:
        outcome, message = judge_silences(entry.data, self._known)
        return Judgement(outcome, message, may_land=outcome is not OutcomeKind.SETTLED)

    def fence(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Fence | None:
        """None: silences have no guard."""
        return None

    def shown(self, entry: Entry, fleet: FleetView) -> Shown | None:
        """Reads the silences only if an alert that one of them would silence is silenced."""
        steps = [_step(one) for one in cast("Sequence[object]", entry.data[SILENCES])]
        status = fleet.source(steps[0].source)
        if status is None or not status.fresh or status.at is None:
            return None
        if not all(_may_be_there(step, fleet) for step in steps):
            return None
        there = judge_silences(entry.data, self._known)[0] is OutcomeKind.SETTLED
        return Shown("", status.at) if there else None

    def _known(self, source: str) -> tuple[Silence, ...]:
        return _silencing(self.adapter(source), source).silences()


class SilenceApplication:
    """One plan being applied: each call is read back before the next is sent."""

    def __init__(self, plan: SilencePlan, desk: Desk, adapter: Callable[[str], Adapter]) -> None:
        self._plan = plan
        self._desk = desk
        self._systems = {step.source: _silencing(adapter(step.source), step.source) for step in plan.steps}
        self._made: list[str] = []

    def announced(self) -> AbstractContextManager[None]:
        return nullcontext()

    def before(self, number: int) -> None:
        """The calls are independent: none waits for another."""

    def send(self, number: int) -> Mapping[str, object]:
        step = self._plan.steps[number]
        self._systems[step.source].send(step.call)
        return self._read_back(step)

    def look(self, number: int) -> Sight:
        found = self._find(self._plan.steps[number])
        there = found is not None
        return Sight(Shows.EFFECT if there else Shows.BEFORE, exact=there, untouched=not there)

    def fence(self, number: int) -> Fence | None:
        return None

    def conflict(self, number: int, error: BackendError) -> Outcome:
        return self.failed(number, error)

    def failed(self, number: int, error: BackendError, proof: str = "") -> Outcome:
        words = f"{error}; {proof}" if proof else f"{error}"
        if number:
            return Outcome(OutcomeKind.UNKNOWN, f"{number} of {len(self._plan.steps)} calls sent, then: {words}")
        return Outcome(OutcomeKind.FAILED, words if proof else f"nothing was changed: {words}")

    def confirm(self) -> Outcome:
        """Settled only if every step is still in effect: one may have been undone while the later ones were sent."""
        try:
            found = [self._find(step) for step in self._plan.steps]
        except BackendError as error:
            return Outcome(OutcomeKind.UNKNOWN, f"sent; it cannot be read back: {error}", by_look=True)
        read_at = self._desk.dated(self._desk.clock())
        self._made = [one for one in found if one is not None]
        if len(self._made) < len(found):
            words = f"sent, but {len(found) - len(self._made)} of {len(found)} are not in effect any more"
            return Outcome(OutcomeKind.UNKNOWN, words, by_look=True)
        ended = "" if self._plan.until is None else f", {', '.join(self._made)}"
        return Outcome(OutcomeKind.SETTLED, f"in effect{ended}", confirmed=True, read_at=read_at)

    def record(self, outcome: Outcome) -> Mapping[str, object]:
        return {SILENCES: list(self._made)}

    def _find(self, step: SilenceStep) -> str | None:
        """The id of the silence that the system shows now, as ``landed``."""
        return landed(step, self._systems[step.source].silences())

    def _read_back(self, step: SilenceStep) -> Mapping[str, object]:
        """What the journal keeps: the id of the silence that the system shows. Raises ``Ended`` if it shows none."""
        try:
            found = self._find(step)
        except BackendError as error:
            words = f"sent; it cannot be read back: {error}"
            raise Ended(Outcome(OutcomeKind.UNKNOWN, words, by_look=True)) from None
        if found is None:
            words = "the call was accepted, but the silence does not show"
            raise Ended(Outcome(OutcomeKind.UNKNOWN, words, by_look=True))
        self._made.append(found)
        return {"answer": found}


def landed(step: SilenceStep, silences: Sequence[Silence]) -> str | None:
    """The id of the silence that proves that the call took effect; ``None`` if there is no proof."""
    if step.wanted is None:
        gone = all(one.id != step.expires or one.state == EXPIRED for one in silences)
        return step.expires if gone else None
    return next((one.id for one in silences if _same(one, step.wanted)), None)


def _may_be_there(step: SilenceStep, fleet: FleetView) -> bool:
    """Whether the alerts give reason to look for a silence: one of those that it would silence is silenced. For a
    silence that is to end: none names it any more."""
    alerts = [alert for alert in fleet.alerts if alert.source == step.source]
    if step.wanted is None:
        return all(step.expires not in alert.silenced_by for alert in alerts)
    wanted = step.wanted.matchers.items()
    return any(alert.silenced_by and wanted <= alert.labels.items() for alert in alerts)


def _same(one: Silence, wanted: Silence) -> bool:
    return (
        one.state != EXPIRED
        and dict(one.matchers) == dict(wanted.matchers)
        and one.author == wanted.author
        and one.comment == wanted.comment
        and abs(one.ends - wanted.ends) <= TOLERANCE_S
    )


# ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────────


def intent_data(plan: SilencePlan) -> dict[str, object]:
    """What the journal keeps of a plan: enough to judge later, from the system alone, what became of it."""
    return {
        "plan": plan.id,
        "change": plan.words,
        "reason": plan.reason,
        SILENCES: [
            {"source": step.source, "expires": step.expires}
            if step.wanted is None
            else {
                "source": step.source,
                "matchers": dict(step.wanted.matchers),
                "ends": step.wanted.ends,
                "author": step.wanted.author,
                "comment": step.wanted.comment,
            }
            for step in plan.steps
        ],
        "calls": [
            {"source": step.source, "method": step.call.method, "path": step.call.path, "body": step.call.body}
            for step in plan.steps
        ],
    }


def judge_silences(data: Mapping[str, object], read: Read) -> tuple[OutcomeKind, str]:
    """Applied, not applied, or unknown, judged from the journal's record of a plan and the system's present silences.

    Raises:
        BackendError, LookupError: the system cannot be asked, or the journal holds something else.
    """
    steps = [_step(one) for one in cast("Sequence[object]", data[SILENCES])]
    shown = [landed(step, read(step.source)) is not None for step in steps]
    if all(shown):
        return OutcomeKind.SETTLED, "applied"
    if any(shown):
        return OutcomeKind.UNKNOWN, f"unknown: {sum(shown)} of {len(shown)} silences are there"
    return OutcomeKind.FAILED, "not applied, or over already: no such silence is there"


def _step(raw: object) -> SilenceStep:
    if not isinstance(raw, Mapping):
        raise Malformed("not what the journal keeps of a silence")
    nothing = Call("", "", None)
    if raw.get("expires"):
        return SilenceStep(str(raw.get("source", "")), nothing, expires=str(raw["expires"]))
    matchers, ends = raw.get("matchers"), raw.get("ends")
    if not isinstance(matchers, Mapping) or not isinstance(ends, int | float):
        raise Malformed("not what the journal keeps of a silence")
    wanted = Silence("", matchers, 0.0, float(ends), str(raw.get("author", "")), str(raw.get("comment", "")))
    return SilenceStep(str(raw.get("source", "")), nothing, wanted)
