"""A breach of an objective that a handful of requests cannot prove."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import VariantMetrics
from shiftdeck.health.judge import Facts, judge
from shiftdeck.health.statistics import by_chance
from shiftdeck.health.verdict import Level
from tests.unit.builders import SLO, endpoint, metrics


def facts(errors: int, samples: int) -> Facts:
    canary: VariantMetrics = replace(metrics("v8", samples=samples), error_ratio=errors / samples)
    return Facts(endpoint(), {"v7": metrics("v7", samples=9000), "v8": canary}, (), (), (), SLO)


@pytest.mark.parametrize(
    ("errors", "samples", "level"),
    [(2, 110, Level.WARNING), (4, 110, Level.WARNING), (9, 110, Level.CRITICAL), (200, 10_000, Level.CRITICAL)],
)
def test_a_few_errors_among_few_requests_wake_nobody(errors: int, samples: int, level: Level) -> None:
    verdict = judge(facts(errors, samples))
    assert verdict.level is level
    assert any("errors" in reason.text for reason in verdict.reasons), "but they are named"


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.001, 0.999))
def test_the_tail_is_the_sum_of_its_terms(hits: int, total: int, share: float) -> None:
    terms = (math.comb(total, n) * share**n * (1 - share) ** (total - n) for n in range(hits, total + 1))
    assert by_chance(hits, total, share) == pytest.approx(min(1.0, math.fsum(terms)), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.5])
def test_at_least_none_is_certain_and_more_than_there_are_is_impossible(share: float) -> None:
    assert by_chance(0, 1_000_000, share) == 1.0
    assert by_chance(11, 10, share) == 0.0


def test_the_tail_of_many_requests_does_not_vanish_in_rounding() -> None:
    assert by_chance(10_000, 1_000_000, 0.01) == pytest.approx(0.5, abs=0.01)
    assert by_chance(10_500, 1_000_000, 0.01) < 1e-6
