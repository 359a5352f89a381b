"""Numbers that are none: NaN, infinity, and the largest double, as which SQL stores keep infinity. Pure."""

from __future__ import annotations

import math

LARGEST = 1.79e308
"""The magnitude from which on a number stands for infinity."""


def known(value: float | None) -> float | None:
    """The value; ``None`` also where it is no finite number."""
    return value if value is not None and abs(value) < LARGEST else None


def endless(value: float) -> str:
    """What a number that is not finite is shown as: "∞", "-∞", "NaN"; "" for a finite one."""
    if math.isnan(value):
        return "NaN"
    return "" if abs(value) < LARGEST else "∞" if value > 0 else "-∞"
