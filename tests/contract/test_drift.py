"""Drift scores from a metrics source and a reference file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import ClassVar

import pytest

from backends.contracts import Histogram, Measure, Probe, Sample, Series, Subject, VariantMetrics, Wiring
from backends.drift.histograms import HISTORY, LABELS, HistogramDrift
from backends.errors import Malformed, Unreachable
from backends.settings import Setting

ENTRY = {"model": "m", "version": "7", "feature": "amount", "bounds": [1, 2, None], "counts": [100, 300, 600]}


class Metrics:
    """A metrics adapter that has just these histograms."""

    SETTINGS: ClassVar[tuple[Setting, ...]] = ()

    def __init__(self, *histograms: Histogram) -> None:
        self.found = histograms
        self.asked: tuple[str, float, tuple[str, ...]] | None = None

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        self.asked = (name, window_s, by)
        return self.found

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        return ()

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series:
        return Series(subject, measure, ())

    def samples(self, name: str) -> tuple[Sample, ...]:
        return ()

    def probe(self) -> tuple[Probe, ...]:
        return ()

    def close(self) -> None:
        pass


class World:
    """A drift adapter on a metrics adapter, a reference file and a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.metrics = Metrics()
        self.reference = folder / "reference.json"
        self.write(ENTRY)
        self.now = 1000.0
        defaults = {setting.key: setting.default for setting in HistogramDrift.SETTINGS}
        given = {**defaults, "metrics": "gateway", "reference": self.reference, "timeout": 5.0}
        self.drift = HistogramDrift(Wiring("psi", given, lambda kind, name: self.metrics, lambda: self.now))

    def write(self, *entries: object) -> None:
        self.reference.write_text(json.dumps({"features": entries}))

    def live(self, *counts: float, bounds: tuple[float, ...] = (1, 2, math.inf), version: str = "7") -> None:
        values = ("fraud", "v7", "prod", "m", version, "amount")
        self.metrics.found = (Histogram(dict(zip(LABELS, values, strict=True)), bounds, counts),)


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
    assert world.metrics.asked == ("model_feature_value", 300, LABELS)


def test_a_shift_crosses_the_threshold(world: World) -> None:
    world.live(600, 300, 100)
    (score,) = world.drift.scores()
    assert score.value == pytest.approx(1.79, abs=0.01)
    assert score.crossed is True


def test_why_there_is_no_score_is_said(world: World) -> None:
    world.live(10, 20, 18)
    assert [(one.value, one.crossed, one.note) for one in world.drift.scores()] == [(None, None, "n 48 of 200")]
    world.live(100, 300, 600, version="8")
    assert [(one.value, one.note) for one in world.drift.scores()] == [(None, "no reference for m/8")]
    world.live(100, 300, 600, bounds=(1, 3, math.inf))
    assert [(one.value, one.note) for one in world.drift.scores()] == [(None, "the live bins are not the reference's")]
    world.metrics.found = ()
    assert world.drift.scores() == ()
    assert [probe.ok for probe in world.drift.probe()] == [False]


def test_history_is_spaced_and_bounded_and_ends_in_the_value(world: World) -> None:
    for step in range(200):
        world.live(100 + step, 300, 600)
        (score,) = world.drift.scores()
        world.now += 1
    assert len(score.history) == 40
    assert score.history[-1] == score.value
    assert list(score.history) == sorted(score.history)
    for _ in range(100):
        (score,) = world.drift.scores()
        world.now += 10
    assert len(score.history) == HISTORY


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
