"""The gateway's Prometheus metrics: requests by status code, latencies, and the values of features."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from backends.lab.families import FAMILIES, Family
from backends.lab.world import EndpointSpec, VariantSpec

LATENCY_BUCKETS_S = (
    0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.125, 0.15, 0.175, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0
)  # fmt: skip
OUTPUT = "prediction"  # the feature name under which a model's output is recorded


@dataclass(slots=True)
class Bins:
    """Counts by bin for one series of values. The last of ``counts`` is for values above the last of ``bounds``."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


def bins_of(family: Family) -> dict[str, Bins]:
    """Empty bins for each feature of a model, in the order of its features, and for its output."""
    return {feature.name: Bins(feature.bounds) for feature in family.features} | {OUTPUT: Bins(family.outputs)}


class FeatureHistograms(Collector):
    """``model_feature_value``: one histogram whose buckets differ by feature, which the library does not support."""

    def __init__(self) -> None:
        self._series: list[tuple[tuple[str, ...], Bins]] = []

    def add(self, spec: EndpointSpec, variant: VariantSpec) -> tuple[Bins, ...]:
        """New bins for one variant: its features in order, then its output."""
        bins = bins_of(FAMILIES[spec.model])
        for feature, one in bins.items():
            self._series.append(((spec.scope, spec.name, variant.name, spec.model, variant.version, feature), one))
        return tuple(bins.values())

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            "model_feature_value",
            "Values of features in requests, and of the model's predictions.",
            labels=("scope", "endpoint", "variant", "model", "version", "feature"),
        )
        for labels, bins in self._series:
            if any(bins.counts):
                family.add_metric(labels, list(_cumulative(bins)), bins.total)
        yield family


class Meters:
    """All of the gateway's metrics, in one registry."""

    def __init__(self, collectors: Sequence[Collector] = ()) -> None:
        # The library's ``_created`` series would double the size of a scrape.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "model_requests",
            "Requests by status code; the answers to mirrored requests are discarded.",
            ("scope", "endpoint", "variant", "model", "version", "code", "mirrored"),
            registry=self.registry,
        )
        self._durations = Histogram(
            "model_request_duration_seconds",
            "Time from a request's arrival to its answer.",
            ("scope", "endpoint", "variant", "mirrored"),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._features = FeatureHistograms()
        for collector in (self._features, *collectors):
            self.registry.register(collector)
        # The lookup of labels is most of the cost of an observation.
        self._counter = cache(self._requests.labels)
        self._histogram = cache(self._durations.labels)
        self._bins = cache(self._features.add)

    def answered(self, spec: EndpointSpec, variant: VariantSpec, code: int, seconds: float, mirrored: bool) -> None:
        """Count one request and its duration."""
        flag = "true" if mirrored else "false"
        labels = (spec.scope, spec.name, variant.name, spec.model, variant.version)
        # The counter of failures exists from the first request on: if it began at 1, the first failure would be lost.
        self._counter(*labels, "500", flag)
        self._counter(*labels, str(code), flag).inc()
        self._histogram(spec.scope, spec.name, variant.name, flag).observe(seconds)

    def scored(self, spec: EndpointSpec, variant: VariantSpec, features: Sequence[float], prediction: float) -> None:
        """Record the features and the prediction of a request."""
        for bins, value in zip(self._bins(spec, variant), (*features, prediction), strict=True):
            bins.add(value)


def _cumulative(bins: Bins) -> Iterator[tuple[str, float]]:
    """Cumulative counts for the exposition: (upper bound as text, count up to it)."""
    count = 0
    for bound, here in zip((*bins.bounds, math.inf), bins.counts, strict=True):
        count += here
        yield "+Inf" if math.isinf(bound) else str(float(bound)), count
