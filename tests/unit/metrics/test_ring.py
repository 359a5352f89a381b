"""The memory of counters, and quantiles from bins."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Histogram
from backends.metrics.quantiles import capped, quantile
from backends.metrics.ring import RECENT, Ring, increase


def grown(ring: Ring, key: str, window_s: float) -> float | None:
    old, new = ring.base(window_s), ring.newest
    column = ring.column(key)
    assert new is not None
    assert column is not None
    return None if old is None else increase(old, new, [column])


def filled(*values: float, every: float = 1.0, retention: float = 3600.0) -> Ring:
    ring = Ring(retention)
    for index, value in enumerate(values):
        ring.append(index * every, {"a": value})
    return ring


def test_one_scrape_tells_no_rate() -> None:
    assert grown(filled(100), "a", 60) is None


def test_growth_is_over_the_window_or_what_there_is() -> None:
    ring = filled(100, 110, 130, 160)
    assert grown(ring, "a", 60) == 60
    assert grown(ring, "a", 2) == 50
    assert grown(ring, "a", 0.5) == 30


def test_a_reset_counts_from_zero() -> None:
    assert grown(filled(100, 110, 4, 6), "a", 60) == 10 + 4 + 2


def test_a_counter_that_appears_later_began_at_zero() -> None:
    ring = Ring(3600)
    ring.append(0, {"a": 5})
    ring.append(1, {"a": 5, "b": 3})
    assert grown(ring, "b", 60) == 3


def test_a_counter_that_stays_away_for_a_scrape_goes_on_where_it_was() -> None:
    ring = Ring(3600)
    ring.append(0, {"a": 5, "b": 100})
    ring.append(1, {"a": 5})
    ring.append(2, {"a": 5, "b": 101})
    assert grown(ring, "b", 60) == 1


def test_after_an_outage_the_window_does_not_reach_back_across_it() -> None:
    ring = filled(*range(0, 100, 10))
    ring.append(1000, {"a": 5000})
    assert grown(ring, "a", 60) is None
    ring.append(1001, {"a": 5007})
    assert grown(ring, "a", 60) == 7


def test_a_slow_poll_is_no_outage() -> None:
    ring = filled(0, 10, 20, 30, every=300)
    assert grown(ring, "a", 60) == 10


def test_a_clock_set_back_begins_anew() -> None:
    ring = filled(0, 10, 20)
    ring.append(-1000, {"a": 25})
    assert grown(ring, "a", 60) is None
    ring.append(-999, {"a": 27})
    assert grown(ring, "a", 60) == 2


def test_stretches_that_were_not_observed_are_none() -> None:
    ring = filled(*range(20))
    ring.append(500, {"a": 20})
    assert ring.around(-10, -5) is None, "before the first"
    assert ring.around(100, 105) is None, "in an outage"
    assert ring.around(600, 605) is None, "after the last"
    around = ring.around(5, 10)
    assert around is not None
    assert (around[0].at, around[1].at) == (5, 10)


def test_older_snapshots_are_thinned_and_then_dropped() -> None:
    ring = Ring(3600)
    for second in range(0, 10_000, 2):
        ring.append(second, {"a": second})
    assert len(ring) <= RECENT + 3600 / 15 + 1
    assert grown(ring, "a", 3600) == pytest.approx(3600, abs=16)
    assert grown(ring, "a", 60) == 60, "recent ones keep their resolution"


def test_bytes_are_bounded() -> None:
    ring = Ring(3600, max_bytes=100_000)
    for second in range(300):
        ring.append(second, {str(key): second for key in range(100)})
    assert sum(len(one.values) * one.values.itemsize for one in ring._snapshots) <= 100_000
    assert grown(ring, "7", 10) == 10


def test_counters_that_died_out_leave() -> None:
    ring = Ring(100)
    gone: set[str] = set()
    for second in range(1500):
        gone |= ring.append(second, {"a": second, f"pod-{second // 10}": 1, "z": 2 * second})
    assert "pod-3" in gone
    assert ring.column("pod-3") is None
    newest = ring.newest
    assert newest is not None
    assert len(newest.values) < 50
    assert grown(ring, "a", 20) == 20
    assert grown(ring, "z", 20) == 40


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=40))
def test_growth_never_falls_below_zero_and_adds_up(values: list[float]) -> None:
    ring = filled(*values)
    parts = [ring.around(start, start + 1) for start in range(len(values) - 1)]
    steps = [increase(*part, [0]) for part in parts if part is not None]
    assert all(step >= 0 for step in steps)
    whole = grown(ring, "a", 1e9)
    assert whole == pytest.approx(sum(steps), rel=1e-9, abs=1e-3)


# ── quantiles ───────────────────────────────────────────────────────────────────────────────────────────────────

BOUNDS = (0.1, 0.2, 0.4, math.inf)


def test_quantiles_as_prometheus_gives_them() -> None:
    assert quantile(0.5, BOUNDS, (0, 10, 0, 0)) == pytest.approx(0.15)
    assert quantile(0.5, BOUNDS, (10, 0, 0, 0)) == pytest.approx(0.05), "the lowest bin begins at 0"
    assert quantile(0.95, BOUNDS, (50, 40, 10, 0)) == pytest.approx(0.3)
    assert quantile(0.5, (-1.0, 1.0, math.inf), (4, 0, 0)) == -1.0
    assert quantile(0.5, BOUNDS, (1, 0, 1, 0)) == 0.1, "half of it lies up to the first bound"


def test_a_quantile_beyond_the_last_bound_is_no_value_but_a_bound() -> None:
    assert quantile(0.99, BOUNDS, (0, 0, 1, 9)) is None
    assert capped(0.99, BOUNDS, (0, 0, 1, 9)) == (0.4, True)
    assert Histogram({}, BOUNDS, (0, 0, 1, 9)).around(0.99) == (0.4, math.inf)
    assert Histogram({}, BOUNDS, (0, 0, 9, 1)).around(0.5) == (0.2, 0.4)
    assert Histogram({}, BOUNDS, (9, 0, 0, 1)).around(0.5) == (0.0, 0.1)
    assert Histogram({}, BOUNDS, (0, 0, 0, 0)).around(0.5) is None
    assert Histogram({}, (math.inf,), (3,)).around(0.5) is None, "no bucket has an end"


def test_nothing_counted_has_no_quantile() -> None:
    assert quantile(0.5, BOUNDS, (0, 0, 0, 0)) is None
    assert quantile(0.5, (math.inf,), (3,)) is None
    assert capped(0.5, BOUNDS, (0, 0, 0, 0)) == (None, False)


counts = st.lists(st.floats(0, 1e6), min_size=2, max_size=10).filter(lambda some: sum(some) > 0)


@given(counts, st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_quantiles_rise_with_q_and_stay_within_the_bounds(some: list[float], qs: list[float]) -> None:
    bounds = (*range(1, len(some)), math.inf)
    found = [capped(q, bounds, some)[0] for q in sorted(qs)]
    assert all(value is not None and 0 <= value <= bounds[-2] for value in found)
    for q in qs:
        value, around = quantile(q, bounds, some), Histogram({}, bounds, tuple(some)).around(q)
        assert around is not None
        assert around[1] == math.inf if value is None else around[0] <= value <= around[1]
    assert all(low <= high + 1e-9 for low, high in pairwise(found) if low is not None and high is not None)
