"""Percent to whole weights and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import Rejected
from backends.serving.weights import EXACT, FINEST, apportion, proportional, shares, whole_percent

NAMES = "abcdefgh"


def _named(values: list[float]) -> dict[str, float]:
    return dict(zip(NAMES, values, strict=False))


percents = st.lists(st.floats(0, 100), min_size=1, max_size=8).filter(lambda given: math.fsum(given) > 1).map(_named)
weights = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=8).map(
    lambda given: dict(zip(NAMES, given, strict=False))
)


@given(percents, st.integers(1, 1_000_000))
def test_apportioned_weights_sum_to_the_total_and_none_is_off_by_one(wanted: dict[str, float], total: int) -> None:
    made = apportion(wanted, total)
    whole = math.fsum(wanted.values())
    assert sum(made.values()) == total
    for name, percent in wanted.items():
        assert abs(made[name] - total * percent / whole) < 1 + 1e-6
        assert made[name] >= 0
        if percent == 0:
            assert made[name] == 0


def test_the_largest_remainders_get_what_is_left_and_the_first_of_equals() -> None:
    assert apportion({"a": 41.6, "b": 41.5, "c": 16.9}, 10) == {"a": 4, "b": 4, "c": 2}
    assert apportion({"a": 1, "b": 1, "c": 1}, 100) == {"a": 34, "b": 33, "c": 33}


@given(weights.filter(lambda given: sum(given.values()) > 0), st.randoms())
def test_what_was_read_is_written_back_as_it_was(current: dict[str, int], random: object) -> None:
    """Reading weights as percent and asking for just that changes nothing, as long as the total is one we write."""
    if sum(current.values()) <= FINEST:
        assert proportional(shares(current), current) == current


@given(percents, weights)
def test_what_is_written_reads_as_what_was_asked_for(wanted: dict[str, float], current: dict[str, int]) -> None:
    whole = math.fsum(wanted.values())
    try:
        made = proportional(wanted, current)
    except Rejected:
        assert any(0 < percent < whole / FINEST for percent in wanted.values())
        return
    for name, share in shares(made).items():
        assert abs(share - 100 * wanted[name] / whole) < 100 / FINEST + EXACT
        assert 0 <= made[name] <= 1_000_000
        assert (made[name] > 0) == (wanted[name] > 0)


@given(st.lists(st.integers(0, 100), min_size=2, max_size=8).filter(any), weights)
def test_whole_percentages_are_exact(wanted: list[int], current: dict[str, int]) -> None:
    total = sum(wanted)
    made = proportional({name: 100 * one / total for name, one in zip(NAMES, wanted, strict=False)}, current)
    if 100 % total == 0 or total == 100:
        for name, one in zip(NAMES, wanted, strict=False):
            assert shares(made)[name] == pytest.approx(100 * one / total, abs=1e-6)


@pytest.mark.parametrize(
    ("current", "wanted", "made"),
    [
        ({"a": 9, "b": 1}, {"a": 50, "b": 50}, {"a": 5, "b": 5}),  # the total stays where it says it exactly
        ({"a": 9, "b": 1}, {"a": 75, "b": 25}, {"a": 75, "b": 25}),
        ({"a": 1}, {"a": 100}, {"a": 1}),
        ({"a": 0, "b": 0}, {"a": 100, "b": 0}, {"a": 100, "b": 0}),
        ({"a": 90, "b": 10}, {"a": 87.5, "b": 12.5}, {"a": 875, "b": 125}),
        ({"a": 1_000_000, "b": 1_000_000}, {"a": 99, "b": 1}, {"a": 99, "b": 1}),
    ],
)
def test_the_total_is_kept_or_the_smallest_that_is_exact(
    current: dict[str, int], wanted: dict[str, float], made: dict[str, int]
) -> None:
    assert proportional(wanted, current) == made


def test_what_cannot_be_written_is_refused_and_not_rounded_away() -> None:
    with pytest.raises(Rejected, match=r"0\.0001 % is too little"):
        proportional({"a": 99.9999, "b": 0.0001}, {})
    with pytest.raises(Rejected, match="no variant"):
        proportional({"a": 0, "b": 0}, {"a": 1})
    with pytest.raises(Rejected, match="whole percentages only"):
        whole_percent("v8", 12.5)
    assert whole_percent("v8", 30.000000001) == 30


def test_no_weight_at_all_is_nobody_and_not_an_even_split() -> None:
    assert shares({"a": 0, "b": 0}) == {"a": 0.0, "b": 0.0}
