"""The checks of a plan: what stops a change, what warns, what passes, and what cannot be told."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from backends.contracts import (
    Abort,
    Action,
    Advance,
    Change,
    Histogram,
    Mirror,
    ModelRef,
    Pause,
    Phase,
    Promote,
    Resume,
    Retry,
    Role,
    Rollback,
    Split,
    Variant,
)
from backends.metrics.quantiles import quantile
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.plan import Friction
from shiftdeck.config.loader import Access, Slo, SloConfig
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import VariantView
from shiftdeck.sources.source import SourceState
from tests.fakes import Behaviour, FakeWorld, fake_context
from tests.unit.builders import canary, endpoint, release, stable
from tests.unit.planned import check, look, plan, verdicts

PASS, WARN, BLOCK, UNKNOWN = CheckVerdict.PASS, CheckVerdict.WARN, CheckVerdict.BLOCK, CheckVerdict.UNKNOWN

FORWARD = Split({"v7": 75.0, "v8": 25.0})
BACK = Split({"v7": 100.0, "v8": 0.0})


def few(world: FakeWorld) -> None:
    world.endpoint("sentiment").rps = 10.0


def slower_within_the_objective(world: FakeWorld) -> None:
    world.endpoint("sentiment").behaviour["v8"] = Behaviour(0.08, 0.5)


def a_little_slower(world: FakeWorld) -> None:
    world.endpoint("sentiment").behaviour["v8"] = Behaviour(0.066, 0.5)


def erring_within_the_objective(world: FakeWorld) -> None:
    world.endpoint("sentiment").behaviour["v8"] = Behaviour(0.058, 0.5, 0.0095)


def slow(world: FakeWorld) -> None:
    world.endpoint("sentiment").behaviour["v8"] = Behaviour(0.15, 0.5)


def drifting(world: FakeWorld) -> None:
    world.make_drift("sentiment", "text_len", 0.4)


def unready(world: FakeWorld) -> None:
    world.endpoint("sentiment").ready["v8"] = 0


def owned(world: FakeWorld) -> None:
    world.endpoint("sentiment").owner = "argocd/sentiment"


def two_large_replicas(world: FakeWorld) -> None:
    """45 % of the traffic on each replica of stable, so that a percentage is unlike a number of replicas."""
    world.endpoint("sentiment").scale["v7"] = 2


def enough_for_a_quarter(world: FakeWorld) -> None:
    two_large_replicas(world)
    world.endpoint("sentiment").scale["v8"] = 4


def replicas_that_are_not_up_yet(world: FakeWorld) -> None:
    """What is ready counts, of both: 5 of 9 replicas of stable have 18 % each."""
    state = world.endpoint("sentiment")
    state.ready = {"v7": 5, "v8": 1}
    state.scale["v8"] = 9


def untidy(world: FakeWorld) -> None:
    world.make_untidy()


def silent(world: FakeWorld) -> None:
    world.endpoint("sentiment").measured = {"v7": 100.0}


FORWARD_CASES: dict[str, tuple[Callable[[FakeWorld], None], str, CheckVerdict, str]] = {
    "well": (lambda _: None, "v8 p95 within SLO", PASS, "132 ms ≤ 200 ms, n 4,872"),
    "errors within": (lambda _: None, "v8 errors within SLO", PASS, "0.2 % ≤ 1.0 %, n 4,872"),
    "errors beyond": (FakeWorld.make_bad_canary, "v8 errors within SLO", BLOCK, "6.2 % > 1.0 %"),
    "slow": (slow, "v8 p95 within SLO", BLOCK, "341 ms > 200 ms"),
    "slower than stable": (slower_within_the_objective, "v8 against v7", BLOCK, "p95 +29 % (p < 0.001)"),
    "a little slower than stable": (a_little_slower, "v8 against v7", PASS, "p95 +6 %"),
    "more errors than stable": (erring_within_the_objective, "v8 against v7", BLOCK, "errors +0.8 points"),
    "few samples": (few, "v8 samples", UNKNOWN, "n 60 in 1m, 100 are wanted"),
    "few samples, p95": (few, "v8 p95 within SLO", UNKNOWN, "too few requests"),
    "few samples, errors": (few, "v8 errors within SLO", UNKNOWN, "too few requests"),
    "few samples, comparison": (few, "v8 against v7", UNKNOWN, "too few"),
    "no requests": (silent, "v8 p95 within SLO", UNKNOWN, "too few requests"),
    "drift": (drifting, "v8 drift", WARN, "text_len psi 0.38 of 0.25"),
    "no drift": (lambda _: None, "v8 drift", PASS, "text_len psi 0.08 of 0.25"),
    "no replica": (unready, "v8 ready", BLOCK, "0/1 replicas ready"),
    "too few replicas": (lambda _: None, "v8 ready", WARN, "1 ready, 25 % wants about 3"),
    "replicas by the load on each": (two_large_replicas, "v8 ready", PASS, "1 ready"),
    "enough replicas": (enough_for_a_quarter, "v8 ready", PASS, "4 ready"),
    "only ready replicas count": (replicas_that_are_not_up_yet, "v8 ready", WARN, "1 ready, 25 % wants about 2"),
    "no revision": (untidy, "unchanged", UNKNOWN, "no revision to guard with"),
    "a controller": (owned, "owner", WARN, "argocd/sentiment reconciles"),
    "fresh": (lambda _: None, "data fresh", PASS, "lab 1s · gateway 1s"),
    "unchanged": (lambda _: None, "unchanged", PASS, "revision 17"),
}


@pytest.mark.parametrize(("prepare", "name", "verdict", "evidence"), FORWARD_CASES.values(), ids=FORWARD_CASES.keys())
def test_going_forward(prepare: Callable[[FakeWorld], None], name: str, verdict: CheckVerdict, evidence: str) -> None:
    world = FakeWorld()
    prepare(world)
    found = check(plan(world, "sentiment", FORWARD), name)
    assert found.verdict is verdict
    assert evidence in found.evidence


@pytest.mark.parametrize(
    "prepare", [FakeWorld.make_bad_canary, slow, drifting, few, silent, unready, FakeWorld.make_night]
)
@pytest.mark.parametrize(
    "change", [BACK, Rollback("15"), Rollback("16"), Promote("v7"), Split({"v7": 95.0, "v8": 5.0})]
)
def test_the_way_back_is_never_blocked_by_what_it_leaves(prepare: Callable[[FakeWorld], None], change: Change) -> None:
    world = FakeWorld()
    prepare(world)
    made = plan(world, "sentiment", change)
    assert made.blocks == ()
    assert made.friction is Friction.ENTER


@pytest.mark.parametrize("state", [SourceState.UNREACHABLE, SourceState.STALE, SourceState.OFF, SourceState.FORBIDDEN])
@pytest.mark.parametrize("source", ["gateway", "lab"])
def test_without_fresh_data_forward_is_blocked_and_back_is_not(source: str, state: SourceState) -> None:
    world = FakeWorld()
    fleet = look(world, lab=state) if source == "lab" else look(world, gateway=state)
    forward, back = (plan(world, "sentiment", change, fleet=fleet) for change in (FORWARD, BACK))
    assert check(forward, "data fresh").verdict is BLOCK
    assert f"{source} {state}" in check(forward, "data fresh").evidence
    assert check(back, "data fresh").verdict is WARN
    assert not back.blocked


def test_old_metrics_pass_nothing() -> None:
    world = FakeWorld()
    made = plan(world, "sentiment", FORWARD, fleet=look(world, gateway=SourceState.UNREACHABLE))
    assert check(made, "v8 behaviour").verdict is BLOCK
    assert "gateway unreachable 1m" in check(made, "v8 behaviour").evidence
    assert not [name for name in verdicts(made) if "SLO" in name or "against" in name]


def test_a_difference_without_buckets_cannot_be_told_from_chance() -> None:
    world = FakeWorld()
    slower_within_the_objective(world)
    fleet = look(world)
    view = fleet.endpoint(world.ref("sentiment"))
    assert view is not None
    bare = tuple(
        replace(one, metrics=replace(one.metrics, latency=None) if one.metrics else None) for one in view.variants
    )
    blind = replace(fleet, endpoints=(replace(view, variants=bare),))
    assert check(plan(world, "sentiment", FORWARD, fleet=blind), "v8 against v7").verdict is UNKNOWN


def with_latency(world: FakeWorld, **counts: tuple[float, ...]) -> View:
    """The fleet with the latencies of variants of ``sentiment`` in three buckets: up to 0.1 s, up to 0.5 s, beyond."""
    fleet = look(world)
    view = fleet.endpoint(world.ref("sentiment"))
    assert view is not None

    def timed(one: VariantView) -> VariantView:
        assert one.metrics is not None
        bounds = (0.1, 0.5, math.inf)
        latency = Histogram({}, bounds, counts[one.name])
        p95 = quantile(0.95, bounds, latency.counts)
        return replace(one, metrics=replace(one.metrics, latency=latency, p95=p95))

    made = tuple(timed(one) if one.name in counts else one for one in view.variants)
    return replace(fleet, endpoints=(replace(view, variants=made),))


@pytest.mark.parametrize(
    ("counts", "verdict", "evidence"),
    [
        ((600.0, 400.0, 0.0), UNKNOWN, "between 100 ms and 500 ms: the buckets cannot tell (SLO 200 ms)"),
        ((100.0, 100.0, 800.0), CheckVerdict.BLOCK, "over 500 ms > 200 ms"),
        ((1000.0, 0.0, 0.0), CheckVerdict.PASS, "95 ms ≤ 200 ms"),
    ],
)
def test_an_objective_is_checked_by_what_the_buckets_tell(
    counts: tuple[float, ...], verdict: CheckVerdict, evidence: str
) -> None:
    world = FakeWorld()
    fleet = with_latency(world, v8=counts)
    found = check(plan(world, "sentiment", FORWARD, fleet=fleet), "v8 p95 within SLO")
    assert (found.verdict, found.evidence.split(", n ")[0]) == (verdict, evidence)


@pytest.mark.parametrize(
    ("v7", "v8", "verdict", "evidence"),
    [
        ((940.0, 0.0, 60.0), (100.0, 0.0, 900.0), CheckVerdict.BLOCK, "p95 over 500 ms against over 500 ms"),
        ((100.0, 0.0, 900.0), (100.0, 0.0, 900.0), UNKNOWN, "p95 over 500 ms against over 500 ms"),
        ((1000.0, 0.0, 0.0), (600.0, 400.0, 0.0), CheckVerdict.BLOCK, "40 % over 100 ms against 0 %"),
        ((1000.0, 0.0, 0.0), (1000.0, 0.0, 0.0), CheckVerdict.PASS, "p95 0–100 ms against 0–100 ms"),
    ],
)
def test_two_variants_are_compared_by_what_the_buckets_tell(
    v7: tuple[float, ...], v8: tuple[float, ...], verdict: CheckVerdict, evidence: str
) -> None:
    world = FakeWorld()
    found = check(plan(world, "sentiment", FORWARD, fleet=with_latency(world, v7=v7, v8=v8)), "v8 against v7")
    assert found.verdict is verdict, found
    assert evidence in found.evidence


# ── what no override lifts ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("access", "words"),
    [(Access.READ_ONLY, 'access = "read-only"'), (Access.ARM, "read-only until armed")],
)
@pytest.mark.parametrize("change", [FORWARD, BACK, Rollback("15")])
def test_read_only_stops_everything_for_good(access: Access, words: str, change: Change) -> None:
    world = FakeWorld()
    made = plan(world, "sentiment", change, fleet=look(world, access=access, writable=False))
    assert check(made, "read-write").verdict is BLOCK
    assert words in made.unable


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Advance(), "cannot advance"),
        (Mirror("v9", 10.0), "no variant 'v9'"),
        (Split({"v7": 60.0, "v8": 60.0}), "add up to 120 percent"),
        (Split({"v7": 60.0, "v9": 40.0}), "no variant 'v9'"),
        (Rollback("99"), "no release '99'"),
    ],
)
def test_what_the_system_will_not_do_cannot_be_overridden(change: Change, words: str) -> None:
    made = plan(FakeWorld(), "sentiment", change)
    assert made.steps == ()
    assert words in made.unable


def test_what_is_not_possible_now_says_why() -> None:
    world = FakeWorld()
    world.endpoint("sentiment").denied[Action.SHIFT] = "frozen for the release"
    assert plan(world, "sentiment", FORWARD).unable == "frozen for the release"


def test_an_objective_in_breach_can_be_overridden() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    made = plan(world, "sentiment", FORWARD)
    assert made.blocked
    assert made.unable == ""


# ── what is going back, and what only looks like it ─────────────────────────────────────────────────────────────


def test_back_to_a_release_that_was_itself_rolled_back_from_is_going_forward() -> None:
    world = FakeWorld()
    state = world.endpoint("sentiment")
    state.releases[1] = replace(state.releases[1], weights={"v7": 50.0, "v8": 50.0}, good=False)
    made = plan(world, "sentiment", Rollback("16"))
    assert made.friction is Friction.TYPE_NAME
    assert "v8 p95 within SLO" in verdicts(made)


def test_back_to_more_of_a_canary_is_going_forward() -> None:
    world = FakeWorld()
    state = world.endpoint("sentiment")
    state.releases[1] = replace(state.releases[1], weights={"v7": 50.0, "v8": 50.0})
    assert plan(world, "sentiment", Rollback("16")).friction is Friction.TYPE_NAME
    world.make_bad_canary()
    made = plan(world, "sentiment", Rollback("16"))
    assert made.friction is Friction.TYPE_NAME
    assert check(made, "v8 errors within SLO").verdict is BLOCK


@pytest.mark.parametrize(
    ("desired", "observed", "phase", "after", "forward"),
    [
        (100.0, 0.0, Phase.STEADY, 100.0, True),  # an echo of what was asked: nothing of it is in effect
        (50.0, 10.0, Phase.PROGRESSING, 25.0, True),  # less than was asked, more than there is
        (10.0, 50.0, Phase.PROGRESSING, 25.0, True),  # less than there is, more than was asked
        (50.0, 50.0, Phase.STEADY, 25.0, False),
        (50.0, None, Phase.PROGRESSING, 25.0, True),  # on its way to 50, and nobody tells where it is
        (50.0, None, Phase.STEADY, 25.0, False),
        (None, None, Phase.STEADY, 25.0, True),
        (None, None, Phase.STEADY, 0.0, False),
    ],
)
def test_what_is_observed_decides_whether_a_change_goes_back(
    desired: float | None, observed: float | None, phase: Phase, after: float, forward: bool
) -> None:
    fresh = endpoint(stable(None), canary(desired, observed=observed), phase=phase)
    made = plan(FakeWorld(), "sentiment", Split({"v7": 100.0 - after, "v8": after}), fresh=fresh)
    assert made.back is not forward
    assert ("v8 samples" in verdicts(made)) is forward
    assert ("v8" in made.gives) is forward


def test_the_version_and_image_of_what_gets_more_traffic_are_named() -> None:
    world = FakeWorld()
    fresh = endpoint(stable(90.0), canary(10.0, model=ModelRef("classifier", "8"), image="m:8"))
    found = check(plan(world, "sentiment", FORWARD, fresh=fresh), "v8 version")
    assert (found.verdict, found.evidence) == (PASS, f"{ModelRef('classifier', '8')}, image m:8")
    unknown = check(plan(world, "sentiment", FORWARD, fresh=endpoint(stable(90.0), canary(10.0))), "v8 version")
    assert unknown.verdict is UNKNOWN


def test_a_variant_that_is_known_to_be_bad_and_has_no_replica_is_blocked() -> None:
    """It must not look like one that was scaled to zero."""
    fresh = endpoint(
        stable(100.0),
        canary(0.0, ready=0, wanted=0),
        releases=(release("8", {"v8": 100.0}, good=False), release("7", {"v7": 100.0}, current=True)),
    )
    found = check(plan(FakeWorld(), "sentiment", Promote("v8"), fresh=fresh), "v8 ready")
    assert (found.verdict, found.evidence) == (BLOCK, "0 replicas ready, and it was rolled back from")


@pytest.mark.parametrize("change", [Advance(), Advance(full=True), Resume(), Retry()])
def test_a_step_that_only_the_system_knows_is_going_forward(change: Change) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    made = plan(world, "sentiment", change)
    assert check(made, "v8 errors within SLO").verdict is BLOCK
    assert made.friction is Friction.TYPE_NAME
    assert [row.after for row in made.rows] == [None, None]


@pytest.mark.parametrize("change", [Abort(), Pause()])
def test_giving_up_and_holding_are_going_back(change: Change) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    assert "v8 errors within SLO" not in verdicts(plan(world, "sentiment", change))


def test_more_copies_are_not_a_retreat_and_fewer_are() -> None:
    world = FakeWorld()
    assert plan(world, "fraud", Mirror("v13", 50.0)).friction is Friction.CHOOSE
    assert plan(world, "fraud", Mirror("v13", 0.0)).friction is Friction.ENTER
    blind = look(world, gateway=SourceState.UNREACHABLE)
    assert plan(world, "fraud", Mirror("v13", 50.0), fleet=blind).blocked
    assert not plan(world, "fraud", Mirror("v13", 0.0), fleet=blind).blocked
    assert plan(world, "fraud", Mirror("v13", 10.0)).friction is Friction.ENTER, "fewer, and not none"


def test_copies_need_a_replica_too() -> None:
    world = FakeWorld()
    world.endpoint("fraud").ready["v13"] = 0
    assert check(plan(world, "fraud", Mirror("v13", 50.0)), "v13 ready").verdict is BLOCK


def test_a_variant_that_appeared_since_is_not_waved_through() -> None:
    world = FakeWorld()
    fleet = look(world)
    fresh = world.read("sentiment")
    newcomer = Variant("v9", Role.CANARY, ready=2, wanted=2, desired=0.0, observed=0.0)
    fresh = replace(fresh, variants=(*fresh.variants, newcomer))
    made = plan(world, "sentiment", Split({"v7": 50.0, "v8": 10.0, "v9": 40.0}), fleet=fleet, fresh=fresh)
    assert made.friction is Friction.TYPE_NAME
    assert check(made, "v9 samples").verdict is UNKNOWN
    assert check(made, "v9 p95 within SLO").verdict is UNKNOWN


def test_a_role_that_changed_since_counts_as_it_is_now() -> None:
    world = FakeWorld()
    fleet = look(world)
    world.endpoint("sentiment").stable = "v8"
    made = plan(world, "sentiment", Split({"v7": 95.0, "v8": 5.0}), fleet=fleet)
    assert made.friction is Friction.TYPE_NAME
    assert "v7 samples" in verdicts(made)


# ── somebody else ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_change_since_one_looked_is_named_with_who_made_it() -> None:
    world = FakeWorld()
    fleet = look(world)
    world.rival("sentiment", {"v7": 50.0, "v8": 50.0}, by="ana")
    found = check(plan(world, "sentiment", FORWARD, fleet=fleet), "unchanged")
    assert found.verdict is WARN
    assert found.evidence == "ana changed it since you looked: v7 90 % → 50 %, v8 10 % → 50 %"


def test_a_change_that_made_no_release_blames_nobody_in_particular() -> None:
    world = FakeWorld()
    fleet = look(world)
    state = world.endpoint("fraud")
    state.put(state.desired, {"v12": 0.0, "v13": 80.0}, world.clock(), "ana", "")
    found = check(plan(world, "fraud", Mirror("v13", 0.0), fleet=fleet), "unchanged")
    assert found.evidence == "somebody changed it since you looked: v13 mirrored 20 % → 80 %"


def test_a_change_within_the_last_minute_is_worth_a_word() -> None:
    world = FakeWorld()
    world.rival("sentiment", {"v7": 80.0, "v8": 20.0}, by="ana")
    world.clock.tick(20.0)
    assert check(plan(world, "sentiment", FORWARD), "unchanged").evidence == "changed by ana 20s ago"
    world.clock.tick(60.0)
    assert check(plan(world, "sentiment", FORWARD), "unchanged").verdict is PASS


def test_without_a_revision_there_is_nothing_to_guard_with() -> None:
    world = FakeWorld()
    fresh = replace(world.read("sentiment"), revision="")
    fleet = look(world)
    view = fleet.endpoint(world.ref("sentiment"))
    assert view is not None
    seen = replace(fleet, endpoints=(replace(view, endpoint=replace(view.endpoint, revision="")),))
    assert check(plan(world, "sentiment", FORWARD, fleet=seen, fresh=fresh), "unchanged").verdict is UNKNOWN


def test_candidates_that_gain_are_each_checked() -> None:
    world = FakeWorld()
    made = plan(world, "ranker", Split({"v9": 30.0, "v10": 40.0, "v11": 30.0}))
    names = verdicts(made)
    assert {"v10 samples", "v11 samples", "v10 against v9", "v11 against v9"} <= names.keys()
    assert "v9 samples" not in names


def test_a_shadow_is_judged_by_the_copies_that_it_got() -> None:
    world = FakeWorld()
    made = plan(world, "fraud", Promote("v13"))
    assert check(made, "v13 samples").evidence == "n 5,040 copies in 1m"
    assert check(made, "v13 p95 within SLO").verdict is PASS
    world.endpoint("fraud").behaviour["v13"] = Behaviour(0.3)
    assert check(plan(world, "fraud", Promote("v13")), "v13 p95 within SLO").verdict is BLOCK


def test_a_variant_that_nobody_asked_anything_cannot_be_told() -> None:
    world = FakeWorld()
    world.endpoint("fraud").mirror["v13"] = 0.0
    found = check(plan(world, "fraud", Promote("v13")), "v13 samples")
    assert (found.verdict, found.evidence) == (UNKNOWN, "no live requests seen; 100 are wanted")


@pytest.mark.parametrize(
    ("percent", "verdict", "evidence"), [(50.0, PASS, "1 ready"), (75.0, WARN, "75 % wants about 2")]
)
def test_capacity_is_the_load_that_a_replica_of_stable_has_now(
    percent: float, verdict: CheckVerdict, evidence: str
) -> None:
    world = FakeWorld()
    two_large_replicas(world)
    found = check(plan(world, "sentiment", Split({"v7": 100.0 - percent, "v8": percent})), "v8 ready")
    assert found.verdict is verdict
    assert evidence in found.evidence


def test_a_variant_that_keeps_its_share_needs_no_more_replicas() -> None:
    made = plan(FakeWorld(), "ranker", Split({"v9": 40.0, "v10": 30.0, "v11": 30.0}))
    assert [name for name in verdicts(made) if name.endswith(" ready")] == ["v11 ready"]


def test_the_figures_of_a_slow_model_are_told_to_the_millisecond() -> None:
    world = FakeWorld()
    world.endpoint("sentiment").behaviour["v8"] = Behaviour(1.5, 0.25)
    context = replace(fake_context(), slo=SloConfig(Slo(p95_s=3.0, error_ratio=0.01, min_samples=100)))
    found = check(plan(world, "sentiment", FORWARD, fleet=look(world, context=context)), "v8 p95 within SLO")
    assert (found.verdict, found.evidence) == (PASS, "2263 ms ≤ 3000 ms, n 4,872")


def test_capacity_is_told_by_what_is_in_effect_and_not_by_what_is_asked_for() -> None:
    """While converging, 90 % are on the 2 replicas of stable, whatever is asked for: 45 % each."""
    world = FakeWorld()
    untidy(world)
    world.endpoint("sentiment").ready["v8"] = 1
    for percent, words in ((50.0, "1 ready"), (60.0, "1 ready, 60 % wants about 2")):
        found = check(plan(world, "sentiment", Split({"v7": 100.0 - percent, "v8": percent})), "v8 ready")
        assert found.evidence == words


@pytest.mark.parametrize("state", [SourceState.UNREACHABLE, SourceState.STALE, SourceState.UNAUTHENTICATED])
def test_drift_of_a_source_that_cannot_be_trusted_is_not_known(state: SourceState) -> None:
    world = FakeWorld()
    found = check(plan(world, "sentiment", FORWARD, fleet=look(world, psi=state)), "v8 drift")
    assert found.verdict is UNKNOWN
    assert found.evidence.startswith(f"psi {state} 1m; last text_len psi 0.08 of 0.25")


def test_drift_that_crossed_stays_a_warning_without_its_source() -> None:
    world = FakeWorld()
    drifting(world)
    fleet = look(world, psi=SourceState.UNREACHABLE)
    assert check(plan(world, "sentiment", FORWARD, fleet=fleet), "v8 drift").verdict is WARN


@pytest.mark.parametrize("dead", ["east", "west"])
def test_of_two_metrics_sources_a_dead_one_blocks(dead: str) -> None:
    world = FakeWorld()
    gone, well = SourceState.UNREACHABLE, SourceState.OK
    east, west = (gone, well) if dead == "east" else (well, gone)
    fleet = look(world, metrics=("east", "west"), east=east, west=west)
    found = check(plan(world, "sentiment", FORWARD, fleet=fleet), "data fresh")
    assert (found.verdict, found.evidence) == (BLOCK, f"{dead} unreachable 1m")


def test_a_variant_that_was_scaled_to_zero_can_be_started() -> None:
    world = FakeWorld()
    world.rival("sentiment", {"v7": 100.0})
    found = check(plan(world, "sentiment", FORWARD), "v8 ready")
    assert (found.verdict, found.evidence) == (WARN, "nothing of it runs now: it has to start first")


def test_replicas_that_the_system_does_not_tell() -> None:
    world = FakeWorld()
    fresh = world.read("sentiment")
    fresh = replace(fresh, variants=tuple(replace(one, ready=None) for one in fresh.variants))
    assert check(plan(world, "sentiment", FORWARD, fresh=fresh), "v8 ready").verdict is UNKNOWN
