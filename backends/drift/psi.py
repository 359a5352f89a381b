"""The population stability index of two histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence

EPSILON = 1e-4


def shares(counts: Sequence[float]) -> tuple[float, ...]:
    """What part of all is in each bin, or nothing where nothing was counted."""
    total = math.fsum(counts)
    return tuple(count / total for count in counts) if total > 0 else ()


def psi(live: Sequence[float], reference: Sequence[float], epsilon: float = EPSILON) -> float:
    """Σ (p − q) · ln(p / q) over the bins, of shares ``live`` (p) and ``reference`` (q) in the same bins.

    It is the sum of both Kullback–Leibler divergences, hence symmetric, never negative, and 0 where p = q. By custom
    (N. Siddiqi, Credit Risk Scorecards, 2006) below 0.1 is stable, above 0.25 a shift. An empty bin would make it
    infinite, so ``epsilon`` is added to each share before they are scaled to sum to 1 again: unlike a floor under
    counts this does not depend on the size of the samples. Sampling alone gives about (bins − 1) · (1/n + 1/m).

    Raises:
        ValueError: the two have not the same bins, or none.
    """
    if len(live) != len(reference) or not live:
        raise ValueError("both need the same bins")
    scale = 1 + epsilon * len(live)
    smoothed = (((p + epsilon) / scale, (q + epsilon) / scale) for p, q in zip(live, reference, strict=True))
    return math.fsum((p - q) * math.log(p / q) for p, q in smoothed)
