"""The presets on the texts of real servers: whose requests, how many, how many failed, how long."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from backends.contracts import Measure, Subject, VariantMetrics
from backends.metrics.openmetrics import OpenMetrics
from tests.field.metrics import texts
from tests.field.metrics.scraped import Scraped, after


def measured(text: Callable[[int], str], **options: object) -> dict[Subject, VariantMetrics]:
    return after(text(1), text(2), **options)


@pytest.mark.parametrize(
    ("text", "options", "subject", "errors", "p95"),
    [
        (texts.mlserver, {"preset": "mlserver"}, Subject("churn", "v1"), 0.25, None),
        (
            texts.mlserver,
            {"preset": "mlserver-rest", "endpoint": "churn", "variant": "v1"},
            Subject("churn", "v1"),
            0.25,
            0.0975,
        ),
        (texts.kserve, {"preset": "kserve", "variant": "v1"}, Subject("churn", "v1"), None, 0.07375),
        (texts.bentoml, {"preset": "bentoml"}, Subject("churn", "v1"), 0.25, 0.0975),
        (texts.ray, {"preset": "ray-serve"}, Subject("churn", "churn-v2"), 0.25, 0.0975),
        (
            texts.fastapi,
            {"preset": "fastapi", "endpoint": "churn", "variant": "v1"},
            Subject("churn", "v1"),
            0.25,
            0.095,
        ),
        (texts.triton_summaries, {"preset": "triton"}, Subject("churn", "2"), 0.25, 0.09),
    ],
    ids=["mlserver", "mlserver-rest", "kserve", "bentoml", "ray-serve", "fastapi", "triton"],
)
def test_forty_requests_of_which_ten_failed(
    text: Callable[[int], str], options: dict[str, object], subject: Subject, errors: float | None, p95: float | None
) -> None:
    one = measured(text, **options)[subject]
    assert (one.samples, one.error_ratio) == (40, errors)
    assert one.p95 == (None if p95 is None else pytest.approx(p95))


def test_a_version_that_fails_each_request_is_all_errors() -> None:
    """MLServer makes the counter of successes at the first success."""
    quiet = texts.mlserver(0, failed=0, good=0)
    found = after(quiet, texts.mlserver(1, failed=40, good=0), preset="mlserver")
    assert (found[Subject("churn", "v1")].samples, found[Subject("churn", "v1")].error_ratio) == (40, 1.0)
    only_failures = "\n".join(
        line for line in texts.mlserver(1, failed=40, good=0).splitlines() if "request_success" not in line
    )
    assert after(quiet, only_failures, preset="mlserver")[Subject("churn", "v1")].error_ratio == 1.0


def test_what_a_client_asked_for_is_no_endpoint() -> None:
    scraped = Scraped([texts.mlserver(1), texts.mlserver(2)], preset="mlserver")
    scraped.scrape()
    assert set(scraped.scrape()) == {Subject("churn", "v1")}
    (remark,) = scraped.adapter.remarks()
    assert "names no endpoint by model" in remark


@pytest.mark.parametrize(
    ("text", "preset"),
    [
        (lambda n: texts.mlserver(n, version="None"), "mlserver"),
        (lambda n: texts.bentoml(n, "not available"), "bentoml"),
    ],
    ids=["mlserver", "bentoml"],
)
def test_a_placeholder_is_no_variant_and_the_pod_tells_it(text: Callable[[int], str], preset: str) -> None:
    assert set(measured(text, preset=preset)) == {Subject("churn")}

    def in_a_pod(n: int) -> str:
        return (
            text(n)
            .replace('model="churn"', 'model="churn",pod="churn-v2-5c4b3a2f1-fgh7j"')
            .replace('service_name="churn"', 'service_name="churn",pod="churn-v2-5c4b3a2f1-fgh7j"')
        )

    assert measured(in_a_pod, preset=preset)[Subject("churn", "churn-v2")].samples == 40


def test_a_mean_where_the_server_has_no_quantiles() -> None:
    one = measured(texts.mlserver, preset="mlserver")[Subject("churn", "v1")]
    assert (one.p95, one.within(Measure.P95)) == (None, None)
    assert one.mean == pytest.approx(0.04)


def test_the_probe_says_that_errors_are_not_measured() -> None:
    scraped = Scraped([texts.kserve(1)], preset="kserve", variant="v1")
    assert any("errors are not measured" in probe.detail for probe in scraped.adapter.probe())


# ── what is wrong in a text ─────────────────────────────────────────────────────────────────────────────────────


def test_one_sum_that_is_not_a_number_is_the_mean_of_one_model() -> None:
    """prometheus/client_golang #1275: one NaN observation leaves the sum NaN until a restart."""

    def text(n: int) -> str:
        sick = 'model="sick",version="8"'
        return texts.mlserver(n) + (
            f"model_infer_request_success_total{{{sick}}} {90 * n}\n"
            f"model_infer_request_duration_count{{{sick}}} {90 * n}\n"
            f"model_infer_request_duration_sum{{{sick}}} NaN\n"
        )

    scraped = Scraped([text(1), text(2)], preset="mlserver")
    scraped.scrape()
    found = scraped.scrape()
    sick, well = found[Subject("sick", "8")], found[Subject("churn", "v1")]
    assert (sick.samples, sick.error_ratio, sick.mean) == (90, 0.0, None)
    assert well.samples == 40
    assert well.mean == pytest.approx(0.04)
    assert any("counter NaN" in remark and "sick" in remark for remark in scraped.adapter.remarks())


LINES = 'model_requests_total{{endpoint="{0}",variant="v8",code="{1}"}} {2}\n'


def lab(*counts: tuple[str, str, object]) -> str:
    return "".join(LINES.format(*one) for one in counts)


def test_a_series_that_is_there_twice_makes_no_spike() -> None:
    """prometheus/client_python #1043: a page of several workers. A jump between the two would look like a reset."""
    first = lab(("sentiment", "200", 480), ("sentiment", "200", 61), ("fraud", "200", 900))
    second = lab(("sentiment", "200", 490), ("sentiment", "200", 70), ("fraud", "200", 950))
    scraped = Scraped([first, second])
    scraped.scrape()
    found = scraped.scrape()
    assert found[Subject("sentiment", "v8")].samples == 10
    assert found[Subject("fraud", "v8")].samples == 50
    assert any("series twice" in remark for remark in scraped.adapter.remarks())


def test_a_damaged_counter_makes_the_errors_of_its_variant_unknown_and_no_others() -> None:
    first = lab(("sentiment", "200", 100), ("sentiment", "500", 10), ("fraud", "200", 900))
    second = lab(("sentiment", "200", 200), ("sentiment", "500", "NaN"), ("fraud", "200", 950))
    found = after(first, second)
    sick = found[Subject("sentiment", "v8")]
    assert (sick.rps, sick.error_ratio) == (None, None), "not 0 % of 100"
    assert (found[Subject("fraud", "v8")].samples, found[Subject("fraud", "v8")].error_ratio) == (50, 0)


def test_a_bucket_that_is_missing_once_makes_no_quantile() -> None:
    def text(n: int, *, whole: bool = True) -> str:
        made = texts.bentoml(n)
        return made if whole else "".join(f"{line}\n" for line in made.splitlines() if 'le="0.1"' not in line)

    one = after(text(1), text(2, whole=False), preset="bentoml")[Subject("churn", "v1")]
    assert (one.samples, one.p95, one.latency) == (40, None, None)


def test_a_damaged_histogram_for_drift_is_dropped_and_no_other() -> None:
    def feature(name: str, low: object, total: object) -> str:
        whose = f'feature="{name}"'
        return f'values_bucket{{{whose},le="1"}} {low}\nvalues_bucket{{{whose},le="+Inf"}} {total}\n'

    base = lab(("sentiment", "200", 1))
    scraped = Scraped([base + feature("a", 1, 2) + feature("b", 9, 2)])
    scraped.scrape()
    (only,) = scraped.adapter.histograms("values", math.inf, ("feature",))
    assert (only.labels, only.counts) == ({"feature": "a"}, (1, 1))


# ── old values ──────────────────────────────────────────────────────────────────────────────────────────────────


def stamped(now: float, age_s: float, count: int, endpoint: str = "sentiment") -> str:
    return (
        f'model_requests_total{{endpoint="{endpoint}",variant="v8",code="200"}} {count} {int((now - age_s) * 1000)}\n'
    )


def test_values_of_an_hour_ago_are_no_values_of_now() -> None:
    from backends.errors import Unreachable

    scraped = Scraped([stamped(1_800_000_010, 3600, 5)])
    with pytest.raises(Unreachable, match="3600 s old"):
        scraped.scrape()


def test_one_series_that_a_federation_repeats_is_dropped_and_the_others_count() -> None:
    """Prometheus' /federate and a Pushgateway repeat what they once had."""
    pages = [
        stamped(now, 5, count) + stamped(now, 3600, 77, "gone")
        for now, count in ((1_800_000_010, 5), (1_800_000_020, 25))
    ]
    scraped = Scraped(pages)
    scraped.scrape()
    found = scraped.scrape()
    assert {subject: one.samples for subject, one in found.items()} == {Subject("sentiment", "v8"): 20}
    assert scraped.adapter.remarks()[0].startswith("dropped: older than 120 s by its time stamp")


def test_who_vanishes_from_a_page_is_told() -> None:
    both = lab(("sentiment", "200", 1), ("fraud", "200", 1))
    scraped = Scraped([both, *[lab(("sentiment", "200", count)) for count in range(2, 12)]])
    for _ in range(11):
        scraped.scrape()
    assert isinstance(scraped.adapter, OpenMetrics)
    assert set(scraped.adapter.vanished()) == {Subject("fraud", "v8")}
