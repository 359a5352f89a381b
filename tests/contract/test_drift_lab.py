"""Drift in the real lab: payments that grew are the world's doing, a canary that counts in other units is its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import TypeVar

import httpx
import pytest

from backends.contracts import DriftScore, EndpointRef, Wiring
from backends.drift.histograms import HistogramDrift, HistogramOptions
from backends.drift.quality import QualityDrift, QualityOptions
from backends.metrics.openmetrics import OpenMetrics, OpenMetricsOptions
from backends.options import Options
from backends.serving.lab import LabOptions, LabServing
from shiftdeck.health.drift import Extent, Finding, findings, told_apart
from tests.lab import LABEL_S, Lab, RunningLab
from tests.waiting import wait_until

WINDOW_S = 180.0
LEAST = 150  # with fewer, chance alone takes the PSI of ten bins over 0.25 now and then


Told = TypeVar("Told", bound=Options)


@pytest.fixture(scope="module")
def lab(lab_at_rest: RunningLab) -> Iterator[RunningLab]:
    """The lab while the canary and the shadow get as many requests as stable does, so that samples come soon."""
    with closing(Lab(lab_at_rest)) as world:
        world.put("prod/sentiment", {"weights": {"v7": 50, "v8": 50}})
        world.put("prod/fraud", {"mirror": {"v13": 100}})
        world.wait_weights("prod/sentiment", {"v7": 50, "v8": 50})
        yield lab_at_rest
        world.reset()


@pytest.mark.timeout(700)
def test_drills_are_found_named_and_told_apart(lab: RunningLab) -> None:
    def wired(name: str, options: Told) -> Wiring[Told]:
        return Wiring(name, options, lambda kind, _: sources[kind], time.time)  # type: ignore[arg-type, return-value]

    sources: dict[str, object] = {}
    metrics = OpenMetrics(wired("gateway", OpenMetricsOptions(10.0, url=lab.metrics)))
    sources |= {"metrics": metrics, "serving": LabServing(wired("lab", LabOptions(10.0, url=lab.gateway)))}
    reference = lab.config.parent / "reference.json"
    options = {"metrics": "gateway", "serving": "lab", "reference": reference, "window": WINDOW_S, "min_samples": LEAST}
    drift = HistogramDrift(wired("psi", HistogramOptions(10.0, **options)))
    try:
        quiet = wait_until(lambda: scored(drift.scores()), 300, "scores of all features", every_s=0.5)
        assert not [score for score in quiet if score.crossed]
        began = time.time()
        for drill in ("feature-drift", "canary-skew"):
            assert httpx.put(f"{lab.gateway}/lab/drills/{drill}").is_success

        def found() -> tuple[Finding, Finding] | None:
            scores = drift.scores()
            world = one(scores, "fraud", "amount", drifted=2)
            own = one(scores, "sentiment", "text_len", drifted=1)
            return (world, own) if world and own else None

        world, own = wait_until(found, 300, "both drills to be found", every_s=0.5)
        assert (world.extent, own.extent) == (Extent.ALL, Extent.ONE)
        assert told_apart(world) == "both v12 and v13 see it: the inputs changed, not the model"
        assert told_apart(own).startswith("only v8 sees it, not v7")
        for finding in (world, own):
            assert finding.since is not None
            assert began - 15 <= finding.since <= time.time()
        scores = scored(drift.scores()) or ()
        inputs = {score.feature for score in scores if score.crossed} - {"prediction"}
        assert inputs == {"amount", "text_len"}, "no other feature is blamed"
    finally:
        metrics.close()


@pytest.mark.timeout(300)
def test_how_right_the_answers_were_is_told_with_its_delay(lab: RunningLab) -> None:
    metrics = OpenMetrics(Wiring("gateway", OpenMetricsOptions(10.0, url=lab.metrics), lambda *_: metrics, time.time))
    given = QualityOptions(10.0, metrics="gateway", thresholds={"accuracy": "0.6", "mae": "20"}, min_samples=20)
    quality = QualityDrift(Wiring("quality", given, lambda *_: metrics, time.time))
    try:
        scores = wait_until(
            lambda: {one.subject: one for one in quality.scores() if one.value is not None}, 150, "truth", every_s=0.5
        )
        for score in scores.values():
            assert (score.delay_s, score.crossed) == (LABEL_S, False)
        assert EndpointRef("lab", "prod", "sentiment").name in {subject.endpoint for subject in scores}
    finally:
        metrics.close()


def scored(scores: tuple[DriftScore, ...]) -> tuple[DriftScore, ...] | None:
    wanted = [score for score in scores if score.subject.endpoint in ("fraud", "sentiment")]
    return tuple(wanted) if wanted and all(score.value is not None for score in wanted) else None


def one(scores: tuple[DriftScore, ...], endpoint: str, feature: str, *, drifted: int) -> Finding | None:
    """The finding, once so many variants have drifted and all have scores."""
    mine = [score for score in scores if score.subject.endpoint == endpoint]
    finding = next((found for found in findings(mine) if found.feature == feature), None)
    return finding if finding and not finding.unknown and len(finding.drifted) == drifted else None
