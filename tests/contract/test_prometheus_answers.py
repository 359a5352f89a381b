"""The Prometheus adapter against servers that answer what the test tells them to: Thanos, Mimir, and worse."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from backends.contracts import ProbeKind, Subject
from backends.errors import BackendError, Malformed, Rejected
from backends.metrics.prometheus import PrometheusMetrics
from backends.settings import Secret
from tests.realservers.wiring import made

NOW = 1_800_000_000.0


class Stub:
    """Answers every query with ``result``; keeps what was asked."""

    def __init__(self) -> None:
        self.result: object = []
        self.results: dict[str, object] | None = None
        self.more: dict[str, object] = {}
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                stub.asked.append((parts.path, parse_qs(parts.query), dict(self.headers.items())))
                data = {"resultType": "vector", "result": stub.found(parse_qs(parts.query).get("query", [""])[0])}
                body = json.dumps({"status": "success", "data": data, **stub.more}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def found(self, query: str) -> object:
        if self.results is None:
            return self.result
        return next((result for word, result in self.results.items() if word in query), [])


@pytest.fixture
def stub() -> Iterator[Stub]:
    found = Stub()
    yield found
    found.server.shutdown()
    found.server.server_close()


def series(value: str, **labels: str) -> dict[str, object]:
    return {"metric": labels, "value": [NOW, value]}


def test_path_headers_parameters_and_who_asks(stub: Stub, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    mimir = made(
        PrometheusMetrics,
        url=f"{stub.url}/prometheus/",
        preset="lab",
        headers={"X-Scope-OrgID": "ml"},
        params={"partial_response": "false", "dedup": "true"},
        username="shift",
        password=Secret(file=secret),
    )
    mimir.samples("up")
    path, query, headers = stub.asked[-1]
    assert path == "/prometheus/api/v1/query"
    assert query["query"] == ['{__name__="up"}']
    assert (query["partial_response"], query["dedup"]) == (["false"], ["true"])
    assert headers["X-Scope-OrgID"] == "ml"
    assert headers["Authorization"] == f"Basic {base64.b64encode(b'shift:hunter2').decode()}"
    bearer = made(PrometheusMetrics, url=stub.url, preset="lab", token=Secret(file=secret))
    bearer.samples("up")
    assert stub.asked[-1][2]["Authorization"] == "Bearer hunter2"
    with pytest.raises(Rejected, match="password"):
        made(PrometheusMetrics, url=stub.url, username="shift")


def test_half_an_answer_is_no_answer_unless_it_is_asked_for(stub: Stub) -> None:
    stub.result = [series("1", endpoint="a", variant="v1")]
    stub.more = {"warnings": ["No StoreAPIs matched for this query"]}
    strict = made(PrometheusMetrics, url=stub.url, preset="lab")
    with pytest.raises(Malformed, match="No StoreAPIs"):
        strict.samples("up")
    told = strict.probe()
    assert (ProbeKind.READ, False) in [(probe.kind, probe.ok) for probe in told if "No StoreAPIs" in probe.detail]
    lenient = made(PrometheusMetrics, url=stub.url, preset="lab", partial=True)
    assert len(lenient.samples("up")) == 1


def test_a_remark_about_the_query_is_not_half_an_answer(stub: Stub) -> None:
    stub.result = [series("1")]
    stub.more = {"warnings": ["PromQL warning: quantile value should be between 0 and 1"], "infos": ["PromQL info: …"]}
    metrics = made(PrometheusMetrics, url=stub.url, preset="lab")
    assert len(metrics.samples("up")) == 1
    assert any("PromQL warning" in probe.detail for probe in metrics.probe())


def test_an_hours_old_sample_is_of_the_past(stub: Stub) -> None:
    """Where targets end without a word (an agent that is gone), the newest sample is all that tells."""
    stub.result = [series(str(NOW - 90), endpoint="a", variant="v1", le="+Inf")]
    metrics = made(PrometheusMetrics, url=stub.url, preset="lab", scrape=15.0)
    with pytest.raises(BackendError, match="model_requests_total"):
        metrics.current(300)
    stub.result = [series(str(NOW - 20), endpoint="a", variant="v1", le="+Inf", code="200")]
    (one,) = metrics.current(300)
    assert (one.subject, one.at) == (Subject("a", "v1"), NOW - 20)


def answers(stub: Stub, more: dict[str, object] | None = None, **by_word: object) -> None:
    """Answer the queries with that word with that result (the first word that fits), and all others with nothing."""
    stub.results = {**(more or {}), **by_word}


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1"])
def test_a_counter_that_is_no_count_makes_its_variant_unknown_and_no_other(stub: Stub, value: str) -> None:
    metrics = made(PrometheusMetrics, url=stub.url, preset="lab")
    seen = [series(str(NOW), endpoint=one, variant="v1", code="200") for one in ("a", "b")]
    grown = [
        series("50", endpoint="a", variant="v1", code="200"),
        series(value, endpoint="b", variant="v1", code="200"),
    ]
    answers(stub, timestamp=seen, increase=grown)
    a, b = metrics.current(300)
    assert (a.subject.endpoint, a.samples, a.error_ratio) == ("a", 50, 0)
    assert (b.subject.endpoint, b.rps, b.error_ratio) == ("b", None, None)
    assert any("counter that grew by" in remark and "b v1" in remark for remark in metrics.remarks())
    stub.results, stub.result = None, grown
    assert str(metrics.samples("DCGM_FI_DEV_GPU_UTIL")[1].value) in ("nan", "inf", "-1.0"), "a gauge may be anything"


def test_a_histogram_without_an_end_is_dropped_and_no_other(stub: Stub) -> None:
    stub.result = [
        series("1", le="0.5", pod="a"),
        series("3", le="wide", pod="b"),
        series("2", le="0.5", pod="b"),
        series("4", le="+Inf", pod="b"),
    ]
    metrics = made(PrometheusMetrics, url=stub.url, preset="lab")
    (only,) = metrics.histograms("h", 60, ("pod",))
    assert (only.labels, only.counts) == ({"pod": "b"}, (2, 2))


def test_a_damaged_series_of_an_answer_is_dropped_and_told(stub: Stub) -> None:
    metrics = made(PrometheusMetrics, url=stub.url, preset="lab")
    seen = [series(str(NOW), endpoint="a", variant="v1")]
    answers(stub, timestamp=[*seen, {"metric": {"endpoint": "b"}, "value": [NOW, "much"]}])
    assert [one.subject.endpoint for one in metrics.current(300)] == ["a"]
    assert any("a value that is not a number" in remark for remark in metrics.remarks())
    answers(stub, timestamp=seen)
    metrics.current(300)
    assert metrics.remarks() == ()


def test_half_an_answer_of_victoriametrics_is_no_answer(stub: Stub) -> None:
    stub.result, stub.more = [series("1")], {"isPartial": True}
    with pytest.raises(Malformed, match="isPartial"):
        made(PrometheusMetrics, url=stub.url, preset="lab").samples("up")
    assert len(made(PrometheusMetrics, url=stub.url, preset="lab", partial=True).samples("up")) == 1


def test_native_histograms_are_left_out_and_told(stub: Stub) -> None:
    native = {"metric": {"endpoint": "n"}, "histogram": [NOW, {"count": "3", "sum": "1", "buckets": []}]}
    metrics = made(PrometheusMetrics, url=stub.url, preset="lab")
    answers(stub, timestamp=[series(str(NOW), endpoint="a", variant="v1"), native])
    assert [one.subject.endpoint for one in metrics.current(300)] == ["a"]
    assert any("native histogram" in remark for remark in metrics.remarks())


def test_who_was_there_and_is_gone_is_told_even_if_it_went_before_the_start(stub: Stub) -> None:
    metrics = made(PrometheusMetrics, url=stub.url, preset="lab")
    alive = [series(str(NOW), endpoint="a", variant="v1")]
    answers(stub, {"offset 900000ms": [series(str(NOW - 900), endpoint="a", variant="v2")]}, timestamp=alive)
    metrics.current(300)
    assert metrics.vanished() == {Subject("a", "v2"): NOW - 900}
    answers(stub)
    metrics.current(300)
    assert set(metrics.vanished()) == {Subject("a", "v1"), Subject("a", "v2")}
    answers(stub, timestamp=alive)
    metrics.current(300)
    assert set(metrics.vanished()) == {Subject("a", "v2")}
