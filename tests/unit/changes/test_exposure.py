"""More traffic on unknown behaviour: refused in production, except a first exposure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import Advance, Change, Endpoint, Phase, Promote, Resume, Retry, Role, Rollback, Split, Variant
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.exposure import is_first_exposure
from shiftdeck.config.loader import Slo, SloConfig
from shiftdeck.sources.source import SourceState
from tests.fakes import FakeWorld, fake_context
from tests.unit.builders import canary, endpoint, release, stable
from tests.unit.planned import check, look, plan, verdicts

PASS, BLOCK, UNKNOWN = CheckVerdict.PASS, CheckVerdict.BLOCK, CheckVerdict.UNKNOWN
NAME = "v8 behaviour"


def unexposed(world: FakeWorld) -> None:
    """v8 of sentiment gets no traffic."""
    state = world.endpoint("sentiment")
    state.desired, state.observed = {"v7": 100.0, "v8": 0.0}, {"v7": 100.0, "v8": 0.0}


def few(world: FakeWorld) -> FakeWorld:
    world.endpoint("sentiment").rps = 10.0
    return world


def seen(variant: Variant, *, after: float | None, first_step: float = 5.0, **more: object) -> bool:
    held = replace(endpoint(), variants=(stable(), variant), **more)  # type: ignore[arg-type]
    return is_first_exposure(held, variant, after, first_step)


@pytest.mark.parametrize("change", [Split({"v7": 75.0, "v8": 25.0}), Promote("v8"), Split({"v7": 89.0, "v8": 11.0})])
def test_more_traffic_for_a_variant_that_serves_is_refused_while_its_behaviour_is_unknown(change: Change) -> None:
    made = plan(few(FakeWorld()), "sentiment", change)
    assert check(made, NAME).verdict is BLOCK
    assert "n 60 in 1m, 100 are wanted" in check(made, NAME).evidence
    assert made.unable == "", "a reason lifts it"


def test_what_is_known_has_no_check_of_its_own() -> None:
    assert NAME not in verdicts(plan(FakeWorld(), "sentiment", Split({"v7": 75.0, "v8": 25.0})))


def test_outside_production_unknown_behaviour_is_said_and_stops_nothing() -> None:
    made = plan(few(FakeWorld()), "sentiment", Split({"v7": 75.0, "v8": 25.0}), production=False)
    assert check(made, NAME).verdict is UNKNOWN
    assert not made.blocked


@pytest.mark.parametrize(("percent", "verdict"), [(2.0, PASS), (5.0, PASS), (5.5, BLOCK), (50.0, BLOCK)])
def test_a_first_exposure_goes_up_to_the_first_step(percent: float, verdict: CheckVerdict) -> None:
    world = FakeWorld()
    unexposed(world)
    made = plan(world, "sentiment", Split({"v7": 100.0 - percent, "v8": percent}))
    assert check(made, NAME).verdict is verdict
    assert made.blocked is (verdict is BLOCK)


def test_the_first_step_is_configured_by_endpoint() -> None:
    world = FakeWorld()
    unexposed(world)
    wide = Slo(p95_s=0.2, error_ratio=0.01, first_step=10.0)
    context = replace(fake_context(), slo=SloConfig(Slo(), {str(world.ref("sentiment")): wide}))
    made = plan(world, "sentiment", Split({"v7": 90.0, "v8": 10.0}), fleet=look(world, context=context))
    assert check(made, NAME).verdict is PASS


def test_a_mirrored_variant_is_judged_by_its_copies() -> None:
    assert "v13 behaviour" not in verdicts(plan(FakeWorld(), "fraud", Promote("v13")))
    world = FakeWorld()
    world.endpoint("fraud").rps = 1.0
    made = plan(world, "fraud", Promote("v13"))
    assert check(made, "v13 behaviour").verdict is BLOCK


def test_an_objective_that_is_not_measured_is_unknown_behaviour() -> None:
    world = FakeWorld()
    fleet = look(world)
    view = fleet.endpoint(world.ref("sentiment"))
    assert view is not None
    blind = tuple(
        replace(one, metrics=replace(one.metrics, error_ratio=None) if one.metrics else None) for one in view.variants
    )
    made = plan(
        world,
        "sentiment",
        Split({"v7": 75.0, "v8": 25.0}),
        fleet=replace(fleet, endpoints=(replace(view, variants=blind),)),
    )
    assert check(made, NAME).verdict is BLOCK


def test_without_objectives_the_comparison_with_stable_decides() -> None:
    world = FakeWorld()
    context = replace(fake_context(), slo=SloConfig(Slo()))
    change = Split({"v7": 75.0, "v8": 25.0})
    assert NAME not in verdicts(plan(world, "sentiment", change, fleet=look(world, context=context)))
    world.endpoint("sentiment").measured = {"v7": 0.01, "v8": 99.99}
    made = plan(world, "sentiment", change, fleet=look(world, context=context))
    assert check(made, NAME).verdict is BLOCK


@pytest.mark.parametrize("state", [SourceState.UNREACHABLE, SourceState.OFF, SourceState.STALE, SourceState.FORBIDDEN])
def test_metrics_that_do_not_answer_are_unknown_behaviour(state: SourceState) -> None:
    world = FakeWorld()
    made = plan(world, "sentiment", Promote("v8"), fleet=look(world, gateway=state))
    assert check(made, NAME).verdict is BLOCK


def test_without_any_metrics_source_more_traffic_needs_a_reason() -> None:
    world = FakeWorld()
    made = plan(world, "sentiment", Promote("v8"), fleet=look(world, metrics=()))
    assert check(made, NAME).verdict is BLOCK
    assert "no metrics source" in check(made, NAME).evidence


# ── what counts as a first exposure ─────────────────────────────────────────────────────────────────────────────


def test_only_a_variant_known_to_get_nothing_is_exposed_for_the_first_time() -> None:
    assert seen(canary(0.0), after=5.0)
    assert seen(Variant("v8", Role.SHADOW, mirror=20.0), after=5.0)
    assert not seen(canary(1.0), after=5.0)
    assert not seen(replace(canary(0.0), observed=3.0), after=5.0), "it gets traffic, whatever is asked"
    assert not seen(replace(canary(3.0), observed=0.0), after=5.0), "it is about to get traffic"
    assert not seen(Variant("v8", Role.CANARY), after=5.0), "its share is not known"


def test_a_step_of_unknown_size_is_no_first_exposure() -> None:
    assert not seen(canary(0.0), after=None)


def test_a_variant_that_somebody_went_back_from_was_exposed_before() -> None:
    releases = (
        release("4", {"v7": 100.0}, current=True),
        release("3", {"v7": 95.0, "v8": 5.0}, good=False),
        release("2", {"v7": 100.0}),
    )
    assert not seen(canary(0.0), after=5.0, releases=releases)


@pytest.mark.parametrize("change", [Advance(), Resume(), Retry()])
def test_steps_of_a_rollout_are_held_to_the_same_rule(change: Change) -> None:
    world = few(FakeWorld())
    fresh: Endpoint = replace(world.read("sentiment"), phase=Phase.PAUSED)
    made = plan(world, "sentiment", change, fresh=fresh)
    assert check(made, NAME).verdict is BLOCK


def test_undoing_a_rollback_is_held_to_the_same_rule() -> None:
    world = few(FakeWorld())
    unexposed(world)
    made = plan(world, "sentiment", Rollback("17"), fresh=world.read("sentiment"))
    assert made.blocked
