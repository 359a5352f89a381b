"""Measurements of variants, and the adapters that report them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from backends.contracts.adapter import Adapter

if TYPE_CHECKING:
    from backends.contracts.refs import Subject
    from backends.contracts.words import Measure


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bin: ``counts[i]`` values fell in (``bounds[i-1]``, ``bounds[i]``]; the last bound is ``inf``.

    Counts are per bin, not cumulative, and may be fractional if a server extrapolated.
    """

    labels: Mapping[str, str]
    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.counts)

    def around(self, q: float) -> tuple[float, float] | None:
        """The bin (lower, upper] that holds the ``q``-quantile (0 ≤ q ≤ 1); ``None`` if nothing was counted.

        More is not known of it: where it lies within the bin is an estimate. ``upper`` is ``inf`` if it is beyond all
        bounds.
        """
        total = math.fsum(self.counts)
        if total <= 0 or len(self.bounds) < 2:
            return None
        rank, upto = q * total, 0.0
        lower = 0.0 if self.bounds[0] > 0 else -math.inf
        for upper, count in zip(self.bounds[:-1], self.counts, strict=False):
            upto += count
            if count > 0 and upto >= rank:
                return lower, upper
            lower = upper
        return lower, self.bounds[-1]


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest value of one series."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class VariantMetrics:
    """How one variant behaved in the last ``window_s`` seconds, up to ``at``. ``==`` ignores ``at``: two measurements
    with the same values are equal.

    ``samples`` is the number of requests counted; if it is 0, the rates are ``None``. ``latency`` is set if the source
    has buckets: it says how exactly a quantile is known (``within``), and two variants can be compared properly. A
    quantile beyond the last bound is ``None``. ``mean`` is set where quantiles are not known.
    """

    subject: Subject
    window_s: float
    at: float = field(compare=False)
    rps: float | None = None
    error_ratio: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    samples: int = 0
    mirrored: bool = False
    latency: Histogram | None = None
    mean: float | None = None

    def within(self, measure: Measure) -> tuple[float, float] | None:
        """The bounds between which a quantile of the latencies lies, in seconds; ``None`` if it is not known. They are
        equal where the source tells the value itself, and the upper is ``inf`` where only a lower bound is known."""
        q, value = {"p50": (0.50, self.p50), "p95": (0.95, self.p95), "p99": (0.99, self.p99)}[measure]
        around = self.latency.around(q) if self.latency is not None else None
        if value is None or not math.isfinite(value):
            return around if around is not None and around[1] == math.inf else None
        return around if around is not None and around[0] <= value <= around[1] else (value, value)


@dataclass(frozen=True, slots=True)
class Series:
    """One measure over time: ``points`` are (Unix seconds, value or ``None`` for "no data"), oldest first.

    ``least`` holds the moments whose value is a lower bound only: the quantile lies beyond the last bucket. ``since``
    is the moment before which the source has no memory; ``None`` if it has all of the window.
    """

    subject: Subject
    measure: Measure
    points: tuple[tuple[float, float | None], ...]
    least: frozenset[float] = frozenset()
    since: float | None = None


class Metrics(Adapter, Protocol):
    """A system that counts and times requests."""

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        """Every variant that was seen in the last ``window_s`` seconds."""
        ...

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series: ...

    def samples(self, name: str) -> tuple[Sample, ...]:
        """The newest value of each series of the gauge or counter ``name``."""
        ...

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        """What the histogram ``name`` counted in the last ``window_s`` seconds, summed over all labels not in ``by``.
        ``window_s`` may be ``inf``: since the counters began."""
        ...


@runtime_checkable
class Rates(Protocol):
    """A metrics adapter that can count requests for less than ``current`` costs."""

    def rates(self, window_s: float) -> tuple[VariantMetrics, ...]:
        """As ``Metrics.current``, without latencies: traffic shares need only ``rps`` and ``samples``."""
        ...


@runtime_checkable
class Vanishes(Protocol):
    """A metrics adapter that knows whom it measured and can measure no longer: a target that went away leaves no trace
    in the next answer."""

    def vanished(self) -> Mapping[Subject, float]:
        """The subjects that were measured and are not in the last answer, with the time of their last data. Does no
        I/O."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A metrics adapter whose system keeps past values. Both methods answer by moment, in steps of ``step_s`` over the
    last ``window_s`` seconds, for the series with the labels in ``where``. A moment without data is left out."""

    def past_samples(
        self, name: str, where: Mapping[str, str], window_s: float, step_s: float
    ) -> Mapping[float, tuple[Sample, ...]]:
        """The values of a gauge. Raises as ``Metrics.samples``."""
        ...

    def past_histograms(
        self, name: str, over_s: float, by: tuple[str, ...], where: Mapping[str, str], window_s: float, step_s: float
    ) -> Mapping[float, tuple[Histogram, ...]]:
        """What a histogram counted in the ``over_s`` seconds before each moment. Raises as ``Metrics.histograms``."""
        ...
