"""Two-sample tests on histograms. Pure.

A p-value is the probability of a difference at least as large as the observed one if nothing changed. It says how sure
a difference is, not how large it is: with many requests even a very small difference is certain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from backends.drift.distances import ks, shares

LEAST_EXPECTED = 5.0
"""Bins with a lower expected count are merged, as the χ² distribution would not fit otherwise (W. Cochran, 1954)."""


def ks_p(live: Sequence[float], reference: Sequence[float]) -> float:
    """The p-value of the two-sample Kolmogorov–Smirnov test, from counts in bins ordered by value.

    It uses the asymptotic distribution with M. Stephens' correction for the size (1970). D is known only at the bounds
    of the bins, so the true p-value is equal or smaller.

    Raises:
        ValueError: the bins differ, or all counts of one side are 0.
    """
    n, m = _totals(live, reference)
    effective = math.sqrt(n * m / (n + m))
    return kolmogorov_sf((effective + 0.12 + 0.11 / effective) * ks(shares(live), shares(reference)))


def kolmogorov_sf(x: float) -> float:
    """Q(x) = 2 Σ (−1)^(k−1) e^(−2k²x²): the probability of a value above x in the Kolmogorov distribution."""
    if x < 0.3:  # the series converges slowly here, and the result is 1 to five digits
        return 1.0
    total = 0.0
    for k in range(1, 101):
        term = math.exp(-2.0 * k * k * x * x)
        total += term if k % 2 else -term
        if term < 1e-16:
            break
    return min(1.0, max(0.0, 2.0 * total))


def chi2_p(live: Sequence[float], reference: Sequence[float]) -> float:
    """The p-value of Pearson's χ² test that both come from one distribution. The bins can be in any order.

    The test uses a 2 × bins table: the reference counts as a sample too. Evidently instead treats the reference as the
    exact distribution.

    Raises:
        ValueError: the bins differ, or all counts of one side are 0.
    """
    n, m = _totals(live, reference)
    statistic, used = 0.0, 0
    for a, b in _pooled(live, reference, min(n, m) / (n + m)):
        both = a + b
        for seen, expected in ((a, both * n / (n + m)), (b, both * m / (n + m))):
            statistic += (seen - expected) ** 2 / expected
        used += 1
    return chi2_sf(statistic, used - 1) if used > 1 else 1.0


def _pooled(live: Sequence[float], reference: Sequence[float], part: float) -> list[tuple[float, float]]:
    """The bins that are not empty; all bins with too low an expected count are merged into one."""
    pairs = [(a, b) for a, b in zip(live, reference, strict=True) if a + b > 0]
    small = [pair for pair in pairs if sum(pair) * part < LEAST_EXPECTED]
    large = [pair for pair in pairs if sum(pair) * part >= LEAST_EXPECTED]
    if not small:
        return large
    return [*large, (math.fsum(a for a, _ in small), math.fsum(b for _, b in small))]


def chi2_sf(x: float, freedom: int) -> float:
    """The probability of a value above ``x`` in the χ² distribution, in closed form for whole degrees of freedom
    (M. Abramowitz, I. Stegun, 1964, 26.4.4 and 26.4.5).
    """
    if x <= 0:
        return 1.0
    half = x / 2
    if freedom % 2:
        total, term, divisor = math.erfc(math.sqrt(half)), math.exp(-half) * math.sqrt(x) / math.sqrt(math.pi / 2), 1
    else:
        total, term, divisor = math.exp(-half), math.exp(-half) * half, 2
    # Each further pair of degrees adds e^(−x/2) · x^i / (1·3·5…) or x^i / (2·4·6…), one factor at a time.
    for _ in range((freedom - 1) // 2):
        total += term
        divisor += 2
        term *= x / divisor
    return min(1.0, max(0.0, total))


def _totals(live: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    if len(live) != len(reference):
        raise ValueError("both need the same bins")
    n, m = math.fsum(live), math.fsum(reference)
    if n <= 0 or m <= 0:
        raise ValueError("nothing was counted")
    return n, m
