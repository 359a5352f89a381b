"""The engine: sources that fail alone, views that never stand still unnoticed, arming that ends by itself."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from backends.contracts import Adapter, Promote, Rollback
from backends.discovery import UnusableAdapter
from backends.errors import Forbidden, RateLimited, Rejected, Unauthenticated, Unreachable
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.config.loader import Access
from shiftdeck.engine import engine as engines
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.health.verdict import Level
from shiftdeck.history.charts import POINTS
from shiftdeck.journal.journal import Journal
from shiftdeck.sources.source import SourceState
from tests.fakes import FAST, SOURCES, FakeWorld, eventually, fake_context, fake_engine, fake_factory, running
from tests.unit.engines import FORWARD, QUICK, engine, level, outcome, rounds, seen, state, world
from tests.waiting import wait_until

__all__ = ["engine", "world"]

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


def test_endpoints_come_first(world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "SERVING_FIRST_S", 3600.0)
    world.hang("serving")
    with running(world, tmp_path, loaded=False, watched=True) as engine:
        wait_until(lambda: world.calls["serving.endpoints"], 10.0, "the serving system to be asked")
        assert set(world.calls) == {"serving.endpoints"}
        world.let_go()
        assert engine.wait_for(lambda view: view.loaded, 10.0)


def test_an_adapter_for_another_contract_takes_only_its_own_source(world: FakeWorld, tmp_path: Path) -> None:
    usual = fake_factory(world)

    def factory(kind: str, name: str) -> type[Adapter]:
        if name in ("acme", "zeta"):
            raise UnusableAdapter(f"{name} is written for contract 9", hint="upgrade shiftdeck")
        return usual(kind, name)

    context = fake_context(
        every_s=0.02, sources=(("serving", "acme"), *SOURCES, ("registries", "zeta"), ("drift", "zeta"))
    )
    engine = Engine(context, Journal(tmp_path / "journal.jsonl"), clock=world.clock, factory=factory, timing=FAST)
    engine.start()
    try:
        view = eventually(engine, lambda view: bool(view.endpoints) and state(view, "acme") is SourceState.OFF)
        refused = view.source("acme")
        assert refused is not None
        assert (refused.error, refused.hint) == ("acme is written for contract 9", "upgrade shiftdeck")
        assert "sentiment" in {one.ref.name for one in view.endpoints}
        assert engine.plan(world.ref("sentiment"), Promote("v8")).steps, "asks every registry for its aliases"
    finally:
        engine.stop(grace_s=2.0)


def test_where_nobody_draws_all_sources_are_asked_at_once(
    world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SERVING_FIRST_S", 3600.0)
    monkeypatch.setattr(engines, "DRAWN_S", 3600.0)
    world.hang("serving")
    with running(world, tmp_path, loaded=False) as engine:
        assert engine.wait_for(lambda view: state(view, "mlflow") is SourceState.OK, 10.0)
        assert engine.view.awaits_serving
        world.let_go()
        assert engine.wait_for(lambda view: view.loaded, 10.0)


def test_who_waits_for_all_sources_sees_the_last_answer_at_once(
    world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "GAP_S", 3600.0)
    world.hang("metrics")
    with running(world, tmp_path, loaded=False) as engine:

        def only_metrics(view: View) -> bool:
            return [one.kind for one in view.sources if one.state is SourceState.STARTING] == ["metrics"]

        before = engine.wait_for(only_metrics, 10.0)
        assert before is not None
        engine._event.set()  # nothing that anybody waits for
        assert engine.wait_for(lambda view: view.number > before.number, 10.0)
        world.let_go()
        assert engine.wait_for(lambda view: view.loaded, 10.0)


def test_a_serving_system_that_hangs_does_not_keep_the_others_back(world: FakeWorld, tmp_path: Path) -> None:
    world.hang("serving")
    with running(world, tmp_path, loaded=False, watched=True) as engine:
        assert engine.wait_for(lambda view: state(view, "mlflow") is SourceState.OK, 10.0)
        assert engine.view.awaits_serving
        world.let_go()


def test_where_nothing_serves_nobody_waits_for_it(
    world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SERVING_FIRST_S", 3600.0)
    whole = fake_context()
    context = replace(whole, sources=whole.of_kind("registries"))
    with running(world, tmp_path, context=context, loaded=False, watched=True) as engine:
        assert engine.wait_for(lambda view: bool(view.versions), 10.0)


def test_views_are_numbered_and_never_go_back(engine: Engine) -> None:
    seen: list[int] = []
    done = threading.Event()

    def listen(view: View) -> None:
        seen.append(view.number)
        if len(seen) == 5:
            done.set()

    engine.subscribe(listen)
    assert done.wait(10.0)
    assert seen == sorted(set(seen))


def test_a_listener_that_left_hears_nothing_and_one_that_fails_hurts_nobody(engine: Engine) -> None:
    heard: list[str] = []

    def broken(_: View) -> None:
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
    eventually(engine, lambda view: state(view, "gateway") is SourceState.UNREACHABLE)
    # The others have grown stale by the same tick, until they have answered once more.
    view = eventually(engine, lambda view: state(view, "lab") is SourceState.OK)
    status = view.source("gateway")
    assert status is not None
    assert "no answer for 130 s" in status.error
    assert level(view) is Level.NO_DATA
    assert seen(view, world.ref("sentiment")).verdict.reasons[0].words(view.at) == "gateway unreachable 2m"
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
    assert {one.verdict.reasons[0].words(view.at) for one in view.endpoints} == {"gateway unreachable 2m"}
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
    engine.pause(True)  # has a view made at once
    view = eventually(engine, lambda view: state(view, "lab") is SourceState.STALE)
    assert {one.verdict.level for one in view.endpoints} == {Level.NO_DATA}
    engine.pause(False)
    eventually(engine, lambda view: level(view) is Level.OK)


def test_a_defect_in_one_adapter_is_shown_and_stays_with_its_source(engine: Engine, world: FakeWorld) -> None:
    def broken() -> None:
        raise AttributeError("'NoneType' object has no attribute 'get'")

    world.on["drift.scores"] = broken
    view = eventually(engine, lambda view: state(view, "psi") is SourceState.MALFORMED)
    assert level(view) is Level.NO_DATA, "what drift would say is not known"
    told = seen(view, world.ref("sentiment")).verdict.reasons
    assert [reason.text for reason in told] == ["drift unknown: psi malformed"]


def test_a_view_that_cannot_be_made_is_announced_and_nothing_in_it_is_green(
    engine: Engine, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = engine.view.number

    def broken(_: object) -> None:
        raise TypeError("'>' not supported")

    monkeypatch.setattr("shiftdeck.fleet.joiner.judge", broken)
    world.rival("sentiment", {"v7": 80.0, "v8": 20.0})
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
    # What was answered while no view could be made is in this one.
    assert seen(view, world.ref("sentiment")).endpoint.variants[1].desired == 20.0


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


def test_a_backend_that_watches_wakes_its_source(world: FakeWorld, tmp_path: Path) -> None:
    with running(world, tmp_path, context=fake_context(every_s=3600.0)) as engine:
        world.rival("sentiment", {"v7": 50.0, "v8": 50.0})
        for _ in range(100):
            world.wake["lab"]()
        eventually(engine, lambda view: seen(view, world.ref("sentiment")).endpoint.revision == "18")
        assert 2 <= rounds(engine, "lab")["lab"] < 10
        assert rounds(engine, "gateway") == {"gateway": 1}


# ── charts and drills ───────────────────────────────────────────────────────────────────────────────────────────


def test_charts_follow_the_focus(engine: Engine, world: FakeWorld) -> None:
    assert engine.view.charts is None
    for name in ("sentiment", "fraud"):
        ref = world.ref(name)
        engine.focus(ref)
        view = eventually(engine, lambda view, ref=ref: view.charts is not None and view.charts.ref == ref)  # type: ignore[misc]
        assert view.charts is not None
        assert view.charts.window_s == 900.0
    engine.chart_window_s = 6 * 3600.0
    view = eventually(engine, lambda view: view.charts is not None and view.charts.window_s == 6 * 3600.0)
    assert view.charts is not None
    assert all(len(series.points) <= POINTS for series in view.charts.series.values())
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
