"""Drift scores from a metrics source, against a file, an earlier window and the stable variant."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import ClassVar

import pytest

from backends.contracts import (
    Endpoint,
    EndpointRef,
    Gap,
    Histogram,
    Measure,
    Probe,
    Role,
    Sample,
    Series,
    Subject,
    Variant,
    VariantMetrics,
    Wiring,
)
from backends.drift.histograms import HistogramDrift, HistogramOptions, Key
from backends.drift.history import POINTS, SPAN_S
from backends.errors import Malformed, Rejected, Unreachable
from backends.options import Options

ENTRY = {"model": "m", "version": "7", "feature": "amount", "bounds": [1, 2, None], "counts": [100, 300, 600]}


BOUNDS = (1, 2, math.inf)


class Metrics:
    """A metrics adapter that has just these histograms, in every window unless ``before`` has more in longer ones."""

    OPTIONS: ClassVar[type[Options]] = Options

    def __init__(self) -> None:
        self.found: dict[tuple[str, str, str], tuple[float, ...]] = {}  # by variant, version and feature
        self.before: dict[tuple[str, str, str], tuple[float, ...]] = {}
        self.bounds: tuple[float, ...] = BOUNDS
        self.counters: dict[str, float] = {}
        self.asked: list[tuple[str, float, tuple[str, ...]]] = []

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        self.asked.append((name, window_s, by))
        found = []
        for (variant, version, feature), counts in self.found.items():
            earlier = self.before.get((variant, version, feature), ()) if window_s > 300 else ()
            whole = tuple(a + b for a, b in zip(counts, earlier, strict=True)) if earlier else counts
            labels = dict(zip(Key._fields, ("fraud", variant, "prod", "m", version, feature), strict=True))
            found.append(Histogram(labels, self.bounds, whole))
        return tuple(found)

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        return ()

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series:
        return Series(subject, measure, ())

    def samples(self, name: str) -> tuple[Sample, ...]:
        labels = dict(zip(Key._fields, ("fraud", "v7", "prod", "m", "7", "country"), strict=True))
        return tuple(Sample({**labels, "value": value}, count) for value, count in self.counters.items())

    def probe(self) -> tuple[Probe, ...]:
        return ()

    def close(self) -> None:
        pass


class Serving:
    """A serving system that says that v8 is stable."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        variants = (Variant("v7", Role.CANARY), Variant("v8", Role.STABLE))
        return (Endpoint(EndpointRef("lab", "prod", "fraud"), variants),)


class World:
    """A drift adapter on a metrics adapter, a reference file and a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.metrics = Metrics()
        self.reference = folder / "reference.json"
        self.write(ENTRY)
        self.now = 1000.0
        self.drift = self.made()

    def made(self, **options: object) -> HistogramDrift:
        given = HistogramOptions(**{"metrics": "gateway", "reference": self.reference, **options})
        sources: dict[str, object] = {"metrics": self.metrics, "serving": Serving()}
        return HistogramDrift(Wiring("psi", given, lambda kind, _: sources[kind], lambda: self.now))  # type: ignore[arg-type, return-value]

    def write(self, *entries: object) -> None:
        self.reference.write_text(json.dumps({"features": entries}))

    def live(self, *counts: float, version: str = "7", feature: str = "amount") -> None:
        self.metrics.found[f"v{version}", version, feature] = counts


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_same_distribution_scores_nothing(world: World) -> None:
    world.live(100, 300, 600)
    (score,) = world.drift.scores()
    assert (score.subject, score.feature, score.method) == (Subject("fraud", "v7", "prod"), "amount", "psi")
    assert score.value == pytest.approx(0, abs=1e-12)
    assert score.crossed is False
    assert (score.samples, score.window_s, score.note) == (1000, 300, "")
    assert score.live == score.reference == (0.1, 0.3, 0.6)
    assert world.metrics.asked == [("model_feature_value", 300, Key._fields)]
    assert (score.bounds, score.threshold, score.watch, score.gap) == (BOUNDS, 0.25, 0.1, None)


def test_a_shift_crosses_the_threshold(world: World) -> None:
    world.live(600, 300, 100)
    (score,) = world.drift.scores()
    assert score.value == pytest.approx(1.79, abs=0.01)
    assert score.crossed is True


def test_why_there_is_no_score_is_a_state_of_its_own(world: World) -> None:
    def states() -> list[tuple[float | None, bool | None, Gap | None, str]]:
        return [(one.value, one.crossed, one.gap, one.note) for one in world.drift.scores()]

    world.live(10, 20, 18)
    assert states() == [(None, None, Gap.FEW, "n 48 of 200")]
    world.metrics.bounds = (1, 3, math.inf)
    assert states() == [(None, None, Gap.BINS, "the live bins are not the reference's")]
    world.metrics.bounds = BOUNDS
    world.write({**ENTRY, "counts": [1, 1, 998]})
    world.live(1, 2, 997)
    assert states() == [(None, None, Gap.BLIND, "nearly all values are above the last bin's 2")]
    world.write()
    assert states() == [(None, None, Gap.NO_REFERENCE, "no reference for m/7")]
    world.metrics.found = {}
    assert world.drift.scores() == ()
    assert [probe.ok for probe in world.drift.probe()] == [False]


def test_a_verdict_that_hangs_on_an_empty_bin_is_none(world: World) -> None:
    world.write({**ENTRY, "counts": [500, 500, 0]})
    world.live(475, 475, 50)
    (score,) = world.drift.scores()
    assert (score.value, score.gap) == (None, Gap.EMPTY)
    world.live(50, 50, 900)  # whatever an empty bin counts as, that is another distribution
    (score,) = world.drift.scores()
    assert score.crossed


def test_history_is_spaced_and_bounded_and_ends_in_the_value(world: World) -> None:
    for step in range(200):
        world.live(100 + step, 300, 600)
        (score,) = world.drift.scores()
        world.now += 1
    assert len(score.history) == len(score.times) == 14
    assert score.history[-1] == score.value
    assert list(score.history) == sorted(score.history)
    for _ in range(300):
        (score,) = world.drift.scores()
        world.now += 20
    assert len(score.history) == len(score.times) <= POINTS
    assert score.times[-1] - score.times[0] == pytest.approx(SPAN_S, abs=40)


def test_when_it_crossed_is_told(world: World) -> None:
    moments = []
    for shifted in (0, 0, 400, 600, 600):
        world.live(100 + shifted, 300, 600)
        (score,) = world.drift.scores()
        moments.append(score.since)
        world.now += 60
    assert moments == [None, None, 1120, 1120, 1120]
    world.live(100, 300, 600)
    assert world.drift.scores()[0].since is None


def test_each_feature_can_have_its_own_method_and_threshold(world: World) -> None:
    world.write(*({**ENTRY, "feature": name} for name in ("amount", "hour", "velocity")))
    for name in ("amount", "hour", "velocity"):
        world.live(150, 300, 550, feature=name)
    drift = world.made(methods={"hour": "ks"}, thresholds={"velocity": "0.01"})
    found = {one.feature: (one.method, one.threshold, one.crossed) for one in drift.scores()}
    assert found == {"amount": ("psi", 0.25, False), "hour": ("ks", 0.2, False), "velocity": ("psi", 0.01, True)}
    for wrong in ({"methods": {"hour": "kss"}}, {"thresholds": {"hour": "x"}}):
        with pytest.raises(Rejected, match=r"method|threshold"):
            world.made(**wrong).scores()


def test_an_earlier_window_can_be_the_reference(world: World) -> None:
    drift = world.made(against="window", reference=None, reference_window=600.0)
    world.live(600, 300, 100)
    assert [one.gap for one in drift.scores()] == [Gap.FEW]  # nothing was seen before
    world.metrics.before["v7", "7", "amount"] = (100, 300, 600)
    (score,) = drift.scores()
    assert score.value == pytest.approx(1.79, abs=0.01)
    assert score.reference == (0.1, 0.3, 0.6)
    assert score.baseline == "10 min before"
    assert [window for _, window, _ in world.metrics.asked[-2:]] == [300, 900]


def test_the_stable_variant_can_be_the_reference(world: World) -> None:
    world.live(1000, 3000, 6000)
    world.live(60, 30, 10, version="8")
    drift = world.made(against="stable", reference=None, min_samples=50)
    (score,) = drift.scores()  # the stable one, which has more, is not compared with itself
    assert (score.subject.variant, score.baseline) == ("v8", "v7")
    assert score.crossed
    (other,) = world.made(against="stable", reference=None, serving="lab", min_samples=50).scores()
    assert (other.subject.variant, other.baseline) == ("v7", "v8")  # as the serving system says


def test_what_both_variants_see_is_told_from_what_one_sees(world: World) -> None:
    world.write(ENTRY, {**ENTRY, "version": "8"})
    world.live(6000, 3000, 1000)
    world.live(600, 300, 100, version="8")
    stable, canary = world.drift.scores()
    assert (stable.crossed, stable.beside, stable.beside_name) == (True, None, "")
    assert (canary.crossed, canary.beside_name) == (True, "v7")
    assert canary.beside == pytest.approx(0, abs=1e-9)
    world.live(1000, 3000, 6000)
    stable, canary = world.drift.scores()
    assert (stable.crossed, canary.crossed) == (False, True)
    assert canary.beside == pytest.approx(1.79, abs=0.01)


def test_categories_are_counted_in_the_window(world: World) -> None:
    entry = {"model": "m", "version": "7", "feature": "country", "categories": ["DE", "FR"], "counts": [500, 500]}
    world.write(entry)
    drift = world.made(categories="model_feature_category_total", method="ks")
    world.metrics.counters = {"DE": 10_000, "FR": 10_000}
    assert [one.note for one in drift.scores()] == ["n 0 of 200"]  # counters say nothing before the second look
    world.now += 60
    world.metrics.counters = {"DE": 10_300, "FR": 10_300}
    (score,) = drift.scores()
    assert (score.method, score.value, score.samples) == ("psi", 0, 600)  # categories have no order
    assert score.categories == ("DE", "FR")
    world.now += 300
    world.metrics.counters = {"DE": 10_900, "FR": 100, "XX": 100}  # FR's counter was reset
    (score,) = drift.scores()
    assert score.samples == 800
    assert score.live == (0.75, 0.125, 0.125)
    assert score.crossed


def test_without_anything_to_compare_with_the_operator_is_told(world: World) -> None:
    with pytest.raises(Rejected, match="nothing to compare with") as refused:
        world.made(reference=None).scores()
    assert "stable" in refused.value.hint


def test_the_reference_is_read_anew_when_it_changes(world: World) -> None:
    world.live(600, 300, 100)
    assert world.drift.scores()[0].crossed
    world.write({**ENTRY, "counts": [6000, 3000, 1000]})
    assert world.drift.scores()[0].crossed is False
    world.reference.write_text("{")
    with pytest.raises(Malformed, match=r"reference\.json"):
        world.drift.scores()
    world.reference.unlink()
    with pytest.raises(Unreachable, match=r"reference\.json"):
        world.drift.scores()
    assert [probe.ok for probe in world.drift.probe()] == [False]


def test_probe_says_what_it_found(world: World) -> None:
    world.live(100, 300, 600)
    (probe,) = world.drift.probe()
    assert probe.ok
    assert "1 live histograms, 0 of them without" in probe.detail
