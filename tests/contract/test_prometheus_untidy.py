"""A real Prometheus whose targets are as in life: new pods, a canary that fails each request, targets that went away,
damaged and doubled series."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pytest

from backends.contracts import Measure, Subject, VariantMetrics
from backends.errors import Unreachable
from backends.metrics.prometheus import PrometheusMetrics
from tests.realservers.exporters import Exporter, exporting, histogram, line
from tests.realservers.processes import Server
from tests.realservers.prometheus import prometheus
from tests.realservers.wiring import made
from tests.waiting import wait_until

SEEN_S = 30.0
WINDOW_S = 60.0
COUNTER = "model_requests_total"


def counted(variant: str, code: str, value: float, endpoint: str = "churn") -> str:
    return line(COUNTER, value, endpoint=endpoint, variant=variant, code=code)


@dataclass
class Pod:
    """A target that exposes ``text``; "{n}" in it is how often it was scraped."""

    text: str
    scraped: int = 0
    past: list[str] = field(default_factory=list)

    def __call__(self, n: int) -> str:
        self.scraped = n
        return self.text.replace("{n}", str(100 * n))


STEADY = counted("v1", "200", 0).replace(" 0\n", " {n}\n")


@dataclass(frozen=True)
class World:
    server: Server
    pods: dict[str, Pod]
    exporters: dict[str, Exporter]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    pods = {name: Pod(STEADY.replace("v1", name)) for name in ("stable", "canary", "broken", "newpod", "old", "dead")}
    # Counters that began long ago, and nothing tells so: nobody knows when this process began.
    pods["old"].text = counted("old", "200", 1_000_000)
    pods["newpod"].text = counted("newpod", "503", 40) + f"process_start_time_seconds {time.time():.1f}\n"
    pods["broken"].text = "# TYPE model_requests_total counter\n"
    with ExitStack() as stack:
        exporters = {name: stack.enter_context(exporting(pod)) for name, pod in pods.items()}
        targets = {name: one.target for name, one in exporters.items()}
        server = prometheus(tmp_path_factory.mktemp("untidy"), targets).start()
        yield World(server, pods, exporters)
        server.stop()


@pytest.fixture
def metrics(world: World) -> Iterator[PrometheusMetrics]:
    found = made(PrometheusMetrics, url=world.server.url, preset="lab", scrape=0.25)
    wait_until(lambda: all(pod.scraped > 5 for pod in world.pods.values()), SEEN_S, "every target to be scraped")
    yield found
    found.close()


def of(metrics: PrometheusMetrics, variant: str) -> VariantMetrics | None:
    with suppress(Unreachable):
        return next((one for one in metrics.current(WINDOW_S) if one.subject.variant == variant), None)
    return None


def failed(one: VariantMetrics | None) -> int | None:
    return None if one is None or one.error_ratio is None else round(one.error_ratio * one.samples)


def test_the_first_failures_of_a_canary_count(world: World, metrics: PrometheusMetrics) -> None:
    """15 requests failed between two scrapes: the series begins at 15, and stays there."""
    world.pods["canary"].text = STEADY.replace("v1", "canary") + counted("canary", "503", 15)
    wait_until(lambda: failed(of(metrics, "canary")) == 15, SEEN_S, lambda: f"15 failures: {of(metrics, 'canary')}")

    def in_history() -> bool:
        points = metrics.history(Subject("churn", "canary"), Measure.ERRORS, WINDOW_S, 1).points
        return any(value for _, value in points)

    wait_until(in_history, SEEN_S, "the history to have them too")


def test_a_canary_that_fails_each_request_is_there(world: World, metrics: PrometheusMetrics) -> None:
    """Scraped before its first request, as a pod is: then its counter appears, and nothing succeeds."""
    world.pods["broken"].text = counted("broken", "500", 40)
    one = wait_until(lambda: of(metrics, "broken"), SEEN_S, "the variant")
    assert (one.samples, one.error_ratio) == (40, 1.0)


def test_a_new_process_counts_from_zero_and_an_old_one_does_not(world: World, metrics: PrometheusMetrics) -> None:
    new, old = of(metrics, "newpod"), of(metrics, "old")
    assert new is not None
    assert old is not None
    assert (new.samples, new.error_ratio) == (40, 1.0)
    assert old.samples == 0, "a million requests of before the server knew the target are none of this window"
    metrics.current(WINDOW_S)
    assert any("first values" in remark for remark in metrics.remarks()), metrics.remarks()


def test_damaged_and_doubled_series_take_nothing_with_them(world: World, metrics: PrometheusMetrics) -> None:
    world.pods["stable"].text = (
        STEADY.replace("v1", "stable")
        + counted("nan", "200", float("nan"))
        + counted("twice", "200", 480)
        + counted("twice", "200", 61)
        + histogram("model_request_duration_seconds", {"0.1": 5, "0.2": 5}, 1.0, endpoint="churn", variant="stable")
    )
    wait_until(lambda: of(metrics, "nan") is not None, SEEN_S, "the damaged series to be scraped")

    def well() -> bool:
        stable, nan = of(metrics, "stable"), of(metrics, "nan")
        return (
            stable is not None
            and stable.samples > 100
            and (stable.error_ratio, stable.p95) == (0, None)
            and nan is not None
            and (nan.rps, nan.error_ratio) == (None, None)
        )

    wait_until(well, SEEN_S, lambda: f"stable as usual: {of(metrics, 'stable')}, {of(metrics, 'nan')}")
    remarks = metrics.remarks()
    assert any("counter that grew by nan" in one for one in remarks), remarks
    assert any("without its +Inf bucket" in one for one in remarks), remarks


def test_a_target_that_died_is_told_after_its_window_and_by_a_new_process(
    world: World, metrics: PrometheusMetrics
) -> None:
    gone = Subject("churn", "dead")
    wait_until(lambda: of(metrics, "dead"), SEEN_S, "the target that is going to die")
    world.exporters["dead"].down = True
    wait_until(lambda: of(metrics, "dead") is None, SEEN_S, "it to be gone")
    assert gone in metrics.vanished()
    later = made(PrometheusMetrics, url=world.server.url, preset="lab", scrape=0.25)
    later.current(1)
    assert gone in later.vanished(), "a program that starts now asks the server for it"
    later.close()
    world.exporters["dead"].down = False
    wait_until(lambda: of(metrics, "dead"), SEEN_S, "it to come back")
    assert gone not in metrics.vanished()


def test_a_target_that_was_away_for_long_does_not_count_from_zero(world: World, metrics: PrometheusMetrics) -> None:
    """Away for longer than the window, and back with all that it had counted: no new series."""
    world.pods["dead"].text = counted("dead", "200", 5_000)
    wait_until(lambda: of(metrics, "dead"), SEEN_S, "the target")
    world.exporters["dead"].down = True
    short = 2.0
    wait_until(lambda: not [one for one in _now(metrics, short) if one.subject.variant == "dead"], SEEN_S, "gone")
    # Longer than the shortest window: four scrapes of 0.25 s, and 2 s here.
    until = time.monotonic() + 2 * short
    wait_until(lambda: time.monotonic() > until, SEEN_S, "the window to pass")
    world.exporters["dead"].down = False
    back = wait_until(
        lambda: next((one for one in _now(metrics, short) if one.subject.variant == "dead"), None), SEEN_S, "back"
    )
    assert back.samples == 0


def _now(metrics: PrometheusMetrics, window_s: float) -> tuple[VariantMetrics, ...]:
    with suppress(Unreachable):
        return metrics.current(window_s)
    return ()
