"""The engine: sources that fail alone, views that never stand still unnoticed, changes that are never lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backends.contracts import EndpointRef, Promote, Rollback, Split
from backends.errors import Forbidden, RateLimited, Rejected, Unauthenticated, Unreachable
from ops.config import Access
from ops.engine import Engine
from ops.fleet import EndpointView, FleetView
from ops.health import Level
from ops.journal import Journal
from ops.plans import CheckVerdict, Plan
from ops.records import intent_data
from ops.runs import OutcomeKind, Stage
from ops.sources import SourceState
from tests.fakes import FakeRegistry, FakeWorld, eventually, fake_context, fake_engine, running
from tests.unit import planned
from tests.waiting import wait_until

FORWARD = Split({"v7": 75.0, "v8": 25.0})
NEVER = 1_000_000
QUICK = fake_context(every_s=0.02)


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def engine(world: FakeWorld, tmp_path: Path) -> Iterator[Engine]:
    with running(world, tmp_path, context=QUICK) as started:
        yield started


def level(view: FleetView, name: str = "sentiment") -> Level:
    found = next(one for one in view.endpoints if one.ref.name == name)
    return found.verdict.level


def seen(view: FleetView, ref: EndpointRef) -> EndpointView:
    found = view.endpoint(ref)
    assert found is not None
    return found


def state(view: FleetView, source: str) -> SourceState:
    status = view.source(source)
    assert status is not None
    return status.state


def rounds(engine: Engine, *names: str) -> dict[str, int]:
    return {name: source.rounds for (_, name), source in engine._sources.items() if not names or name in names}


def outcome(engine: Engine, plan: Plan) -> OutcomeKind:
    run = engine.run_of(plan)
    assert run is not None
    assert run.outcome is not None
    return run.outcome.kind


# ── views ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_started_engine_shows_the_world(engine: Engine) -> None:
    view = engine.view
    assert {one.ref.name for one in view.endpoints} == {"sentiment", "fraud", "ranker", "churn", "pricing", "eta"}
    assert {one.verdict.level for one in view.endpoints} == {Level.OK}
    assert (view.context, view.production) == ("prod-eu", True)
    assert len(view.versions) == 11
    assert len(view.gpus) == 6
    assert view.registry_of["fraud-detector"] == "mlflow"


def test_before_the_start_there_is_a_view_that_claims_nothing(world: FakeWorld, tmp_path: Path) -> None:
    view = fake_engine(world, tmp_path).view
    assert (view.number, view.endpoints, view.loaded) == (0, (), False)
    assert {status.state for status in view.sources} == {SourceState.STARTING}


def test_views_are_numbered_and_never_go_back(engine: Engine) -> None:
    seen: list[int] = []
    done = threading.Event()

    def listen(view: FleetView) -> None:
        seen.append(view.number)
        if len(seen) == 5:
            done.set()

    engine.subscribe(listen)
    assert done.wait(10.0)
    assert seen == sorted(set(seen))


def test_a_listener_that_left_hears_nothing_and_one_that_fails_hurts_nobody(engine: Engine) -> None:
    heard: list[str] = []

    def broken(_: FleetView) -> None:
        heard.append("broken")
        raise RuntimeError("the screen is gone")

    leave = engine.subscribe(lambda _: heard.append("left"))
    engine.subscribe(broken)
    engine.subscribe(lambda _: heard.append("well"))
    leave()
    leave()
    wait_until(lambda: heard.count("well") > 2, 10.0, "three views", every_s=0.01)
    assert "left" not in heard
    assert heard.count("broken") > 1


def test_waiting_gives_the_view_or_none(engine: Engine, world: FakeWorld) -> None:
    world.make_bad_canary()
    found = engine.wait_for(lambda view: level(view) is Level.CRITICAL, 10.0)
    assert found is not None
    assert level(found) is Level.CRITICAL
    assert engine.wait_for(lambda view: view.number < 0, 0.05) is None


def test_what_happens_in_the_world_is_seen(engine: Engine, world: FakeWorld) -> None:
    world.rival("sentiment", {"v7": 50.0, "v8": 50.0})
    world.make_drift()
    view = eventually(engine, lambda view: level(view, "fraud") is Level.WARNING)
    view = eventually(engine, lambda view: seen(view, world.ref("sentiment")).endpoint.revision == "18")
    assert view.endpoints[0].ref.name == "fraud"


# ── sources fail alone ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", ["serving.endpoints", "registries", "metrics", "accelerators", "drift"])
def test_a_source_that_hangs_delays_no_other(world: FakeWorld, tmp_path: Path, key: str) -> None:
    world.hang(key)
    with running(world, tmp_path, context=QUICK, loaded=False) as engine:
        hanging = {"serving.endpoints": "lab", "registries": "mlflow", "metrics": "gateway"}.get(
            key, {"accelerators": "dcgm", "drift": "psi"}.get(key, "")
        )
        others = [one.name for one in QUICK.sources if one.name != hanging]
        wait_until(lambda: min(rounds(engine, *others).values()) >= 3, 10.0, "three rounds of all others")
        assert rounds(engine, hanging) == {hanging: 0}
        first = engine.view.number
        eventually(engine, lambda view: view.number > first + 2)


def test_a_source_that_hangs_becomes_unreachable_with_its_age_and_comes_back(engine: Engine, world: FakeWorld) -> None:
    asked = world.calls["metrics.current"]
    world.hang("metrics.current")
    wait_until(lambda: world.calls["metrics.current"] > asked, 10.0, "a question that hangs", every_s=0.01)
    world.clock.tick(130.0)
    view = eventually(engine, lambda view: state(view, "gateway") is SourceState.UNREACHABLE)
    status = view.source("gateway")
    assert status is not None
    assert "no answer for 130 s" in status.error
    assert level(view) is Level.NO_DATA
    assert seen(view, world.ref("sentiment")).verdict.reasons[0].text == "gateway unreachable 2m"
    world.let_go()
    eventually(engine, lambda view: level(view) is Level.OK)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unreachable("gone"), SourceState.UNREACHABLE),
        (Unauthenticated("expired", hint="az login"), SourceState.UNAUTHENTICATED),
        (Forbidden("no"), SourceState.FORBIDDEN),
    ],
)
def test_a_failing_registry_blanks_nothing(
    engine: Engine, world: FakeWorld, error: Exception, expected: SourceState
) -> None:
    world.fail["registries"] = error  # type: ignore[assignment]  # errors of backends, all of them
    view = eventually(engine, lambda view: state(view, "mlflow") is expected)
    assert len(view.versions) == 11
    assert level(view) is Level.OK
    status = view.source("mlflow")
    assert status is not None
    assert (status.error, status.at) == (str(error), world.clock())


def test_metrics_that_go_down_are_no_data_and_say_since_when(engine: Engine, world: FakeWorld) -> None:
    world.fail["metrics"] = Unreachable("gone")
    eventually(engine, lambda view: state(view, "gateway") is SourceState.UNREACHABLE)
    world.clock.tick(120.0)
    view = eventually(engine, lambda view: view.at >= world.clock())
    assert {one.verdict.reasons[0].text for one in view.endpoints} == {"gateway unreachable 2m"}
    del world.fail["metrics"]
    engine.refresh()
    eventually(engine, lambda view: level(view) is Level.OK)


def test_a_server_that_says_when_to_come_back_is_left_alone_until_asked_for(engine: Engine, world: FakeWorld) -> None:
    world.fail["metrics.current"] = RateLimited("slow down", retry_after=3600.0)
    eventually(engine, lambda view: state(view, "gateway") is SourceState.UNREACHABLE)
    asked = world.calls["metrics.current"]
    before = rounds(engine, "lab")["lab"]
    wait_until(lambda: rounds(engine, "lab")["lab"] > before + 5, 10.0, "five rounds of another source")
    assert world.calls["metrics.current"] == asked
    del world.fail["metrics.current"]
    engine.refresh("gateway")
    eventually(engine, lambda view: state(view, "gateway") is SourceState.OK)


def test_a_paused_engine_asks_nothing_grows_stale_and_is_never_green(engine: Engine, world: FakeWorld) -> None:
    engine.pause(True)
    view = eventually(engine, lambda view: view.paused)
    world.clock.tick(60.0)
    view = eventually(engine, lambda view: state(view, "lab") is SourceState.STALE)
    assert {one.verdict.level for one in view.endpoints} == {Level.NO_DATA}
    engine.pause(False)
    eventually(engine, lambda view: level(view) is Level.OK)


def test_a_defect_in_one_adapter_is_shown_and_stays_with_its_source(engine: Engine, world: FakeWorld) -> None:
    def broken() -> None:
        raise AttributeError("'NoneType' object has no attribute 'get'")

    world.on["drift.scores"] = broken
    view = eventually(engine, lambda view: state(view, "psi") is SourceState.MALFORMED)
    assert level(view) is Level.OK


def test_a_view_that_cannot_be_made_is_announced_and_nothing_in_it_is_green(
    engine: Engine, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = engine.view.number

    def broken(_: object) -> None:
        raise TypeError("'>' not supported")

    monkeypatch.setattr("ops.joining.judge", broken)
    view = eventually(engine, lambda view: view.source("engine") is not None)
    status = view.source("engine")
    assert status is not None
    assert (status.state, status.error) == (
        SourceState.MALFORMED,
        "no view can be made: TypeError: '>' not supported",
    )
    assert view.number > good
    assert {one.verdict.level for one in view.endpoints} == {Level.NO_DATA}
    # Going forward is blocked, the way back is open.
    assert engine.plan(world.ref("sentiment"), FORWARD).blocked
    assert not engine.plan(world.ref("sentiment"), Rollback("15")).blocked
    monkeypatch.undo()
    view = eventually(engine, lambda view: view.source("engine") is None)
    assert level(view) is Level.OK


def test_a_fleet_is_asked_for_once_and_not_once_for_each_endpoint(tmp_path: Path) -> None:
    world = FakeWorld().big(1000)
    with running(world, tmp_path, context=fake_context(every_s=3600.0)) as engine:
        view = eventually(engine, lambda view: len(view.endpoints) == 1000)
        assert {one.verdict.level for one in view.endpoints} == {Level.OK}
        asked = {name: count for name, count in world.calls.items() if name != "serving.drills"}
    assert asked == {
        "serving.endpoints": 1,
        "registries.versions": 1,
        "metrics.current": 2,  # the window, and the shorter one of the shares
        "accelerators.gpus": 1,
        "drift.scores": 1,
    }


# ── charts and drills ───────────────────────────────────────────────────────────────────────────────────────────


def test_charts_follow_the_focus(engine: Engine, world: FakeWorld) -> None:
    assert engine.view.charts is None
    for name in ("sentiment", "fraud"):
        ref = world.ref(name)
        engine.focus(ref, 900.0)
        view = eventually(engine, lambda view, ref=ref: view.charts is not None and view.charts.ref == ref)  # type: ignore[misc]
        assert view.charts is not None
        assert view.charts.window_s == 900.0
    engine.focus(None)
    eventually(engine, lambda view: view.charts is None)


def test_drills_are_played_where_there_is_a_rehearsal(engine: Engine) -> None:
    view = eventually(engine, lambda view: bool(view.drills))
    assert "bad-canary" in [drill.name for drill in view.drills]
    engine.set_drill("bad-canary", True)
    eventually(engine, lambda view: any(drill.running for drill in view.drills))
    eventually(engine, lambda view: level(view) is Level.CRITICAL)
    with pytest.raises(Rejected, match="no drill 'nonsense'"):
        engine.set_drill("nonsense", True)


def test_a_real_system_has_no_drills(world: FakeWorld, tmp_path: Path) -> None:
    world.rehearsal = False
    with running(world, tmp_path) as engine:
        with pytest.raises(Rejected, match="lab only"):
            engine.set_drill("bad-canary", True)
        assert engine.view.drills == ()


# ── what may be changed ─────────────────────────────────────────────────────────────────────────────────────────


def test_arming_ends_by_itself(world: FakeWorld, tmp_path: Path) -> None:
    with running(world, tmp_path, access=Access.ARM) as engine:
        assert not engine.view.arming.writable
        engine.arm()
        view = eventually(engine, lambda view: view.arming.writable)
        assert view.arming.until == world.clock() + 900.0
        world.clock.tick(899.0)
        assert engine.plan(world.ref("sentiment"), FORWARD).unable == ""
        world.clock.tick(2.0)
        view = eventually(engine, lambda view: not view.arming.writable)
        assert view.arming.until is None
        assert "until armed" in engine.plan(world.ref("sentiment"), FORWARD).unable


def test_arming_can_be_for_less_and_be_ended(world: FakeWorld, tmp_path: Path) -> None:
    with running(world, tmp_path, access=Access.ARM) as engine:
        engine.arm(60.0)
        view = eventually(engine, lambda view: view.arming.writable)
        assert view.arming.until == world.clock() + 60.0
        engine.disarm()
        eventually(engine, lambda view: not view.arming.writable)


def test_a_read_only_context_cannot_be_armed(world: FakeWorld, tmp_path: Path) -> None:
    engine = fake_engine(world, tmp_path, access=Access.READ_ONLY)
    with pytest.raises(Rejected, match="read-only"):
        engine.arm()


def test_a_read_write_context_can_be_made_read_only_and_back(world: FakeWorld, tmp_path: Path) -> None:
    with running(world, tmp_path) as engine:
        assert engine.view.arming.writable
        engine.disarm()
        view = eventually(engine, lambda view: not view.arming.writable)
        assert view.arming.access is Access.ARM
        engine.arm()
        view = eventually(engine, lambda view: view.arming.writable)
        assert (view.arming.access, view.arming.until) == (Access.READ_WRITE, None)


def test_a_plan_made_while_armed_is_not_carried_out_afterwards(world: FakeWorld, tmp_path: Path) -> None:
    with running(world, tmp_path, access=Access.ARM) as engine:
        engine.arm(60.0)
        plan = engine.plan(world.ref("sentiment"), FORWARD)
        world.clock.tick(61.0)
        engine.execute(plan, reason="INC-42", override="please").join()
        assert outcome(engine, plan) is OutcomeKind.REFUSED
        assert world.calls["serving.send"] == 0


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
        assert (finding.outcome, finding.message) == (OutcomeKind.SETTLED, "applied, still on its way")
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
        assert [finding.outcome for finding in engine.resolve_unfinished()] == [OutcomeKind.FAILED]
        eventually(engine, lambda view: not view.unfinished)


def test_nothing_is_sent_once_the_end_has_begun(world: FakeWorld, tmp_path: Path) -> None:
    world.propagation = NEVER
    with running(world, tmp_path) as engine:
        slow, late = (engine.plan(world.ref("sentiment"), FORWARD), engine.plan(world.ref("pricing"), Rollback("16")))
        engine.execute(slow, reason="INC-42")
        eventually(engine, lambda view: any(run.stage is Stage.OBSERVING for run in view.runs))
        stopping = threading.Thread(target=engine.stop, kwargs={"grace_s": 30.0})
        stopping.start()
        wait_until(lambda: engine._closing, 10.0, "the beginning of the end", every_s=0.005)
        with pytest.raises(Rejected, match="the program is ending"):
            engine.execute(late, reason="INC-43")
        world.endpoint("sentiment").behind = 1
        stopping.join(30.0)
        assert outcome(engine, slow) is OutcomeKind.SETTLED
        with pytest.raises(Rejected, match="has stopped"):
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
        sources = [*engine._sources.values(), *engine._hidden.values()]
        wait_until(lambda: not any(one._thread.is_alive() for one in sources), 10.0, "the sources' end")
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
