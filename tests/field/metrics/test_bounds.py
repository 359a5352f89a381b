"""A bound is shown and judged as a bound: latencies beyond the last bucket, or in one that is too wide."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from backends.contracts import Endpoint, EndpointRef, Measure, Phase, Role, Subject, Variant, VariantMetrics
from shiftdeck.config.loader import Slo
from shiftdeck.health.judge import Facts, judge
from shiftdeck.health.latency import p95_of
from shiftdeck.health.statistics import compare
from shiftdeck.health.verdict import Level
from tests.field.metrics.scraped import Scraped, after, zeroed
from tui.render import format as fmt


def vllm(*counts: tuple[str, int, int, int]) -> str:
    """Cumulative counts up to 30 s, 60 s and in all, by pod (vllm-project/vllm #15167, #48175)."""
    lines = []
    for pod, thirty, sixty, total in counts:
        whose = f'model_name="sentiment",pod="{pod}-5c4b3a2f1-fgh7j"'
        lines += [f'vllm:request_success_total{{{whose},finished_reason="stop"}} {total}']
        for le, upto in (("30", thirty), ("60", sixty), ("+Inf", total)):
            lines.append(f'vllm:e2e_request_latency_seconds_bucket{{{whose},le="{le}"}} {upto}')
        lines.append(f"vllm:e2e_request_latency_seconds_sum{{{whose}}} {61 * total}")
        lines.append(f"vllm:e2e_request_latency_seconds_count{{{whose}}} {total}")
    return "\n".join(lines) + "\n"


def level_of(slo_s: float, **metrics: VariantMetrics) -> tuple[Level, str]:
    shares = {name: 100.0 / len(metrics) for name in metrics}
    roles = dict(zip(metrics, (Role.STABLE, Role.CANARY), strict=False))
    variants = tuple(
        Variant(name, roles[name], desired=share, observed=share, ready=1, wanted=1) for name, share in shares.items()
    )
    endpoint = Endpoint(EndpointRef("it", "", "sentiment"), variants, Phase.STEADY)
    verdict = judge(Facts(endpoint, metrics, (), (), (), Slo(p95_s=slo_s, error_ratio=None, min_samples=50)))
    return verdict.level, "; ".join(reason.text for reason in verdict.reasons)


BOTH = (("v7", 60, 94, 100), ("v8", 0, 10, 100))


@pytest.fixture
def capped() -> tuple[VariantMetrics, VariantMetrics]:
    found = after(zeroed(vllm(*BOTH)), vllm(*BOTH), preset="vllm")
    return found[Subject("sentiment", "v7")], found[Subject("sentiment", "v8")]


def test_a_quantile_beyond_the_last_bucket_is_no_value(capped: tuple[VariantMetrics, VariantMetrics]) -> None:
    v7, v8 = capped
    assert (v7.p50, v7.p95, v8.p50, v8.p95) == (25.0, None, None, None)
    assert v8.within(Measure.P95) == (60.0, math.inf)
    assert v8.mean == 61.0, "what is told instead"
    assert fmt.quantile(p95_of(v8)) == ">60.0 s"


def test_an_objective_up_to_the_bound_is_missed_and_one_beyond_it_is_unknown(
    capped: tuple[VariantMetrics, VariantMetrics],
) -> None:
    _, v8 = capped
    assert level_of(60.0, v8=v8) == (Level.CRITICAL, "v8 p95 over 60 s > 60 s")
    assert level_of(30.0, v8=v8) == (Level.CRITICAL, "v8 p95 over 60 s > 30 s")
    assert level_of(90.0, v8=v8) == (Level.NO_DATA, "v8 p95 over 60 s, objective 90 s")


def test_two_at_the_cap_are_compared_by_what_the_buckets_tell(capped: tuple[VariantMetrics, VariantMetrics]) -> None:
    v7, v8 = capped
    result = compare(v7, v8)
    assert result.p95_ratio is None, "how far each is beyond the cap is not known"
    assert result.slower(0.01) is True
    level, text = level_of(90.0, v7=v7, v8=v8)
    assert level is Level.WARNING
    assert "v8 90 % over 60 s against 6 % of v7" in text
    same = compare(v8, replace(v8, subject=Subject("sentiment", "v9")))
    assert (same.p95_ratio, same.hidden, same.slower(0.01)) == (None, True, False)


def test_with_the_endless_bucket_alone_there_is_a_mean(capped: tuple[VariantMetrics, VariantMetrics]) -> None:
    """buildkite/agent-stack-k8s #964: the classic text of a client with native histograms has no finite bucket."""
    text = "".join(line + "\n" for line in vllm(*BOTH).splitlines() if 'le="30"' not in line and 'le="60"' not in line)
    v8 = after(zeroed(text), text, preset="vllm")[Subject("sentiment", "v8")]
    assert (v8.samples, v8.p50, v8.p95, v8.mean) == (100, None, None, 61.0)
    assert v8.within(Measure.P95) is None
    assert level_of(90.0, v8=v8) == (Level.NO_DATA, "v8 p95 not measured")


def test_a_chart_marks_what_is_a_bound_only() -> None:
    scraped = Scraped([zeroed(vllm(*BOTH)), vllm(*BOTH), vllm(*BOTH)], preset="vllm")
    scraped.scrape()
    scraped.scrape()
    series = scraped.adapter.history(Subject("sentiment", "v8"), Measure.P95, 10.0, 10.0)
    ((at, value),) = series.points
    assert value == 60.0
    assert series.least == {at}
    exact = scraped.adapter.history(Subject("sentiment", "v7"), Measure.P50, 10.0, 10.0)
    assert (exact.points[0][1], exact.least) == (25.0, frozenset())


# ── buckets that are too wide for the objective ─────────────────────────────────────────────────────────────────


def fastapi(*counts: tuple[str, int, int, int]) -> str:
    """Cumulative counts up to 100 ms, 500 ms and in all, with the default buckets of the instrumentator."""
    lines = []
    for pod, low, high, total in counts:
        whose = f'service="churn",pod="{pod}-5c4b3a2f1-fgh7j",handler="/predict"'
        lines.append(f'http_requests_total{{{whose},status="2xx"}} {total}')
        for le, upto in (("0.1", low), ("0.5", high), ("1", high), ("+Inf", total)):
            lines.append(f'http_request_duration_seconds_bucket{{{whose},le="{le}"}} {upto}')
    return "\n".join(lines) + "\n"


def test_an_objective_within_the_bucket_cannot_be_told() -> None:
    """True p95 119 ms; the estimate within 100 to 500 ms is 448 ms."""
    text = fastapi(("v1", 500, 500, 500), ("v2", 300, 500, 500))
    found = after(zeroed(text), text, preset="fastapi")
    v1, v2 = found[Subject("churn", "v1")], found[Subject("churn", "v2")]
    assert level_of(0.2, v2=v2) == (Level.NO_DATA, "v2 p95 between 100 ms and 500 ms, objective 200 ms")
    assert fmt.quantile(p95_of(v2), 0.2) == "~450 ms"
    assert level_of(0.5, v2=v2)[0] is Level.OK, "at most 500 ms for sure"
    assert level_of(0.1, v2=v2)[0] is Level.CRITICAL, "above 100 ms for sure"
    level, text = level_of(0.2, v1=v1, v2=v2)
    assert level is Level.WARNING
    assert "v2 40 % over 100 ms against 0 % of v1" in text
    assert "+" not in text, "no difference in percent between two estimates"


def test_two_in_one_wide_bucket_are_not_called_equal() -> None:
    text = fastapi(("v1", 500, 500, 500), ("v2", 500, 500, 500))
    found = after(zeroed(text), text, preset="fastapi")
    result = compare(found[Subject("churn", "v1")], found[Subject("churn", "v2")])
    assert result.p95_ratio is None
    assert p95_of(found[Subject("churn", "v1")]).range_words == "0–100 ms"  # type: ignore[union-attr]
