"""A measured share that stays off what is asked for is a reason, with how long it has been off."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Role, Variant
from shiftdeck.common.clock import Clock
from shiftdeck.fleet.share_watch import MEASURED_TOLERANCE, ShareWatch, is_off
from shiftdeck.fleet.view import FleetView
from shiftdeck.health.verdict import Level
from shiftdeck.sources.source import SourceState
from tests.fakes import FakeWorld, fake_context
from tests.unit.planned import look


class Watched:
    """The world looked at again and again, at times that the test sets."""

    def __init__(self) -> None:
        self.world = FakeWorld()
        self.now = 0.0
        self.wall = 1000.0
        self.watch = ShareWatch(fake_context(), Clock(lambda: self.now + self.wall, lambda: self.now))

    def after(self, seconds: float, **states: SourceState) -> FleetView:
        self.now += seconds
        return self.watch.extended(replace(look(self.world, **states), at=self.now + self.wall))  # type: ignore[arg-type]

    def off(self, canary: float = 50.0) -> None:
        self.world.endpoint("sentiment").measured = {"v7": 100.0 - canary, "v8": canary}


def about(fleet: FleetView, name: str = "sentiment") -> list[str]:
    view = next(one for one in fleet.endpoints if one.ref.name == name)
    return [reason.words(fleet.at) for reason in view.verdict.reasons if "asked" in reason.text]


def test_a_share_that_stays_off_is_told_with_its_time_and_marked_as_stalled() -> None:
    watched = Watched()
    watched.off()
    assert about(watched.after(0.0)) == [], "it may be on its way"
    fleet = watched.after(360.0)
    assert about(fleet) == ["v8 asked 10 %, measured 50 % for 6m"]
    view = fleet.endpoints[0]
    assert view.ref.name == "sentiment", "it comes before what is well"
    assert view.verdict.level is Level.WARNING
    assert view.verdict.stalled


def test_a_share_that_came_back_begins_anew() -> None:
    watched = Watched()
    watched.off()
    watched.after(0.0)
    watched.off(10.0)
    assert about(watched.after(300.0)) == []
    watched.off()
    assert about(watched.after(300.0)) == [], "off since just now"
    assert about(watched.after(300.0)) == ["v8 asked 10 %, measured 50 % for 5m"]


def test_another_split_begins_anew() -> None:
    watched = Watched()
    watched.off()
    watched.after(0.0)
    watched.world.endpoint("sentiment").desired = {"v7": 80.0, "v8": 20.0}
    assert about(watched.after(300.0)) == []


def test_nothing_is_told_of_old_data() -> None:
    watched = Watched()
    watched.off()
    watched.after(0.0)
    assert about(watched.after(360.0, gateway=SourceState.UNREACHABLE)) == []
    assert about(watched.after(1.0, lab=SourceState.UNREACHABLE)) == []


def test_a_step_of_the_wall_clock_makes_nothing_older() -> None:
    watched = Watched()
    watched.off()
    watched.after(0.0)
    watched.wall += 86_400.0
    assert about(watched.after(1.0)) == []


def test_views_stay_the_same_while_nothing_changes() -> None:
    watched = Watched()
    watched.off()
    fleet = replace(look(watched.world), at=1000.0)
    watched.watch.extended(fleet)
    watched.now = 300.0
    one, other = watched.watch.extended(fleet), watched.watch.extended(fleet)
    assert one.endpoints[0] is other.endpoints[0]
    assert about(one)


def test_a_fleet_as_asked_is_the_same_object() -> None:
    fleet = look(FakeWorld())
    assert ShareWatch(fake_context(), Clock()).extended(fleet) is fleet


@pytest.mark.parametrize(
    ("asked", "share", "samples", "off"),
    [
        (10.0, 50.0, 11_000, True),
        (10.0, 14.9, 11_000, False),  # within the tolerance
        (10.0, 30.0, 10, False),  # 3 of 10 may be chance
        (10.0, 30.0, 200, True),
        (90.0, 50.0, 200, True),
        (0.0, 6.0, 200, True),  # what gets nothing cannot get this by chance
        (100.0, 94.0, 200, True),
        (0.0, 3.0, 200, False),
        (None, 50.0, 200, False),
        (50.0, None, 200, False),
        (50.0, 10.0, 0, False),
    ],
)
def test_more_than_the_tolerance_and_more_than_chance(
    asked: float | None, share: float | None, samples: int, off: bool
) -> None:
    assert is_off(Variant("v8", Role.CANARY, desired=asked, measured=share), samples) is off


@given(asked=st.floats(0, 100), share=st.floats(0, 100), samples=st.integers(0, 100_000))
def test_within_the_tolerance_nothing_is_off(asked: float, share: float, samples: int) -> None:
    off = is_off(Variant("v8", Role.CANARY, desired=asked, measured=share), samples)
    assert not off or abs(asked - share) > MEASURED_TOLERANCE


def test_a_shadow_has_no_share() -> None:
    assert not is_off(Variant("v8", Role.SHADOW, desired=50.0, measured=0.0), 1000)
