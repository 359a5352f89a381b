"""Scores that others computed: gauges, Evidently's and NannyML's files, and how right the answers were.

The files under ``data`` were written by Evidently 0.7.23 (widgets taken out) and NannyML 0.13.1.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backends.contracts import (
    Adapter,
    Direction,
    Drift,
    DriftScore,
    Gap,
    ModelRef,
    ModelVersion,
    Sample,
    Subject,
    Wiring,
)
from backends.drift.evidently import EvidentlyDrift
from backends.drift.gauges import GaugeDrift
from backends.drift.nannyml import NannymlDrift
from backends.drift.quality import QualityDrift
from backends.errors import Malformed, Rejected, Unreachable
from backends.options import Options

DATA = Path(__file__).parent / "data"
CHUNK_END = 1794388740.0  # 2026-11-11 09:19 UTC


class World:
    """Gauges by name, a registry, and a clock."""

    def __init__(self) -> None:
        self.now = CHUNK_END
        self.gauges: dict[str, list[Sample]] = {}
        self.known: tuple[ModelVersion, ...] = ()

    def samples(self, name: str) -> tuple[Sample, ...]:
        return tuple(self.gauges.get(name, ()))

    def versions(self) -> tuple[ModelVersion, ...]:
        return self.known

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.gauges.setdefault(name, []).append(Sample(labels, value))

    def made(self, adapter: type, **options: object) -> Drift:
        given: Options = adapter.OPTIONS(**options)  # type: ignore[attr-defined]
        wiring = Wiring("drift", given, self._source, lambda: self.now)
        made: Drift = adapter(wiring)
        return made

    def _source(self, _kind: str, _name: str) -> Adapter:
        return self  # type: ignore[return-value]  # has what is asked of it


@pytest.fixture
def world() -> World:
    return World()


def brief(scores: tuple[DriftScore, ...]) -> dict[tuple[str, str], tuple[float | None, float, Direction, bool | None]]:
    return {
        (one.feature, one.method): (
            None if one.value is None else round(one.value, 3),
            round(one.threshold, 3),
            one.direction,
            one.crossed,
        )
        for one in scores
    }


ABOVE, BELOW = Direction.ABOVE, Direction.BELOW

# ── gauges ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_neutral_gauges_are_read(world: World) -> None:
    about = {"model": "m", "version": "7"}
    world.gauge("ml_drift_score", 0.3, **about, feature="amount", method="psi", threshold="0.2", direction="above")
    world.gauge("ml_drift_score", 0.3, **about, feature="hour", method="psi")
    world.gauge("ml_drift_score", 0.01, **about, feature="velocity", method="ks_p_value", threshold="0.05")
    world.gauge("ml_drift_score", 0.4, **about, feature="country", method="of our own")
    scores = world.made(GaugeDrift, metrics="prometheus").scores()
    assert brief(scores) == {
        ("amount", "psi"): (0.3, 0.2, ABOVE, True),
        ("hour", "psi"): (0.3, 0.25, ABOVE, True),
        ("velocity", "ks_p_value"): (0.01, 0.05, BELOW, True),
        ("country", "of our own"): (None, 0, ABOVE, None),
    }
    assert scores[3].gap is Gap.NO_REFERENCE
    assert {(one.subject, one.model) for one in scores} == {(Subject(""), ModelRef("m", "7"))}
    assert scores[0].at == world.now


def test_a_gauge_that_stopped_moving_is_a_dead_scorer(world: World) -> None:
    world.gauge("ml_drift_score", 0.1, endpoint="fraud", feature="amount", method="psi")
    drift = world.made(GaugeDrift, metrics="prometheus", stale_after=600.0)
    world.now += 1
    assert drift.scores()[0].value == 0.1
    world.now += 601
    (score,) = drift.scores()
    assert (score.value, score.crossed, score.gap, score.note) == (None, None, Gap.DEAD, "unchanged for 10m")
    world.gauges["ml_drift_score"] = [Sample(world.gauges["ml_drift_score"][0].labels, 0.11)]
    assert drift.scores()[0].value == 0.11
    world.gauges.clear()
    world.now += 120
    (score,) = drift.scores()
    assert (score.value, score.gap, score.note) == (None, Gap.DEAD, "no longer reported for 2m")


def test_a_gauge_with_a_time_is_as_old_as_it_says(world: World) -> None:
    world.gauge("ml_drift_score", 0.1, endpoint="fraud", feature="amount", method="psi")
    world.gauge("computed", world.now - 4000, endpoint="fraud")
    world.gauge("counted", 812, endpoint="fraud", feature="amount")
    options = {"metrics": "prometheus", "timestamp": "computed", "samples": "counted"}
    (score,) = world.made(GaugeDrift, **options).scores()
    assert (score.value, score.gap, score.note) == (None, Gap.DEAD, "computed 1h ago")
    (score,) = world.made(GaugeDrift, **options, stale_after=7200.0).scores()
    assert (score.value, score.samples, score.at) == (0.1, 812, world.now - 4000)


def test_seldon_gauges_are_read(world: World) -> None:
    about = {"deployment_name": "fraud", "predictor_name": "v7", "namespace": "prod"}
    for index, value in enumerate((0.4, 0.002)):
        world.gauge("seldon_metric_drift_p_val", value, **about, index=str(index))
        world.gauge("seldon_metric_drift_distance", 0.3, **about, index=str(index))
    world.gauge("seldon_metric_drift_threshold", 0.025, **about, index="0")
    scores = world.made(GaugeDrift, metrics="prometheus", format="seldon").scores()
    assert brief(scores) == {
        ("feature 0", "p_val"): (0.4, 0.025, BELOW, False),
        ("feature 1", "p_val"): (0.002, 0.025, BELOW, True),
    }
    assert scores[0].subject == Subject("fraud", "v7", "prod")


# ── evidently ───────────────────────────────────────────────────────────────────────────────────────────────────

EVIDENTLY = {
    ("amount", "psi"): (0.258, 0.1, ABOVE, True),
    ("amount", "wasserstein"): (0.803, 0.1, ABOVE, True),
    ("hour", "ks_p"): (0.033, 0.05, BELOW, True),
    ("country", "js"): (0.148, 0.24, ABOVE, False),
}


@pytest.mark.parametrize("name", ["evidently-report.json", "evidently-snapshot.json"])
def test_evidently_files_are_read(world: World, name: str) -> None:
    world.now = (DATA / name).stat().st_mtime + 60
    drift = world.made(EvidentlyDrift, path=DATA / name, model="m", version="7", stale_after=1e9)
    scores = drift.scores()
    assert brief(scores) == EVIDENTLY
    assert {one.model for one in scores} == {ModelRef("m", "7")}
    assert [probe.ok for probe in drift.probe()] == [True]


def test_a_folder_of_reports_gives_a_history(world: World, tmp_path: Path) -> None:
    report = json.loads((DATA / "evidently-report.json").read_text())
    for day in range(3):
        report["metrics"][1]["value"] = 0.05 + 0.04 * day
        path = tmp_path / f"{day}.json"
        path.write_text(json.dumps(report))
        os.utime(path, (world.now - (3 - day) * 3600, world.now - (3 - day) * 3600))
    (tmp_path / "half.json").write_text("{")
    os.utime(tmp_path / "half.json", (1, 1))
    drift = world.made(EvidentlyDrift, path=tmp_path, endpoint="fraud")
    score = next(one for one in drift.scores() if (one.feature, one.method) == ("amount", "psi"))
    assert score.history == pytest.approx((0.05, 0.09, 0.13))
    assert score.since == score.at == world.now - 3600
    assert score.subject == Subject("fraud")
    world.now += 40 * 3600
    assert {one.gap for one in drift.scores()} == {Gap.DEAD}


def test_reports_can_be_fetched(world: World) -> None:
    with serving((DATA / "evidently-report.json").read_bytes()) as url:
        assert brief(world.made(EvidentlyDrift, url=f"{url}/report?x=1", endpoint="fraud").scores()) == EVIDENTLY
    with pytest.raises(Unreachable):
        world.made(EvidentlyDrift, url=url).scores()


def test_what_cannot_be_read_is_said(world: World, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="report"):
        world.made(EvidentlyDrift, path=tmp_path / "report.json").scores()
    with pytest.raises(Rejected, match="nothing to read"):
        world.made(EvidentlyDrift).scores()
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(Malformed, match=r"report\.json is not an Evidently report"):
        world.made(EvidentlyDrift, path=tmp_path).scores()


# ── nannyml ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["nannyml-multi.csv", "nannyml-single.csv", "nannyml-single.json"])
def test_nannyml_results_are_read(world: World, name: str) -> None:
    scores = world.made(NannymlDrift, path=DATA / name, endpoint="fraud").scores()
    assert brief(scores) == {
        ("amount", "ks"): (0.207, 0.042, ABOVE, True),
        ("amount", "js"): (0.198, 0.059, ABOVE, True),
        ("amount", "wasserstein (raw)"): (22.304, 3.574, ABOVE, True),
        ("country", "chi2 alert"): (0, 0.5, ABOVE, False),
        ("country", "js"): (0.009, 0.028, ABOVE, False),
    }
    score = next(one for one in scores if one.method == "ks")
    assert (len(score.history), score.samples, score.at) == (2, 1000, CHUNK_END)


def test_performance_is_about_answers_and_alarms_on_its_bad_side(world: World, tmp_path: Path) -> None:
    heads = ["chunk_end_date", "realized_roc_auc_value", "realized_roc_auc_upper_threshold"]
    heads += ["realized_roc_auc_lower_threshold", "realized_roc_auc_alert"]
    path = tmp_path / "performance.csv"
    path.write_text(",".join(heads) + "\n2026-11-11 09:19:00,0.81,0.99,0.9,True\n")
    (score,) = world.made(NannymlDrift, path=path, model="m", delay=86_400.0).scores()
    assert (score.feature, score.value, score.threshold, score.crossed) == ("roc_auc", 0.81, 0.9, True)
    assert score.delay_s == 86_400


# ── how right the answers were ──────────────────────────────────────────────────────────────────────────────────


def test_answers_are_held_against_what_training_measured(world: World) -> None:
    ref = ModelRef("m", "7")
    world.known = (ModelVersion(ref, metrics={"accuracy": 0.9, "mae": 2.0, "live_f1": 0.7, "f1": 0.9}),)
    about = {"endpoint": "fraud", "variant": "v7", "scope": "prod", "model": "m", "version": "7"}
    for metric, value, delay in (("accuracy", 0.8, "2h"), ("mae", 2.1, "60"), ("auc", 0.5, "")):
        world.gauge("model_quality", value, **about, metric=metric, delay=delay)
        world.gauge("model_quality_samples", 48 if metric == "auc" else 1000, **about, metric=metric)
    scores = world.made(QualityDrift, metrics="prometheus", registry="mlflow", delay=30.0).scores()
    assert brief(scores) == {
        ("accuracy", "accuracy"): (0.8, 0.81, BELOW, True),
        ("mae", "mae"): (2.1, 2.2, ABOVE, False),
        ("auc", "auc"): (None, 0, BELOW, None),
        ("f1", "f1"): (0.7, 0.81, BELOW, True),
    }
    by_metric = {one.feature: one for one in scores}
    assert {name: one.delay_s for name, one in by_metric.items()} == {
        "accuracy": 7200, "mae": 60, "auc": 30, "f1": 30
    }  # fmt: skip
    assert (by_metric["auc"].gap, by_metric["auc"].note) == (Gap.FEW, "n 48 of 200")
    assert by_metric["accuracy"].baseline == "training 0.9"
    assert by_metric["f1"].model == ref


@contextmanager
def serving(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
