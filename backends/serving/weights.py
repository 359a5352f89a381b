"""Converts percent to the whole numbers that systems use: proportional weights, and percentages that sum to 100.

Gateway API, Istio, KServe's groups and Seldon's experiments have whole *proportional* weights: a backend's share is its
weight divided by the sum of all weights. Percentages are written exactly if whole numbers can express them, else to a
thousandth of a percentage point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from backends.errors import Rejected

Name = TypeVar("Name")

FINEST = 100_000
"""The largest total of weights: 1 is then a thousandth of a percentage point. Gateway API allows a million per
entry."""

EXACT = 1e-6
"""The difference up to which a quota counts as a whole number: percentages are floats."""


def shares(weights: Mapping[Name, int]) -> dict[Name, float]:
    """Percent by name. If all weights are 0, all shares are 0: no traffic is sent."""
    total = sum(weights.values())
    return {name: 100.0 * weight / total if total else 0.0 for name, weight in weights.items()}


def apportion(percents: Mapping[Name, float], total: int) -> dict[Name, int]:
    """Whole weights that sum to exactly ``total``, by the largest remainder method: each differs from its quota by less
    than 1, and 0 stays 0. Of equal remainders, the earlier name gets more. ``percents`` may have any positive sum.
    """
    whole = math.fsum(percents.values())
    quotas = {name: round(total * percent / whole, 9) for name, percent in percents.items()}
    floors = {name: math.floor(quota) for name, quota in quotas.items()}
    left = total - sum(floors.values())
    by_remainder = sorted(quotas, key=lambda name: floors[name] - quotas[name])
    return {name: floors[name] + (name in by_remainder[:left]) for name in quotas}


def proportional(percents: Mapping[Name, float], current: Mapping[Name, int]) -> dict[Name, int]:
    """Whole proportional weights for ``percents``. Their total is that of ``current`` if it can express them exactly
    (so that unchanged shares keep their weights), else 100, 1000 and so on, at most ``FINEST``.

    Raises:
        Rejected: a share is too small for a weight, or all shares are 0.
    """
    whole = math.fsum(percents.values())
    if whole <= 0:
        raise Rejected("no variant would get traffic")
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
        Rejected: it is not a whole number. Rounding would send a value that the operator did not confirm.
    """
    if abs(percent - round(percent)) > EXACT:
        raise Rejected(f"{name} cannot get {percent:g} %: this system takes whole percentages only")
    return round(percent)
