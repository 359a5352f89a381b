"""Changes of a split and of mirrors, for all systems: their checks, and whether a change is in the spec. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from backends.contracts import (
    WEIGHT_TOLERANCE,
    Action,
    Change,
    Diverged,
    Endpoint,
    Mirror,
    Pending,
    Promote,
    Role,
    Split,
    Variant,
    action_of,
    same_weight,
)
from backends.errors import Rejected, Unsupported


def possible(endpoint: Endpoint, change: Change, system: str) -> None:
    """Check that the change can be made now.

    Raises:
        Unsupported: the system has no such change.
        Rejected: the change is not possible now; the message says why.
    """
    action = action_of(change)
    if action not in endpoint.actions:
        raise Unsupported(f"{system} knows no {action.value}")
    if (reason := endpoint.actions[action]) is not None:
        raise Rejected(f"{endpoint.ref.name} cannot {action.value} now: {reason}")


def variant_of(endpoint: Endpoint, name: str) -> Variant:
    """The variant of that name. Raises ``Rejected`` if there is none."""
    variant = endpoint.variant(name)
    if variant is None:
        known = ", ".join(variant.name for variant in endpoint.variants)
        raise Rejected(f"{endpoint.ref.name} has no variant {name!r}: known are {known}")
    return variant


def split_of(endpoint: Endpoint, change: Split | Promote) -> dict[str, float]:
    """Checked percentages of all variants except shadows; a variant that the change does not name gets 0.

    Raises:
        Rejected: an unknown variant, a shadow, a weight outside 0–100, a sum that is not 100, or nothing would change.
    """
    if isinstance(change, Promote):
        target = variant_of(endpoint, change.variant)
        weights: Mapping[str, float] = {target.name: 100.0}
    else:
        weights = change.weights
    for name, weight in weights.items():
        variant = variant_of(endpoint, name)
        if not (math.isfinite(weight) and 0 <= weight <= 100):
            raise Rejected(f"the weight of {name} is {weight:g}: it must be between 0 and 100")
        if variant.role is Role.SHADOW and weight > 0:
            raise Rejected(f"{name} is a shadow: it gets copies, and has no place in the split")
    if abs((total := math.fsum(weights.values())) - 100) > WEIGHT_TOLERANCE:
        raise Rejected(f"the weights sum to {total:g}, not to 100")
    live = {one.name: weights.get(one.name, 0.0) for one in endpoint.variants if one.role is not Role.SHADOW}
    if all(same_weight(endpoint_weight(endpoint, name), weight) for name, weight in live.items()):
        raise Rejected(f"{endpoint.ref.name} is at {percents(live)} already")
    return live


def mirror_of(endpoint: Endpoint, change: Mirror) -> Variant:
    """The variant to copy to, checked.

    Raises:
        Rejected: an unknown variant, a percentage outside 0–100, or a variant with live traffic.
    """
    variant = variant_of(endpoint, change.variant)
    if not (math.isfinite(change.percent) and 0 <= change.percent <= 100):
        raise Rejected(f"the mirror percentage is {change.percent:g}: it must be between 0 and 100")
    if change.percent > 0 and variant.desired:
        raise Rejected(f"{variant.name} gets live traffic and cannot be mirrored to as well")
    if same_weight(variant.mirror or 0.0, change.percent):
        raise Rejected(f"{variant.name} is mirrored at {change.percent:g} % already")
    return variant


def endpoint_weight(endpoint: Endpoint, name: str) -> float | None:
    variant = endpoint.variant(name)
    return None if variant is None else variant.desired


def arrived(before: Endpoint, now: Endpoint, change: Change) -> Pending | Diverged | None:
    """``None`` once the spec holds the requested state; else pending or diverged. Pure.

    A write is visible as soon as it is answered. So if a *newer* object has the old spec, another client has put it
    back."""
    if isinstance(change, Mirror):
        variant = now.variant(change.variant)
        if variant is None and change.percent == 0:
            return None
        if variant is not None and same_weight(variant.mirror or 0.0, change.percent):
            return None
        old = before.variant(change.variant)
        is_now = "gone" if variant is None else f"mirrored at {variant.mirror or 0.0:g} %"
        same = variant is not None and old is not None and same_weight(variant.mirror or 0.0, old.mirror or 0.0)
        return _pending_or_diverged(before, now, f"{change.variant} is {is_now}", as_before=same)
    if not isinstance(change, Split | Promote):
        raise Unsupported(f"there is no {action_of(change).value} to follow here")
    target = {change.variant: 100.0} if isinstance(change, Promote) else change.weights
    live = {one.name: one.desired for one in now.variants if one.role is not Role.SHADOW}
    if not set(target) - set(live) and all(same_weight(weight, target.get(name, 0.0)) for name, weight in live.items()):
        return None
    was = {one.name: one.desired for one in before.variants if one.role is not Role.SHADOW}
    return _pending_or_diverged(before, now, f"the split is now {percents(live)}", as_before=was == live)


def _pending_or_diverged(before: Endpoint, now: Endpoint, what: str, *, as_before: bool) -> Pending | Diverged:
    if now.revision == before.revision:
        return Pending("the API server does not show it yet")
    owner = now.owner or before.owner
    if as_before:
        return Diverged(f"{what}, as before: " + (f"{owner} put it back" if owner else "it was put back"))
    return Diverged(what)


def roles(weights: Mapping[str, float], declared: str = "") -> dict[str, Role]:
    """The role of each variant of a plain split, by its weight in percent.

    The ``declared`` variant is stable if it gets traffic, else the variant with the most traffic. A single other
    variant with traffic is the canary; several are candidates. Variants without traffic are idle.
    """
    heaviest = max(weights, key=lambda name: weights[name], default="")
    stable = declared if weights.get(declared, 0.0) > 0 else heaviest
    others = [name for name, weight in weights.items() if weight > 0 and name != stable]
    rest = Role.CANARY if len(others) == 1 else Role.CANDIDATE
    return {
        name: Role.STABLE if name == stable else rest if weight > 0 else Role.IDLE for name, weight in weights.items()
    }


def split_actions(variants: Sequence[Variant], reason: str | None) -> dict[Action, str | None]:
    """The actions of a split with mirrors; a ``reason`` refuses all of them."""
    shadows = [one.name for one in variants if one.role is Role.SHADOW]
    alone = None if len(variants) - len(shadows) > 1 else f"{', '.join(shadows)} is a shadow: it only gets copies"
    taken = None if any(not one.desired for one in variants) else "every variant gets live traffic"
    return {**can(reason or alone, Action.SHIFT, Action.PROMOTE), Action.MIRROR: reason or taken}


def can(reason: str | None, *actions: Action) -> dict[Action, str | None]:
    """The same reason (or ``None``) for several actions."""
    return dict.fromkeys(actions, reason)


def percents(weights: Mapping[str, float | None]) -> str:
    return ", ".join(
        f"{name} {'?' if weight is None else f'{round(weight, 2):g}'} %" for name, weight in weights.items()
    )
