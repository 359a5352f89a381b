"""The history of an endpoint: one time axis, all variants, a mark where somebody changed something."""

from __future__ import annotations

import pytest

from backends.contracts import Measure
from backends.errors import Unreachable
from shiftdeck.history.charts import POINTS, SHORTEST_STEP_S, Charts, marks, read_charts, share_series
from tests.fakes import FakeMetrics, FakeWorld
from tests.unit.builders import NOW, endpoint, release
from tests.unit.planned import look


def charts(world: FakeWorld, name: str = "sentiment", window_s: float = 3600.0) -> Charts:
    view = look(world).endpoint(world.ref(name))
    assert view is not None
    return read_charts(FakeMetrics(world), view, window_s, world.clock())


def test_every_variant_and_measure_on_one_axis() -> None:
    found = charts(FakeWorld())
    assert found.series.keys() == {
        (name, m) for name in ("v7", "v8") for m in (Measure.P95, Measure.ERRORS, Measure.RATE)
    }
    axes = {tuple(at for at, _ in series.points) for series in found.series.values()}
    assert len(axes) == 1
    assert len(axes.pop()) == POINTS


def test_a_short_window_asks_for_no_finer_steps_than_are_scraped() -> None:
    found = charts(FakeWorld(), window_s=60.0)
    points = found.series["v7", Measure.P95].points
    assert points[1][0] - points[0][0] == SHORTEST_STEP_S


def test_a_shadow_has_a_history_too() -> None:
    points = charts(FakeWorld(), "fraud").series["v13", Measure.P95].points
    assert all(value is not None for _, value in points)


def test_metrics_that_fail_are_an_error_and_no_empty_chart() -> None:
    world = FakeWorld()
    world.fail["metrics.history"] = Unreachable("gone")
    with pytest.raises(Unreachable):
        charts(world)


def test_marks_say_what_was_changed_and_by_whom() -> None:
    world = FakeWorld()
    found = charts(world)
    assert [(round(world.clock() - mark.at), mark.text) for mark in found.marks] == [(2100, "v7 95→90 kofi")]


def test_marks_are_those_in_the_window_oldest_first() -> None:
    of = endpoint(
        releases=(
            release("4", {"v7": 100.0, "v8": 0.0}, at=NOW - 10.0, by="ana", current=True),
            release("3", {"v7": 90.0, "v8": 10.0}, at=NOW - 60.0),
            release("2", {"v7": 100.0, "v8": 0.0}, at=NOW - 5000.0, by="kofi"),
            release("1", {"v7": 99.0, "v8": 1.0}),
        )
    )
    assert [mark.text for mark in marks(of, NOW - 900.0)] == ["v7 100→90", "v7 90→100 ana"]


def test_the_oldest_release_is_no_change_of_anything() -> None:
    only = endpoint(releases=(release("1", {"v7": 100.0}, at=NOW - 10.0, current=True),))
    assert marks(only, NOW - 900.0) == ()


def test_shares_over_time_sum_to_a_hundred_and_follow_the_releases() -> None:
    world = FakeWorld()
    found = share_series(charts(world, window_s=3600.0))
    for (at, stable), (same, canary) in zip(found["v7"], found["v8"], strict=True):
        assert at == same
        assert stable is not None
        assert canary is not None
        assert stable + canary == pytest.approx(100.0)
    assert found["v8"][0][1] == pytest.approx(5.0)
    assert found["v8"][-1][1] == pytest.approx(10.0)


def test_no_requests_have_no_shares() -> None:
    world = FakeWorld()
    world.endpoint("sentiment").rps = 0.0
    assert {value for points in share_series(charts(world)).values() for _, value in points} == {None}
