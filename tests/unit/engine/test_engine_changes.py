"""The engine: changes that are never lost, and an end that waits for them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from backends.contracts import Promote, Rollback, Split
from backends.errors import Rejected, Unreachable
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.record import intent_data
from shiftdeck.changes.run import OutcomeKind, Stage
from shiftdeck.engine.engine import Engine
from shiftdeck.health.verdict import Level
from shiftdeck.journal.journal import Journal
from shiftdeck.sources.source import SourceState
from tests.fakes import CountedSource, FakeRegistry, FakeWorld, eventually, fake_context, fake_engine, running
from tests.unit import planned
from tests.unit.engines import FORWARD, NEVER, QUICK, engine, outcome, seen, state, world
from tests.waiting import wait_until

__all__ = ["engine", "world"]

# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_change_from_plan_to_view(engine: Engine, world: FakeWorld) -> None:
    plan = engine.plan(world.ref("sentiment"), FORWARD)
    engine.execute(plan, reason="INC-42").join()
    assert outcome(engine, plan) is OutcomeKind.SETTLED
    view = eventually(engine, lambda view: any(run.done for run in view.runs))
    view = eventually(engine, lambda view: len(view.journal) == 3)
    view = eventually(engine, lambda view: seen(view, world.ref("sentiment")).variants[1].variant.measured == 25.0)
    assert [run.stage for run in view.runs] == [Stage.DONE]


def test_a_promotion_moves_the_alias_and_the_registry_shows_it(engine: Engine, world: FakeWorld) -> None:
    plan = engine.plan(world.ref("sentiment"), Promote("v8"))
    engine.execute(plan, reason="INC-42").join()
    assert outcome(engine, plan) is OutcomeKind.SETTLED
    assert FakeRegistry(world).alias("sentiment-classifier", "champion") == "8"
    eventually(
        engine,
        lambda view: any(
            "champion" in one.aliases and str(one.ref) == "sentiment-classifier/8" for one in view.versions
        ),
    )


def test_a_broken_registry_does_not_stand_in_the_way_of_a_rollback(engine: Engine, world: FakeWorld) -> None:
    world.hang("registries")
    plan = engine.plan(world.ref("sentiment"), Rollback("15"))
    engine.execute(plan, reason="INC-42").join()
    assert outcome(engine, plan) is OutcomeKind.SETTLED


def test_a_plan_is_carried_out_once(engine: Engine, world: FakeWorld) -> None:
    plan = engine.plan(world.ref("sentiment"), FORWARD)
    engine.execute(plan, reason="INC-42").join()
    with pytest.raises(Rejected, match="carried out already"):
        engine.execute(plan, reason="INC-42")
    assert len(world.sent) == 1


def test_a_plan_rests_on_this_moment_and_not_on_the_last_view(engine: Engine, world: FakeWorld) -> None:
    """However late the views are: what is not fresh now does not count as fresh."""
    engine.pause(True)
    world.clock.tick(3600.0)
    found = planned.check(engine.plan(world.ref("sentiment"), FORWARD), "data fresh")
    assert found.verdict is CheckVerdict.BLOCK
    assert "stale 1h" in found.evidence


def test_what_is_not_there_cannot_be_planned_for(engine: Engine, world: FakeWorld) -> None:
    with pytest.raises(Rejected, match="no endpoint lab:prod/nonsense"):
        engine.plan(world.ref("nonsense"), FORWARD)
    world.fail["serving.read"] = Unreachable("gone")
    with pytest.raises(Unreachable):
        engine.plan(world.ref("sentiment"), FORWARD)


def test_metrics_that_fail_while_confirming_leave_it_unconfirmed(engine: Engine, world: FakeWorld) -> None:
    plan = engine.plan(world.ref("sentiment"), FORWARD)
    world.fail["metrics"] = Unreachable("gone")
    thread = engine.execute(plan, reason="INC-42")
    eventually(engine, lambda view: any(run.stage is Stage.MEASURING for run in view.runs))
    world.clock.tick(100.0)
    thread.join(10.0)
    run = engine.run_of(plan)
    assert run is not None
    assert run.outcome is not None
    assert (run.outcome.kind, run.outcome.confirmed) == (OutcomeKind.SETTLED, None)


# ── the end, and the start after it ─────────────────────────────────────────────────────────────────────────────


def test_stopping_lets_a_change_finish(world: FakeWorld, tmp_path: Path) -> None:
    world.propagation = 20
    with running(world, tmp_path) as engine:
        plan = engine.plan(world.ref("sentiment"), FORWARD)
        engine.execute(plan, reason="INC-42")
        assert engine.stop(grace_s=10.0) == ()
        assert outcome(engine, plan) is OutcomeKind.SETTLED


def test_stopping_without_patience_leaves_the_change_to_the_next_start(world: FakeWorld, tmp_path: Path) -> None:
    world.propagation = NEVER
    with running(world, tmp_path) as engine:
        plan = engine.plan(world.ref("sentiment"), FORWARD)
        engine.execute(plan, reason="INC-42")
        eventually(engine, lambda view: any(run.stage is Stage.OBSERVING for run in view.runs))
        (left,) = engine.stop(grace_s=0.0)
        assert (left.plan.id, left.outcome) == (plan.id, None)
    with running(world, tmp_path) as engine:
        wait_until(lambda: engine.findings, 10.0, "the finding")
        (finding,) = engine.findings
        assert (finding.outcome, finding.message) == (None, "applied, still on its way; looking again")
        world.endpoint("sentiment").behind = 1
        assert [finding.outcome for finding in engine._recovery.resolve()] == [OutcomeKind.SETTLED]
        eventually(engine, lambda view: len(view.journal) == 3 and not view.unfinished)


def test_what_cannot_be_resolved_at_the_start_is_shown_as_unfinished(world: FakeWorld, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    data = intent_data(planned.plan(world, "sentiment", FORWARD), "INC-42", "")
    journal.begin(context="prod-eu", ref="lab:prod/sentiment", data=data).leave()
    world.fail["serving.read"] = Unreachable("gone")
    with running(world, tmp_path) as engine:
        view = eventually(engine, lambda view: bool(view.unfinished))
        assert [entry.ref for entry in view.unfinished] == ["lab:prod/sentiment"]
        del world.fail["serving.read"]
        world.clock.tick(100.0)
        assert [finding.outcome for finding in engine._recovery.resolve()] == [OutcomeKind.FAILED]
        eventually(engine, lambda view: not view.unfinished)


def test_nothing_is_sent_once_the_end_has_begun(world: FakeWorld, tmp_path: Path) -> None:
    world.propagation = NEVER
    with running(world, tmp_path) as engine:
        slow, late = (engine.plan(world.ref("sentiment"), FORWARD), engine.plan(world.ref("pricing"), Rollback("16")))
        engine.execute(slow, reason="INC-42")
        eventually(engine, lambda view: any(run.stage is Stage.OBSERVING for run in view.runs))
        stopping = threading.Thread(target=engine.stop, kwargs={"grace_s": 30.0})
        stopping.start()
        wait_until(lambda: engine.changes._closing, 10.0, "the beginning of the end", every_s=0.005)
        with pytest.raises(Rejected, match="the program is ending"):
            engine.execute(late, reason="INC-43")
        world.endpoint("sentiment").behind = 1
        stopping.join(30.0)
        assert outcome(engine, slow) is OutcomeKind.SETTLED
        with pytest.raises(Rejected, match="the program is ending"):
            engine.execute(late, reason="INC-43")
    assert len(world.sent) == 1


def test_many_changes_at_once_all_end_and_the_views_go_on(tmp_path: Path) -> None:
    world = FakeWorld().big(60)
    world.propagation = 5
    with running(world, tmp_path, context=QUICK) as engine:
        shift = Split({"v1": 80.0, "v2": 20.0})
        plans = [engine.plan(world.ref(f"model-{number:05d}"), shift) for number in range(0, 60, 3)]
        threads = [engine.execute(plan, reason="INC-42") for plan in plans]
        for thread in threads:
            thread.join(30.0)
        assert {outcome(engine, plan) for plan in plans} == {OutcomeKind.SETTLED}
        number = engine.view.number
        eventually(engine, lambda view: view.number > number + 1 and all(run.done for run in view.runs))
        assert engine.journal.verify().ok


def test_stopping_ends_all_threads_and_closes_all_adapters(world: FakeWorld, tmp_path: Path) -> None:
    with running(world, tmp_path, context=QUICK) as engine:
        adapters = list(engine._adapters._made.values())
        engine.stop()
        sources = [*engine._sources.values(), *engine._auxiliary.sources]
        threads = [one._thread for one in sources if isinstance(one, CountedSource)]
        assert len(threads) == len(sources)
        wait_until(lambda: not any(thread.is_alive() for thread in threads), 10.0, "the sources' end")
        assert not engine._thread.is_alive()
        assert adapters
        assert all(getattr(adapter, "closed", False) for adapter in adapters)
        with pytest.raises(LookupError, match="stopped"):
            engine.adapter("serving", "lab")


def test_a_hanging_source_does_not_hold_the_end_up(world: FakeWorld, tmp_path: Path) -> None:
    world.hang("metrics")
    with running(world, tmp_path, loaded=False) as engine:
        wait_until(lambda: world.calls["metrics.current"], 10.0, "a question that hangs")
        assert engine.stop() == ()
        assert not engine._thread.is_alive()


def test_an_engine_that_never_started_can_be_stopped(world: FakeWorld, tmp_path: Path) -> None:
    assert fake_engine(world, tmp_path).stop() == ()


def test_adapters_find_each_other_by_name(engine: Engine) -> None:
    assert engine.adapter("metrics", "gateway") is engine.adapter("metrics", "gateway")
    with pytest.raises(LookupError, match="no source 'nonsense' of kind metrics"):
        engine.adapter("metrics", "nonsense")


def test_two_serving_systems_are_one_fleet(world: FakeWorld, tmp_path: Path) -> None:
    other = replace(world.endpoint("eta"), ref=replace(world.ref("eta"), backend="west"))
    world.states[other.ref] = other
    context = fake_context(sources=(("serving", "lab"), ("serving", "west"), ("metrics", "gateway")))
    with running(world, tmp_path, context=context) as engine:
        view = eventually(engine, lambda view: len(view.endpoints) == 7)
        assert view.endpoint(other.ref) is not None
        world.fail["west"] = Unreachable("gone")
        eventually(engine, lambda view: state(view, "west") is SourceState.UNREACHABLE)
        assert seen(engine.view, world.ref("eta")).verdict.level is Level.OK
        assert seen(engine.view, other.ref).verdict.level is Level.NO_DATA
