"""Tests whether a canary is worse than stable or the difference may be chance. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.contracts import Histogram, VariantMetrics

FEW_EXPECTED = 5.0
"""Below that many expected hits (or misses) on a side, the normal approximation is not accurate enough."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two variants, and how likely such a difference is by chance alone.

    ``p_value`` is two-sided, 0–1; ``None`` where too little is known.
    """

    stable: float | None
    canary: float | None
    p_value: float | None

    @property
    def delta(self) -> float | None:
        """``canary - stable`` in the measure's own unit."""
        if self.stable is None or self.canary is None:
            return None
        return self.canary - self.stable

    @property
    def ratio(self) -> float | None:
        """``canary / stable``; ``None`` where stable is 0 or not known."""
        if self.stable is None or self.canary is None or self.stable == 0:
            return None
        return self.canary / self.stable

    def significant(self, level: float = 0.01) -> bool:
        return self.p_value is not None and self.p_value < level


@dataclass(frozen=True, slots=True)
class Comparison:
    """Canary against stable."""

    errors: Difference
    p95: Difference
    samples_stable: int
    samples_canary: int


def two_proportions(hits_a: float, total_a: float, hits_b: float, total_b: float) -> float | None:
    """Two-sided p-value for "both have the same proportion of hits"; ``None`` where either side is empty.

    With few expected hits on a side this is Fisher's exact test: a canary at a few percent of the traffic has few
    errors. Otherwise it is the pooled z-test (NIST/SEMATECH e-Handbook, §7.3.3):
    z = (p̂₁ - p̂₂) / √(p̂(1 - p̂)(1/n₁ + 1/n₂)), p̂ the pooled proportion.
    """
    if total_a <= 0 or total_b <= 0:
        return None
    pooled = (hits_a + hits_b) / (total_a + total_b)
    if min(pooled, 1.0 - pooled) * min(total_a, total_b) < FEW_EXPECTED:
        return exact(*(max(0, round(count)) for count in (hits_a, total_a, hits_b, total_b)))
    spread = pooled * (1.0 - pooled) * (1.0 / total_a + 1.0 / total_b)
    z = abs(hits_a / total_a - hits_b / total_b) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2.0))


def exact(hits_a: int, total_a: int, hits_b: int, total_b: int) -> float:
    """Fisher's exact test: twice the smaller tail of the hypergeometric distribution of ``hits_b``, at most 1."""
    hits, total = hits_a + hits_b, total_a + total_b
    low, high = max(0, hits - total_a), min(hits, total_b)
    first = math.exp(
        _log_choose(hits, hits_b) + _log_choose(total - hits, total_b - hits_b) - _log_choose(total, total_b)
    )
    upwards = downwards = term = first
    for count in range(hits_b, high):
        term *= (hits - count) * (total_b - count) / ((count + 1) * (total - hits - total_b + count + 1))
        upwards += term
        if term < upwards * 1e-12:
            break
    term = first
    for count in range(hits_b, low, -1):
        term *= count * (total - hits - total_b + count) / ((hits - count + 1) * (total_b - count + 1))
        downwards += term
        if term < downwards * 1e-12:
            break
    return min(1.0, 2.0 * min(upwards, downwards))


def by_chance(hits: int, total: int, share: float) -> float:
    """The probability of at least ``hits`` out of ``total`` where each is a hit with probability ``share`` in (0, 1):
    the upper tail of the binomial distribution."""
    if hits <= 0:
        return 1.0
    if hits > total:
        return 0.0
    odds = share / (1.0 - share)
    term = tail = math.exp(_log_choose(total, hits) + hits * math.log(share) + (total - hits) * math.log1p(-share))
    for count in range(hits, total):
        term *= (total - count) / (count + 1) * odds
        tail += term
        if count > total * share and term < tail * 1e-12:
            break
    return min(1.0, tail)


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def slower(stable: Histogram | None, canary: Histogram | None, threshold_s: float | None) -> float | None:
    """p-value for "the same share of requests is slower than ``threshold_s``".

    The bucket bound nearest to the threshold is used, since only the counts of buckets are known.
    """
    if stable is None or canary is None or threshold_s is None or stable.bounds != canary.bounds:
        return None
    finite = [index for index, bound in enumerate(stable.bounds) if math.isfinite(bound)]
    if not finite:
        return None
    cut = min(finite, key=lambda index: abs(stable.bounds[index] - threshold_s))
    return two_proportions(sum(stable.counts[cut + 1 :]), stable.total, sum(canary.counts[cut + 1 :]), canary.total)


def compare(stable: VariantMetrics | None, canary: VariantMetrics | None) -> Comparison:
    """Compares two variants, each over its own window. Without one of them every difference is unknown."""
    if stable is None or canary is None:
        return Comparison(
            Difference(stable.error_ratio if stable else None, canary.error_ratio if canary else None, None),
            Difference(stable.p95 if stable else None, canary.p95 if canary else None, None),
            stable.samples if stable else 0,
            canary.samples if canary else 0,
        )
    errors_p = None
    if stable.error_ratio is not None and canary.error_ratio is not None:
        errors_p = two_proportions(
            stable.error_ratio * stable.samples, stable.samples, canary.error_ratio * canary.samples, canary.samples
        )
    return Comparison(
        Difference(stable.error_ratio, canary.error_ratio, errors_p),
        Difference(stable.p95, canary.p95, slower(stable.latency, canary.latency, stable.p95)),
        stable.samples,
        canary.samples,
    )
