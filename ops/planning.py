"""From an intent to a plan. Pure, but for the adapter's ``compile``, which is pure as well."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from backends.contracts import (
    ACTION_OF,
    Change,
    Endpoint,
    Mirror,
    Promote,
    Registry,
    Release,
    Role,
    Rollback,
    Serving,
    Split,
)
from backends.errors import BackendError, Rejected
from ops.checks import Proposal, run_checks
from ops.fleet import EndpointView, FleetView
from ops.health import is_live
from ops.plans import AliasMove, Check, CheckVerdict, Friction, Plan, PlanRow, Step, describe

CHAMPION = "champion"
"""The alias that names the version in production, as MLflow's documentation uses it."""

TOLERANCE = 0.01


def rest_to_stable(endpoint: Endpoint, given: Mapping[str, float]) -> Split:
    """Set the given weights and take the rest from, or give it to, the stable variant.

    Where ``given`` names all variants, or stable itself, nothing is filled in and the sum must be 100.

    Raises:
        Rejected: an unknown variant, a weight outside 0–100, or a sum that cannot be made 100.
    """
    weights = {
        variant.name: (variant.desired or 0.0) for variant in endpoint.variants if variant.role is not Role.SHADOW
    }
    for name, weight in given.items():
        if name not in weights:
            raise Rejected(f"{endpoint.ref} has no variant {name!r} with live traffic", hint=_known(endpoint))
        if not 0.0 <= weight <= 100.0:
            raise Rejected(f"the weight of {name} must be between 0 and 100 percent, not {weight:g}")
        weights[name] = weight
    stable = endpoint.in_role(Role.STABLE)
    if stable is not None and stable.name not in given:
        others = sum(weight for name, weight in weights.items() if name != stable.name)
        if others > 100.0 + TOLERANCE:
            raise Rejected(f"the weights of the other variants add up to {others:g} percent")
        weights[stable.name] = round(100.0 - others, 6)
    total = sum(weights.values())
    if abs(total - 100.0) > TOLERANCE:
        raise Rejected(f"the weights add up to {total:g} percent, not 100")
    return Split(weights)


def last_good(view: EndpointView) -> Release | None:
    """The newest release before the current one that nobody rolled back from and that sends no traffic to a variant
    of which something critical is said; ``None`` where there is none."""
    condemned = view.verdict.condemned()
    current = next((release for release in view.endpoint.releases if release.current), None)
    for release in view.endpoint.releases:
        if release.current or release.good is False:
            continue
        if current is not None and dict(release.weights) == dict(current.weights):
            continue
        if any(release.weights.get(name, 0.0) > 0 for name in condemned):
            continue
        return release
    return None


def make_plan(
    *,
    fleet: FleetView,
    view: EndpointView,
    fresh: Endpoint,
    change: Change,
    serving: Serving,
    registries: Mapping[str, Registry],
    move_alias: bool,
    now: float,
) -> Plan:
    """Work ``change`` out against ``fresh``, the endpoint as read just now.

    A change that the system does not take becomes a plan with no steps and the reason as a blocking check.
    """
    after = _weights_after(fresh, change)
    rows = _rows(view, fresh, change, after)
    alias = _alias_move(fleet, fresh, change, registries) if move_alias else None
    proposal = Proposal(fleet, view, fresh, ACTION_OF[type(change)], change, rows)
    checks = run_checks(proposal)
    steps: tuple[Step, ...] = ()
    try:
        steps = tuple(Step(fresh.ref.backend, "serving", call) for call in serving.compile(fresh, change))
        if alias is not None:
            calls = registries[alias.registry].compile_alias(alias.model, alias.alias, alias.version, alias.expected)
            steps += tuple(Step(alias.registry, "registries", call) for call in calls)
    except BackendError as error:
        checks = (Check("possible", CheckVerdict.BLOCK, str(error)), *(c for c in checks if c.name != "possible"))
    undo = _undo(fresh, change)
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
        way_back=describe(undo) if undo is not None else "none that this system offers",
        undo=undo,
        alias=alias,
    )


def _weights_after(endpoint: Endpoint, change: Change) -> Mapping[str, float]:
    now = {variant.name: variant.desired or 0.0 for variant in endpoint.variants if variant.role is not Role.SHADOW}
    if isinstance(change, Split):
        return {**now, **change.weights}
    if isinstance(change, Promote):
        return {**dict.fromkeys(now, 0.0), change.variant: 100.0}
    if isinstance(change, Rollback):
        release = next((release for release in endpoint.releases if release.id == change.release), None)
        return {**dict.fromkeys(now, 0.0), **release.weights} if release is not None else now
    return now


def _rows(view: EndpointView, endpoint: Endpoint, change: Change, after: Mapping[str, float]) -> tuple[PlanRow, ...]:
    total = view.rps
    rows = []
    for variant in endpoint.variants:
        seen = view.variant(variant.name)
        shadow = variant.role is Role.SHADOW and variant.name not in after
        mirror = change.percent if isinstance(change, Mirror) and change.variant == variant.name else variant.mirror
        target = None if shadow else after.get(variant.name, 0.0)
        rows.append(
            PlanRow(
                variant=variant.name,
                role=str(variant.role),
                before=None if shadow else variant.desired,
                after=target,
                rps_before=seen.metrics.rps if seen and seen.metrics else None,
                rps_after=total * target / 100.0 if total is not None and target is not None else None,
                mirror_before=variant.mirror,
                mirror_after=mirror,
            )
        )
    return tuple(rows)


def _alias_move(
    fleet: FleetView, endpoint: Endpoint, change: Change, registries: Mapping[str, Registry]
) -> AliasMove | None:
    """The champion alias follows a promotion, where the variant's version is registered."""
    if not isinstance(change, Promote) or not registries:
        return None
    variant = endpoint.variant(change.variant)
    if variant is None or variant.model is None:
        return None
    of_model = [version for version in fleet.versions if version.ref.model == variant.model.model]
    if not any(version.ref == variant.model for version in of_model):
        return None
    holder = next((version.ref.version for version in of_model if CHAMPION in version.aliases), None)
    if holder == variant.model.version:
        return None
    return AliasMove(next(iter(registries)), variant.model.model, CHAMPION, holder, variant.model.version)


def _undo(endpoint: Endpoint, change: Change) -> Change | None:
    if isinstance(change, Mirror):
        variant = endpoint.variant(change.variant)
        return Mirror(change.variant, (variant.mirror or 0.0) if variant else 0.0)
    current = next((release for release in endpoint.releases if release.current), None)
    if current is not None and isinstance(change, Split | Promote | Rollback):
        return Rollback(current.id)
    if isinstance(change, Split):
        return Split({v.name: v.desired or 0.0 for v in endpoint.variants if v.role is not Role.SHADOW})
    return None


def _friction(proposal: Proposal, production: bool, checks: tuple[Check, ...]) -> Friction:
    if any(check.verdict is CheckVerdict.BLOCK for check in checks):
        return Friction.TYPE_NAME if production and not proposal.is_retreat else Friction.CHOOSE
    if proposal.is_retreat:
        return Friction.ENTER
    return Friction.TYPE_NAME if production else Friction.CHOOSE


def _known(endpoint: Endpoint) -> str:
    live = [variant.name for variant in endpoint.variants if variant.role is not Role.SHADOW or is_live(variant)]
    return "its variants are " + ", ".join(live)
