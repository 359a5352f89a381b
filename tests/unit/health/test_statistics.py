"""Is the canary worse, or does it only look so?"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Histogram
from shiftdeck.health.statistics import Difference, compare, exact, slower, two_proportions
from tests.fakes import Behaviour
from tests.unit.builders import WELL, metrics

counts = st.integers(1, 100_000)
ratios = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("hits_a", "total_a", "hits_b", "total_b", "expected"),
    [
        (0, 10, 5, 5, 2 / 3003),  # one way in C(15, 5) to draw all five hits
        (1, 9, 1, 1, 2 * (2 / 10)),  # two hits among ten draws, one of them the canary's only one
        (0, 100, 0, 10, 1.0),
    ],
)
def test_few_hits_are_tested_exactly(hits_a: int, total_a: int, hits_b: int, total_b: int, expected: float) -> None:
    assert exact(hits_a, total_a, hits_b, total_b) == pytest.approx(min(1.0, expected))


@given(st.integers(0, 25), st.integers(1, 25), st.integers(0, 25), st.integers(1, 25))
def test_the_exact_test_is_the_smaller_tail_of_its_terms(hits_a: int, more_a: int, hits_b: int, more_b: int) -> None:
    """Every way to deal the hits among both sides, each as likely as the number of its draws."""
    total_a, total_b, hits = hits_a + more_a, hits_b + more_b, hits_a + hits_b
    draws = {
        count: math.comb(hits, count) * math.comb(total_a + total_b - hits, total_b - count)
        for count in range(max(0, hits - total_a), min(hits, total_b) + 1)
    }
    upwards, downwards = (
        sum(number for count, number in draws.items() if sign * count >= sign * hits_b) for sign in (1, -1)
    )
    expected = min(1.0, 2.0 * min(upwards, downwards) / sum(draws.values()))
    assert exact(hits_a, total_a, hits_b, total_b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("hits_a", "hits_b", "is_exact"),
    [(8, 1, True), (9, 1, False), (92, 99, True), (91, 99, False)],
)
def test_below_five_expected_hits_or_misses_the_test_is_the_exact_one(hits_a: int, hits_b: int, is_exact: bool) -> None:
    p_value = two_proportions(hits_a, 100, hits_b, 100)
    assert (p_value == exact(hits_a, 100, hits_b, 100)) is is_exact


def test_many_hits_give_the_pooled_z_test() -> None:
    # 50/1000 against 80/1000: z = 0.03 / sqrt(0.065 · 0.935 · 0.002) = 2.7211, two-sided p = 0.00651.
    assert two_proportions(50, 1000, 80, 1000) == pytest.approx(0.00651, abs=2e-5)


def test_two_errors_of_a_small_canary_do_not_condemn_it() -> None:
    # The normal approximation would say p 0.001 here.
    p_value = two_proportions(1, 900, 2, 100)
    assert p_value is not None
    assert p_value > 0.01


@pytest.mark.parametrize(("total_a", "total_b"), [(0, 100), (100, 0), (0, 0)])
def test_an_empty_side_tells_nothing(total_a: int, total_b: int) -> None:
    assert two_proportions(0, total_a, 0, total_b) is None


@given(counts, ratios, counts, ratios)
def test_a_p_value_is_a_probability_and_does_not_mind_the_order(
    total_a: int, ratio_a: float, total_b: int, ratio_b: float
) -> None:
    hits_a, hits_b = round(total_a * ratio_a), round(total_b * ratio_b)
    p_value = two_proportions(hits_a, total_a, hits_b, total_b)
    assert p_value is not None
    assert 0.0 <= p_value <= 1.0
    assert two_proportions(hits_b, total_b, hits_a, total_a) == pytest.approx(p_value, rel=1e-6, abs=1e-12)


@given(counts, ratios)
def test_the_same_proportion_is_no_difference(total: int, ratio: float) -> None:
    hits = round(total * ratio)
    p_value = two_proportions(hits, total, hits, total)
    assert p_value == pytest.approx(1.0)


def test_a_slower_canary_shows_in_its_buckets() -> None:
    slow = Behaviour(0.12, 0.5)
    same, worse = (slower(WELL.histogram(9000), one.histogram(1000), 0.137) for one in (WELL, slow))
    assert same is not None
    assert worse is not None
    assert same > 0.5
    assert worse < 1e-6


def test_the_requests_above_the_bound_nearest_to_the_threshold_are_compared() -> None:
    stable = Histogram({}, (0.1, 0.2, 0.4, math.inf), (700.0, 200.0, 60.0, 40.0))
    canary = Histogram({}, (0.1, 0.2, 0.4, math.inf), (60.0, 20.0, 15.0, 5.0))
    above = two_proportions(100.0, 1000.0, 20.0, 100.0)
    assert above is not None
    for threshold in (0.2, 0.151, 0.299):
        assert slower(stable, canary, threshold) == pytest.approx(above), threshold
    beyond = two_proportions(40.0, 1000.0, 5.0, 100.0)
    assert slower(stable, canary, 9.0) == pytest.approx(beyond), "the last finite bound is the nearest one"


def test_buckets_that_differ_are_not_compared() -> None:
    one = WELL.histogram(1000)
    other = replace(one, bounds=(*one.bounds[:-2], 9.0, math.inf))
    assert slower(one, other, 0.1) is None
    assert slower(None, one, 0.1) is None
    assert slower(one, one, None) is None


def test_comparison_of_whole_variants() -> None:
    result = compare(metrics("v7", WELL, 9000), metrics("v8", Behaviour(0.12, 0.5, 0.06), 1000))
    assert result.errors.delta == pytest.approx(0.058)
    assert result.errors.significant()
    assert result.p95.ratio == pytest.approx(2.0)
    assert result.p95.significant()
    assert (result.samples_stable, result.samples_canary) == (9000, 1000)


def test_without_one_side_nothing_is_claimed() -> None:
    result = compare(metrics("v7"), None)
    assert result.errors.delta is None
    assert result.errors.p_value is None
    assert not result.p95.significant()
    assert result.samples_canary == 0


def test_the_side_that_is_there_is_shown() -> None:
    here = metrics("v7", WELL, 9000)
    alone, without_stable = compare(here, None), compare(None, here)
    assert (alone.p95.stable, alone.p95.canary) == (here.p95, None)
    assert (alone.errors.stable, alone.errors.canary, alone.samples_stable) == (here.error_ratio, None, 9000)
    assert (without_stable.p95.stable, without_stable.p95.canary) == (None, here.p95)
    assert (without_stable.errors.canary, without_stable.samples_canary) == (here.error_ratio, 9000)


def test_ratio_against_nothing_is_not_known() -> None:
    assert Difference(0.0, 0.1, None).ratio is None
    for one in (Difference(None, 0.1, None), Difference(0.1, None, None), Difference(None, None, None)):
        assert (one.delta, one.ratio) == (None, None)
