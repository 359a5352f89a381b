"""Rollouts by steps, from the plan to the journal: what is offered, what is shown, what is claimed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import shiftdeck.engine.engine
from backends.contracts import (
    Abort,
    Action,
    Advance,
    Change,
    EndpointRef,
    Forecasts,
    Pause,
    Resume,
    Rollback,
    Split,
)
from backends.serving.lab import LabServing
from backends.serving.rollouts import RolloutsServing
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.plan import Friction, Plan
from shiftdeck.changes.planner import make_plan
from shiftdeck.changes.record import intent_data
from shiftdeck.changes.run import OutcomeKind, TrafficRun
from shiftdeck.changes.timing import Timing
from shiftdeck.changes.traffic_judgement import judge_intent
from shiftdeck.config.loader import ContextConfig
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.journal.journal import Journal
from tests.fake_steps import ANALYSIS, Stepped, stepped_factory
from tests.fakes import FAST, FakeWorld, eventually, fake_context
from tests.unit.cli_world import Shell
from tests.unit.planned import look, verdicts
from tests.unit.planned import plan as plan_of
from tui.cli import engine_session
from tui.input.command_line import Words, completions, parse
from tui.render.theme import Look
from tui.terminal.capabilities import Capabilities, Colours
from tui.widgets.footer import footer_line, offered

LOOK = Look.for_terminal(Capabilities(Colours.NONE, unicode=True))
WHY = ("--reason", "INC-42", "--yes")


def planned(world: FakeWorld, change: Change) -> Plan:
    fleet = look(world)
    serving = Stepped(world)
    fresh = serving.read(world.ref("sentiment"))
    view = fleet.endpoint(world.ref("sentiment"))
    assert view is not None
    view = replace(view, endpoint=fresh)
    return make_plan(
        fleet=fleet,
        arming=fleet.arming,
        view=view,
        fresh=fresh,
        change=change,
        serving=serving,
        registries={},
        move_alias=False,
        now=world.clock(),
    )


def after(plan: Plan) -> dict[str, float | None]:
    return {row.variant: row.after for row in plan.rows}


# ── planning ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_advance_shows_the_weights_of_the_next_step() -> None:
    assert after(planned(FakeWorld(), Advance())) == {"v7": 75.0, "v8": 25.0}


def test_an_abort_goes_to_stable_and_is_confirmed_by_enter() -> None:
    plan = planned(FakeWorld(), Abort())
    assert after(plan) == {"v7": 100.0, "v8": 0.0}
    assert plan.friction is Friction.ENTER


def test_going_on_in_production_takes_the_name_and_is_checked_by_the_metrics() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    plan = planned(world, Advance())
    assert plan.friction is Friction.TYPE_NAME
    assert plan.blocked, verdicts(plan)


def test_what_would_be_skipped_is_a_warning_of_the_plan_and_the_way_back_is_the_systems() -> None:
    plan = planned(FakeWorld(), Advance(full=True))
    (caution,) = [check for check in plan.checks if check.name == "caution"]
    assert (caution.verdict, caution.evidence) == (CheckVerdict.WARN, ANALYSIS)
    assert plan.undo == Rollback("16")


def test_where_only_the_system_knows_no_weight_is_made_up() -> None:
    world = FakeWorld()
    world.endpoint("sentiment").phase = planned(world, Pause()).before.phase.PAUSED
    plan = planned(world, Resume())
    assert after(plan) == {"v7": None, "v8": None}
    assert not plan.unable


def test_a_shift_that_the_system_has_not_is_refused_with_a_reason() -> None:
    plan = planned(FakeWorld(), Split({"v7": 80.0, "v8": 20.0}))
    assert plan.steps == ()
    assert "cannot shift" in plan.unable or "no shift" in plan.unable


def test_a_lost_step_is_not_taken_for_applied_by_weights_that_did_not_change() -> None:
    world = FakeWorld()
    data = intent_data(planned(world, Pause()), "INC-42", "")
    serving = Stepped(world)
    now = serving.read(world.ref("sentiment"))
    assert judge_intent(data, now)[0] is OutcomeKind.FAILED
    assert judge_intent(data, replace(now, revision="99"))[0] is OutcomeKind.UNKNOWN


def test_the_lab_is_planned_by_its_weights_and_a_rollout_by_what_its_system_tells() -> None:
    assert not issubclass(LabServing, Forecasts)
    assert issubclass(RolloutsServing, Forecasts)
    world = FakeWorld()
    by_weights = plan_of(world, "sentiment", Split({"v7": 60.0, "v8": 40.0}))
    assert after(by_weights) == {"v7": 60.0, "v8": 40.0}
    assert after(plan_of(world, "sentiment", Advance())) == {"v7": None, "v8": None}, "the lab tells nothing of steps"
    assert after(planned(world, Advance())) == {"v7": 75.0, "v8": 25.0}


# ── carrying out ────────────────────────────────────────────────────────────────────────────────────────────────


def carried_out(world: FakeWorld, change: Change, tmp_path: Path) -> TrafficRun:
    engine = Engine(
        fake_context(),
        Journal(tmp_path / "journal.jsonl"),
        clock=world.clock,
        factory=stepped_factory(world),
        timing=FAST,
    )
    engine.start()
    try:
        eventually(engine, lambda view: view.loaded)
        plan = engine.plan(EndpointRef("lab", "prod", "sentiment"), change)
        engine.execute(plan, reason="INC-42").join(10.0)
        run = engine.run_of(plan)
        assert run is not None
        return run
    finally:
        engine.stop(grace_s=2.0)


def test_an_advance_is_confirmed_by_the_metrics(tmp_path: Path) -> None:
    run = carried_out(FakeWorld(), Advance(), tmp_path)
    assert run.outcome is not None
    assert (run.outcome.kind, run.outcome.confirmed) == (OutcomeKind.SETTLED, True)


def test_a_pause_claims_no_confirmation_where_no_weights_are_known(tmp_path: Path) -> None:
    run = carried_out(FakeWorld(), Pause(), tmp_path)
    assert run.outcome is not None
    assert (run.outcome.kind, run.outcome.confirmed) == (OutcomeKind.SETTLED, None)
    assert "metrics" not in run.outcome.message


# ── the command line ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    made = Shell(FakeWorld(), tmp_path, monkeypatch)

    def engine(
        context: ContextConfig, journal: Journal, timing: Timing | None = None
    ) -> shiftdeck.engine.engine.Engine:
        return shiftdeck.engine.engine.Engine(
            context,
            journal,
            clock=made.world.clock,
            factory=stepped_factory(made.world),
            timing=replace(timing or Timing(), poll_s=0.005),
        )

    monkeypatch.setattr(engine_session, "Engine", engine)
    return made


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (("advance", "sentiment"), "traffic v7 90 → 75, traffic v8 10 → 25"),
        (("advance", "sentiment", "--full"), "traffic v7 90 → 0, traffic v8 10 → 100"),
        (("abort", "sentiment"), "traffic v7 90 → 100, traffic v8 10 → 0"),
        (("pause", "sentiment"), "pause"),
    ],
)
def test_the_verbs_of_steps(shell: Shell, words: tuple[str, ...], sent: str) -> None:
    said = shell.type(*words, *WHY)
    assert said.code == 0, said
    assert shell.world.sent == [sent]
    intent, *_, outcome = shell.journal()
    assert intent.data["reason"] == "INC-42"
    assert outcome.data["outcome"] == "settled"


def test_resume_takes_what_was_paused_on(shell: Shell) -> None:
    assert shell.type("pause", "sentiment", *WHY).code == 0
    said = shell.type("resume", "sentiment", *WHY)
    assert said.code == 0, said
    assert shell.world.sent == ["pause", "resume"]


def test_what_is_not_possible_now_is_refused_with_the_reason(shell: Shell) -> None:
    said = shell.type("retry", "sentiment", *WHY)
    assert said.code == 3, said
    assert "it was not aborted" in said.out
    assert shell.world.sent == []


def test_a_system_without_steps_refuses_them(shell: Shell) -> None:
    said = shell.type("advance", "fraud", *WHY)
    assert said.code == 3, said
    assert "cannot advance an endpoint" in said.out


def test_the_plan_of_an_advance_is_one_json_object(shell: Shell) -> None:
    found = shell.type("advance", "sentiment", "--full", "--dry-run", "--json").json
    assert found["plan"]["change"] == {"action": "advance", "full": True}
    assert any(check["evidence"] == ANALYSIS for check in found["plan"]["checks"])


# ── the app ─────────────────────────────────────────────────────────────────────────────────────────────────────


def seen(world: FakeWorld) -> EndpointView:
    fleet: View = look(world)
    view = fleet.endpoint(world.ref("sentiment"))
    assert view is not None
    return view


def test_the_footer_offers_steps_only_where_the_system_knows_them_and_they_are_possible() -> None:
    world = FakeWorld()
    stepped = Stepped(world).read(world.ref("sentiment"))
    plain = world.read("sentiment")
    ids = {key.id for key, _ in offered("main", stepped, writable=True)}
    assert {"advance", "pause", "abort"} <= ids
    assert ids.isdisjoint({"resume", "retry", "shift", "promote"}), "not possible now, or not known at all"
    assert {key.id for key, _ in offered("main", plain, writable=True)}.isdisjoint({"advance", "pause", "abort"})
    assert {key.id for key, _ in offered("main", None, writable=True)}.isdisjoint({"advance", "pause", "abort"})


def test_steps_cannot_be_taken_in_a_read_only_context() -> None:
    world = FakeWorld()
    stepped = Stepped(world).read(world.ref("sentiment"))
    possible = {key.id: can for key, can in offered("main", stepped, writable=False)}
    assert possible["advance"] is False


def test_the_way_on_and_the_way_back_stay_in_a_narrow_footer() -> None:
    world = FakeWorld()
    stepped = Stepped(world).read(world.ref("sentiment"))
    line = footer_line("main", stepped, LOOK, 60, writable=True, remapped={}).plain
    assert "n advance" in line
    assert "X abort" in line


def test_command_mode_knows_the_steps() -> None:
    assert parse("advance full").argument == "full"
    assert parse("abort").action.id == "abort"
    assert parse("pause").action.change is Action.PAUSE, "the rollout, as on the command line"
    assert parse("refresh-pause").action.change is None
    assert completions("advance f", Words()) == ["advance full"]
