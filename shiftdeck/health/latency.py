"""What is known of a quantile of the latencies: a value, or only the bounds of the bucket that it lies in. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.contracts import Measure

if TYPE_CHECKING:
    from backends.contracts import VariantMetrics

NARROW = 2.0
"""Within a bucket whose upper bound is less than that many times its lower bound, the estimate is near enough to the
value to be compared with another in percent."""


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile in seconds: between ``lower`` and ``upper``, which is ``inf`` beyond the last bucket. ``estimate`` is
    where it would lie if the requests were spread evenly over the bucket; ``None`` if that cannot be said."""

    lower: float
    upper: float
    estimate: float | None

    @property
    def capped(self) -> bool:
        """Whether only a lower bound is known."""
        return self.upper == math.inf

    @property
    def narrow(self) -> bool:
        return self.upper == self.lower or (not self.capped and self.upper < NARROW * self.lower)

    def exceeds(self, limit_s: float) -> bool | None:
        """Whether it is beyond the limit; ``None`` where the limit lies within the bucket."""
        if self.lower == self.upper:
            return self.lower > limit_s
        # A quantile in a bucket is above its lower bound, and at most its upper bound.
        return True if self.lower >= limit_s else False if self.upper <= limit_s else None

    def words(self, limit_s: float | None = None) -> str:
        """The estimate, or the bounds where it would mislead: beyond the last bucket, or around the limit."""
        if self.capped:
            return f"over {seconds(self.lower)}"
        if self.estimate is None or (limit_s is not None and self.exceeds(limit_s) is None):
            return f"between {seconds(self.lower)} and {seconds(self.upper)}"
        return seconds(self.estimate)

    @property
    def range_words(self) -> str:
        """The bounds in few words: "100–500 ms", "over 60 s"."""
        if self.capped:
            return f"over {seconds(self.lower)}"
        if self.lower == self.upper:
            return seconds(self.upper)
        low, high = seconds(max(0.0, self.lower)), seconds(self.upper)
        return f"{low.split(' ')[0] if low.split(' ')[1] == high.split(' ')[1] else low}–{high}"


def p95_of(metrics: VariantMetrics | None) -> Quantile | None:
    """The p95 of a variant; ``None`` if nothing is known of it."""
    return quantile_of(metrics, Measure.P95)


def quantile_of(metrics: VariantMetrics | None, measure: Measure) -> Quantile | None:
    within = metrics.within(measure) if metrics is not None else None
    if within is None:
        return None
    value = {Measure.P50: metrics.p50, Measure.P95: metrics.p95, Measure.P99: metrics.p99}[measure] if metrics else None
    return Quantile(*within, value)


def seconds(value: float) -> str:
    """A bound or an estimate: "403 ms", "60 s"."""
    if value >= 10.0:
        return f"{value:,.0f} s" if value == round(value) else f"{value:,.1f} s"
    return f"{value * 1000:.0f} ms" if value >= 0.001 or value == 0 else f"{value * 1000:.3g} ms"
