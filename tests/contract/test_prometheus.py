"""The Prometheus adapter against the real server, which scrapes exporters on loopback."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from backends.accelerators.dcgm import DcgmAccelerators
from backends.contracts import Measure, ProbeKind, Subject, VariantMetrics
from backends.drift.histograms import HistogramDrift
from backends.errors import (
    BackendError,
    Forbidden,
    Malformed,
    RateLimited,
    Rejected,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from backends.metrics.preset import AUTO, find_presets
from backends.metrics.prometheus import PrometheusMetrics
from tests.faults import Fault, FaultProxy
from tests.realservers.exporters import Exporter, dcgm, exporting, histogram, kserve, triton
from tests.realservers.processes import Server
from tests.realservers.prometheus import prometheus
from tests.realservers.systems import EXAMPLES, rendered
from tests.realservers.wiring import made
from tests.waiting import wait_until

SCRAPE_S = 0.25
WINDOW_S = 3
SEEN_S = 30.0
PODS = r"^(?P<endpoint>.+)-(?P<variant>[^-]+)-\d+$"
TRITON = Subject("sentiment", "2")
KSERVE = Subject("churn", "churn-predictor-00002", "ml")


def features(n: int) -> str:
    """A feature whose live values are all in the upper of two bins."""
    labels = {"scope": "ml", "endpoint": "fraud", "variant": "v1", "model": "fraud", "version": "1"}
    return histogram("model_feature_value", {"1": 0, "+Inf": 100 * n}, 200.0 * n, **labels, feature="amount")


@dataclass(frozen=True, slots=True)
class World:
    server: Server
    triton: Exporter
    kserve: Exporter


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server below a path, as behind an ingress, and four exporters."""
    with (
        exporting(triton) as first,
        exporting(kserve) as second,
        exporting(dcgm) as gpus,
        exporting(features) as values,
    ):
        targets = {"triton": first.target, "kserve": second.target, "dcgm": gpus.target, "features": values.target}
        server = prometheus(tmp_path_factory.mktemp("prometheus"), targets, prefix="/monitoring").start()
        all_scraped(server, len(targets))
        yield World(server, first, second)
        server.stop()


def all_scraped(server: Server, targets: int) -> None:
    """Wait until the server has scraped every target for as long as the windows of these tests."""
    metrics = adapter(server.url)
    query = f"count(count_over_time(up[{WINDOW_S}s500ms]) >= {WINDOW_S / SCRAPE_S:g})"

    def scraped() -> bool:
        return any(one.value == targets for one in metrics.queries.vector(query))

    wait_until(scraped, SEEN_S, "every target to be scraped")
    metrics.close()


def adapter(url: str, **options: object) -> PrometheusMetrics:
    return made(PrometheusMetrics, url=url, scrape=SCRAPE_S, **options)


def counted(metrics: PrometheusMetrics, window_s: float = WINDOW_S) -> dict[Subject, VariantMetrics]:
    """What is measured, once there are requests of everything."""

    def found() -> dict[Subject, VariantMetrics] | None:
        measured: dict[Subject, VariantMetrics] = {}
        # On a busy machine: a test's own short deadline, or scrapes that all took too long.
        with suppress(TimedOut, Unreachable):
            measured = {one.subject: one for one in metrics.current(window_s)}
        return measured if measured and all(one.samples > 20 for one in measured.values()) else None

    return wait_until(found, SEEN_S, "requests to be counted")


@pytest.fixture
def metrics(world: World) -> Iterator[PrometheusMetrics]:
    found = adapter(world.server.url)
    yield found
    found.close()


# ── what is read ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_variant_of_every_system_in_one_answer(metrics: PrometheusMetrics) -> None:
    found = counted(metrics)
    assert sorted(found) == [
        Subject("churn", "churn-predictor-00001", "ml"),
        KSERVE,
        Subject("sentiment", "1"),
        TRITON,
    ]
    pods = found[KSERVE]
    assert pods.rps == pytest.approx(10 / SCRAPE_S, rel=0.4), "two pods of one revision are added up"
    assert pods.p95 is not None
    assert 0.25 < pods.p95 < 0.5
    assert pods.latency is not None
    assert pods.latency.bounds == (0.1, 0.25, 0.5, math.inf)
    assert pods.error_ratio is None, "KServe tells no status: not known, and not 0"
    failing = found[TRITON]
    assert failing.error_ratio == pytest.approx(0.25, abs=0.02)
    assert failing.mean == pytest.approx(0.1, rel=0.05)
    assert failing.p95 is None, "a mean is no quantile"
    assert abs(failing.at - time.time()) < 5


def test_history_in_steps(metrics: PrometheusMetrics) -> None:
    counted(metrics)
    for subject, measure, least, most in (
        (TRITON, Measure.ERRORS, 0.2, 0.3),
        (TRITON, Measure.RATE, 60, 100),
        (Subject("sentiment"), Measure.RATE, 120, 200),
        (KSERVE, Measure.P95, 0.25, 0.5),
        (Subject("churn"), Measure.P50, 0.1, 0.5),
    ):
        # A scrape that a busy machine delays makes one rate too low: what counts is that it comes right.
        come_right(metrics, subject, measure, least, most)
    for subject, measure in ((Subject("nobody"), Measure.RATE), (KSERVE, Measure.ERRORS), (TRITON, Measure.P95)):
        assert [value for _, value in metrics.history(subject, measure, 4, 2).points] == [None, None]
    with pytest.raises(Rejected):
        metrics.history(TRITON, Measure.RATE, 11_001, 1)


def come_right(metrics: PrometheusMetrics, subject: Subject, measure: Measure, least: float, most: float) -> None:
    """Wait until the newest point of a history lies between ``least`` and ``most``."""
    seen: list[float | None] = []

    def right() -> bool:
        series = metrics.history(subject, measure, 6, 2)
        assert [at % 2 for at, _ in series.points] == [0, 0, 0]
        value = series.points[-1][1]
        seen.append(value)
        return value is not None and least < value < most

    wait_until(right, SEEN_S, lambda: f"{measure} of {subject} between {least} and {most}, seen {seen}")


def test_names_with_quotes_in_them_are_names(metrics: PrometheusMetrics) -> None:
    subject = Subject('a"} or vector(1) #', "\\", "\n")
    assert metrics.history(subject, Measure.RATE, 2, 1).points[-1][1] is None
    with pytest.raises(Rejected):
        metrics.samples("up} or vector(1)")


def test_gpus_through_prometheus(metrics: PrometheusMetrics) -> None:
    counted(metrics)
    gpus = made(DcgmAccelerators, {("metrics", "it"): metrics}, metrics="it", pod_pattern=PODS)
    first, second = wait_until(gpus.gpus, SEEN_S, "GPUs")
    assert (first.utilisation, first.memory_total, first.subject, first.fault) == (37, 80_000 * 2**20, None, "")
    assert (second.xid, second.subject) == (79, Subject("churn", "v2", "ml"))
    assert not second.fault, "an old code of a GPU that goes on working is none"


def test_drift_through_prometheus(metrics: PrometheusMetrics, tmp_path: Path) -> None:
    reference = tmp_path / "reference.json"
    reference.write_text(
        '{"features": [{"model": "fraud", "version": "1", "feature": "amount",'
        ' "bounds": [1, null], "counts": [90, 10]}]}'
    )
    drift = made(
        HistogramDrift, {("metrics", "it"): metrics}, metrics="it", reference=reference, window=3.0, min_samples=50
    )
    score = wait_until(
        lambda: next((one for one in drift.scores() if one.value is not None), None), SEEN_S, "a drift score"
    )
    assert score.subject == Subject("fraud", "v1", "ml")
    assert score.crossed
    (everything,) = metrics.histograms("model_feature_value", math.inf, ("feature",))
    assert everything.counts[0] == 0
    assert everything.total >= 100


def test_what_is_not_there_is_not_zero(metrics: PrometheusMetrics) -> None:
    assert metrics.samples("no_such_metric") == ()
    assert metrics.histograms("no_such_metric", 60, ("pod",)) == ()
    assert adapter(metrics._http.base_url, preset="vllm").current(5) == ()


# ── presets ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server that scrapes one of each system there is a preset for."""
    with ExitStack() as stack:
        targets = {
            preset.name: stack.enter_context(exporting(rendered(preset, EXAMPLES[preset.name]))).target
            for preset in find_presets(AUTO)
        }
        server = prometheus(tmp_path_factory.mktemp("systems"), targets).start()
        all_scraped(server, len(targets))
        yield server
        server.stop()


@pytest.mark.parametrize("preset", find_presets(AUTO), ids=lambda preset: str(preset.name))
def test_each_preset_reads_its_system(systems: Server, preset: object) -> None:
    name = str(getattr(preset, "name", ""))
    (loaded,) = [one for one in find_presets(AUTO) if one.name == name]
    metrics = adapter(systems.url, preset=name)
    seen: list[VariantMetrics] = []

    def steady() -> VariantMetrics | None:
        """A scrape between the questions of one look makes it odd: what counts is that it comes right."""
        one = counted(metrics).get(EXAMPLES[name].subject)
        if one is None:
            return None
        seen.append(one)
        errors = pytest.approx(0.25, abs=0.05) if loaded.tells_errors else None
        return one if one.rps == pytest.approx(20 / SCRAPE_S, rel=0.4) and one.error_ratio == errors else None

    one = wait_until(steady, SEEN_S, lambda: f"requests and errors as they are made; seen {seen[-3:]}")
    if loaded.latency.histogram or loaded.latency.summary:
        assert one.p95 is not None
        assert 0.1 < one.p95 < 0.2, "in seconds, whatever the system counts in"
    elif loaded.latency.mean_sum:
        assert one.mean == pytest.approx(0.15, rel=0.3)
    reach, read, *_ = metrics.probe()
    assert reach.ok
    assert read.ok is not False, read
    come_right(metrics, one.subject, Measure.RATE, 10 / SCRAPE_S, 30 / SCRAPE_S)
    metrics.close()


def test_auto_finds_what_is_there_and_takes_no_counter_twice(systems: Server) -> None:
    metrics = adapter(systems.url)

    def chosen() -> set[str] | None:
        metrics._chosen = None
        found = {preset.name for preset in metrics.presets()}
        return found if len(found) == len(EXAMPLES) - 5 else None

    names = wait_until(chosen, SEEN_S, lambda: f"all systems; there were {metrics.presets()}")
    named = {"istio", "fastapi", "haproxy", "model", "mlserver-rest"}
    assert not names & named, "what every service has is read only when it is named"
    assert {"knative-1.18", "knative-1.19", "knative-1.21"} <= names
    said = [probe.detail for probe in metrics.probe()]
    assert any(all(name in one for name in ("metrics of ", "istio", "fastapi", "haproxy", " too")) for one in said), (
        said
    )
    merged = {one.subject: one for one in metrics.current(3)}
    assert merged[KSERVE].error_ratio is not None, "what KServe does not tell, Knative does"


def test_a_family_stands_for_its_generations(systems: Server, world: World) -> None:
    metrics = adapter(systems.url, preset="knative")
    assert set(counted(metrics)) == {EXAMPLES["knative-1.18"].subject}
    assert [probe.ok for probe in metrics.probe() if "knative" in probe.detail] == [True] * 3
    missing = adapter(world.server.url, preset="knative")
    assert all(probe.ok is False for probe in missing.probe() if probe.kind is ProbeKind.READ)


def test_presets_of_ones_own_and_labels_from_the_settings(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[requests]\ncounters = ["nv_inference_request_success"]\n'
        '[labels]\nendpoint = { value = "all" }\nvariant = "version"\n'
    )
    mine = adapter(world.server.url, preset="mine", presets=tmp_path)
    assert set(counted(mine)) == {Subject("all", "1"), Subject("all", "2")}
    relabelled = adapter(world.server.url, preset="triton", variant_label="instance")
    assert {one.endpoint for one in counted(relabelled)} == {"sentiment"}
    assert {one.variant for one in counted(relabelled)} == {world.triton.target}
    unlabelled = adapter(world.server.url, preset="triton", endpoint_label="no_such_label")
    assert unlabelled.current(3) == ()
    wrong = [probe for probe in unlabelled.probe() if probe.ok is False]
    assert "model=sentiment" in wrong[0].hint, "doctor names the labels that there are"
    unknown = adapter(world.server.url, preset="tritn")
    with pytest.raises(Rejected, match="tritn"):
        unknown.current(3)
    assert "triton" in unknown.probe()[0].hint


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_target_that_is_down_is_no_data_and_not_the_last_data(world: World, metrics: PrometheusMetrics) -> None:
    counted(metrics)
    world.kserve.down = True

    def left() -> set[str]:
        with suppress(Unreachable):  # a busy machine: the other's scrape took too long as well
            return {one.subject.endpoint for one in metrics.current(30)}
        return set()

    try:
        wait_until(
            lambda: left() == {"sentiment"},
            SEEN_S,
            "the variants of a target that is down to vanish, though they are in the window",
        )
        world.triton.down = True

        def blind() -> str | None:
            try:
                metrics.current(30)
            except Unreachable as error:
                return str(error)
            return None

        said = wait_until(blind, SEEN_S, "nothing to be left")
        assert "request_predict_seconds_count" in said or "nv_inference_request_success" in said
    finally:
        world.kserve.down = world.triton.down = False

    def back() -> bool:
        try:
            return len(metrics.current(30)) == 4
        except Unreachable:
            return False

    wait_until(back, SEEN_S, "all to come back by itself")


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (Fault.STATUS, 401, Unauthenticated),
        (Fault.STATUS, 403, Forbidden),
        (Fault.STATUS, 404, Rejected),
        (Fault.STATUS, 429, RateLimited),
        (Fault.STATUS, 500, Unreachable),
        (Fault.STATUS, 503, Unreachable),
        (Fault.GARBAGE, 200, Malformed),
        (Fault.NOISE, 200, Malformed),
        (Fault.TRUNCATED, 200, Unreachable),
        (Fault.GONE, 0, Unreachable),
        (Fault.HANG, 0, TimedOut),
        (Fault.SLOW, 0, TimedOut),
        (Fault.DRIP, 0, TimedOut),
    ],
)
def test_every_fault_has_its_name_and_passes(world: World, fault: Fault, status: int, kind: type[BackendError]) -> None:
    with FaultProxy(world.server.url.removesuffix("/monitoring")) as proxy:
        metrics = adapter(f"{proxy.url}/monitoring", timeout=0.4 if kind is TimedOut else 5.0)
        counted(metrics)
        proxy.set(fault, status=status, headers={"Retry-After": "7"} if status == 429 else None)
        for ask in (
            lambda: metrics.current(3),
            lambda: metrics.history(TRITON, Measure.P95, 4, 1),
            lambda: metrics.samples("up"),
            lambda: metrics.histograms("model_feature_value", 3, ("feature",)),
        ):
            with pytest.raises(kind) as caught:
                ask()
        if isinstance(caught.value, RateLimited):
            assert caught.value.retry_after == 7
        assert metrics.probe()[-1].ok is False
        proxy.set(Fault.PASS)
        assert counted(metrics)
        metrics.close()


def test_a_server_that_is_killed_and_started_again(tmp_path: Path) -> None:
    with exporting(triton) as target:
        server = prometheus(tmp_path, {"triton": target.target}).start()
        try:
            metrics = adapter(server.url)
            counted(metrics)
            server.kill()
            with pytest.raises(Unreachable):
                metrics.current(3)
            server.start()
            assert counted(metrics), "its memory is on the disk, and what it scrapes goes on"
            metrics.close()
        finally:
            server.stop()


def test_what_prometheus_refuses_says_why(world: World) -> None:
    metrics = adapter(world.server.url)
    with pytest.raises(Rejected, match="parse error"):
        metrics.queries.vector("sum(")
