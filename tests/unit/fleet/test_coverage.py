"""What metrics tell of, compared with what serving tells of: what joins, what does not, and what to set."""

from __future__ import annotations

from dataclasses import replace

from backends.contracts import EndpointRef, Subject, VariantMetrics
from shiftdeck.config.loader import Slo, SloConfig
from shiftdeck.fleet.coverage import Covered, coverage
from tests.unit.builders import canary, endpoint, metrics, stable
from tests.unit.cli_world import Shell, shell

__all__ = ["shell"]

SLO = SloConfig(Slo(p95_s=0.2))
SERVED = (endpoint(stable(90.0), canary(10.0)),)  # lab:prod/sentiment v7, v8


def about(*subjects: Subject) -> tuple[VariantMetrics, ...]:
    return tuple(replace(metrics(), subject=one) for one in subjects)


def found(*measured: VariantMetrics, served: tuple = SERVED, slo: SloConfig = SLO) -> tuple[Covered, ...]:  # type: ignore[type-arg]
    return coverage(served, {"prom": measured}, slo)


def test_all_that_joins_is_well() -> None:
    (only,) = found(metrics("v7"), metrics("v8"))
    assert only == Covered("prom", True, "2 of 2 variants with traffic are measured")


def test_a_variant_that_is_not_measured_is_named() -> None:
    (only,) = found(metrics("v7"))
    assert (only.ok, only.detail) == (None, "1 of 2 variants with traffic are measured; not: sentiment v8")


def test_nothing_that_joins_is_an_error_with_what_to_set() -> None:
    """Pod names for variants: serving says v7, metrics say sentiment-v7."""
    joined, stranger = found(*about(Subject("sentiment", "sentiment-v7", "prod")))
    assert joined.ok is False
    assert stranger.detail == "belongs to no variant: prod/sentiment sentiment-v7"
    assert "lab:prod/sentiment has the variants v7, v8" in stranger.hint
    assert "pattern" in stranger.hint


def test_a_scope_that_differs_is_named_on_the_side_that_lacks_it() -> None:
    bare = (replace(SERVED[0], ref=EndpointRef("haproxy", "", "sentiment")),)
    _, stranger = found(*about(Subject("sentiment", "v7", "ml")), served=bare)
    assert 'set `scope = "ml"`' in stranger.hint
    _, stranger = found(*about(Subject("sentiment", "v7", "ml")))
    assert "set `scope_label` to the label that holds 'prod'" in stranger.hint


def test_a_variant_that_no_label_tells_and_an_endpoint_that_nobody_serves() -> None:
    told = [one.hint for one in found(metrics("v7"), *about(Subject("sentiment", "", "prod"), Subject("x", "v1")))]
    assert any("no label tells the variant" in hint for hint in told)
    assert any("no serving source has an endpoint of that name" in hint for hint in told)


def test_an_objective_between_two_buckets_is_told() -> None:
    def said(p95_s: float) -> list[str]:
        slo = SloConfig(Slo(p95_s=p95_s))
        return [one.detail for one in found(metrics("v7"), metrics("v8"), slo=slo) if "SLO" in one.detail]

    assert said(0.2) == []
    assert said(0.22) == ["SLO 220 ms lies between the buckets 200 ms and 250 ms (sentiment)"]
    assert said(9.0) == ["SLO 9000 ms lies beyond the last bucket, 2500 ms (sentiment)"]


def test_without_serving_or_without_metrics_there_is_nothing_to_compare() -> None:
    assert coverage((), {"prom": (metrics(),)}, SLO) == ()
    assert coverage(SERVED, {"prom": ()}, SLO) == ()


def test_doctor_compares_them(shell: Shell) -> None:
    said = shell.type("doctor")
    assert said.code == 0, said
    assert "variants with traffic are measured" in said.out
    for state in shell.world.states.values():
        for variant in state.spec.variants:
            shell.world.gone[Subject(state.spec.name, variant.name, state.ref.scope)] = 0.0
    assert shell.type("doctor").code == 0, "metrics that have nothing yet are no fault of the configuration"
