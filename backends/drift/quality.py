"""Concept drift: the quality of a model's answers, measured with truth that arrives late; from a gauge or a registry.

A gauge ``model_quality{endpoint,variant,model,version,metric,delay}`` is compared with the metric of the same name that
was measured in the training of that version and is in the registry. ``delay`` is the age of the truth in seconds.
Another source is a metric that an evaluation job writes to the run of the version (``live_accuracy``).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, cast

from backends.contracts import (
    Direction,
    DriftScore,
    Metrics,
    ModelRef,
    ModelVersion,
    Past,
    Probe,
    ProbeKind,
    Registry,
    Sample,
    ScoreKey,
    Subject,
    Wiring,
)
from backends.drift.recalled import Gauges, Identity, remembering
from backends.drift.reported import Report, Reports, counted_of
from backends.errors import BackendError
from backends.options import Options, duration, number, percent, source, table, text

ERRORS = ("mae", "mse", "rmse", "mape", "smape", "loss", "error", "brier", "deviance")
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "": 1.0}


class QualityOptions(Options):
    """Options: the place of the quality metrics, the values they are compared with, and the names of their labels."""

    metrics = source("metrics", "the metrics source that has the gauge")
    gauge = text("gauge of the quality of the answers", default="model_quality")
    samples = text("gauge of the number of answers", default="model_quality_samples")
    registry = source("registries", "registry with the same metrics from training")
    live_prefix = text("prefix of live metrics in the registry", default="live_")
    tolerance = percent("a metric that is worse than in training by more than this alarms", default=10.0)
    thresholds = table('thresholds instead, by metric: { accuracy = "0.9" }', default={})
    min_samples = number("fewer answers than this give no score", default=200)
    delay = duration("the age of the truth, if no label has it", default=0.0)
    stale_after = duration("a metric that is unchanged for longer counts as dead", default=3600.0)
    endpoint_label = text("label that names the endpoint", default="endpoint")
    variant_label = text("label that names the variant", default="variant")
    scope_label = text("label that names the scope", default="scope")
    model_label = text("label that names the model", default="model")
    version_label = text("label that names the version", default="version")
    metric_label = text("label that names the metric", default="metric")
    delay_label = text("label that names the delay", default="delay")

    @property
    def labels(self) -> Mapping[str, str]:
        """The label for each role."""
        return {
            "endpoint": self.endpoint_label,
            "variant": self.variant_label,
            "scope": self.scope_label,
            "model": self.model_label,
            "version": self.version_label,
            "metric": self.metric_label,
            "delay": self.delay_label,
        }


class QualityDrift:
    """Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = QualityOptions

    def __init__(self, wiring: Wiring[QualityOptions]) -> None:
        options = self._options = wiring.options
        self._wiring = wiring
        self._labels = options.labels
        self._tolerance = options.tolerance / 100
        self._thresholds = options.thresholds
        self._least = float(options.min_samples)
        self._lock = threading.Lock()
        self._reports = Reports(options.stale_after)

    def scores(self) -> tuple[DriftScore, ...]:
        """One score for each variant and metric. Raises what its sources raise."""
        versions = {one.ref: one for one in self._versions()}
        reports = [*self._from_gauge(versions), *self._from_registry(versions)]
        with self._lock:
            return self._reports.scores(reports, self._wiring.clock())

    def past(self, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        """As ``backends.contracts.Recalls``; metrics from a registry have no past."""
        name = self._options.metrics
        if not name:
            return {}
        metrics = remembering(cast("Metrics", self._wiring.source("metrics", name)), name)
        gauges = Gauges(metrics, [self._options.gauge], self._labels, self._identify)
        return gauges.past([score for score in scores if score.delay_s is not None], window_s, step_s)

    def _identify(self, _gauge: str, sample: Sample) -> Identity:
        endpoint, variant, scope, model, version, metric = self._who(sample)
        metric = metric or "quality"
        return Subject(endpoint, variant, scope), ModelRef(model, version) if model else None, metric, metric

    def probe(self) -> tuple[Probe, ...]:
        try:
            scores = self.scores()
        except BackendError as error:
            return (Probe(ProbeKind.READ, False, error.message, error.hint),)
        if not scores:
            hint = f"set `metrics` and `gauge`, or log {self._options.live_prefix}… to the version's run"
            # The truth arrives late, so missing metrics need not be a fault; ``doctor`` cannot tell the difference.
            return (Probe(ProbeKind.READ, None, "there are no quality metrics yet", hint),)
        lacking = sum(score.value is None for score in scores)
        said = f"{len(scores)} quality metrics, {lacking} of them with nothing to compare with"
        return (Probe(ProbeKind.READ, lacking < len(scores), said),)

    def close(self) -> None:
        pass

    def _versions(self) -> tuple[ModelVersion, ...]:
        name = self._options.registry
        return cast("Registry", self._wiring.source("registries", name)).versions() if name else ()

    def _from_gauge(self, versions: Mapping[ModelRef, ModelVersion]) -> Iterator[Report]:
        name = self._options.metrics
        if not name:
            return
        metrics = cast("Metrics", self._wiring.source("metrics", name))
        counted = {self._who(one): one.value for one in metrics.samples(self._options.samples)}
        for sample in metrics.samples(self._options.gauge):
            endpoint, variant, scope, model, version, metric = self._who(sample)
            ref = ModelRef(model, version) if model else None
            known = versions.get(ref) if ref is not None else None
            samples = counted.get(self._who(sample))
            few = samples is not None and samples < self._least
            yield self._report(
                Subject(endpoint, variant, scope),
                ref,
                metric or "quality",
                sample.value,
                known,
                delay_s=_seconds(sample.labels.get(self._labels["delay"], "")),
                samples=counted_of(samples),
                lacking=f"n {samples:.0f} of {self._least:.0f}" if few else "",
            )

    def _from_registry(self, versions: Mapping[ModelRef, ModelVersion]) -> Iterator[Report]:
        prefix = self._options.live_prefix
        for ref, version in versions.items():
            for name, value in version.metrics.items():
                if prefix and name.startswith(prefix):
                    yield self._report(Subject(""), ref, name.removeprefix(prefix), value, version)

    def _report(
        self,
        subject: Subject,
        ref: ModelRef | None,
        metric: str,
        value: float,
        known: ModelVersion | None,
        *,
        delay_s: float | None = None,
        samples: int = 0,
        lacking: str = "",
    ) -> Report:
        direction = Direction.ABOVE if any(word in metric.lower() for word in ERRORS) else Direction.BELOW
        trained = known.metrics.get(metric) if known is not None else None
        return Report(
            subject,
            ref,
            metric,
            metric,
            value,
            self._threshold(metric, trained, direction),
            direction,
            samples=samples,
            baseline=f"training {trained:.3g}" if trained is not None else "",
            delay_s=delay_s if delay_s is not None else self._options.delay,
            lacking=lacking,
        )

    def _threshold(self, metric: str, trained: float | None, direction: Direction) -> float | None:
        if metric in self._thresholds:
            try:
                return float(self._thresholds[metric])
            except ValueError:
                return None
        if trained is None:
            return None
        return trained * (1 + self._tolerance if direction is Direction.ABOVE else 1 - self._tolerance)

    def _who(self, sample: Sample) -> tuple[str, str, str, str, str, str]:
        endpoint, variant, scope, model, version, metric = (
            sample.labels.get(self._labels[name], "")
            for name in ("endpoint", "variant", "scope", "model", "version", "metric")
        )
        return endpoint, variant, scope, model, version, metric


def _seconds(text: str) -> float | None:
    """Seconds from "60", "90s", "2h" or "3d"; ``None`` for anything else."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS and text[-1:] else (text, "")
    try:
        seconds = float(number) * UNITS[unit]
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
