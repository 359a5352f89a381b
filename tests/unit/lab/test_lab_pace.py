"""The lab's pace: how soon samples come, how long a change takes, and when an answer is known to be right."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from backends.lab import load
from backends.lab.drills import Drills
from backends.lab.gpus import RateMeter
from backends.lab.load import LoadGenerator
from backends.lab.pace import Pace
from backends.lab.run import positive
from backends.lab.traffic import Traffic, Update
from backends.lab.truth import Truth
from backends.lab.world import BY_KEY

NOW = 1_000_000.0
SENTIMENT = BY_KEY["prod", "sentiment"]


def test_a_slower_control_plane_is_slower_in_all_that_it_does() -> None:
    usual, slower = Drills(Pace()), Drills(Pace(delay_s=6.0))
    assert (usual.propagation_s(), slower.propagation_s()) == ((1.0, 2.0), (3.0, 6.0))
    for drills in (usual, slower):
        drills.start("slow-control-plane", NOW)
    assert (usual.propagation_s(), slower.propagation_s()) == ((20.0, 20.0), (60.0, 60.0))


@pytest.mark.parametrize(("delay_s", "ready_after_s"), [(2.0, 2.5), (0.4, 0.5)])
def test_a_replica_is_ready_after_its_start(delay_s: float, ready_after_s: float) -> None:
    traffic = Traffic(SENTIMENT, Random(1), NOW, Pace(delay_s=delay_s).replica_start_s)
    traffic.apply(Update({"v7": 70.0, "v8": 30.0}), NOW, 0.0, "ana", "")
    canary = traffic.replicas["v8"]
    before = canary.ready
    traffic.tick(NOW + ready_after_s - 0.01)
    assert canary.ready == before
    traffic.tick(NOW + ready_after_s)
    assert canary.ready == before + 1


@pytest.mark.parametrize("label_s", [60.0, 5.0])
def test_an_answer_counts_when_its_label_is_known(label_s: float) -> None:
    now = [NOW]
    truth = Truth(lambda: now[0], 7, label_s)
    truth.answered(SENTIMENT, SENTIMENT.variants[0], (80.0, 1.0, 0.0, 0.9, 0.9), 0.9)
    now[0] = NOW + label_s - 0.1
    assert not any(family.samples for family in truth.collect())
    now[0] = NOW + label_s
    (quality, counted) = truth.collect()
    assert [sample.labels["delay"] for sample in quality.samples] == [f"{label_s:.0f}"]
    assert [sample.value for sample in counted.samples] == [1]


def test_more_requests_do_not_make_gpus_busier() -> None:
    usual, many = RateMeter(), RateMeter(weight=0.1)
    for step in range(100):
        usual.mark("sentiment", "v7", NOW + step)
        for part in range(10):
            many.mark("sentiment", "v7", NOW + step + part / 10)
    end = NOW + 100
    assert many.rate("sentiment", "v7", end) == pytest.approx(usual.rate("sentiment", "v7", end), rel=0.1)


@pytest.mark.parametrize("rate", [1.0, 10.0])
async def test_the_rate_multiplies_the_requests_of_every_endpoint(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a time that passes only while the generator waits."""
    now = [NOW]
    sent: list[str] = []

    async def wait(seconds: float) -> None:
        now[0] += seconds
        if now[0] > NOW + 100:
            raise asyncio.CancelledError

    class Client:
        async def post(self, path: str, body: object, timeout_s: float) -> int:
            sent.append(path)
            return 200

        def close(self) -> None:
            pass

    monkeypatch.setattr(load, "time", type("Time", (), {"time": staticmethod(lambda: now[0])}))
    monkeypatch.setattr(asyncio, "sleep", wait)
    monkeypatch.setattr(load, "MAX_IN_FLIGHT", 10**9)
    monkeypatch.setattr(load, "LoopbackClient", lambda host, port: Client())
    generator = LoadGenerator(1, Drills(), 7, rate)
    with pytest.raises(asyncio.CancelledError):
        await generator._arrivals(SENTIMENT)
    await asyncio.gather(*generator._in_flight)
    assert len(sent) == pytest.approx(rate * SENTIMENT.rps * 100, rel=0.3)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many"])
def test_a_pace_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        positive(text)
