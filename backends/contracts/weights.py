"""When two weights count as equal."""

from __future__ import annotations

WEIGHT_TOLERANCE = 0.01
"""Percentage points by which two weights, or a sum and 100, may differ and still count as equal."""


def same_weight(one: float | None, other: float | None) -> bool:
    """Whether both weights are known, and equal except for rounding."""
    return one is not None and other is not None and abs(one - other) <= WEIGHT_TOLERANCE
