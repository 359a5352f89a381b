"""Drift as it was before anybody looked: a Prometheus with seven hours in its store, and a program just started."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backends.contracts import DriftScore, ModelRef, Subject
from backends.drift.gauges import GaugeDrift
from backends.drift.histograms import HistogramDrift
from backends.drift.quality import QualityDrift
from backends.errors import Unreachable, Unsupported
from backends.metrics.openmetrics import OpenMetrics
from backends.metrics.prometheus import PrometheusMetrics
from shiftdeck.history.drift_history import with_past
from tests.faults import Fault, FaultProxy
from tests.realservers.processes import Server
from tests.realservers.prometheus import prometheus
from tests.realservers.wiring import made
from tests.servers import require_program

HOURS = 7
EVERY_S = 60
WINDOW_S = 1800.0
STEP_S = 225.0
BACK_S = 6 * 3600.0
SUBJECT = {"endpoint": "fraud", "scope": "prod", "model": "fraud-detector"}
QUIET, MOVED = (60.0, 30.0, 10.0), (10.0, 30.0, 60.0)  # values a minute, by bin


class Kept:
    """What a Prometheus has kept. ``moved`` is when the amounts of v2 changed, ``fell`` when its accuracy did."""

    def __init__(self, folder: Path) -> None:
        self.end = math.floor(time.time() / EVERY_S) * EVERY_S
        self.moved, self.fell = self.end - 3 * 3600, self.end - 2 * 3600
        text = folder / "past.txt"
        text.write_text("".join(f"{line}\n" for line in (*self._histograms(), *self._gauges(), "# EOF")))
        promtool = require_program("promtool")
        folder.joinpath("data").mkdir()
        command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    def _times(self) -> range:
        return range(self.end - HOURS * 3600, self.end + 1, EVERY_S)

    def _histograms(self) -> Iterator[str]:
        yield "# TYPE model_feature_value histogram"
        for endpoint, variant, feature in (
            ("fraud", "v1", "amount"),
            ("fraud", "v2", "amount"),
            ("fraud", "v2", "age"),
            ("churn", "v1", "age"),
        ):
            labels = {**SUBJECT, "endpoint": endpoint, "variant": variant, "version": variant[1:], "feature": feature}
            counts = [0.0, 0.0, 0.0]
            for at in self._times():
                odd = (variant, feature) == ("v2", "amount") and at > self.moved
                busier = 5 if variant == "v1" else 1  # so that it counts as the stable one
                counts = [sum_ + busier * more for sum_, more in zip(counts, MOVED if odd else QUIET, strict=True)]
                upto = 0.0
                for bound, count in zip(("1.0", "2.0", "+Inf"), counts, strict=True):
                    upto += count
                    yield f"model_feature_value_bucket{written(labels, le=bound)} {upto} {at}"
                yield f"model_feature_value_count{written(labels)} {upto} {at}"
                yield f"model_feature_value_sum{written(labels)} {upto} {at}"

    def _gauges(self) -> Iterator[str]:
        told = {"model": "fraud-detector", "version": "2", "feature": "amount", "method": "psi", "threshold": "0.25"}
        yield "# TYPE ml_drift_score gauge"
        for at in self._times():
            yield f"ml_drift_score{written(told)} {0.4 if at > self.moved else 0.05} {at}"
        yield "# TYPE model_quality gauge"
        whose = {**SUBJECT, "variant": "v2", "version": "2", "metric": "accuracy", "delay": "60"}
        for at in self._times():
            yield f"model_quality{written(whose)} {0.7 if at > self.fell else 0.9} {at}"


def written(labels: dict[str, str], **more: str) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in {**labels, **more}.items()) + "}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kept, Server]]:
    require_program("prometheus")
    folder = tmp_path_factory.mktemp("past")
    kept = Kept(folder)
    server = prometheus(folder, {}).start()
    yield kept, server
    server.stop()


@pytest.fixture
def metrics(world: tuple[Kept, Server]) -> Iterator[PrometheusMetrics]:
    made_one = made(PrometheusMetrics, url=world[1].url, timeout=20.0)
    yield made_one
    made_one.close()


def fraud(scores: tuple[DriftScore, ...]) -> list[DriftScore]:
    return [score for score in scores if score.subject.endpoint in ("fraud", "")]


def histograms(metrics: object, **options: object) -> HistogramDrift:
    given = {"metrics": "it", "window": WINDOW_S, "min_samples": 50, **options}
    return made(HistogramDrift, {("metrics", "it"): metrics}, **given)


@pytest.mark.parametrize("against", ["stable", "file", "window"])
def test_a_fresh_start_knows_when_a_score_of_histograms_crossed(
    world: tuple[Kept, Server], metrics: PrometheusMetrics, tmp_path: Path, against: str
) -> None:
    kept, _ = world
    reference = tmp_path / "reference.json"
    entry = '{"model": "fraud-detector", "feature": "%s", "bounds": [1, 2, null], "counts": [600, 300, 100]}'
    reference.write_text('{"features": [' + ", ".join(entry % name for name in ("amount", "age")) + "]}")
    # Against an hour before, what moved three hours ago is nothing new by now.
    longer = {"reference_window": 6 * 3600.0} if against == "window" else {}
    drift = histograms(metrics, against=against, reference=reference, **longer)
    scores = fraud(drift.scores())
    (now,) = [score for score in scores if (score.subject.variant, score.feature) == ("v2", "amount")]
    assert now.crossed
    assert len(now.times) == 1
    past = drift.past(scores, BACK_S, STEP_S)
    score = with_past(now, past[now.key])
    assert 40 < len(score.times) <= 98
    assert list(score.times) == sorted(score.times)
    assert score.value == now.value
    assert score.since is not None
    assert kept.moved < score.since < kept.moved + WINDOW_S + 2 * STEP_S
    assert not now.beyond(score.history[0], now.threshold)
    quiet = [one for one in scores if one.value is not None and one is not now]
    assert all(abs(value) < 0.1 for one in quiet for _, value in past.get(one.key, ()))


def test_a_gauge_of_a_model_is_the_past_of_whoever_serves_it(
    world: tuple[Kept, Server], metrics: PrometheusMetrics
) -> None:
    kept, _ = world
    drift = made(GaugeDrift, {("metrics", "it"): metrics}, metrics="it", stale_after=86400.0)
    (told,) = drift.scores()
    assert told.model == ModelRef("fraud-detector", "2")
    served = Subject("fraud", "v2", "prod")
    score = replace(told, subject=served)
    score = with_past(score, drift.past([score], BACK_S, STEP_S)[score.key])
    assert score.since is not None
    assert abs(score.since - kept.moved) <= STEP_S + EVERY_S


def test_when_a_model_became_wrong_more_often(world: tuple[Kept, Server], metrics: PrometheusMetrics) -> None:
    kept, _ = world
    sources = {("metrics", "it"): metrics}
    drift = made(QualityDrift, sources, metrics="it", thresholds={"accuracy": "0.8"}, stale_after=86400.0)
    (told,) = drift.scores()
    score = with_past(told, drift.past([told], BACK_S, STEP_S)[told.key])
    assert score.since is not None
    assert abs(score.since - kept.fell) <= STEP_S + EVERY_S


def test_it_is_one_query_of_one_endpoint(world: tuple[Kept, Server], tmp_path: Path) -> None:
    with FaultProxy(world[1].url) as proxy:
        metrics = made(PrometheusMetrics, url=proxy.url, timeout=20.0)
        drift = histograms(metrics, against="stable")
        scores = fraud(drift.scores())
        before = proxy.requests
        past = drift.past(scores, BACK_S, STEP_S)
        assert proxy.requests == before + 1
        assert {key[0].endpoint for key in past} == {"fraud"}
        proxy.set(Fault.GONE)
        with pytest.raises(Unreachable):
            drift.past(scores, BACK_S, STEP_S)
        metrics.close()


def test_what_scrapes_targets_itself_keeps_nothing_and_says_so() -> None:
    drift = histograms(made(OpenMetrics, url="http://127.0.0.1:9/metrics"), against="stable")
    with pytest.raises(Unsupported, match="source it keeps no past"):
        drift.past((), BACK_S, STEP_S)
