"""Drift from histograms of features: the live window, read through a metrics adapter, against a reference file."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import ClassVar, cast

from backends.contracts import Direction, DriftScore, Histogram, Metrics, Probe, ProbeKind, Subject, Wiring
from backends.drift.psi import psi, shares
from backends.drift.reference import Feature, Reference, References
from backends.errors import BackendError
from backends.settings import Setting, SettingType

METHOD = "psi"
HISTORY = 60  # points kept of each score
EVERY_S = 5.0  # and not closer than this
LABELS = ("endpoint", "variant", "scope", "model", "version", "feature")

Key = tuple[Subject, Feature]


class HistogramDrift:
    """PSI by variant and feature. Thread-safe."""

    SETTINGS: ClassVar[tuple[Setting, ...]] = (
        Setting("metrics", SettingType.SOURCE, "the metrics source to read", required=True, source_kind="metrics"),
        Setting("histogram", SettingType.TEXT, "histogram of the features' values", default="model_feature_value"),
        Setting("reference", SettingType.PATH, "JSON file of reference distributions", required=True),
        Setting("window", SettingType.DURATION, "how far back live values count", default=300.0),
        Setting("threshold", SettingType.NUMBER, "a score above this alarms", default=0.25),
        Setting("min_samples", SettingType.NUMBER, "fewer live values than this give no score", default=200),
        *(
            Setting(f"{label}_label", SettingType.TEXT, f"label that names the {label}", default=label)
            for label in LABELS
        ),
    )

    def __init__(self, wiring: Wiring) -> None:
        options = wiring.options
        self._wiring = wiring
        self._histogram = str(options["histogram"])
        self._window = cast("float", options["window"])
        self._threshold = float(cast("float", options["threshold"]))
        self._min_samples = int(cast("float", options["min_samples"]))
        self._labels = tuple(str(options[f"{label}_label"]) for label in LABELS)
        self._references = References(Path(str(options["reference"])))
        self._lock = threading.Lock()
        self._history: dict[Key, deque[tuple[float, float]]] = {}

    def scores(self) -> tuple[DriftScore, ...]:
        """One score for each variant and feature that is measured, in that order; ``note`` says why one has no value.
        None at all where the metrics source has no such histogram.

        Raises:
            Unreachable, Malformed: of the reference file, and all that the metrics source raises.
        """
        references = self._references.load()
        histograms = self._metrics().histograms(self._histogram, self._window, self._labels)
        at = self._wiring.clock()
        with self._lock:
            scores = {
                key: self._score(key, one, references.get(key[1]), at)
                for one in histograms
                for key in (self._key(one),)
            }
            for gone in self._history.keys() - scores.keys():
                del self._history[gone]
        return tuple(scores[key] for key in sorted(scores))

    def probe(self) -> tuple[Probe, ...]:
        try:
            references = self._references.load()
            scores = self.scores()
        except BackendError as error:
            return (Probe(ProbeKind.READ, False, error.message, error.hint),)
        source = str(self._wiring.options["metrics"])
        if not scores:
            hint = "set `histogram` to the histogram of the features' values"
            return (Probe(ProbeKind.READ, False, f"source {source} has no histogram {self._histogram}", hint),)
        lacking = sum(not score.reference for score in scores)
        said = f"{len(references)} references, {len(scores)} live histograms, {lacking} of them without a reference"
        return (Probe(ProbeKind.READ, lacking < len(scores), said, "check model and version" if lacking else ""),)

    def close(self) -> None:
        pass

    def _metrics(self) -> Metrics:
        return cast("Metrics", self._wiring.source("metrics", str(self._wiring.options["metrics"])))

    def _key(self, histogram: Histogram) -> Key:
        endpoint, variant, scope, model, version, feature = (histogram.labels.get(name, "") for name in self._labels)
        return Subject(endpoint, variant, scope), (model, version, feature)

    def _score(self, key: Key, live: Histogram, reference: Reference | None, at: float) -> DriftScore:
        subject, (model, version, feature) = key
        samples = round(live.total)
        value: float | None = None
        note = _why_not(live, reference, samples, self._min_samples, f"{model}/{version}")
        if reference is not None and not note:
            value = psi(shares(live.counts), reference.shares)
        return DriftScore(
            subject,
            feature,
            METHOD,
            value,
            self._threshold,
            Direction.ABOVE,
            samples,
            self._window,
            at,
            baseline=f"{self._references.path.name} {model}/{version}" if reference is not None else "",
            note=note,
            history=self._remembered(key, value, at),
            live=shares(live.counts),
            reference=reference.shares if reference is not None else (),
        )

    def _remembered(self, key: Key, value: float | None, at: float) -> tuple[float, ...]:
        """Older values and this one. One that comes too soon after its elder takes its place. Without a value there is
        no history to end in it, but what was is kept for when there is one again."""
        if value is None:
            return ()
        points = self._history.setdefault(key, deque(maxlen=HISTORY))
        if points and 0 <= at - points[-1][0] < EVERY_S:
            points[-1] = (points[-1][0], value)
        else:
            points.append((at, value))
        return tuple(point for _, point in points)


def _why_not(live: Histogram, reference: Reference | None, samples: int, least: int, of: str) -> str:
    """Why there can be no score, or nothing."""
    if reference is None:
        return f"no reference for {of}"
    if live.bounds != reference.bounds:
        return "the live bins are not the reference's"
    if samples < max(1, least):
        return f"n {samples} of {max(1, least)}"
    return ""
