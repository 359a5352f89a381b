"""Where a split that was asked for is, told from two readings of an object that keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import (
    Action,
    Advance,
    Change,
    Diverged,
    Endpoint,
    Mirror,
    Pending,
    Promote,
    Role,
    Split,
)
from backends.errors import Rejected, Unsupported
from backends.serving.split import arrived, mirror_of, possible, roles, split_actions, split_of
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
    assert arrived(BEFORE, later(stable(75.0), canary(25.0), variant("v9", Role.IDLE, 0.0)), wanted) is None


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


def test_a_mirror_that_was_put_back_to_what_it_was_is_told_so() -> None:
    shadowed = endpoint(stable(100.0), variant("v8", Role.SHADOW, None, mirror=20.0))
    back = replace(shadowed, revision="18", owner="Argo CD application shop")
    assert arrived(shadowed, back, Mirror("v8", 50.0)) == Diverged(
        "v8 is mirrored at 20 %, as before: Argo CD application shop put it back"
    )
    other = replace(back, variants=(stable(100.0), variant("v8", Role.SHADOW, None, mirror=30.0)))
    assert arrived(shadowed, other, Mirror("v8", 50.0)) == Diverged("v8 is mirrored at 30 %")
    assert isinstance(arrived(shadowed, shadowed, Mirror("v8", 50.0)), Pending)


def test_an_older_revision_than_before_is_another_one_too() -> None:
    """Revisions are names: a restored object may come back with a smaller number."""
    assert isinstance(arrived(BEFORE, endpoint(revision="9"), Split({"v7": 75.0, "v8": 25.0})), Diverged)
    assert isinstance(arrived(BEFORE, endpoint(revision="16"), Split({"v7": 75.0, "v8": 25.0})), Diverged)


# ── what can be asked for ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("percent", [-1.0, 100.5, float("nan"), float("inf")])
def test_a_mirror_takes_a_percentage(percent: float) -> None:
    with pytest.raises(Rejected, match="it must be between 0 and 100"):
        mirror_of(endpoint(stable(100.0), canary(0.0)), Mirror("v8", percent))


def test_copies_are_for_variants_without_live_traffic_and_can_be_ended_for_any() -> None:
    with pytest.raises(Rejected, match="gets live traffic and cannot be mirrored to as well"):
        mirror_of(endpoint(), Mirror("v8", 20.0))
    both = endpoint(stable(90.0), canary(10.0, mirror=20.0))
    assert mirror_of(both, Mirror("v8", 0.0)).name == "v8"
    with pytest.raises(Rejected, match="v8 is mirrored at 20 % already"):
        mirror_of(endpoint(stable(100.0), variant("v8", Role.SHADOW, None, mirror=20.0)), Mirror("v8", 20.0))


def test_an_action_that_the_system_has_not_is_not_one_that_is_not_possible_now() -> None:
    with pytest.raises(Unsupported, match="Acme knows no advance"):
        possible(endpoint(), Advance(), "Acme")
    frozen = endpoint(actions={Action.SHIFT: "frozen for the release"})
    with pytest.raises(Rejected, match="sentiment cannot shift now: frozen for the release"):
        possible(frozen, Split({"v7": 75.0, "v8": 25.0}), "Acme")
    possible(endpoint(), Split({"v7": 75.0, "v8": 25.0}), "Acme")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"v7": 90.0, "v8": 10.0}, "sentiment is at v7 90 %, v8 10 % already"),
        ({"v7": 60.0, "v8": 30.0}, "the weights sum to 90, not to 100"),
        ({"v7": 101.0, "v8": -1.0}, "the weight of v7 is 101: it must be between 0 and 100"),
        ({"v7": float("nan"), "v8": 10.0}, "the weight of v7 is nan"),
        ({"v6": 100.0}, "has no variant 'v6': known are v7, v8"),
    ],
)
def test_a_split_that_is_none_is_refused(weights: dict[str, float], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        split_of(endpoint(), Split(weights))


def test_a_shadow_has_no_place_in_a_split() -> None:
    shadowed = endpoint(stable(90.0), canary(10.0), variant("v9", Role.SHADOW, None, mirror=20.0))
    with pytest.raises(Rejected, match="v9 is a shadow"):
        split_of(shadowed, Split({"v7": 50.0, "v9": 50.0}))
    assert split_of(shadowed, Promote("v8")) == {"v7": 0.0, "v8": 100.0}


# ── what variants are ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("weights", "declared", "expected"),
    [
        ({"v7": 99.0, "v8": 1.0}, "", {"v7": Role.STABLE, "v8": Role.CANARY}),
        ({"v7": 99.5, "v8": 0.5}, "", {"v7": Role.STABLE, "v8": Role.CANARY}),
        ({"v7": 10.0, "v8": 90.0}, "v7", {"v7": Role.STABLE, "v8": Role.CANARY}),
        ({"v7": 0.0, "v8": 100.0}, "v7", {"v7": Role.IDLE, "v8": Role.STABLE}),
        ({"v7": 98.0, "v8": 1.0, "v9": 1.0}, "", {"v7": Role.STABLE, "v8": Role.CANDIDATE, "v9": Role.CANDIDATE}),
    ],
)
def test_the_role_of_a_variant_follows_from_its_weight(
    weights: dict[str, float], declared: str, expected: dict[str, Role]
) -> None:
    assert roles(weights, declared) == expected


def test_where_all_but_one_are_shadows_there_is_nothing_to_split() -> None:
    shadow = variant("v8", Role.SHADOW, None)
    found = split_actions([stable(100.0), shadow], None)
    assert found[Action.SHIFT] == found[Action.PROMOTE] == "v8 is a shadow: it only gets copies"
    assert found[Action.MIRROR] is None
    two = split_actions([stable(90.0), canary(10.0)], None)
    assert (two[Action.SHIFT], two[Action.MIRROR]) == (None, "every variant gets live traffic")
    assert set(split_actions([stable(90.0), canary(10.0)], "frozen").values()) == {"frozen"}


def test_a_mirror_that_is_gone_is_what_no_copies_asked_for() -> None:
    assert arrived(BEFORE, later(stable(100.0)), Mirror("v8", 0.0)) is None
    gone = arrived(BEFORE, later(stable(100.0)), Mirror("v8", 20.0))
    assert gone == Diverged("v8 is gone")
