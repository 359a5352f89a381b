"""Distances between two histograms with the same bins. Pure. Each function takes shares that sum to 1.

The parameters are called ``live`` and ``reference``, as not all distances are symmetric. All functions raise
``ValueError`` if the two have different bins or no bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

FLOOR = 1e-4
"""The share of an empty bin in logarithms, as in Evidently 0.7. It does not depend on the size of the sample."""


def shares(counts: Sequence[float]) -> tuple[float, ...]:
    """The share of each bin in the total; empty if all counts are 0."""
    total = math.fsum(counts)
    return tuple([count / total for count in counts]) if total > 0 else ()


def psi(live: Sequence[float], reference: Sequence[float], floor: float = FLOOR) -> float:
    """The population stability index: Σ (p − q) · ln(p / q).

    It is the sum of both Kullback–Leibler divergences. So it is symmetric, never negative, and 0 if p = q. By custom
    (N. Siddiqi, Credit Risk Scorecards, 2006) a value below 0.1 is stable, and a value above 0.25 is a shift. An empty
    bin counts as ``floor``, as it would make the value infinite. Sampling alone gives about (bins − 1) · (1/n + 1/m).
    """
    _same_bins(live, reference)
    log = math.log
    total = 0.0
    for p, q in zip(live, reference, strict=True):
        # Not max(): this loop runs for every bin of a fleet, and the call would be half of its cost.
        p, q = (p if p > floor else floor), (q if q > floor else floor)  # noqa: FURB136
        total += (p - q) * log(p / q)
    return total


def kl(live: Sequence[float], reference: Sequence[float], floor: float = FLOOR) -> float:
    """The Kullback–Leibler divergence Σ q · ln(q / p) of the live shares p from the reference's shares q, in nats
    (S. Kullback, R. Leibler, On Information and Sufficiency, 1951). It is not symmetric. An empty bin counts as
    ``floor``.
    """
    _same_bins(live, reference)
    p, q = _floored(live, floor), _floored(reference, floor)
    return max(0.0, math.fsum(b * math.log(b / a) for a, b in zip(p, q, strict=True)))


def js(live: Sequence[float], reference: Sequence[float]) -> float:
    """The Jensen–Shannon *distance*: the root of the divergence in base 2, so it is between 0 and 1 (J. Lin, Divergence
    Measures Based on the Shannon Entropy, 1991). It needs no floor. Evidently's value is in nats: this value times
    √ln 2.
    """
    _same_bins(live, reference)
    total = 0.0
    for p, q in zip(live, reference, strict=True):
        mean = (p + q) / 2
        total += (p * math.log2(p / mean) if p > 0 else 0.0) + (q * math.log2(q / mean) if q > 0 else 0.0)
    return math.sqrt(min(1.0, max(0.0, total / 2)))


def linf(live: Sequence[float], reference: Sequence[float]) -> float:
    """L∞: the largest difference between the two shares of one bin. Vertex AI and TFDV use it for categories."""
    _same_bins(live, reference)
    return max(abs(p - q) for p, q in zip(live, reference, strict=True))


def ks(live: Sequence[float], reference: Sequence[float]) -> float:
    """The Kolmogorov–Smirnov statistic D: the largest difference between the two cumulative distributions.

    The bins must be in order of value. The difference is known only at the bounds of the bins, so D is never larger
    than the D of the values themselves.
    """
    _same_bins(live, reference)
    return max(abs(one) for one in accumulate(p - q for p, q in zip(live, reference, strict=True)))


def wasserstein(live: Sequence[float], reference: Sequence[float], bounds: Sequence[float]) -> float:
    """The first Wasserstein distance ∫ |F − G| dx, divided by the reference's standard deviation, as in Evidently
    (L. Vaserstein, 1969). Values are assumed to be spread evenly within each bin.

    ``bounds`` are the upper bounds of the bins, in rising order; the last one is infinite. The first and last bins are
    assumed to be as wide as their neighbours, as their outer ends are unknown.
    """
    _same_bins(live, reference)
    edges = finite_edges(bounds)
    if len(edges) != len(live) + 1:
        raise ValueError("as many bounds as bins are needed, three or more")
    gaps = [0.0, *accumulate(p - q for p, q in zip(live, reference, strict=True))]
    area = math.fsum(
        _area(left, right) * (high - low)
        for (left, right), (low, high) in zip(pairwise(gaps), pairwise(edges), strict=True)
    )
    return area / spread(reference, edges)


def finite_edges(bounds: Sequence[float]) -> tuple[float, ...]:
    """All edges of the bins; the first and last bins get the widths of their neighbours. Empty if fewer than two bounds
    are finite.
    """
    inner = [bound for bound in bounds if math.isfinite(bound)]
    if len(inner) < 2:
        return ()
    return (inner[0] - (inner[1] - inner[0]), *inner, inner[-1] + (inner[-1] - inner[-2]))


def spread(of: Sequence[float], edges: Sequence[float]) -> float:
    """The standard deviation of values spread evenly within bins."""
    bins = [(share, (low + high) / 2, high - low) for share, (low, high) in zip(of, pairwise(edges), strict=True)]
    mean = math.fsum(share * middle for share, middle, _ in bins)
    return math.sqrt(math.fsum(share * ((middle - mean) ** 2 + width**2 / 12) for share, middle, width in bins))


def _area(left: float, right: float) -> float:
    """∫ |f| over a unit interval, for the line f from ``left`` to ``right``."""
    if left * right >= 0:
        return abs(left + right) / 2
    return (left * left + right * right) / (2 * (abs(left) + abs(right)))


def _floored(some: Sequence[float], floor: float) -> list[float]:
    raised = [max(one, floor) for one in some]
    total = math.fsum(raised)
    return [one / total for one in raised]


def _same_bins(live: Sequence[float], reference: Sequence[float]) -> None:
    if len(live) != len(reference) or not live:
        raise ValueError("both need the same bins")
