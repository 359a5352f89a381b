"""How far two histograms with the same bins are from each other. Pure; each takes shares that sum to 1.

``live`` and ``reference`` are named as such because not all are symmetric. All raise ``ValueError`` where the two
have not the same bins, or none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

FLOOR = 1e-4
"""What an empty bin counts as in logarithms; Evidently 0.7 takes the same. It does not depend on the sample's size."""


def shares(counts: Sequence[float]) -> tuple[float, ...]:
    """What part of all is in each bin, or nothing where nothing was counted."""
    total = math.fsum(counts)
    return tuple([count / total for count in counts]) if total > 0 else ()


def psi(live: Sequence[float], reference: Sequence[float], floor: float = FLOOR) -> float:
    """The population stability index: Σ (p − q) · ln(p / q).

    It is the sum of both Kullback–Leibler divergences, hence symmetric, never negative, and 0 where p = q. By custom
    (N. Siddiqi, Credit Risk Scorecards, 2006) below 0.1 is stable, above 0.25 a shift. An empty bin would make it
    infinite and counts as ``floor``. Sampling alone gives about (bins − 1) · (1/n + 1/m).
    """
    _same_bins(live, reference)
    log = math.log
    total = 0.0
    for p, q in zip(live, reference, strict=True):
        # Not max(): this is the hot loop of a fleet, and a call would be half of its cost.
        p, q = (p if p > floor else floor), (q if q > floor else floor)  # noqa: FURB136
        total += (p - q) * log(p / q)
    return total


def kl(live: Sequence[float], reference: Sequence[float], floor: float = FLOOR) -> float:
    """The Kullback–Leibler divergence Σ q · ln(q / p) of the live shares p from the reference's q, in nats
    (S. Kullback, R. Leibler, On Information and Sufficiency, 1951). Not symmetric; an empty bin counts as ``floor``."""
    _same_bins(live, reference)
    p, q = _floored(live, floor), _floored(reference, floor)
    return max(0.0, math.fsum(b * math.log(b / a) for a, b in zip(p, q, strict=True)))


def js(live: Sequence[float], reference: Sequence[float]) -> float:
    """The Jensen–Shannon *distance*: the root of the divergence, in base 2, so between 0 and 1 (J. Lin, Divergence
    Measures Based on the Shannon Entropy, 1991). Evidently's is in nats: ours times √ln 2. Needs no floor."""
    _same_bins(live, reference)
    total = 0.0
    for p, q in zip(live, reference, strict=True):
        mean = (p + q) / 2
        total += (p * math.log2(p / mean) if p > 0 else 0.0) + (q * math.log2(q / mean) if q > 0 else 0.0)
    return math.sqrt(min(1.0, max(0.0, total / 2)))


def linf(live: Sequence[float], reference: Sequence[float]) -> float:
    """L∞: the largest difference between the two shares of one bin (what Vertex AI and TFDV use for categories)."""
    _same_bins(live, reference)
    return max(abs(p - q) for p, q in zip(live, reference, strict=True))


def ks(live: Sequence[float], reference: Sequence[float]) -> float:
    """The Kolmogorov–Smirnov statistic D: the largest distance between both cumulative distributions, which is seen at
    the bins' bounds only and is therefore never larger than that of the values themselves. Bins in order of value."""
    _same_bins(live, reference)
    return max(abs(one) for one in accumulate(p - q for p, q in zip(live, reference, strict=True)))


def wasserstein(live: Sequence[float], reference: Sequence[float], bounds: Sequence[float]) -> float:
    """The first Wasserstein distance ∫ |F − G| dx over the reference's standard deviation, with values spread evenly
    within each bin (L. Vaserstein, 1969; normalised as Evidently does).

    ``bounds`` are the bins' upper bounds, rising, the last one infinite. The first and last bins are taken to be as
    wide as their neighbours: how far beyond them the values went is not seen.
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
    """All edges of the bins, with the two at the ends put where the neighbouring bins' widths put them. Empty where
    fewer than two bounds are finite."""
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
    """∫ |f| over a unit interval, of the line from ``left`` to ``right``."""
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
