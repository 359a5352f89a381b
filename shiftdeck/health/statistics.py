"""Tests whether a canary is worse than stable or the difference may be chance. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shiftdeck.common.numbers import known
from shiftdeck.health.latency import Quantile, p95_of, seconds

if TYPE_CHECKING:
    from backends.contracts import Histogram, VariantMetrics

WORSE_P95 = 1.2
WORSE_SLOW = 0.05
"""A difference must matter as well: 20 % slower; where buckets tell no more, 5 points more requests beyond a bound."""

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
    slow: Slow | None = None
    p95_stable: Quantile | None = None
    p95_canary: Quantile | None = None

    @property
    def p95_ratio(self) -> float | None:
        """``p95.ratio``, where both are known well enough for it: not beyond the last bucket or in a wide one, whose
        estimates may be off by more than they differ."""
        both = (self.p95_stable, self.p95_canary)
        return self.p95.ratio if all(one is not None and one.narrow for one in both) else None

    def slower(self, level: float) -> bool | None:
        """Whether the canary is slower, by a difference that matters and is significant; ``None`` where it cannot be
        told."""
        ratio = self.p95_ratio
        if ratio is not None:
            return None if self.p95.p_value is None else ratio > WORSE_P95 and self.p95.significant(level)
        return None if self.slow is None else self.slow.delta > WORSE_SLOW and self.slow.p_value < level

    @property
    def hidden(self) -> bool:
        """Whether both lie beyond the last bucket: how they differ there is not known."""
        return all(one is not None and one.capped for one in (self.p95_stable, self.p95_canary))


@dataclass(frozen=True, slots=True)
class Slow:
    """The shares (0–1) of the requests that took longer than ``bound_s``, a bound of the buckets."""

    bound_s: float
    stable: float
    canary: float
    p_value: float

    @property
    def delta(self) -> float:
        return self.canary - self.stable

    @property
    def words(self) -> str:
        """ "90 % over 60 s against 6 %"."""
        return f"{self.canary * 100:.0f} % over {seconds(self.bound_s)} against {self.stable * 100:.0f} %"


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
    if hits > total or share <= 0.0:
        return 0.0
    if share >= 1.0:
        return 1.0
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
    found = slow_shares(stable, canary, threshold_s)
    return found.p_value if found is not None else None


def slow_shares(stable: Histogram | None, canary: Histogram | None, threshold_s: float | None) -> Slow | None:
    """The shares of requests beyond the bucket bound that is nearest to the threshold; ``None`` where the two have not
    the same buckets, or where a side is empty."""
    if stable is None or canary is None or threshold_s is None or stable.bounds != canary.bounds:
        return None
    finite = [index for index, bound in enumerate(stable.bounds) if math.isfinite(bound)]
    if not finite:
        return None
    cut = min(finite, key=lambda index: abs(stable.bounds[index] - threshold_s))
    beyond_stable, beyond_canary = sum(stable.counts[cut + 1 :]), sum(canary.counts[cut + 1 :])
    p_value = two_proportions(beyond_stable, stable.total, beyond_canary, canary.total)
    if p_value is None:
        return None
    return Slow(stable.bounds[cut], beyond_stable / stable.total, beyond_canary / canary.total, p_value)


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
    errors_stable, errors_canary = known(stable.error_ratio), known(canary.error_ratio)
    if errors_stable is not None and errors_canary is not None:
        errors_p = two_proportions(
            errors_stable * stable.samples, stable.samples, errors_canary * canary.samples, canary.samples
        )
    quantile = p95_of(stable)
    threshold_s = stable.p95 if stable.p95 is not None else quantile.lower if quantile is not None else None
    slow = slow_shares(stable.latency, canary.latency, threshold_s)
    return Comparison(
        Difference(errors_stable, errors_canary, errors_p),
        Difference(stable.p95, canary.p95, slow.p_value if slow is not None else None),
        stable.samples,
        canary.samples,
        slow,
        quantile,
        p95_of(canary),
    )
