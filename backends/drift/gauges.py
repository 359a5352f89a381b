"""Drift scores that another program computes and exposes as gauges, read through a metrics adapter.

The neutral format is ``ml_drift_score{model,version,feature,method,threshold,direction}``; labels with the endpoint,
variant and scope are optional. The format of Seldon and Alibi Detect is ``seldon_metric_drift_p_val{index}`` or,
without p-values, ``…_distance{index}``; ``…_threshold`` and ``…_is_drift`` belong to it (alibi-detect-server,
``cd_model.py``).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, cast

from backends.contracts import (
    Direction,
    DriftScore,
    Metrics,
    ModelRef,
    Past,
    Probe,
    ProbeKind,
    Sample,
    ScoreKey,
    Subject,
    Wiring,
)
from backends.drift.recalled import Gauges, Identity, remembering
from backends.drift.reported import Report, Reports, counted_of
from backends.errors import BackendError
from backends.options import Option, Options, duration, number, source, text

NEUTRAL, SELDON = "neutral", "seldon"
SELDON_LABELS: Mapping[str, str] = {
    "endpoint": "deployment_name",
    "variant": "predictor_name",
    "scope": "namespace",
    "model": "model_name",
    "version": "model_version",
    "feature": "index",
}
PREFIX = "seldon_metric_drift_"
SELDON_METHODS = ("p_val", "distance", "is_drift")

Labels = frozenset[tuple[str, str]]


def _label(name: str) -> Option[str | None]:
    return text(f"label that names the {name} (default: that of the format)")


class GaugeOptions(Options):
    """Options: the gauges, their source, and the names of their labels."""

    metrics = source("metrics", "the metrics source to read", required=True)
    format = text("the format of the gauges", default=NEUTRAL, choices=(NEUTRAL, SELDON))
    gauge = text("the gauge of the scores", default="ml_drift_score")
    timestamp = text("gauge of the time of each score, in Unix seconds")
    samples = text("gauge of the number of values in each score")
    window = duration("the window of each score", default=0.0)
    threshold = number("the threshold of scores without one (default: the method's)")
    stale_after = duration("a score counts as dead if it is older, or unchanged for longer", default=3600.0)
    endpoint_label = _label("endpoint")
    variant_label = _label("variant")
    scope_label = _label("scope")
    model_label = _label("model")
    version_label = _label("version")
    feature_label = _label("feature")
    method_label = _label("method")
    threshold_label = _label("threshold")
    direction_label = _label("direction")

    @property
    def labels(self) -> Mapping[str, str | None]:
        """The configured label for each role, or ``None``."""
        return {
            "endpoint": self.endpoint_label,
            "variant": self.variant_label,
            "scope": self.scope_label,
            "model": self.model_label,
            "version": self.version_label,
            "feature": self.feature_label,
            "method": self.method_label,
            "threshold": self.threshold_label,
            "direction": self.direction_label,
        }


class GaugeDrift:
    """Thread-safe, as the metrics adapter is."""

    OPTIONS: ClassVar[type[Options]] = GaugeOptions

    def __init__(self, wiring: Wiring[GaugeOptions]) -> None:
        options = self._options = wiring.options
        self._wiring = wiring
        self._format = options.format
        self._window = options.window
        usual = SELDON_LABELS if self._format == SELDON else {}
        self._labels = {name: label or usual.get(name, name) for name, label in options.labels.items()}
        self._lock = threading.Lock()
        self._reports = Reports(options.stale_after, options.threshold)

    def scores(self) -> tuple[DriftScore, ...]:
        """All scores; empty if there is no such gauge. Raises what the metrics source raises."""
        metrics = cast("Metrics", self._wiring.source("metrics", self._options.metrics))
        reports = tuple(self._seldon(metrics) if self._format == SELDON else self._neutral(metrics))
        with self._lock:
            return self._reports.scores(reports, self._wiring.clock())

    def past(self, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        """As ``backends.contracts.Recalls``."""
        name = self._options.metrics
        metrics = remembering(cast("Metrics", self._wiring.source("metrics", name)), name)
        names = [self._options.gauge]
        if self._format == SELDON:
            methods = dict.fromkeys(score.method for score in scores)
            names = [PREFIX + method for method in methods if method in SELDON_METHODS]
        return Gauges(metrics, names, self._labels, self._identify).past(scores, window_s, step_s)

    def probe(self) -> tuple[Probe, ...]:
        try:
            scores = self.scores()
        except BackendError as error:
            return (Probe(ProbeKind.READ, False, error.message, error.hint),)
        name = PREFIX + "*" if self._format == SELDON else self._options.gauge
        if not scores:
            source = self._options.metrics
            return (Probe(ProbeKind.READ, False, f"source {source} has no gauge {name}", "set `gauge` or `format`"),)
        dead = sum(score.value is None for score in scores)
        return (Probe(ProbeKind.READ, dead < len(scores), f"{name} has {len(scores)} scores, {dead} without a value"),)

    def close(self) -> None:
        pass

    def _neutral(self, metrics: Metrics) -> Iterator[Report]:
        gauge = self._options.gauge
        times = self._by_other_gauge(metrics, self._options.timestamp)
        counts = self._by_other_gauge(metrics, self._options.samples)
        for sample in metrics.samples(gauge):
            told = self._label(sample, "direction").lower()
            yield self._report(
                sample,
                self._method(sample),
                direction=Direction(told) if told in tuple(Direction) else None,
                threshold=_number(self._label(sample, "threshold")),
                at=_matching(times, sample),
                samples=_matching(counts, sample),
            )

    def _seldon(self, metrics: Metrics) -> Iterator[Report]:
        thresholds = _by_labels(metrics.samples(f"{PREFIX}threshold"), without="index")
        for name, method, direction in (
            ("p_val", "p_val", Direction.BELOW),
            ("distance", "distance", Direction.ABOVE),
        ):
            samples = metrics.samples(PREFIX + name)
            for sample in samples:
                yield self._report(sample, method, direction, _matching(thresholds, sample), None, None)
            if samples:
                return  # if there are p-values, the threshold is for them, not for the distances
        for sample in metrics.samples(f"{PREFIX}is_drift"):
            yield self._report(sample, "is_drift", Direction.ABOVE, 0.5, None, None)

    def _report(
        self,
        sample: Sample,
        method: str,
        direction: Direction | None,
        threshold: float | None,
        at: float | None,
        samples: float | None,
    ) -> Report:
        return Report(
            *self._whose(sample),
            method,
            sample.value,
            threshold,
            direction,
            at,
            counted_of(samples),
            self._window,
        )

    def _whose(self, sample: Sample) -> tuple[Subject, ModelRef | None, str]:
        """The subject, the model and the feature of a sample."""
        endpoint, variant, scope, model, version, feature = (
            self._label(sample, name) for name in ("endpoint", "variant", "scope", "model", "version", "feature")
        )
        if self._format == SELDON and feature:
            feature = f"feature {feature}"
        model_ref = ModelRef(model, version) if model else None
        return Subject(endpoint, variant, scope), model_ref, feature or "all features"

    def _identify(self, gauge: str, sample: Sample) -> Identity:
        seldon = self._format == SELDON
        return (*self._whose(sample), gauge.removeprefix(PREFIX) if seldon else self._method(sample))

    def _method(self, sample: Sample) -> str:
        return self._label(sample, "method") or "score"

    def _label(self, sample: Sample, name: str) -> str:
        return sample.labels.get(self._labels[name], "")

    def _by_other_gauge(self, metrics: Metrics, name: str | None) -> Mapping[Labels, float]:
        return _by_labels(metrics.samples(name)) if name else {}


def _by_labels(samples: Iterable[Sample], without: str = "") -> Mapping[Labels, float]:
    return {frozenset(item for item in one.labels.items() if item[0] != without): one.value for one in samples}


def _matching(found: Mapping[Labels, float], sample: Sample) -> float | None:
    """The value of the series whose labels are a subset of the labels of ``sample``: the largest such subset."""
    own = frozenset(sample.labels.items())
    fitting = [labels for labels in found if labels <= own]
    return found[max(fitting, key=len)] if fitting else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
