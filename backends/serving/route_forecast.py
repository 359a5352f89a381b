"""What a change of a route with several rules does beyond the numbers of its main rule, and what its way back does not
restore. Pure.

One change sets every rule of an endpoint to the same split or mirror. A change has one split, so the way back cannot
give rules different ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from backends.contracts import WEIGHT_TOLERANCE, Change, Endpoint, Forecast, Mirror, Promote, Role, Split
from backends.serving.routing import Table, rule_shares
from backends.serving.split import possible
from backends.serving.stable_label import StableLabelServing


class RouteServing(StableLabelServing):
    """Serving through routes whose endpoints have a ``Table`` of rules."""

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """As ``backends.contracts.Forecasts``."""
        return forecast(endpoint, change)


def forecast(endpoint: Endpoint, change: Change) -> Forecast:
    possible(endpoint, change, "a route")
    made = cast("Table", endpoint.native["table"])
    now = {one.name: one.desired or 0.0 for one in endpoint.variants if one.role is not Role.SHADOW}
    match change:
        case Split(weights):
            return Forecast({**now, **weights}, tuple(_splits_lost(made)))
        case Promote(variant):
            return Forecast({**dict.fromkeys(now, 0.0), variant: 100.0}, tuple(_splits_lost(made)))
        case Mirror(variant, _):
            return Forecast(now, tuple(_mirrors_lost(made, variant)))
    return Forecast(None)


def _splits_lost(made: Table) -> Iterator[str]:
    main = rule_shares(made.main)
    for rule in made.rules:
        shares = rule_shares(rule)
        if any(abs(share - main.get(one, 0.0)) >= WEIGHT_TOLERANCE for one, share in shares.items()):
            was = ", ".join(f"{made.names[one]} {share:g} %" for one, share in shares.items())
            yield f"the way back does not restore {rule.label}, which has {was}: it gets the split of {made.main.label}"


def _mirrors_lost(made: Table, variant: str) -> Iterator[str]:
    shown = made.mirrors.get(variant)
    for label, percent in mirrors_of(made, variant):
        if shown is not None and abs(percent - shown) >= WEIGHT_TOLERANCE:
            yield f"the way back does not restore {label}, which copies {percent:g} %: it gets {shown:g} %"


def mirrors_of(made: Table, variant: str) -> list[tuple[str, float]]:
    """The percentage that each rule copies to the variant, by the rule's label."""
    backend = made.called(variant)
    return [(rule.label, copies.percent) for rule in made.rules for copies in rule.copies if copies.backend == backend]


def mirror_summary(made: Table, change: Mirror) -> str:
    """Which mirrors change: "mirror v10 20 % → 10 % (rule 1), 50 % → 10 % (rule 2)"."""
    now = mirrors_of(made, change.variant)
    if not now:
        labels = f" ({', '.join(rule.label for rule in made.rules)})" if len(made.rules) > 1 else ""
        return f"mirror {change.variant} 0 % → {change.percent:g} %{labels}"
    moves = [
        f"{percent:g} % → {change.percent:g} %" + (f" ({label})" if len(made.rules) > 1 else "")
        for label, percent in now
    ]
    return f"mirror {change.variant} {', '.join(moves)}"
