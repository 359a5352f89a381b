"""Silences through a running engine: which alerts are meant, the plan, and carrying it out. May block: not for the UI's
thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from backends.contracts import Adapter, Alert, AlertState, EndpointRef, Silences
from backends.errors import BackendError, Rejected
from shiftdeck.changes.run import Outcome
from shiftdeck.changes.silence import EXPIRED, SilencePlan, carry_out, plan_expiry, plan_silences
from shiftdeck.engine.engine import Engine
from shiftdeck.fleet.view import FleetView
from shiftdeck.journal.journal import current_operator


def endpoint_of(view: FleetView, alert: Alert) -> str:
    """The endpoint that an alert joined to, as text, or ""."""
    return next((str(one.ref) for one in view.endpoints if alert in one.alerts), "")


def firing_on(view: FleetView, ref: EndpointRef) -> tuple[Alert, ...]:
    """The alerts that fire on an endpoint."""
    found = view.endpoint(ref)
    return tuple(one for one in (found.alerts if found else ()) if one.state is AlertState.FIRING)


def propose(engine: Engine, alerts: Sequence[Alert], *, duration_s: float, reason: str) -> SilencePlan:
    """Keep these alerts quiet. Where one alert comes from several sources, those that know silences are asked.

    Raises:
        BackendError: there is none, none of their sources knows silences, or something does not fit.
    """
    adapter = _adapters(engine)
    able = [alert for alert in alerts if isinstance(adapter(alert.source), Silences)]
    refs = {endpoint_of(engine.view, alert) for alert in alerts}
    return plan_silences(
        able or alerts,
        adapter,
        context=engine.context.name,
        ref=refs.pop() if len(refs) == 1 else "",
        duration_s=duration_s,
        reason=reason,
        author=current_operator(),
        now=engine.view.at,
    )


def propose_end(engine: Engine, silence: str, *, reason: str) -> SilencePlan:
    """End a silence, in whichever source of alerts has it.

    Raises:
        Rejected: no source has one of that id that goes on.
        BackendError: none of those that could be asked has it, and one could not.
    """
    context, adapter = engine.context, _adapters(engine)
    failure: BackendError | None = None
    for source in context.of_kind("alerts"):
        adapted = adapter(source.name)
        if not isinstance(adapted, Silences):
            continue
        try:
            known = adapted.silences()
        except BackendError as error:
            failure = error
            continue
        if any(one.id == silence and one.state != EXPIRED for one in known):
            quiet = [alert for alert in engine.view.alerts if silence in alert.silenced_by]
            ref = endpoint_of(engine.view, quiet[0]) if quiet else ""
            now = engine.view.at
            return plan_expiry(silence, source.name, adapter, context=context.name, ref=ref, reason=reason, now=now)
    raise failure or Rejected(f"there is no silence {silence} that goes on")


def apply(engine: Engine, plan: SilencePlan) -> tuple[Outcome, int | None]:
    """Carry a plan out; returns the outcome and the journal's number of the intent. What the alerts are now is asked
    at once."""
    ended = carry_out(plan, _adapters(engine), engine.journal, refusal=engine.gate.refusal())
    for source in {step.source for step in plan.steps}:
        engine.refresh(source)
    return ended


def _adapters(engine: Engine) -> Callable[[str], Adapter]:
    return partial(engine.adapter, "alerts")
