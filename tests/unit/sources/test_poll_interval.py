"""Who looks at what decides how often it is read; it never decides it for what guards a change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Split
from shiftdeck.config.loader import RefreshConfig
from shiftdeck.engine.engine import Engine
from shiftdeck.source_kinds.table import SOURCE_KINDS, UnknownKind
from shiftdeck.sources.poll_interval import CHARTS, Visibility, interval_s
from tests.fakes import Clock, FakeWorld, eventually, fake_context, running
from tests.unit.panes import FULL
from tests.unit.sources.test_source import make
from tests.waiting import wait_until
from tui.render.entries import source_lines

NOBODY = Visibility(frozenset(), focused=False)
KINDS = (*SOURCE_KINDS, CHARTS)


def test_what_is_not_shown_is_read_less_often_and_verdicts_are_not_made_of_old_data() -> None:
    usual = {"serving": 2.0, "metrics": 5.0, "alerts": 5.0, "registries": 15.0, "accelerators": 5.0, "drift": 15.0}
    shown = Visibility(frozenset({"drift"}))
    found = {kind: interval_s(kind, every_s, shown, RefreshConfig()) for kind, every_s in usual.items()}
    assert found == {**usual, "registries": 60.0, "accelerators": 20.0}
    away = {kind: interval_s(kind, every_s, NOBODY, RefreshConfig()) for kind, every_s in usual.items()}
    assert away == {**found, "drift": 60.0, "serving": 4.0, "metrics": 10.0, "alerts": 10.0}


@given(
    st.sampled_from(KINDS),
    st.floats(0.1, 3600.0),
    st.none() | st.frozensets(st.sampled_from(KINDS)),
    st.booleans(),
    st.floats(1.0, 100.0),
    st.floats(1.0, 3600.0),
)
def test_the_interval_has_a_bound_and_looking_restores_it(
    kind: str, every_s: float, shown: frozenset[str] | None, focused: bool, factor: float, slowest_s: float
) -> None:
    refresh = RefreshConfig(factor, factor, slowest_s)
    found = interval_s(kind, every_s, Visibility(shown, focused), refresh)
    assert every_s <= found <= max(every_s, slowest_s)
    assert interval_s(kind, every_s, Visibility(), refresh) == every_s


def test_a_kind_that_there_is_not_has_no_interval() -> None:
    with pytest.raises(UnknownKind, match="'weather'"):
        interval_s("weather", 1.0, Visibility(), RefreshConfig())


# ── a source ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_slowed_source_says_so_and_is_asked_at_once_when_somebody_looks() -> None:
    source = make(lambda: "data", Clock(), every_s=0.05)
    source.start()
    wait_until(lambda: source.rounds > 0, 10, "an answer")
    source.set_interval(3600.0)
    status = source.snapshot().status
    assert (status.every_s, status.usual_s) == (3600.0, 0.05)
    assert "1h, else 50ms" in source_lines([status], status.since, FULL, 120)[1][0].plain
    at = source.rounds
    source.refresh()
    wait_until(lambda: source.rounds > at, 10, "an answer, though it is slow")
    at = source.rounds
    source.set_interval(0.05)
    wait_until(lambda: source.rounds > at + 2, 10, "the usual rate")
    assert source.snapshot().status.usual_s is None
    source.stop()


def test_data_that_was_read_at_leisure_is_not_stale_when_somebody_looks_again() -> None:
    clock = Clock()
    source = make(lambda: "data", clock, every_s=1.0, timeout_s=1.0)
    source.set_interval(60.0)
    source.ask()
    clock.tick(50.0)
    source.set_interval(1.0)
    assert source.snapshot().status.fresh
    source.ask()
    clock.tick(50.0)
    assert not source.snapshot().status.fresh, "from then on it is as old as it is"


# ── the engine ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def engine(world: FakeWorld, tmp_path: Path) -> Iterator[Engine]:
    context = replace(fake_context(every_s=0.02), refresh=RefreshConfig(1000.0, 1000.0, 20.0))
    with running(world, tmp_path, context=context) as started:
        yield started


def slowed(engine: Engine) -> set[str]:
    return {status.name for status in engine.view.sources if status.usual_s is not None}


def test_what_nobody_looks_at_is_slowed_until_somebody_does(engine: Engine) -> None:
    eventually(engine, lambda view: view.loaded)
    engine.set_visibility(Visibility(frozenset({"drift"})))
    wait_until(lambda: slowed(engine) == {"mlflow", "dcgm"}, 10, "what is not shown is slowed")
    engine.set_visibility(NOBODY)
    wait_until(lambda: slowed(engine) == {status.name for status in engine.view.sources}, 10, "all is slowed")
    engine.set_visibility(Visibility())
    wait_until(lambda: not slowed(engine), 10, "all is asked as usual")


def test_nothing_is_slowed_while_a_change_is_under_way(engine: Engine, world: FakeWorld) -> None:
    eventually(engine, lambda view: view.loaded)
    engine.set_visibility(NOBODY)
    wait_until(lambda: "gateway" in slowed(engine), 10, "all is slowed")
    world.propagation = 40
    plan = engine.plan(world.ref("sentiment"), Split({"v7": 75.0, "v8": 25.0}))
    thread = engine.execute(plan, reason="more evidence")
    wait_until(lambda: not slowed(engine), 10, "all is asked as usual")
    thread.join(20)
    wait_until(lambda: "gateway" in slowed(engine), 20, "all is slowed again")
