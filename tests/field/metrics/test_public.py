"""Texts from public reports, written anew with neutral names; each names the repository and number that it is drawn
from."""

from __future__ import annotations

import pytest

from backends.contracts import Subject
from backends.errors import Malformed
from backends.metrics.exposition import Parser, Wanted
from backends.metrics.preset import LabelRule
from tests.field.metrics.scraped import Scraped, after, zeroed


def test_a_label_with_a_raw_line_break_takes_its_own_series_only() -> None:
    """istio/old_mixer_repo #767: the version ends in a line break, so each line of it is torn in two."""

    def text(n: int) -> str:
        torn = "".join(
            f'model_requests_total{{endpoint="foo",variant="unknown\n",code="{code}"}} {n}\n' for code in ("200", "500")
        )
        return f'model_requests_total{{endpoint="bar",variant="v1",code="200"}} {9 * n}\n{torn}'

    scraped = Scraped([text(1), text(2)])
    scraped.scrape()
    assert {one: found.samples for one, found in scraped.scrape().items()} == {Subject("bar", "v1"): 9}
    assert "4, first line 2" in scraped.adapter.remarks()[0]


@pytest.mark.parametrize(
    "text",
    [
        "NOT_IMPLEMENTED",  # SeldonIO/seldon-core #1901
        "undefined",  # NVIDIA/TensorRT-LLM #5785
        "unknown",  # istio/istio's source_workload of callers outside the mesh
    ],
)
def test_what_servers_tell_where_they_have_no_name(text: str) -> None:
    assert LabelRule("version").read({"version": text}) == ""


def test_a_server_before_its_first_request_has_types_only() -> None:
    """triton-inference-server/server #2755: nothing is wrong with it, and nothing is measured."""
    names = ("nv_inference_request_success", "nv_inference_request_failure", "nv_inference_request_duration_us")
    text = "".join(f"# HELP {name} Number\n# TYPE {name} counter\n" for name in names)
    text += '# TYPE nv_inference_load_ratio histogram\nnv_gpu_utilization{gpu_uuid="GPU-1"} 0.12\n'
    scraped = Scraped([text, text], preset="triton")
    assert scraped.scrape() == {}
    assert scraped.adapter.remarks() == ()


def test_every_model_of_an_ensemble_is_an_endpoint() -> None:
    """triton-inference-server/tensorrtllm_backend #49: the model in the middle counts nothing when called inside."""

    def text(n: int) -> str:
        made = ""
        for model, count in (("ensemble", 59), ("preprocessing", 59), ("tensorrt_llm", 0)):
            whose = f'model="{model}",version="1"'
            made += f"nv_inference_request_success{{{whose}}} {count * n}\nnv_inference_request_failure{{{whose}}} 0\n"
        return made

    found = after(text(1), text(2), preset="triton")
    assert {one.endpoint: found[one].samples for one in found} == {
        "ensemble": 59,
        "preprocessing": 59,
        "tensorrt_llm": 0,
    }
    assert found[Subject("tensorrt_llm", "1")].error_ratio is None, "of no requests, no share failed"


def test_names_that_begin_with_a_colon_and_braces_that_are_empty() -> None:
    """tensorflow/serving #462, #1959: "le" is not the last label, and bounds grow by 1.8 from 10 µs."""

    def text(n: int) -> str:
        made = ":tensorflow:core:direct_session_runs{} 21558641\n# TYPE :tensorflow:serving:request_log_count counter\n"
        made += "".join(
            f':tensorflow:serving:request_count{{model_name="m",status="{status}"}} {count * n}\n'
            for status, count in (("OK", 36), ("INVALID_ARGUMENT", 4))
        )
        for le, upto in (("10", 0), ("58.32", 0), ("104.976", 36), ("1.11067e+06", 36), ("+Inf", 36)):
            whose = f'model_name="m",API="Predict",le="{le}",entrypoint="REST"'
            made += f":tensorflow:serving:request_latency_bucket{{{whose}}} {upto * n}\n"
        return made

    (one,) = after(text(1), text(2), preset="tf-serving", variant="v1").values()
    assert (one.samples, one.error_ratio) == (40, 0.1)
    assert one.p95 is not None
    assert 58e-6 < one.p95 < 105e-6


def test_a_histogram_whose_endless_bucket_lags_is_dropped_and_the_counts_stay() -> None:
    """prometheus/client_js #8: +Inf was not raised with each observation."""

    def text(n: int) -> str:
        whose = 'endpoint="foo",variant="v1"'
        made = f'model_requests_total{{{whose},code="200"}} {40 * n}\n'
        for le, upto in (("0.1", 20), ("0.5", 40), ("+Inf", 10)):
            made += f'model_request_duration_seconds_bucket{{{whose},le="{le}"}} {upto * n}\n'
        return made

    scraped = Scraped([text(1), text(2)])
    scraped.scrape()
    (one,) = scraped.scrape().values()
    assert (one.samples, one.p95, one.latency) == (40, None, None)
    assert "not cumulative" in scraped.adapter.remarks()[0]


def test_an_exporter_without_the_endless_bucket_is_told() -> None:
    """open-telemetry/opentelemetry-python #2508, micrometer-metrics/micrometer #120."""
    text = 'seconds_bucket{le="0.1"} 5\nseconds_bucket{le="0.5"} 7\nseconds_count 9\nup 1\n'
    scrape = Parser(Wanted(frozenset({"seconds_bucket"}), frozenset({"up"}))).read(text)
    assert list(scrape.values.values()) == [1]
    assert "without a +Inf bucket" in scrape.remarks[0]


def test_a_trailing_comma_among_labels_and_a_server_that_counts_without_timing() -> None:
    """pytorch/serve #1467: over gRPC the latency counters have no series, so there is no mean, and not a mean of 0."""

    def text(n: int) -> str:
        whose = 'uuid="5e5a",model_name="mnist",model_version="default",'
        return (
            "# TYPE ts_inference_latency_microseconds counter\n# TYPE ts_inference_requests_total counter\n"
            f"ts_inference_requests_total{{{whose}}} {float(40 * n)}\n"
        )

    (one,) = after(text(1), text(2), preset="torchserve").values()
    assert (one.subject, one.samples, one.error_ratio, one.mean) == (Subject("mnist", "default"), 40, None, None)


def test_vllm_under_the_names_that_open_data_hub_gives_it() -> None:
    """opendatahub-io/odh-dashboard #7739."""

    def text(n: int) -> str:
        whose = 'engine="0",model_name="m",pod="m-v2-5c4b3a2f1-fgh7j"'
        made = "".join(
            f'kserve_vllm:request_success_total{{{whose},finished_reason="{reason}"}} {count * n}\n'
            for reason, count in (("stop", 36), ("abort", 0), ("error", 4))
        )
        for le, upto in (("0.3", 0), ("0.5", 40), ("+Inf", 40)):
            made += f'kserve_vllm:e2e_request_latency_seconds_bucket{{{whose},le="{le}"}} {upto * n}\n'
        return made

    (one,) = after(text(1), text(2), preset="vllm").values()
    assert (one.subject, one.samples, one.error_ratio) == (Subject("m", "m-v2"), 40, 0.1)
    assert one.p95 == pytest.approx(0.49)


@pytest.mark.parametrize(
    "page",
    [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\nLogin 2019\n',  # cockroachdb/cockroach #40540: a login page
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\n",  # prometheus/prometheus #12564: compressed, without saying so
        '{"hostName":"edge","nginxVersion":"1.21"}\n',  # sysulq/nginx-vts-exporter #105: JSON
    ],
)
def test_what_is_no_exposition_is_an_error_and_no_empty_answer(page: str) -> None:
    with pytest.raises(Malformed):
        Parser(Wanted(frozenset({"model_requests_total"}))).read(page)


def test_the_last_line_needs_no_line_break() -> None:
    """statping/statping #572: Prometheus of today reads it too."""
    text = 'model_requests_total{endpoint="foo",variant="v1",code="200"} 40'
    assert after(zeroed(text), text)[Subject("foo", "v1")].samples == 40


def test_counters_that_go_up_and_down_are_those_of_several_workers() -> None:
    """rycus86/prometheus_flask_exporter #188: each request for the page reaches another worker. Taken for restarts, the
    falls would make hundreds of requests of ten."""
    first, second = (480, 61, 490, 70, 500, 80, 510, 90), range(900, 940, 5)
    page = 'model_requests_total{{endpoint="{0}",variant="v1",code="200"}} {1}\n'
    pages = [page.format("foo", a) + page.format("bar", b) for a, b in zip(first, second, strict=True)]
    scraped = Scraped(pages)
    for _ in range(len(pages) - 1):
        scraped.scrape()
    found = scraped.scrape()
    foo, bar = found[Subject("foo", "v1")], found[Subject("bar", "v1")]
    assert (foo.rps, foo.error_ratio) == (None, None)
    assert (bar.samples, bar.error_ratio) == (30, 0)
    assert "falls again and again" in scraped.adapter.remarks()[0]


def test_a_restart_or_two_are_restarts() -> None:
    counts = (100, 5, 10, 2, 6, 12)
    pages = [f'model_requests_total{{endpoint="foo",variant="v1",code="200"}} {count}\n' for count in counts]
    (one,) = after(*pages).values()
    assert one.samples == 5 + 5 + 2 + 4 + 6
