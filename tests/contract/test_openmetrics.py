"""The OpenMetrics adapter against a target on loopback that serves what the test tells it to."""

from __future__ import annotations

import math
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from backends.contracts import Adapter, Measure, ProbeKind, Subject, Wiring
from backends.errors import BackendError, Malformed, Rejected, TimedOut, Unauthenticated, Unreachable
from backends.metrics.openmetrics import OpenMetrics
from tests.realservers.wiring import told

V7 = Subject("sentiment", "v7", "prod")
V8 = Subject("sentiment", "v8", "prod")


class Target:
    """Serves ``text``; counts the requests; answers only when ``gate`` is open."""

    def __init__(self) -> None:
        self.text = ""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.date = ""
        self.requests = 0
        self.gate = threading.Event()
        self.gate.set()
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                target.requests += 1
                target.gate.wait(20)
                body = target.text.encode()
                self.send_response(target.status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in target.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return target.date or super().date_time_string(timestamp)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.gate.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(target: Target, clock: Clock) -> Iterator[OpenMetrics]:
    made = adapter(target.url, clock)
    yield made
    made.close()


def adapter(url: str, clock: Clock, **options: object) -> OpenMetrics:
    def no_source(kind: str, name: str) -> Adapter:
        raise LookupError(kind, name)

    given = told(OpenMetrics, 2.0, url=url, **options)
    return OpenMetrics(Wiring("gateway", given, no_source, clock))


def exposition(**variants: tuple[int, int, tuple[int, int, int]]) -> str:
    """Text in which each variant has answered so many requests, so many in error, in so many per bin of latency."""
    lines = ["# TYPE model_requests_total counter"]
    for variant, (ok, failed, _) in variants.items():
        whose = f'scope="prod",endpoint="sentiment",variant="{variant.strip("m_")}",mirrored="{_mirrored(variant)}"'
        lines.append(f'model_requests_total{{{whose},code="200"}} {ok}')
        lines.append(f'model_requests_total{{{whose},code="503"}} {failed}')
    lines.append("# TYPE model_request_duration_seconds histogram")
    for variant, (_, _, bins) in variants.items():
        whose = f'scope="prod",endpoint="sentiment",variant="{variant.strip("m_")}",mirrored="{_mirrored(variant)}"'
        upto = 0
        for bound, count in zip(("0.1", "0.2", "+Inf"), bins, strict=True):
            upto += count
            lines.append(f'model_request_duration_seconds_bucket{{{whose},le="{bound}"}} {upto}')
    return "\n".join(lines) + "\n"


def _mirrored(variant: str) -> str:
    return "true" if variant.startswith("m_") else "false"


def test_the_first_scrape_gives_no_rates(metrics: OpenMetrics, target: Target) -> None:
    target.text = exposition(v7=(1000, 10, (500, 400, 110)))
    (only,) = metrics.current(60)
    assert only.subject == V7
    assert (only.rps, only.error_ratio, only.p95, only.samples) == (None, None, None, 0)


def test_rates_come_from_what_was_counted_in_between(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    target.text = exposition(v7=(1000, 10, (500, 400, 110)), v8=(0, 0, (0, 0, 0)))
    metrics.current(60)
    clock.now += 20
    target.text = exposition(v7=(1180, 30, (600, 500, 110)), v8=(0, 0, (0, 0, 0)))
    v7, v8 = metrics.current(60)
    assert v7.window_s == 20, "the span that was really observed"
    assert v7.rps == pytest.approx(10)
    assert v7.samples == 200
    assert v7.error_ratio == pytest.approx(0.1)
    assert v7.p50 == pytest.approx(0.1)
    assert v7.p95 == pytest.approx(0.19)
    assert v7.latency is not None
    assert list(v7.latency.counts) == [100, 100, 0]
    assert (v8.subject, v8.rps, v8.samples) == (V8, 0, 0), "it is there, and nothing came"
    assert (v8.error_ratio, v8.p50) == (None, None)


def test_mirrored_requests_are_told_apart(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    target.text = exposition(v7=(0, 0, (0, 0, 0)), m_v8=(0, 0, (0, 0, 0)))
    metrics.current(60)
    clock.now += 10
    target.text = exposition(v7=(100, 0, (100, 0, 0)), m_v8=(20, 0, (0, 20, 0)))
    v7, v8 = metrics.current(60)
    assert (v7.mirrored, v7.samples) == (False, 100)
    assert (v8.subject, v8.mirrored, v8.samples) == (V8, True, 20)
    assert v8.p50 == pytest.approx(0.15)
    clock.now += 5
    assert metrics.history(Subject("sentiment"), Measure.RATE, 10, 10).points[-1][1] == pytest.approx(10), "live only"
    assert metrics.history(V8, Measure.RATE, 10, 10).points[-1][1] == pytest.approx(2), "all that it has"


def test_a_restarted_target_loses_nothing(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    for ok in (1000, 1010, 5):
        target.text = exposition(v7=(ok, 0, (ok, 0, 0)))
        (v7,) = metrics.current(60)
        clock.now += 5
    assert v7.samples == 15


def test_a_variant_that_is_gone_leaves_with_its_window(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    target.text = exposition(v7=(1, 0, (1, 0, 0)), v8=(1, 0, (1, 0, 0)))
    metrics.current(60)
    target.text = exposition(v7=(2, 0, (2, 0, 0)))
    clock.now += 30
    assert {one.subject for one in metrics.current(60)} == {V7, V8}
    clock.now += 40
    assert {one.subject for one in metrics.current(60)} == {V7}


def test_history_has_gaps_where_nothing_was_observed(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    for second in range(0, 31, 5):
        target.text = exposition(v7=(second * 4, second, (second * 5, 0, 0)))
        metrics.current(60)
        clock.now += 5
    rate = metrics.history(V7, Measure.RATE, 60, 10)
    assert [at % 10 for at, _ in rate.points] == [0] * 6
    values = [value for _, value in rate.points]
    assert values[:3] == [None, None, None], "before the first scrape"
    assert values[3:] == [pytest.approx(5)] * 3
    assert metrics.history(V7, Measure.ERRORS, 10, 10).points[-1][1] == pytest.approx(0.2)
    assert metrics.history(V7, Measure.P95, 10, 10).points[-1][1] == pytest.approx(0.095)
    assert metrics.history(Subject("nobody"), Measure.RATE, 10, 10).points[-1][1] is None
    target.status = 503
    clock.now += 100
    assert [value for _, value in metrics.history(V7, Measure.RATE, 20, 10).points] == [None, None]


def test_histograms_are_summed_over_other_labels(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    def text(first: int, second: int) -> str:
        series = [
            f'values_bucket{{feature="amount",pod="{pod}",le="{bound}"}} {count}'
            for pod, count in (("a", first), ("b", second))
            for bound in ("1", "+Inf")
        ]
        return exposition(v7=(1, 0, (1, 0, 0))) + "\n".join(series) + "\n"

    target.text = text(10, 100)
    (since_ever,) = metrics.histograms("values", math.inf, ("feature",))
    assert since_ever.labels == {"feature": "amount"}
    assert list(since_ever.counts) == [110, 0]
    (nothing_yet,) = metrics.histograms("values", 60, ("feature",))
    assert nothing_yet.total == 0
    clock.now += 10
    target.text = text(13, 104)
    (in_window,) = metrics.histograms("values", 60, ("feature",))
    assert list(in_window.bounds) == [1, math.inf]
    assert list(in_window.counts) == [7, 0]
    assert metrics.histograms("no_such", 60, ()) == ()


def test_what_is_asked_for_late_does_not_count_from_zero(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    def text(count: int) -> str:
        return exposition(v7=(1, 0, (1, 0, 0))) + f'values_bucket{{le="+Inf"}} {count}\n'

    for count in (1000, 1010, 1020):
        target.text = text(count)
        metrics.current(60)
        clock.now += 10
    assert [one.total for one in metrics.histograms("values", 60, ())] == [0]
    target.text = text(1025)
    clock.now += 10
    assert [one.total for one in metrics.histograms("values", 60, ())] == [5]


def test_samples_are_the_newest_values(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    target.text = exposition(v7=(1, 0, (1, 0, 0))) + 'DCGM_FI_DEV_GPU_UTIL{gpu="0"} 87\n'
    (sample,) = metrics.samples("DCGM_FI_DEV_GPU_UTIL")
    assert (dict(sample.labels), sample.value) == ({"gpu": "0"}, 87)
    assert metrics.samples("DCGM_FI_DEV_GPU_TEMP") == ()
    clock.now += 10
    target.text = target.text.replace("87", "12")
    assert [one.value for one in metrics.samples("DCGM_FI_DEV_GPU_UTIL")] == [12]


def test_several_windows_cost_one_scrape(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    for second in range(0, 61, 10):
        target.text = exposition(v7=(second * second, 0, (0, 0, 0)))
        metrics.current(60)
        clock.now += 10
    requests = target.requests
    long, short = metrics.current(60)[0], metrics.current(10)[0]
    assert (long.window_s, short.window_s) == (60, 10)
    assert target.requests == requests + 1


def test_who_only_reads_takes_a_fresh_scrape(metrics: OpenMetrics, target: Target, clock: Clock) -> None:
    target.text = exposition(v7=(1, 0, (1, 0, 0)))
    metrics.current(60)
    clock.now += 4
    metrics.samples("x")
    metrics.histograms("y", 60, ())
    metrics.history(V7, Measure.RATE, 60, 5)
    assert target.requests == 1


def test_callers_at_once_share_a_scrape(metrics: OpenMetrics, target: Target) -> None:
    target.text = exposition(v7=(1, 0, (1, 0, 0)))
    target.gate.clear()

    def waiting() -> int:
        stacks = (traceback.walk_stack(frame) for frame in sys._current_frames().values())
        return sum(any(frame.f_code.co_name == "_refresh" for frame, _ in stack) for stack in stacks)

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(metrics.current, 60) for _ in range(4)]
        deadline = time.monotonic() + 10
        while waiting() < 4 and time.monotonic() < deadline:
            pass
        target.gate.set()
        assert [len(one.result(10)) for one in asked] == [1] * 4
    assert target.requests == 1


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (200, "", Malformed),
        (200, "<html>hello</html>\n", Malformed),
        (200, "up 1\n", Malformed),
        (200, 'model_requests_total{variant="v7",code="200"} 1\n', Malformed),
        (200, 'model_requests_total{endpoint="a",variant="v7",code="200"} NaN\n', Malformed),
        (401, "who?", Unauthenticated),
        (404, "no", Rejected),
        (503, "", Unreachable),
    ],
)
def test_what_a_target_gets_wrong_is_an_error_and_no_number(
    metrics: OpenMetrics, target: Target, clock: Clock, status: int, text: str, kind: type[BackendError]
) -> None:
    target.text = exposition(v7=(1, 0, (1, 0, 0)))
    metrics.current(60)
    clock.now += 10
    good, target.text, target.status = target.text, text, status
    with pytest.raises(kind):
        metrics.current(60)
    with pytest.raises(kind):
        metrics.samples("anything")
    assert [one.ok for one in metrics.probe()][-1] is False
    target.text, target.status = good, 200
    clock.now += 10
    assert metrics.current(60)[0].rps == 0, "and it goes on from where it was"


def test_what_a_cache_kept_for_long_is_no_answer(metrics: OpenMetrics, target: Target) -> None:
    target.text = exposition(v7=(1, 0, (1, 0, 0)))
    target.headers = {"Age": "600", "Warning": "110 - stale"}
    with pytest.raises(Unreachable, match="600 s old"):
        metrics.current(60)
    assert metrics.probe()[-1].ok is False


def test_time_stamps_are_held_against_the_clock_of_the_server(
    metrics: OpenMetrics, target: Target, clock: Clock
) -> None:
    """A machine whose clock is ten minutes behind would call fresh values old, or old ones fresh."""
    clock.now = 1_800_000_000.0
    target.date = formatdate(clock.now + 600, usegmt=True)
    series = 'model_requests_total{endpoint="a",variant="v1",code="200"} 1'
    target.text = f"{series} {(clock.now + 595) * 1000:.0f}\n"
    assert len(metrics.current(60)) == 1
    target.text = f"{series} {(clock.now - 3000) * 1000:.0f}\n"
    clock.now += 10
    with pytest.raises(Unreachable, match="by their time stamps"):
        metrics.current(60)


def test_no_request_yet_is_not_an_error(metrics: OpenMetrics, target: Target) -> None:
    target.text = "# TYPE model_requests_total counter\n"
    assert metrics.current(60) == ()


def test_a_target_that_hangs_is_given_up(target: Target, clock: Clock) -> None:
    metrics = adapter(target.url, clock, timeout=0.3)
    target.gate.clear()
    with pytest.raises(TimedOut):
        metrics.current(60)
    metrics.close()


def test_probe_says_what_it_found(metrics: OpenMetrics, target: Target) -> None:
    target.text = exposition(v7=(1, 0, (1, 0, 0)))
    reach, read = metrics.probe()
    assert (reach.kind, reach.ok, read.kind, read.ok) == (ProbeKind.REACH, True, ProbeKind.READ, True)
    assert "2 series" in read.detail


def test_other_names_can_be_configured(target: Target, clock: Clock) -> None:
    metrics = adapter(
        target.url, clock, requests="hits", endpoint_label="service", code_label="status", error_codes="E.*"
    )
    target.text = 'hits{service="a",status="ok"} 1\nhits{service="a",status="E7"} 0\n'
    metrics.current(60)
    clock.now += 10
    target.text = 'hits{service="a",status="ok"} 4\nhits{service="a",status="E7"} 1\n'
    (one,) = metrics.current(60)
    assert (one.subject, one.error_ratio, one.p95) == (Subject("a"), 0.25, None)
    metrics.close()
