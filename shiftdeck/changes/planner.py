"""Makes the plan of a change. Pure: the adapter's ``compile`` that it calls is pure as well."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import MappingProxyType

from backends.contracts import (
    WEIGHT_TOLERANCE,
    Abort,
    Action,
    Advance,
    Change,
    Endpoint,
    Forecast,
    Forecasts,
    Mirror,
    Pause,
    Promote,
    Registry,
    Resume,
    Retry,
    Role,
    Rollback,
    Serving,
    Split,
    Unpin,
    Variant,
    action_of,
)
from backends.errors import BackendError, Rejected
from shiftdeck.changes.access import Arming
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.checks import run_checks
from shiftdeck.changes.plan import AliasMove, Friction, Plan, PlanRow, Step, describe
from shiftdeck.changes.promotion_gates import CHAMPION, Gating
from shiftdeck.changes.proposal import Proposal
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.fleet.view import FleetView, trouble
from shiftdeck.health.judge import is_live

_STEPS_BACK: Mapping[type, Change] = MappingProxyType(
    {Pause: Resume(), Resume: Pause(), Advance: Abort(), Retry: Abort(), Abort: Retry()}
)


def rest_to_stable(endpoint: Endpoint, given: Mapping[str, float]) -> Split:
    """A split with the given weights, in which the stable variant gets the rest up to 100.

    If ``given`` names stable, or there is no stable variant, nothing is filled in and the sum must be 100.

    Raises:
        Rejected: an unknown variant, a weight outside 0–100, or a sum that cannot be made 100.
    """
    weights = dict(live_weights(endpoint))
    for name, weight in given.items():
        if name not in weights:
            raise Rejected(f"{endpoint.ref} has no variant {name!r} with live traffic", hint=_known(endpoint))
        if not 0.0 <= weight <= 100.0:
            raise Rejected(f"the weight of {name} must be between 0 and 100 percent, not {weight:g}")
        weights[name] = weight
    stable = endpoint.in_role(Role.STABLE)
    if stable is not None and stable.name not in given:
        others = sum(weight for name, weight in weights.items() if name != stable.name)
        if others > 100.0 + WEIGHT_TOLERANCE:
            raise Rejected(f"the weights of the other variants add up to {others:g} percent")
        weights[stable.name] = max(0.0, round(100.0 - others, 6))
    total = sum(weights.values())
    if abs(total - 100.0) > WEIGHT_TOLERANCE:
        words = f"the weights add up to {total:g} percent, not 100"
        raise Rejected(words, hint=_unfilled(weights, given, stable.name if stable is not None else ""))
    return Split(weights)


def _unfilled(weights: Mapping[str, float], given: Mapping[str, float], stable: str) -> str:
    """Why nothing was filled in, and what to write instead."""
    missing, left = [name for name in weights if name not in given], 100.0 - sum(given.values())
    others = ", ".join(missing)
    if not others or left < 0.0:
        return ""
    if stable and len(missing) == 1:
        return f"{stable} is stable; {others}={left:g} leaves it the rest"
    why = f"{stable} is stable, which else gets the rest" if stable else "there is no stable variant to get the rest"
    return f"{why}: give {others} as well"


def live_weights(endpoint: Endpoint) -> Mapping[str, float]:
    """The desired percent by variant, without the shadows; the observed percent if the system does not report the
    desired one."""
    return {v.name: _told(v) or 0.0 for v in endpoint.variants if v.role is not Role.SHADOW}


def _told(variant: Variant) -> float | None:
    return variant.observed if variant.desired is None else variant.desired


def make_plan(
    *,
    fleet: FleetView,
    arming: Arming,
    view: EndpointView,
    fresh: Endpoint,
    change: Change,
    serving: Serving,
    registries: Mapping[str, Registry],
    move_alias: bool,
    now: float,
    gating: Gating | None = None,
    alias_back: AliasMove | None = None,
) -> Plan:
    """The plan of ``change`` against ``fresh``, the endpoint as read just now.

    A change that the system refuses becomes a plan without steps and with the reason as a blocking check.
    ``registries`` are by source name; they are needed for the alias that moves with a promotion and with its rollback.
    ``alias_back`` is the alias move of a way back, if the plan that moved the alias is known.
    """
    told = _told_by(serving, fresh, change)
    after = _weights_after(fresh, change) if told is None else told.weights
    rows = _rows(view, fresh, change, after, told.deploys if told is not None else None)
    alias = _alias_move(fleet, fresh, change, after, registries, alias_back) if move_alias else None
    new = told.deploys if told is not None else None
    proposal = Proposal(fleet, arming, view, fresh, action_of(change), change, rows, gating or Gating(), new)
    checks = run_checks(proposal) + _registry_checks(fleet, alias)
    checks += tuple(Check("caution", CheckVerdict.WARN, words) for words in (told.cautions if told else ()))
    steps: tuple[Step, ...] = ()
    try:
        steps = tuple(Step(fresh.ref.backend, "serving", call) for call in serving.compile(fresh, change))
        if alias is not None:
            calls = registries[alias.registry].compile_alias(alias.model, alias.alias, alias.version, alias.expected)
            steps += tuple(Step(alias.registry, "registries", call) for call in calls)
    except BackendError as error:
        why = "; ".join(part for part in (str(error), error.hint) if part)
        others = (check for check in checks if check.name not in ("possible", "caution"))
        checks = (Check("possible", CheckVerdict.BLOCK, why), *others)
    undo = None if told and told.final else (told.undo if told else None) or _undo(fresh, change)
    return Plan(
        id=uuid.uuid4().hex[:12],
        context=fleet.context,
        production=fleet.production,
        ref=fresh.ref,
        change=change,
        before=fresh,
        rows=rows,
        steps=steps,
        checks=checks,
        friction=_friction(proposal, fleet.production, checks),
        created=now,
        way_back=_way_back(undo, alias),
        undo=undo,
        alias=alias,
        gives=tuple(one.name for one in proposal.growing),
        back=proposal.is_retreat,
    )


def _told_by(serving: Serving, endpoint: Endpoint, change: Change) -> Forecast | None:
    """The system's own forecast of the change, if it has steps of its own."""
    if not isinstance(serving, Forecasts):
        return None
    try:
        return serving.forecast(endpoint, change)
    except BackendError:  # compile raises the same error, and the plan shows it
        return None


def _weights_after(endpoint: Endpoint, change: Change) -> Mapping[str, float] | None:
    """The percent by variant once the change is in effect; ``None`` if only the system knows its next step."""
    now = live_weights(endpoint)
    if isinstance(change, Split):
        return {**now, **change.weights}
    if isinstance(change, Promote):
        return {**dict.fromkeys(now, 0.0), change.variant: 100.0}
    if isinstance(change, Rollback):
        release = next((release for release in endpoint.releases if release.id == change.release), None)
        return {**dict.fromkeys(now, 0.0), **release.weights} if release is not None else now
    if isinstance(change, Abort) and (stable := endpoint.in_role(Role.STABLE)) is not None:
        return {**dict.fromkeys(now, 0.0), stable.name: 100.0}
    return now if isinstance(change, Mirror | Pause) else None


def _rows(
    view: EndpointView,
    endpoint: Endpoint,
    change: Change,
    after: Mapping[str, float] | None,
    deploys: Variant | None = None,
) -> tuple[PlanRow, ...]:
    total = view.rps
    rows = []
    for variant in endpoint.variants:
        seen = view.variant(variant.name)
        shadow = variant.role is Role.SHADOW and (after is None or variant.name not in after)
        mirror = change.percent if isinstance(change, Mirror) and change.variant == variant.name else variant.mirror
        target = None if shadow or after is None else after.get(variant.name, 0.0)
        if variant.role is Role.SHADOW and target:
            mirror = 0.0  # a shadow that gets live traffic gets no mirrored requests any more
        rows.append(
            PlanRow(
                variant=variant.name,
                role=str(variant.role),
                before=None if shadow else _told(variant),
                after=target,
                rps_before=seen.metrics.rps if seen and seen.metrics else None,
                rps_after=total * target / 100.0 if total is not None and target is not None else None,
                mirror_before=variant.mirror,
                mirror_after=mirror,
            )
        )
    # Variants that do not exist now and come back with the change: for instance an old revision at zero replicas.
    known = {row.variant for row in rows}
    rows += [
        PlanRow(name, str(Role.IDLE), 0.0, weight, rps_after=None if total is None else total * weight / 100.0)
        for name, weight in (after or {}).items()
        if name not in known and weight
    ]
    if deploys is not None and endpoint.variant(deploys.name) is None:
        rows.append(PlanRow(deploys.name, str(deploys.role), deploys.observed, deploys.desired))
    return tuple(rows)


def _way_back(undo: Change | None, alias: AliasMove | None) -> str:
    if undo is None:
        return "none that this system offers"
    if alias is None:
        return describe(undo)
    there = f"back to {alias.expected}" if alias.expected else "unset again"
    return f"{describe(undo)}, and alias {alias.alias} of {alias.model} {there}"


def _alias_move(
    fleet: FleetView,
    endpoint: Endpoint,
    change: Change,
    after: Mapping[str, float] | None,
    registries: Mapping[str, Registry],
    back: AliasMove | None,
) -> AliasMove | None:
    """The move of the champion alias with a promotion or with its rollback; ``None`` if the variant's version is not
    registered or the alias does not move."""
    if back is not None:
        return back if back.registry in registries else None
    variant = _to_champion(endpoint, change, after)
    if variant is None or variant.model is None:
        return None
    model = variant.model.model
    registry = fleet.registry_of.get(model, "")
    of_model = [version for version in fleet.versions if version.ref.model == model]
    if registry not in registries or not any(
        version.ref == variant.model and not version.absent for version in of_model
    ):
        return None
    holder = next((version.ref.version for version in of_model if CHAMPION in version.aliases), None)
    if holder == variant.model.version:
        return None
    left = {one.model.version for one in endpoint.variants if one.model is not None and one.model.model == model}
    if isinstance(change, Rollback) and holder not in left:
        return None  # no promotion of this endpoint moved the alias
    return AliasMove(registry, model, CHAMPION, holder, variant.model.version)


def _to_champion(endpoint: Endpoint, change: Change, after: Mapping[str, float] | None) -> Variant | None:
    """The variant that a change makes the champion: the promoted one, or the one that a rollback gives all traffic."""
    if isinstance(change, Promote):
        return endpoint.variant(change.variant)
    alone = [name for name, weight in (after or {}).items() if weight > 0]
    return endpoint.variant(alone[0]) if isinstance(change, Rollback) and len(alone) == 1 else None


def _registry_checks(fleet: FleetView, alias: AliasMove | None) -> tuple[Check, ...]:
    """A warning if the registry of the alias does not answer: the alias moves after the traffic, and may then not
    move."""
    status = fleet.source(alias.registry) if alias is not None else None
    if alias is None or status is None or status.fresh:
        return ()
    evidence = f"{trouble(status, fleet.at) or status.name + ' off'}: {alias.alias} may stay where it is"
    return (Check("registry", CheckVerdict.WARN, evidence),)


def _undo(endpoint: Endpoint, change: Change) -> Change | None:
    """The change that reverts this one; ``None`` if the system offers none."""
    if isinstance(change, Mirror):
        variant = endpoint.variant(change.variant)
        return Mirror(change.variant, (variant.mirror or 0.0) if variant else 0.0)
    if isinstance(change, Split | Promote | Rollback):
        current = next((release for release in endpoint.releases if release.current), None)
        if current is not None and Action.ROLLBACK in endpoint.actions:
            return Rollback(current.id)
        weights = live_weights(endpoint)
        whole = abs(sum(weights.values()) - 100.0) <= WEIGHT_TOLERANCE  # not if all were 0, or one is not known
        return Split(weights) if whole and Action.SHIFT in endpoint.actions else None
    back = _STEPS_BACK.get(type(change))
    return back if back is not None and action_of(back) in endpoint.actions else None


def _friction(proposal: Proposal, production: bool, checks: tuple[Check, ...]) -> Friction:
    if any(check.verdict is CheckVerdict.BLOCK for check in checks):
        return Friction.TYPE_NAME if production and not proposal.is_retreat else Friction.CHOOSE
    if proposal.is_retreat:
        return Friction.ENTER
    forward = production and not isinstance(proposal.change, Mirror | Unpin)
    return Friction.TYPE_NAME if forward else Friction.CHOOSE


def _known(endpoint: Endpoint) -> str:
    live = [variant.name for variant in endpoint.variants if variant.role is not Role.SHADOW or is_live(variant)]
    return "its variants are " + ", ".join(live)
