"""When two weights are the same one."""

from __future__ import annotations

WEIGHT_TOLERANCE = 0.01
"""Percentage points by which two weights, or a sum and 100, may differ and still be the same."""


def same_weight(one: float | None, other: float | None) -> bool:
    """Whether both are known, and the same but for rounding."""
    return one is not None and other is not None and abs(one - other) <= WEIGHT_TOLERANCE
