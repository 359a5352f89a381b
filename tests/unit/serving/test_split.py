"""Where a split that was asked for is, told from two readings of an object that keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import Change, Diverged, Endpoint, Mirror, Pending, Promote, Role, Split
from backends.serving.split import arrived
from tests.unit.builders import canary, endpoint, stable, variant

BEFORE = endpoint()


def later(*variants: object) -> Endpoint:
    return endpoint(*variants, revision="18")  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [Promote("v8"), Split({"v7": 0.0, "v8": 100.0})])
def test_a_target_that_is_gone_was_not_reached(change: Change) -> None:
    """Nothing is left that has the wrong weight, and yet nobody is served by what was promoted."""
    found = arrived(BEFORE, later(stable(0.0)), change)
    assert isinstance(found, Diverged)
    assert found.message == "the split is now v7 0 %"
    gone_and_shadowed = later(stable(0.0), variant("v8", Role.SHADOW, None, mirror=20.0))
    assert isinstance(arrived(BEFORE, gone_and_shadowed, change), Diverged)


def test_a_split_is_there_once_each_variant_has_its_weight() -> None:
    wanted = Split({"v7": 75.0, "v8": 25.0})
    assert arrived(BEFORE, later(stable(75.0), canary(25.0)), wanted) is None
    assert arrived(BEFORE, later(stable(75.005), canary(24.995)), wanted) is None, "systems round"
    assert isinstance(arrived(BEFORE, later(stable(75.02), canary(24.98)), wanted), Diverged)
    three = later(stable(75.0), canary(25.0), variant("v9", Role.CANARY, 5.0))
    assert isinstance(arrived(BEFORE, three, wanted), Diverged), "what is not named is to get nothing"
    assert isinstance(arrived(BEFORE, later(stable(75.0), canary(None)), wanted), Diverged), "not told is not there"


def test_what_is_in_effect_does_not_count_as_what_the_spec_holds() -> None:
    converging = later(stable(75.0, observed=90.0), canary(25.0, observed=10.0))
    assert arrived(BEFORE, converging, Split({"v7": 75.0, "v8": 25.0})) is None
    late = later(stable(90.0, observed=75.0), canary(10.0, observed=25.0))
    assert isinstance(arrived(BEFORE, late, Split({"v7": 75.0, "v8": 25.0})), Diverged)


def test_as_before_is_pending_in_the_old_object_and_put_back_in_a_newer_one() -> None:
    wanted = Split({"v7": 75.0, "v8": 25.0})
    assert isinstance(arrived(BEFORE, BEFORE, wanted), Pending)
    back = arrived(BEFORE, replace(later(), owner="Argo CD application shop"), wanted)
    assert back == Diverged("the split is now v7 90 %, v8 10 %, as before: Argo CD application shop put it back")
    anybody = arrived(BEFORE, later(), wanted)
    assert anybody == Diverged("the split is now v7 90 %, v8 10 %, as before: it was put back")


def test_a_mirror_that_is_gone_is_what_no_copies_asked_for() -> None:
    assert arrived(BEFORE, later(stable(100.0)), Mirror("v8", 0.0)) is None
    gone = arrived(BEFORE, later(stable(100.0)), Mirror("v8", 20.0))
    assert gone == Diverged("v8 is gone")
