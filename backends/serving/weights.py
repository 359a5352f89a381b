"""Between percent and the whole numbers that systems write: proportional weights, and percentages that sum to 100.

Gateway API, Istio, KServe's groups and Seldon's experiments take whole *proportional* weights: a backend's share is its
weight by the sum of all. What is asked for in percent is written without loss where whole numbers can say it, and to a
thousandth of a percentage point where they cannot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from backends.errors import Rejected

Name = TypeVar("Name")

FINEST = 100_000
"""The largest total that is chosen: a thousandth of a percentage point each. Gateway API allows a million per entry."""

EXACT = 1e-6
"""What a quota may be off a whole number and still be called one: percentages come as floats."""


def shares(weights: Mapping[Name, int]) -> dict[Name, float]:
    """Percent by name. All zero where all weights are: then nobody is sent anything."""
    total = sum(weights.values())
    return {name: 100.0 * weight / total if total else 0.0 for name, weight in weights.items()}


def apportion(percents: Mapping[Name, float], total: int) -> dict[Name, int]:
    """Whole weights that sum to exactly ``total``, by largest remainder: none is off its quota by one or more, and what
    is 0 stays 0. Of equal remainders the earlier name gets more. ``percents`` may have any positive sum.
    """
    whole = math.fsum(percents.values())
    quotas = {name: round(total * percent / whole, 9) for name, percent in percents.items()}
    floors = {name: math.floor(quota) for name, quota in quotas.items()}
    left = total - sum(floors.values())
    by_remainder = sorted(quotas, key=lambda name: floors[name] - quotas[name])
    return {name: floors[name] + (name in by_remainder[:left]) for name in quotas}


def proportional(percents: Mapping[Name, float], current: Mapping[Name, int]) -> dict[Name, int]:
    """Whole proportional weights for ``percents``: in the total of ``current`` where that says them exactly (so that
    what does not change stays as it is written), else in 100, 1000 and so on, at most ``FINEST``.

    Raises:
        Rejected: a share is too small to be written, or nobody would get anything.
    """
    whole = math.fsum(percents.values())
    if whole <= 0:
        raise Rejected("nobody would get any traffic")
    now = sum(current.get(name, 0) for name in percents)
    totals = [*([now] if 0 < now <= FINEST else []), 100, 1_000, 10_000, FINEST]
    total = next((one for one in totals if _is_exact(percents, one, whole)), FINEST)
    weights = apportion(percents, total)
    for name, percent in percents.items():
        if percent > 0 and weights[name] == 0:
            raise Rejected(f"{percent:g} % is too little to be written as a weight: the least is {100 / FINEST:g} %")
    return weights


def _is_exact(percents: Mapping[Name, float], total: int, whole: float) -> bool:
    quotas = [total * percent / whole for percent in percents.values()]
    return all(abs(quota - round(quota)) <= EXACT * max(1.0, quota) for quota in quotas)


def whole_percent(name: str, percent: float) -> int:
    """``percent`` as a whole number, for systems that take no other.

    Raises:
        Rejected: it is none: rounding would send what nobody confirmed.
    """
    if abs(percent - round(percent)) > EXACT:
        raise Rejected(f"{name} cannot get {percent:g} %: this system takes whole percentages only")
    return round(percent)
