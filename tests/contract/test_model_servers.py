"""Presets against the real servers: what the server counted is what is shown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.contracts import Adapter, Subject, VariantMetrics, Wiring
from backends.metrics.openmetrics import OpenMetrics
from backends.metrics.prometheus import PrometheusMetrics
from shiftdeck.health.latency import p95_of
from tests.realservers.modelservers import bentoml_server, fastapi_server, send
from tests.realservers.processes import Server
from tests.realservers.prometheus import prometheus
from tests.realservers.wiring import made, told
from tests.waiting import wait_until

SEEN_S = 30.0
POD = "churn-{}-5c4b3a2f1-fgh7j"


@pytest.fixture(scope="module")
def fastapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Two versions of one service."""
    folder = tmp_path_factory.mktemp("fastapi")
    servers = {name: fastapi_server(folder) for name in ("v1", "v2")}
    for server in servers.values():
        server.start()
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="module")
def scraped(fastapi: dict[str, Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusMetrics]:
    targets = {name: server.url.removeprefix("http://") for name, server in fastapi.items()}
    labels = {name: {"service": "churn", "pod": POD.format(name), "namespace": "ml"} for name in fastapi}
    server = prometheus(tmp_path_factory.mktemp("prometheus"), targets, labels=labels).start()
    metrics = made(PrometheusMetrics, url=server.url, preset="fastapi", scrape=0.25)
    up = "count(up == 1 and on (instance) count_over_time(up[5s]) > 2)"
    wait_until(lambda: any(one.value == 2 for one in metrics.queries.vector(up)), SEEN_S, "both to be scraped")
    yield metrics
    metrics.close()
    server.stop()


def test_fastapi_a_burst_of_failures_between_two_scrapes_counts(
    fastapi: dict[str, Server], scraped: PrometheusMetrics
) -> None:
    """The first failures of a canary are a new series: all of them are in its first value."""
    send(f"{fastapi['v1'].url}/predict", 40)
    send(f"{fastapi['v2'].url}/predict", 40)
    send(f"{fastapi['v2'].url}/predict", 15, status="503")
    send(f"{fastapi['v2'].url}/predict", 5, status="404")

    def seen() -> dict[Subject, VariantMetrics] | None:
        found = {one.subject: one for one in scraped.current(60.0)}
        whole = found.get(Subject("churn", "churn-v2", "ml"))
        return found if whole is not None and whole.samples >= 60 else None

    found = wait_until(seen, SEEN_S, lambda: f"60 requests of v2; seen {scraped.current(60.0)}")
    v1, v2 = (found[Subject("churn", f"churn-{name}", "ml")] for name in ("v1", "v2"))
    assert (v1.samples, v1.error_ratio) == (40, 0)
    assert (v2.samples, v2.error_ratio) == (60, 0.25), "15 answers 5xx of 60; 4xx are the client's"
    p95 = p95_of(v2)
    assert p95 is not None
    assert (p95.upper, p95.exceeds(0.2)) == (0.1, False)
    assert p95.exceeds(0.05) is None, "the default buckets cannot tell"


def test_fastapi_doctor_names_the_preset_that_auto_does_not_choose(scraped: PrometheusMetrics) -> None:
    auto = made(PrometheusMetrics, url=scraped._http.base_url, scrape=0.25)
    (found,) = [probe for probe in auto.probe() if probe.ok is False]
    assert "it has metrics of fastapi" in found.detail
    assert found.hint == 'set `preset = "fastapi"`'
    auto.close()


def direct(server: Server, **options: object) -> tuple[OpenMetrics, Iterator[int]]:
    """The adapter on a clock of its own, ten seconds on at each look."""
    ticks = itertools.count(1_800_000_000, 10)

    def no_source(kind: str, name: str) -> Adapter:
        raise LookupError(kind, name)

    given = told(OpenMetrics, 5.0, url=f"{server.url}/metrics", **options)
    return OpenMetrics(Wiring("target", given, no_source, lambda: float(next(ticks)))), ticks


def test_fastapi_read_directly(fastapi: dict[str, Server]) -> None:
    metrics, _ = direct(fastapi["v1"], preset="fastapi", endpoint="churn", variant="v1")
    metrics.current(60)
    send(f"{fastapi['v1'].url}/predict", 20)
    send(f"{fastapi['v1'].url}/predict", 5, status="500")
    (one,) = metrics.current(60)
    assert (one.subject, one.samples, one.error_ratio) == (Subject("churn", "v1"), 25, 0.2)
    assert metrics.remarks() == ()
    lacking, _ = direct(fastapi["v1"], preset="fastapi")
    assert "set `endpoint_label`" in lacking.probe()[-1].hint, "not the preset that is named already"


def test_bentoml_without_a_version_has_no_variant_and_its_failures_count(tmp_path: Path) -> None:
    server = bentoml_server(tmp_path).start()
    try:
        metrics, _ = direct(server, preset="bentoml")
        send(f"{server.url}/predict", 10)
        metrics.current(60)
        send(f"{server.url}/predict", 30)
        send(f"{server.url}/predict", 10, fail="1")
        (one,) = metrics.current(60)
        assert one.subject == Subject("churn"), '"not available" is no version'
        assert (one.samples, one.error_ratio) == (40, 0.25)
        assert metrics.remarks() == ()
    finally:
        server.stop()
