"""The weight that the status of a Canary of Flagger tells, and where it only seems to tell one. Pure."""

from __future__ import annotations

from backends.platforms.kubernetes.objects import Object, items, number, table, text, whole
from backends.serving.workloads import short

UNTOLD = frozenset({"WaitingPromotion", "Promoting", "Finalising"})
"""The phases in which Flagger has set the weight in its status to 0, whatever the routes have."""


def weight_of(canary: Object) -> float | None:
    """The canary's percentage, or ``None`` where the status does not tell it.

    The JSON has no such field if it is 0. Flagger sets the field to 0 as soon as the analysis is over, while the routes
    still split; and it writes no weight at all in an A/B test, nor when a blue/green release goes over to the canary.
    (Flagger, ``setStatusPhase``, ``runAB`` and ``runBlueGreen``.)
    """
    weight, phase = number(canary, "status", "canaryWeight") or 0.0, text(canary, "status", "phase")
    if weight:
        return weight
    if phase in UNTOLD:
        return None
    iterations = whole(_analysis(canary), "iterations") or 0
    if phase == "Progressing" and iterations:
        done = (whole(canary, "status", "iterations") or 0) >= iterations
        return None if done or matches_of(canary) else 0.0
    return 0.0


def _analysis(canary: Object) -> Object:
    return table(canary, "spec", "analysis") or table(canary, "spec", "canaryAnalysis")


def matches_of(canary: Object) -> tuple[str, ...]:
    """What a request of an A/B test must have to get to the canary, in words."""
    return tuple(
        ", ".join(
            f"{part.removesuffix('s')} {name}" for part in ("headers", "queryParams") for name in table(one, part)
        )
        or ", ".join(one)
        for one in items(_analysis(canary), "match")
    )


def percent_of(weight: float | None) -> str:
    return "?" if weight is None else short(weight)
