"""Splits over several objects: whichever way is taken, it ends where it was asked to, and nobody strays far."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import Rejected
from backends.serving.group_weights import LARGEST, LARGEST_SWING, moves
from backends.serving.weights import shares

NAMES = "abcde"

currents = (
    st.lists(st.integers(0, 200), min_size=2, max_size=5)
    .filter(any)
    .map(lambda one: dict(zip(NAMES, one, strict=False)))
)


@given(currents, st.lists(st.integers(0, 20), min_size=5, max_size=5))
def test_it_ends_at_what_was_asked_for_and_strays_no_further_than_it_may(
    current: dict[str, int], wanted: list[int]
) -> None:
    total = sum(wanted[: len(current)])
    if not total:
        return
    percents = {name: 100 * one / total for name, one in zip(current, wanted, strict=False)}
    try:
        way = moves(current, percents)
    except Rejected:  # of a swing on the way: nothing else can be wrong with these
        return
    now, old = dict(current), shares(current)
    assert len(way) <= len(current)
    assert len({move.name for move in way}) == len(way)
    for move in way:
        assert move.before == now[move.name] != move.after
        assert 0 <= move.after <= LARGEST
        now[move.name] = move.after
        assert move.then == shares(now)
        for name, share in move.then.items():
            assert min(old[name], percents[name]) - LARGEST_SWING - 0.01 <= share
            assert share <= max(old[name], percents[name]) + LARGEST_SWING + 0.01
    for name, share in shares(now).items():
        assert share == pytest.approx(percents[name], abs=0.001)


@pytest.mark.parametrize(
    ("current", "percents", "way"),
    [
        # one call is enough, and so atomic, wherever the other's weight can stay
        ({"a": 9, "b": 1}, {"a": 75, "b": 25}, ["b 1 → 3"]),
        ({"a": 90, "b": 10}, {"a": 100, "b": 0}, ["b 10 → 0"]),
        ({"a": 90, "b": 10}, {"a": 0, "b": 100}, ["a 90 → 0"]),
        ({"a": 50, "b": 50}, {"a": 90, "b": 10}, ["a 50 → 450"]),
        # else who gains is raised first
        ({"a": 100, "b": 0}, {"a": 90, "b": 10}, ["b 0 → 10", "a 100 → 90"]),
        ({"a": 100, "b": 0}, {"a": 0, "b": 100}, ["b 0 → 100", "a 100 → 0"]),
        ({"a": 50, "b": 30, "c": 20}, {"a": 0, "b": 30, "c": 70}, ["c 20 → 70", "a 50 → 0"]),
        ({"a": 50, "b": 30, "c": 20}, {"a": 0, "b": 60, "c": 40}, ["a 50 → 0"]),
        ({"a": 90, "b": 10}, {"a": 90, "b": 10}, []),
    ],
)
def test_the_fewest_calls_in_the_order_that_strays_least(
    current: dict[str, int], percents: dict[str, float], way: list[str]
) -> None:
    assert [f"{move.name} {move.before} → {move.after}" for move in moves(current, percents)] == way


def test_a_way_that_leads_far_astray_is_refused() -> None:
    with pytest.raises(
        Rejected, match=r"the weights 1:1:0 cannot become these shares .* swing of \d+ percentage points"
    ):
        moves({"a": 1, "b": 1, "c": 0}, {"a": 33.7, "b": 33.3, "c": 33})
