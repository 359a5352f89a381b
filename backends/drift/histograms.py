"""Drift scores computed by this program from live histograms of features and predictions.

A metrics adapter reads the histograms, with one query for the whole fleet. They are compared with a training baseline,
with an earlier window, or with the stable variant.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

from backends.contracts import (
    DriftScore,
    Histogram,
    Metrics,
    ModelRef,
    Past,
    Probe,
    ProbeKind,
    Remembers,
    ScoreKey,
    Serving,
    Subject,
    Wiring,
)
from backends.drift.artifacts import Baselines
from backends.drift.choice import Choice, ChoiceOptions, Chosen
from backends.drift.counting import Counting, Totals
from backends.drift.distribution import Distribution, less
from backends.drift.history import History
from backends.drift.recalled import remembering
from backends.drift.reference import Baseline, References, of
from backends.drift.scoring import Compared, compare
from backends.drift.stable import Place, StableVariants
from backends.errors import BackendError, Rejected
from backends.options import Options, duration, number, path, source, text

FILE, WINDOW, STABLE = "file", "window", "stable"


class Key(NamedTuple):
    """The identity of a distribution, in the order of ``HistogramOptions.labels``.

    The fields are plain strings, as a fleet has tens of thousands of keys, which are hashed and compared very often.
    """

    endpoint: str
    variant: str
    scope: str
    model: str
    version: str
    feature: str

    @property
    def place(self) -> Place:
        return self.scope, self.endpoint


Live = Mapping[Key, Distribution]


@dataclass(frozen=True, slots=True)
class Look:
    """All data read at one moment.

    ``stable`` holds the stable variant of each endpoint that has several variants. ``by_name`` holds the live values by
    place, variant and feature; model and version are ignored.
    """

    at: float
    live: Live
    earlier: Live
    baseline: Baseline
    stable: Mapping[Place, str]
    by_name: Mapping[tuple[Place, str, str], Distribution]

    def beside(self, key: Key) -> tuple[Distribution | None, str]:
        """The same feature of the endpoint's stable variant, and the name of that variant.

        ``None`` and "" for the stable variant itself, and if there is no stable variant.
        """
        place = key.place
        name = self.stable.get(place, "")
        if not name or name == key.variant:
            return None, ""
        return self.by_name.get((place, name, key.feature)), name


def looking(at: float, live: Live, earlier: Live, baseline: Baseline, stable: Mapping[Place, str]) -> Look:
    """A ``Look`` at the data that was read, with its ``by_name`` computed."""
    by_name: dict[tuple[Place, str, str], Distribution] = {}
    for key, one in live.items():
        if key.place in stable:
            named = (key.place, key.variant, key.feature)
            known = by_name.get(named)
            by_name[named] = one if known is None or one.total >= known.total else known
    return Look(at, live, earlier, baseline, stable, by_name)


class _Compared(Options):
    metrics = source("metrics", "the metrics source to read", required=True)
    histogram = text("histogram of the features' values", default="model_feature_value")
    categories = text("counter of categories, for features that are not numbers")
    category_label = text("label that names the category", default="value")
    against = text("what to compare with", default=FILE, choices=(FILE, WINDOW, STABLE))
    reference = path('file of reference distributions (JSON or CSV), for against = "file"')
    registry = source("registries", "the registry that has the artifact")
    artifact = text(
        "the reference as an artifact: a path below each version's run, or runs:/RUN/PATH, instead of a file"
    )
    reference_window = duration('the earlier window, for against = "window"', default=3600.0)
    serving = source("serving", "the serving source that says which variant is stable")
    window = duration("how far back live values count", default=300.0)


class HistogramOptions(_Compared, ChoiceOptions):
    """Options: the live values and their reference, the method, and the names of the labels."""

    min_samples = number("fewer values than this give no score", default=200)
    endpoint_label = text("label that names the endpoint", default="endpoint")
    variant_label = text("label that names the variant", default="variant")
    scope_label = text("label that names the scope", default="scope")
    model_label = text("label that names the model", default="model")
    version_label = text("label that names the version", default="version")
    feature_label = text("label that names the feature", default="feature")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels with the fields of a ``Key``, in the same order."""
        return (
            self.endpoint_label,
            self.variant_label,
            self.scope_label,
            self.model_label,
            self.version_label,
            self.feature_label,
        )


class HistogramDrift:
    """A score by variant and feature. Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = HistogramOptions

    def __init__(self, wiring: Wiring[HistogramOptions]) -> None:
        options = self._options = wiring.options
        self._wiring = wiring
        self._histogram = options.histogram
        self._categories = options.categories or ""
        self._category_label = options.category_label
        self._against = options.against
        self._window = options.window
        self._reference_window = options.reference_window
        self._least = int(options.min_samples)
        self._labels = options.labels
        self._file = References(options.reference) if options.reference is not None else None
        artifact = options.artifact
        self._artifacts = Baselines(wiring, options.registry, artifact) if artifact and self._file is None else None
        self._choice: Choice | None = None
        self._lock = threading.Lock()  # guards all fields below, and ``_choice``
        self._stable: StableVariants | None = None
        self._last: Look | None = None
        self._history = History()
        self._counting = Counting(self._window + (self._reference_window if self._against == WINDOW else 0.0))

    def scores(self) -> tuple[DriftScore, ...]:
        """One score for each measured variant and feature, in that order. ``note`` says why a score has no value.

        Empty if the metrics source has no such histogram.

        Raises:
            Rejected: the settings contradict each other.
            Unreachable, Malformed: the reference file cannot be read or is not valid.
            BackendError: as the metrics source raises it.
        """
        with self._lock:
            if self._choice is None:
                self._choice = Choice.of(self._options)
            live, earlier = self._read()
            baseline = self._baseline(live)
            look = self._last = looking(self._wiring.clock(), live, earlier, baseline, self._stables(live))
            self._history.keep(live)
            # If variants are compared with the stable variant, the stable variant itself has no score.
            wanted = (key for key in sorted(live) if self._against != STABLE or look.beside(key)[1])
            return tuple(self._score(key, look) for key in wanted)

    def past(self, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        """As ``backends.contracts.Recalls``: past histograms, scored as live ones. Categories have no past."""
        name = self._options.metrics
        metrics = remembering(cast("Metrics", self._wiring.source("metrics", name)), name)
        with self._lock:
            last = self._last
        if last is None:
            return {}
        endpoints = dict.fromkeys(score.subject.endpoint for score in scores if score.subject.endpoint)
        values: dict[Key, dict[float, float]] = {}
        for where in [{self._labels[0]: endpoint} for endpoint in endpoints]:
            for at, live, earlier in self._past(metrics, where, window_s, step_s):
                look = looking(at, live, earlier, last.baseline, last.stable)
                for key in live:
                    value = self._compared(key, look)[0].value
                    if value is not None:
                        values.setdefault(key, {})[at] = value
        found: dict[ScoreKey, Past] = {}
        for score in scores:
            subject, model = score.subject, score.model or ModelRef("", "")
            key = Key(subject.endpoint, subject.variant, subject.scope, model.model, model.version, score.feature)
            if key in values and key in last.live and score.method == self._chosen(key, last).method.name:
                found[score.key] = tuple(sorted(values[key].items()))
        return found

    def _past(
        self, metrics: Remembers, where: Mapping[str, str], window_s: float, step_s: float
    ) -> Iterator[tuple[float, Live, Live]]:
        """The distributions of the window before each time; and of the reference window before it, if that is used."""

        def asked(over_s: float) -> Mapping[float, dict[Key, Distribution]]:
            found = metrics.past_histograms(self._histogram, over_s, self._labels, where, window_s, step_s)
            return {at: dict(self._distributions(some)) for at, some in found.items()}

        before = asked(self._window + self._reference_window) if self._against == WINDOW else {}
        for at, live in asked(self._window).items():
            yield at, live, _earlier(before.get(at, {}), live)

    def probe(self) -> tuple[Probe, ...]:
        try:
            scores = self.scores()
        except BackendError as error:
            return (Probe(ProbeKind.READ, False, error.message, error.hint),)
        source = self._options.metrics
        if not scores:
            hint = "set `histogram` to the histogram of the features' values"
            return (Probe(ProbeKind.READ, False, f"source {source} has no histogram {self._histogram}", hint),)
        lacking = sum(not score.reference for score in scores)
        said = f"{len(scores)} live histograms, {lacking} of them without a reference"
        return (Probe(ProbeKind.READ, lacking < len(scores), said, "check model and version" if lacking else ""),)

    def close(self) -> None:
        pass

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _baseline(self, live: Live) -> Baseline:
        if self._against != FILE:
            return {}
        if self._artifacts is not None:
            models = {(key.model, key.version) for key in live}
            return self._artifacts.load(ModelRef(*model) for model in sorted(models) if all(model))
        if self._file is None:
            raise Rejected(
                "there is nothing to compare with",
                hint='set `reference`, or `registry` and `artifact`, or against = "window" or "stable"',
            )
        return self._file.load()

    def _reference_name(self) -> str:
        """The name of the reference file or artifact."""
        if self._artifacts is not None:
            return self._artifacts.artifact.rpartition("/")[2]
        return self._file.path.name if self._file is not None else ""

    def _read(self) -> tuple[Live, Live]:
        """The distributions of the live window; and of the reference window before it, if that is used."""
        metrics = cast("Metrics", self._wiring.source("metrics", self._options.metrics))
        live = dict(self._histograms(metrics, self._window))
        earlier: dict[Key, Distribution] = {}
        if self._against == WINDOW:
            earlier = _earlier(dict(self._histograms(metrics, self._window + self._reference_window)), live)
        if self._categories:
            self._counting.add(self._wiring.clock(), self._counters(metrics))
            live |= self._counted(self._counting.window(self._window))
            if self._against == WINDOW:
                before = self._counting.window(self._window + self._reference_window, self._window)
                earlier |= self._counted(before)
        return live, earlier

    def _histograms(self, metrics: Metrics, window_s: float) -> Iterator[tuple[Key, Distribution]]:
        return self._distributions(metrics.histograms(self._histogram, window_s, self._labels))

    def _distributions(self, found: Iterable[Histogram]) -> Iterator[tuple[Key, Distribution]]:
        for one in found:
            # A server that extrapolates can return a negative count.
            counts = tuple(count if count > 0 else 0.0 for count in one.counts)
            yield Key(*[one.labels.get(name, "") for name in self._labels]), Distribution(counts, one.bounds)

    def _counters(self, metrics: Metrics) -> Totals:
        totals: dict[tuple[str, ...], dict[str, float]] = {}
        for sample in metrics.samples(self._categories):
            if math.isfinite(sample.value):
                counts = totals.setdefault(tuple(sample.labels.get(name, "") for name in self._labels), {})
                name = sample.labels.get(self._category_label, "")
                counts[name] = counts.get(name, 0.0) + sample.value
        return totals

    def _counted(self, totals: Totals) -> dict[Key, Distribution]:
        return {
            Key(*labels): Distribution(tuple(counts[name] for name in sorted(counts)), categories=tuple(sorted(counts)))
            for labels, counts in totals.items()
        }

    # ── scoring ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _stables(self, live: Live) -> Mapping[Place, str]:
        """The stable variant of each endpoint that has several variants."""
        if self._stable is None:
            name = self._options.serving
            self._stable = StableVariants(cast("Serving", self._wiring.source("serving", name)) if name else None)
        self._stable.refresh()
        counted: dict[Place, dict[str, float]] = {}
        for key, one in live.items():
            totals = counted.setdefault(key.place, {})
            totals[key.variant] = totals.get(key.variant, 0.0) + one.total
        return {place: self._stable.of(place, totals) for place, totals in counted.items() if len(totals) > 1}

    def _chosen(self, key: Key, look: Look) -> Chosen:
        assert self._choice is not None
        return self._choice.for_feature(key.feature, ordered=not look.live[key].categories)

    def _compared(self, key: Key, look: Look) -> tuple[Compared, str]:
        """The live values compared with their reference, and the name of the reference."""
        model, version, feature = key.model, key.version, key.feature
        if self._against == FILE:
            reference, of_what = of(look.baseline, (model, version, feature)), f"{model}/{version}"
            named = f"{self._reference_name()} {model}/{version}" if reference is not None else ""
        elif self._against == WINDOW:
            reference, of_what = look.earlier.get(key), "the window before"
            named = f"{self._reference_window / 60:g} min before"
        else:
            reference, named = look.beside(key)
            of_what = f"{feature} of {named}"
        return compare(look.live[key], reference, self._chosen(key, look), self._least, of_what), named

    def _score(self, key: Key, look: Look) -> DriftScore:
        endpoint, variant, scope, model, version, feature = key
        one, chosen = look.live[key], self._chosen(key, look)
        found, named = self._compared(key, look)
        other, name = look.beside(key)
        beside = compare(one, other, chosen, self._least, name) if other is not None else None
        times, history = self._history.add(key, look.at, found.value) if found.value is not None else ((), ())
        return DriftScore(
            Subject(endpoint, variant, scope),
            feature,
            chosen.method.name,
            found.value,
            chosen.threshold,
            chosen.method.direction,
            round(one.total) if math.isfinite(one.total) else 0,
            self._window,
            look.at,
            baseline=named,
            note=found.note,
            history=history,
            live=found.live.shares,
            reference=_shares(found),
            gap=found.gap,
            times=times,
            bounds=found.live.bounds,
            categories=found.live.categories,
            watch=chosen.watch,
            beside=beside.value if beside is not None else None,
            beside_name=name,
            model=ModelRef(model, version) if model else None,
        )


def _earlier(whole: Live, live: Live) -> dict[Key, Distribution]:
    """The counts of a longer window without those of the live window at its end."""
    same = (key for key in live if key in whole and whole[key].bounds == live[key].bounds)
    return {key: less(whole[key], live[key]) for key in same}


def _shares(found: Compared) -> tuple[float, ...]:
    """The shares of the reference; empty if it has other bins than the live values."""
    reference = found.reference
    if reference is None or (reference.bounds, reference.categories) != (found.live.bounds, found.live.categories):
        return ()
    return reference.shares
