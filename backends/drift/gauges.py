"""Drift that somebody else computes and tells as gauges, read through a metrics adapter.

Neutral: ``ml_drift_score{model,version,feature,method,threshold,direction}``; labels that name the endpoint, variant
and scope are used where they are there. Seldon and Alibi Detect: ``seldon_metric_drift_p_val{index}`` or, without
p-values, ``…_distance{index}``, with ``…_threshold`` and ``…_is_drift`` beside them (alibi-detect-server,
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
from backends.settings import Setting, SettingType

NEUTRAL, SELDON = "neutral", "seldon"
LABELS = ("endpoint", "variant", "scope", "model", "version", "feature", "method", "threshold", "direction")
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


class GaugeDrift:
    """Thread-safe, as the metrics adapter is."""

    SETTINGS: ClassVar[tuple[Setting, ...]] = (
        Setting("metrics", SettingType.SOURCE, "the metrics source to read", required=True, source_kind="metrics"),
        Setting("format", SettingType.TEXT, "whose gauges they are", default=NEUTRAL, choices=(NEUTRAL, SELDON)),
        Setting("gauge", SettingType.TEXT, "the gauge of the scores", default="ml_drift_score"),
        Setting("timestamp", SettingType.TEXT, "gauge of when each was computed, in Unix seconds"),
        Setting("samples", SettingType.TEXT, "gauge of how many values each rests on"),
        Setting("window", SettingType.DURATION, "how much time each looks back over", default=0.0),
        Setting("threshold", SettingType.NUMBER, "where none is told (default: the method's)"),
        Setting("stale_after", SettingType.DURATION, "an older or unchanged score is a dead scorer's", default=3600.0),
        *(
            Setting(f"{label}_label", SettingType.TEXT, f"label that names the {label} (default: as the format has it)")
            for label in LABELS
        ),
    )

    def __init__(self, wiring: Wiring) -> None:
        options = wiring.options
        self._wiring = wiring
        self._format = str(options["format"])
        self._window = cast("float", options["window"])
        usual = SELDON_LABELS if self._format == SELDON else {}
        self._labels = {label: str(options[f"{label}_label"] or usual.get(label, label)) for label in LABELS}
        threshold = options["threshold"]
        self._lock = threading.Lock()
        self._reports = Reports(
            cast("float", options["stale_after"]), None if threshold is None else float(cast("float", threshold))
        )

    def scores(self) -> tuple[DriftScore, ...]:
        """None where there is no such gauge. Raises what the metrics source raises."""
        metrics = cast("Metrics", self._wiring.source("metrics", str(self._wiring.options["metrics"])))
        reports = tuple(self._seldon(metrics) if self._format == SELDON else self._neutral(metrics))
        with self._lock:
            return self._reports.scores(reports, self._wiring.clock())

    def past(self, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        """As ``backends.contracts.Recalls``."""
        name = str(self._wiring.options["metrics"])
        metrics = remembering(cast("Metrics", self._wiring.source("metrics", name)), name)
        names = [str(self._wiring.options["gauge"])]
        if self._format == SELDON:
            methods = dict.fromkeys(score.method for score in scores)
            names = [PREFIX + method for method in methods if method in SELDON_METHODS]
        return Gauges(metrics, names, self._labels, self._identify).past(scores, window_s, step_s)

    def probe(self) -> tuple[Probe, ...]:
        try:
            scores = self.scores()
        except BackendError as error:
            return (Probe(ProbeKind.READ, False, error.message, error.hint),)
        name = PREFIX + "*" if self._format == SELDON else str(self._wiring.options["gauge"])
        if not scores:
            source = str(self._wiring.options["metrics"])
            return (Probe(ProbeKind.READ, False, f"source {source} has no gauge {name}", "set `gauge` or `format`"),)
        dead = sum(score.value is None for score in scores)
        return (Probe(ProbeKind.READ, dead < len(scores), f"{name} has {len(scores)} scores, {dead} without a value"),)

    def close(self) -> None:
        pass

    def _neutral(self, metrics: Metrics) -> Iterator[Report]:
        gauge = str(self._wiring.options["gauge"])
        times = self._beside(metrics, self._wiring.options["timestamp"])
        counts = self._beside(metrics, self._wiring.options["samples"])
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
                return  # with p-values the threshold is theirs, and not the distances'
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
        """And of which feature."""
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

    def _beside(self, metrics: Metrics, name: object) -> Mapping[Labels, float]:
        return _by_labels(metrics.samples(str(name))) if name else {}


def _by_labels(samples: Iterable[Sample], without: str = "") -> Mapping[Labels, float]:
    return {frozenset(item for item in one.labels.items() if item[0] != without): one.value for one in samples}


def _matching(found: Mapping[Labels, float], sample: Sample) -> float | None:
    """The value of the series whose labels are all those of ``sample``, or some of them: the most specific one."""
    own = frozenset(sample.labels.items())
    fitting = [labels for labels in found if labels <= own]
    return found[max(fitting, key=len)] if fitting else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
