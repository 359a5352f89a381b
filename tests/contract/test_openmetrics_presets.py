"""Presets, read by the OpenMetrics adapter from a target on loopback."""

from __future__ import annotations

import math

import pytest

from backends.contracts import Subject
from backends.errors import Malformed, Rejected
from tests.contract.test_openmetrics import Clock, Target, adapter, clock, target

__all__ = ["clock", "target"]


def triton(good: int, failed: int, micros: int) -> str:
    whose = 'model="sentiment",version="2"'
    return (
        f"nv_inference_request_success{{{whose}}} {good}\nnv_inference_request_failure{{{whose}}} {failed}\n"
        f"nv_inference_request_duration_us{{{whose}}} {micros}\n"
    )


def test_a_preset_names_everything_at_once(target: Target, clock: Clock) -> None:
    metrics = adapter(target.url, clock, preset="triton")
    target.text = triton(100, 0, 1_000_000)
    metrics.current(60)
    clock.now += 10
    target.text = triton(130, 10, 7_000_000)
    (one,) = metrics.current(60)
    assert one.subject == Subject("sentiment", "2")
    assert (one.samples, one.error_ratio, one.p95) == (40, 0.25, None)
    assert one.mean == pytest.approx(0.2), "in seconds; of what did not fail"
    _, read = metrics.probe()
    assert "nv_inference_request_success or nv_inference_request_failure has 2 series" in read.detail
    metrics.close()


def test_units_names_that_no_label_tells_and_what_is_left_out(target: Target, clock: Clock) -> None:
    def text(counted: int) -> str:
        said = 'destination_service_namespace="ml",destination_service_name="x-predictor"'
        lines = [
            f'istio_requests_total{{reporter="{by}",{said},response_code="0"}} {counted}' for by in ("source", "b")
        ]
        lines += [
            f'istio_request_duration_milliseconds_bucket{{reporter="source",{said},le="{bound}"}} {upto}'
            for bound, upto in (("100", 0), ("200", counted), ("+Inf", counted))
        ]
        return "\n".join(lines) + "\n"

    metrics = adapter(target.url, clock, preset="istio", variant="v2")
    target.text = text(0)
    metrics.current(60)
    clock.now += 10
    target.text = text(20)
    (one,) = metrics.current(60)
    assert one.subject == Subject("x", "v2", "ml")
    assert (one.samples, one.error_ratio) == (20, 1.0), "what the callers' side saw, once"
    assert one.p95 == pytest.approx(0.195)
    assert one.latency is not None
    assert one.latency.bounds == (0.1, 0.2, math.inf)
    metrics.close()


def test_a_preset_that_does_not_fit_says_which_do(target: Target, clock: Clock) -> None:
    metrics = adapter(target.url, clock, preset="vllm")
    target.text = triton(1, 0, 1)
    with pytest.raises(Malformed, match="vllm:request_success_total"):
        metrics.current(60)
    assert metrics.probe()[-1].hint == "presets that fit: triton"
    unknown = adapter(target.url, clock, preset="knative")
    with pytest.raises(Rejected, match="one preset"):
        unknown.current(60)
    metrics.close()
