"""From an intent to a plan: what changes, what is sent, how one gets back, and what it takes to confirm."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import (
    Abort,
    Action,
    Advance,
    Call,
    Change,
    Endpoint,
    Forecast,
    Mirror,
    ModelRef,
    Pause,
    Promote,
    Release,
    Resume,
    Retry,
    Role,
    Rollback,
    Split,
)
from backends.errors import Rejected, Unsupported
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.plan import Friction
from shiftdeck.changes.planner import live_weights, rest_to_stable
from shiftdeck.changes.record import intent_data
from shiftdeck.changes.way_back import last_good
from shiftdeck.sources.source import SourceState
from tests.fakes import FakeRegistry, FakeServing, FakeWorld
from tests.unit.builders import canary, endpoint, release, stable, untidy, variant
from tests.unit.planned import check, look, plan

FORWARD = Split({"v7": 75.0, "v8": 25.0})

# ── filling a split in ──────────────────────────────────────────────────────────────────────────────────────────


def three(v9: float, v10: float, v11: float) -> Endpoint:
    return endpoint(
        variant("v9", Role.STABLE, v9), variant("v10", Role.CANDIDATE, v10), variant("v11", Role.CANDIDATE, v11)
    )


percents = st.floats(0.0, 100.0, allow_nan=False)


@given(percents, percents, st.dictionaries(st.sampled_from(["v9", "v10", "v11"]), st.floats(-10.0, 110.0), max_size=3))
def test_a_filled_in_split_is_whole_keeps_what_was_given_and_is_never_negative(
    one: float, part: float, given_: dict[str, float]
) -> None:
    v10 = one * part / 100.0
    of = three(100.0 - one, v10, one - v10)
    try:
        weights = rest_to_stable(of, given_).weights
    except Rejected as error:
        message = str(error)
        assert "percent" in message
        return
    assert sum(weights.values()) == pytest.approx(100.0, abs=0.011)
    assert all(weight >= 0.0 for weight in weights.values())
    assert {name: weights[name] for name in given_} == given_
    assert weights.keys() == {"v9", "v10", "v11"}


@given(percents)
def test_one_canary_and_the_rest_to_stable_always_works(weight: float) -> None:
    weights = rest_to_stable(endpoint(), {"v8": weight}).weights
    assert weights["v8"] == weight
    assert weights["v7"] == pytest.approx(100.0 - weight, abs=1e-5)


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"v99": 10.0}, "no variant 'v99'"),
        ({"v8": 101.0}, "between 0 and 100"),
        ({"v8": -1.0}, "between 0 and 100"),
        ({"v8": float("nan")}, "between 0 and 100"),
        ({"v7": 50.0, "v8": 20.0}, "add up to 70 percent"),
        ({"v7": 50.0}, "add up to 60 percent"),
    ],
)
def test_what_cannot_be_filled_in_is_refused_with_the_reason(given_: dict[str, float], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        rest_to_stable(endpoint(), given_)


def test_stable_alone_is_no_split_and_the_hint_says_whom_to_name() -> None:
    with pytest.raises(Rejected) as caught:
        rest_to_stable(endpoint(), {"v7": 50.0})
    assert caught.value.hint == "v7 is stable; v8=50 leaves it the rest"
    with pytest.raises(Rejected) as all_named:
        rest_to_stable(endpoint(), {"v7": 50.0, "v8": 20.0})
    assert not all_named.value.hint


def test_a_variant_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(Rejected) as caught:
        rest_to_stable(endpoint(), {"v99": 10.0})
    assert caught.value.hint == "its variants are v7, v8"


def test_the_others_must_leave_something() -> None:
    with pytest.raises(Rejected, match="other variants add up to 130 percent"):
        rest_to_stable(three(50.0, 30.0, 20.0), {"v10": 60.0, "v11": 70.0})


def test_other_candidates_keep_their_share() -> None:
    assert rest_to_stable(three(50.0, 30.0, 20.0), {"v10": 40.0}).weights == {"v9": 40.0, "v10": 40.0, "v11": 20.0}


def test_a_weight_that_is_only_reported_counts() -> None:
    told = endpoint(stable(None, observed=70.0), canary(None, observed=10.0), variant("v9", Role.CANARY, 20.0))
    assert live_weights(told) == {"v7": 70.0, "v8": 10.0, "v9": 20.0}
    assert rest_to_stable(told, {"v8": 5.0}).weights == {"v7": 75.0, "v8": 5.0, "v9": 20.0}


def test_while_a_change_is_on_its_way_what_is_asked_for_counts_and_not_what_is_in_effect() -> None:
    """Else the next step would take back what somebody asked for a minute ago."""
    assert live_weights(untidy()) == {"v7": 75.0, "v8": 25.0}
    assert rest_to_stable(untidy(), {"v8": 30.0}).weights == {"v7": 70.0, "v8": 30.0}


def test_shadows_take_no_part() -> None:
    shadowed = endpoint(stable(100.0), variant("v8", Role.SHADOW, None, mirror=20.0))
    assert rest_to_stable(shadowed, {}).weights == {"v7": 100.0}
    with pytest.raises(Rejected, match="no variant 'v8' with live traffic"):
        rest_to_stable(shadowed, {"v8": 5.0})


# ── the last good release ───────────────────────────────────────────────────────────────────────────────────────


def good_release(world: FakeWorld, *releases: Release) -> str | None:
    if releases:
        world.endpoint("sentiment").releases = list(releases)
    view = look(world).endpoint(world.ref("sentiment"))
    assert view is not None
    found = last_good(view)
    return found.id if found else None


NOW_90 = release("17", {"v7": 90.0, "v8": 10.0}, current=True)
FIVE = release("16", {"v7": 95.0, "v8": 5.0})
ALL_V7 = release("15", {"v7": 100.0, "v8": 0.0}, good=True)


def test_one_that_is_vouched_for_comes_before_a_newer_step_of_the_canary() -> None:
    assert good_release(FakeWorld(), NOW_90, FIVE, ALL_V7) == "15"


def test_the_one_before_where_none_is_vouched_for() -> None:
    assert good_release(FakeWorld(), NOW_90, FIVE, replace(ALL_V7, good=None)) == "16"


def test_never_one_that_sends_traffic_to_a_condemned_variant() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    assert good_release(world, NOW_90, FIVE, ALL_V7) == "15"


def test_none_where_all_of_them_do() -> None:
    world = FakeWorld()
    world.make_bad_canary(variant="v7")
    assert good_release(world, NOW_90, FIVE, ALL_V7) is None


def test_what_was_rolled_back_from_is_skipped() -> None:
    assert good_release(FakeWorld(), NOW_90, replace(FIVE, good=False), ALL_V7) == "15"


def test_what_is_the_same_as_now_is_no_way_back() -> None:
    same = release("16", {"v8": 10.0, "v7": 90.0, "v6": 0.0})
    assert good_release(FakeWorld(), NOW_90, same, ALL_V7) == "15"


def test_a_variant_that_is_gone_cannot_be_gone_back_to() -> None:
    gone = release("16", {"v6": 100.0})
    assert good_release(FakeWorld(), NOW_90, gone, ALL_V7) == "15"


def test_releases_newer_than_the_current_one_are_what_somebody_went_back_from() -> None:
    newer = release("18", {"v7": 50.0, "v8": 50.0})
    assert good_release(FakeWorld(), newer, NOW_90, ALL_V7) == "15"
    assert good_release(FakeWorld(), newer, FIVE, NOW_90) is None


def test_a_single_release_has_none_before_it() -> None:
    assert good_release(FakeWorld(), NOW_90) is None


# ── what changes ────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_say_before_and_after_in_percent_and_requests() -> None:
    v7, v8 = plan(FakeWorld(), "sentiment", FORWARD).rows
    assert (v7.variant, v7.role, v7.before, v7.after) == ("v7", "stable", 90.0, 75.0)
    assert (v8.before, v8.after, v8.role) == (10.0, 25.0, "canary")
    assert v8.rps_before == pytest.approx(81.2)
    assert v8.rps_after == pytest.approx(203.0)


def test_a_variant_that_comes_back_has_a_row_with_its_requests() -> None:
    """An old revision, which no longer runs, and to which the change goes back in part."""
    world = FakeWorld()
    state = world.endpoint("sentiment")
    state.releases[1] = replace(state.releases[1], weights={"v7": 60.0, "v6": 40.0, "v5": 0.0})
    rows = plan(world, "sentiment", Rollback("16")).rows
    assert [(row.variant, row.role, row.before, row.after) for row in rows] == [
        ("v7", "stable", 90.0, 60.0),
        ("v8", "canary", 10.0, 0.0),
        ("v6", "idle", 0.0, 40.0),
    ]
    assert rows[2].rps_after == pytest.approx(324.8)


@pytest.mark.parametrize(
    ("name", "change", "after"),
    [
        ("sentiment", Promote("v8"), [0.0, 100.0]),
        ("sentiment", Rollback("16"), [95.0, 5.0]),
        ("sentiment", Abort(), [100.0, 0.0]),
        ("sentiment", Pause(), [90.0, 10.0]),
        ("sentiment", Advance(), [None, None]),
        ("fraud", Mirror("v13", 50.0), [100.0, None]),
        ("fraud", Promote("v13"), [0.0, 100.0]),
        ("churn", Rollback("17"), [100.0]),
    ],
)
def test_what_each_change_leads_to(name: str, change: Change, after: list[float | None]) -> None:
    assert [row.after for row in plan(FakeWorld(), name, change).rows] == after


def test_a_mirror_changes_copies_and_nothing_else() -> None:
    v12, v13 = plan(FakeWorld(), "fraud", Mirror("v13", 50.0)).rows
    assert (v13.mirror_before, v13.mirror_after) == (20.0, 50.0)
    assert (v13.before, v13.after) == (None, None)
    assert (v12.mirror_before, v12.mirror_after) == (0.0, 0.0)


def test_a_shadow_that_is_promoted_gets_no_copies_any_more() -> None:
    _, v13 = plan(FakeWorld(), "fraud", Promote("v13")).rows
    assert (v13.mirror_before, v13.mirror_after, v13.after) == (20.0, 0.0, 100.0)


def test_what_is_not_known_is_not_zero() -> None:
    world = FakeWorld()
    fresh = world.read("sentiment")
    fresh = replace(fresh, variants=tuple(replace(one, desired=None, observed=None) for one in fresh.variants))
    assert [row.before for row in plan(world, "sentiment", FORWARD, fresh=fresh).rows] == [None, None]
    world.endpoint("sentiment").rps = 0.0
    assert [row.rps_after for row in plan(world, "sentiment", FORWARD).rows] == [None, None]


def test_a_plan_is_made_from_the_endpoint_as_just_read() -> None:
    world = FakeWorld()
    fleet = look(world)
    world.rival("sentiment", {"v7": 60.0, "v8": 40.0})
    made = plan(world, "sentiment", FORWARD, fleet=fleet)
    assert [row.before for row in made.rows] == [60.0, 40.0]
    assert made.steps[0].call.guard == "If-Match 18"


# ── what is sent ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_calls_are_those_of_the_adapter() -> None:
    (step,) = plan(FakeWorld(), "sentiment", FORWARD).steps
    assert (step.source, step.kind) == ("lab", "serving")
    assert step.call.body == {"weights": {"v7": 75.0, "v8": 25.0}, "mirror": {"v7": 0.0, "v8": 0.0}, "stable": "v7"}
    assert step.call.summary == "traffic v7 90 → 75, traffic v8 10 → 25"


def test_a_promotion_moves_the_champion_after_the_traffic() -> None:
    made = plan(FakeWorld(), "sentiment", Promote("v8"))
    assert [step.kind for step in made.steps] == ["serving", "registries"]
    assert made.alias is not None
    assert (made.alias.model, made.alias.alias) == ("sentiment-classifier", "champion")
    assert (made.alias.registry, made.alias.expected, made.alias.version) == ("mlflow", "7", "8")


def test_the_alias_stays_where_it_is_when_asked() -> None:
    made = plan(FakeWorld(), "sentiment", Promote("v8"), move_alias=False)
    assert made.alias is None
    assert [step.kind for step in made.steps] == ["serving"]


@pytest.mark.parametrize("change", [FORWARD, Rollback("16"), Promote("v7")])
def test_nothing_else_moves_the_alias(change: Change) -> None:
    assert plan(FakeWorld(), "sentiment", change).alias is None


def test_going_back_from_a_promotion_takes_the_alias_back() -> None:
    world = FakeWorld()
    forward = plan(world, "sentiment", Promote("v8"))
    move = forward.alias_back
    assert move is not None
    assert (move.expected, move.version) == ("8", "7")
    FakeRegistry(world).set_alias("sentiment-classifier", "champion", "8")
    undone = plan(world, "sentiment", Rollback("16"), alias_back=move)
    assert undone.alias == move, "to where it was, however the traffic is split there"
    assert undone.steps[-1].kind == "registries"
    alone = plan(world, "sentiment", Rollback("15"))
    assert alone.alias == move, "v7 has all traffic then, and is the champion"
    assert plan(world, "sentiment", Rollback("16")).alias is None, "both have traffic then"
    FakeRegistry(world).set_alias("sentiment-classifier", "champion", "2")
    assert plan(world, "sentiment", Rollback("15")).alias is None, "that was not a promotion of this endpoint"


def test_an_alias_that_was_not_there_is_taken_away_again() -> None:
    world = FakeWorld()
    FakeRegistry(world).set_alias("sentiment-classifier", "champion", "")
    forward = plan(world, "sentiment", Promote("v8"))
    assert forward.way_back.endswith("and alias champion of sentiment-classifier unset again")
    back = plan(world, "sentiment", Rollback("16"), alias_back=forward.alias_back)
    assert back.alias is not None
    assert (back.alias.expected, back.alias.version) == ("8", "")


def test_no_alias_moves_without_a_registry_that_knows_the_version() -> None:
    world = FakeWorld()
    assert plan(world, "sentiment", Promote("v8"), registry=False).alias is None
    world.versions = [version for version in world.versions if str(version.ref) != "sentiment-classifier/8"]
    assert plan(world, "sentiment", Promote("v8")).alias is None


def test_an_alias_that_nobody_holds_is_expected_unset() -> None:
    world = FakeWorld()
    world.versions = [replace(version, aliases=()) for version in world.versions]
    made = plan(world, "sentiment", Promote("v8"))
    assert made.alias is not None
    assert made.alias.expected is None
    assert FakeRegistry(world).alias("sentiment-classifier", "champion") is None


def test_a_registry_that_does_not_answer_warns_and_does_not_block() -> None:
    world = FakeWorld()
    fleet = look(world, mlflow=SourceState.UNREACHABLE)
    found = check(plan(world, "sentiment", Promote("v8"), fleet=fleet), "registry")
    assert found.verdict is CheckVerdict.WARN
    assert found.evidence == "mlflow unreachable 1m: champion may stay where it is"
    assert "registry" not in [one.name for one in plan(world, "sentiment", FORWARD, fleet=fleet).checks]


# ── the way back ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "change", "undo", "words"),
    [
        ("sentiment", FORWARD, Rollback("17"), "roll back to release 17"),
        (
            "sentiment",
            Promote("v8"),
            Rollback("17"),
            "roll back to release 17, and alias champion of sentiment-classifier back to 7",
        ),
        ("sentiment", Rollback("15"), Rollback("17"), "roll back to release 17"),
        ("fraud", Mirror("v13", 50.0), Mirror("v13", 20.0), "mirror 20 % to v13"),
    ],
)
def test_the_way_back(name: str, change: Change, undo: Change, words: str) -> None:
    made = plan(FakeWorld(), name, change)
    assert (made.undo, made.way_back) == (undo, words)


def test_a_system_without_rollbacks_goes_back_by_weights() -> None:
    world = FakeWorld()
    fresh = world.read("sentiment")
    fresh = replace(fresh, actions={Action.SHIFT: None})
    made = plan(world, "sentiment", FORWARD, fresh=fresh)
    assert made.undo == Split({"v7": 90.0, "v8": 10.0})
    assert made.way_back == "shift v7=90 v8=10"


def test_a_plan_made_while_converging_starts_from_what_is_asked_for() -> None:
    world = FakeWorld()
    world.make_untidy()
    fresh = replace(world.read("sentiment"), actions={Action.SHIFT: None})
    made = plan(world, "sentiment", Split({"v7": 50.0, "v8": 50.0}), fresh=fresh)
    assert [(row.before, row.after) for row in made.rows] == [(75.0, 50.0), (25.0, 50.0)]
    assert made.undo == Split({"v7": 75.0, "v8": 25.0})
    data = intent_data(made, "INC-42", "")
    assert cast("dict[str, object]", data["before"])["weights"] == {"v7": 75.0, "v8": 25.0}


class Final(FakeServing):
    """A system that knows no way back from a change, although it could roll back to an earlier release."""

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        return Forecast(None, undo=Rollback("16"), final=True)


def test_a_change_that_the_system_calls_final_has_no_way_back() -> None:
    made = plan(FakeWorld(), "sentiment", Promote("v8"), serving=Final)
    assert (made.undo, made.way_back) == (None, "none that this system offers")


class Unforeseen(FakeServing):
    """A system that refuses the change, and has no forecast of what it refuses."""

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        raise Rejected("frozen for the release")

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        raise Rejected("frozen for the release")


def test_a_change_of_which_the_system_has_no_forecast_is_shown_with_its_refusal() -> None:
    made = plan(FakeWorld(), "sentiment", FORWARD, serving=Unforeseen)
    assert made.unable == "frozen for the release"
    assert [row.after for row in made.rows] == [75.0, 25.0]


def test_a_first_change_can_be_undone_although_nothing_can_be_rolled_back_yet() -> None:
    world = FakeWorld()
    state = world.endpoint("sentiment")
    state.releases = state.releases[:1]
    assert world.read("sentiment").actions[Action.ROLLBACK] is not None
    assert plan(world, "sentiment", FORWARD).undo == Rollback("17")


STEPPED: dict[Action, str | None] = dict.fromkeys(
    (Action.ADVANCE, Action.PAUSE, Action.RESUME, Action.ABORT, Action.RETRY)
)


@pytest.mark.parametrize(
    ("change", "undo"),
    [(Advance(), Abort()), (Pause(), Resume()), (Resume(), Pause()), (Retry(), Abort()), (Abort(), Retry())],
)
def test_the_way_back_of_a_stepped_rollout(change: Change, undo: Change) -> None:
    world = FakeWorld()
    fresh = replace(world.read("sentiment"), actions=STEPPED)
    assert plan(world, "sentiment", change, fresh=fresh).undo == undo
    bare = replace(fresh, actions={})
    made = plan(world, "sentiment", change, fresh=bare)
    assert (made.undo, made.way_back) == (None, "none that this system offers")


def test_doing_and_undoing_leads_back() -> None:
    world = FakeWorld()
    made = plan(world, "sentiment", FORWARD)
    assert made.undo is not None
    back = plan(world, "sentiment", made.undo)
    assert [row.after for row in back.rows] == [row.before for row in made.rows]


# ── friction ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "production", "friction"),
    [
        (FORWARD, True, Friction.TYPE_NAME),
        (FORWARD, False, Friction.CHOOSE),
        (Promote("v8"), True, Friction.TYPE_NAME),
        (Rollback("15"), True, Friction.ENTER),
        (Rollback("15"), False, Friction.ENTER),
        (Split({"v7": 100.0, "v8": 0.0}), True, Friction.ENTER),
    ],
)
def test_friction_follows_risk(change: Change, production: bool, friction: Friction) -> None:
    assert plan(FakeWorld(), "sentiment", change, production=production).friction is friction


def test_a_blocked_retreat_is_never_only_enter() -> None:
    world = FakeWorld()
    world.endpoint("sentiment").ready["v7"] = 0
    made = plan(world, "sentiment", Rollback("15"))
    assert made.blocked
    assert made.friction is Friction.CHOOSE


def test_each_plan_has_a_name_of_its_own() -> None:
    world = FakeWorld()
    assert plan(world, "sentiment", FORWARD).id != plan(world, "sentiment", FORWARD).id


def test_a_change_that_nobody_knows_is_refused_in_words() -> None:
    class Scale:
        """Of a newer version."""

    with pytest.raises(Unsupported, match="knows no change Scale"):
        plan(FakeWorld(), "sentiment", cast("Change", Scale()))


# ── changes whose plan must say what they deploy ────────────────────────────────────────────────────────────────


class Resuming(FakeServing):
    """A paused Deployment, whose changed template waits."""

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        new = variant("m:9", Role.CANARY, 100.0, observed=0.0, image="registry/m:9", model=ModelRef("m", "9"))
        return Forecast({"v7": 0.0, "v8": 0.0}, deploys=new)


def test_a_step_that_deploys_a_new_version_names_it_and_follows_the_rules_for_forward_changes() -> None:
    world = FakeWorld()
    fresh = replace(world.read("sentiment"), actions=STEPPED)
    made = plan(world, "sentiment", Resume(), fresh=fresh, serving=Resuming)
    assert (made.rows[-1].variant, made.rows[-1].before, made.rows[-1].after) == ("m:9", 0.0, 100.0)
    found = check(made, "m:9 version")
    assert "image registry/m:9" in found.evidence
    assert check(made, "m:9 samples").verdict is CheckVerdict.UNKNOWN
    assert (made.friction, made.back, made.gives) == (Friction.TYPE_NAME, False, ("m:9",))


class Particular(FakeServing):
    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        raise Rejected("10 pods cannot be split like that", hint="the nearest is v7 70 %, v8 30 %")


def test_a_refusal_says_what_would_be_possible_and_leads_nowhere() -> None:
    made = plan(FakeWorld(), "sentiment", FORWARD, serving=Particular)
    assert made.unable == "10 pods cannot be split like that; the nearest is v7 70 %, v8 30 %"
    assert [row.after for row in made.shown_rows] == [None, None]
    assert made.shown_way_back == "none needed: nothing is sent"
