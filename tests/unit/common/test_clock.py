"""Durations do not follow the wall clock: ages, arming and the limits of a change, across its jumps and a suspend."""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import shiftdeck.engine.engine as engines
import tui
from backends.errors import Unreachable
from shiftdeck.changes.access import Gate
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.timing import Timing
from shiftdeck.common.clock import TOLD_FOR_S, seconds_since_boot
from shiftdeck.config.loader import Access
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.sources.source import SourceState, SourceStatus
from tests.fakes import Clock, FakeWorld, eventually, fake_context, running
from tests.unit.bench import FORWARD, NEVER, Bench, outcome
from tests.unit.panes import FULL
from tui.cli.text_output import status_lines
from tui.widgets.header import header_line

HOUR, DAY, NIGHT_S = 3600.0, 86_400.0, 8 * 3600.0
STEPS = (-HOUR, DAY)


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def engine(world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(engines, "TICK_S", 0.01)
    monkeypatch.setattr(engines, "PAUSED_TICK_S", 0.01)
    with running(world, tmp_path, context=fake_context(every_s=0.02, timeout_s=1.0)) as started:
        yield started


def of(view: View, name: str) -> SourceStatus:
    status = view.source(name)
    assert status is not None
    return status


def age(view: View, name: str) -> float | None:
    return of(view, name).age_s(view.at)


def jumped(engine: Engine, world: FakeWorld, seconds: float) -> View:
    """The first view after a step of the wall clock."""
    world.clock.step(seconds)
    return eventually(engine, lambda view: view.at == world.clock())


def paused(engine: Engine) -> None:
    """Pause the engine, and wait until no source is being asked any more."""
    engine.pause(True)
    eventually(engine, lambda view: view.paused)
    for source in engine._sources.values():
        source.pause(True)
    time_stood = engine.view.number
    eventually(engine, lambda view: view.number > time_stood + 2)


# ── ages ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seconds", STEPS)
def test_the_data_of_a_paused_source_ages_across_a_jump(engine: Engine, world: FakeWorld, seconds: float) -> None:
    paused(engine)
    world.clock.tick(0.5)
    view = jumped(engine, world, seconds)
    assert (of(view, "gateway").state, age(view, "gateway")) == (SourceState.OK, 0.5)
    world.clock.tick(44.5)
    view = eventually(engine, lambda view: not of(view, "gateway").fresh)
    assert (of(view, "gateway").state, age(view, "gateway")) == (SourceState.STALE, 45.0)


@pytest.mark.parametrize("seconds", STEPS)
def test_the_data_of_an_unreachable_source_ages_across_a_jump(engine: Engine, world: FakeWorld, seconds: float) -> None:
    world.fail["gateway"] = Unreachable("gone")
    eventually(engine, lambda view: of(view, "gateway").state is SourceState.UNREACHABLE)
    jumped(engine, world, seconds)
    world.clock.tick(45.0)
    view = eventually(engine, lambda view: age(view, "gateway") == 45.0)
    assert of(view, "gateway").since == pytest.approx(view.at - 45.0)


def test_what_was_read_before_a_suspend_is_old_after_it(engine: Engine, world: FakeWorld) -> None:
    paused(engine)
    world.clock.tick(NIGHT_S)
    view = eventually(engine, lambda view: not of(view, "gateway").fresh)
    assert (age(view, "gateway"), view.clock_jump) == (NIGHT_S, None)


def test_a_suspend_counts_in_elapsed_time() -> None:
    assert seconds_since_boot() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1.0)


# ── arming ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seconds", [0.0, *STEPS])
def test_arming_ends_after_its_time_whatever_the_wall_clock_does(seconds: float) -> None:
    clock = Clock()
    gate = Gate(fake_context(Access.ARM), clock)
    gate.arm(6.0)
    clock.step(seconds)
    clock.follow()
    clock.tick(5.0)
    assert (gate.refusal(), gate.state().until) == ("", clock() + 1.0)
    clock.tick(4.0)
    assert gate.refusal() != ""


def test_arming_ends_during_a_suspend() -> None:
    clock = Clock()
    gate = Gate(fake_context(Access.ARM), clock)
    gate.arm(900.0)
    clock.tick(NIGHT_S)
    assert gate.refusal() != ""


# ── a change ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def on_reading(bench: Bench, number: int, happens: Callable[[], None]) -> None:
    """``happens`` before that reading of the endpoint."""
    readings = iter(range(1, 1_000_000))

    def read() -> None:
        if next(readings) == number:
            happens()

    bench.world.on["serving.read"] = read


@pytest.mark.parametrize("seconds", STEPS)
def test_a_change_keeps_its_time_limit_across_a_jump(bench: Bench, seconds: float) -> None:
    bench.world.propagation = NEVER
    on_reading(bench, 4, lambda: bench.world.clock.step(seconds))
    run = bench.run(timing=Timing(settle_s=8.0))
    assert outcome(run)[0] is OutcomeKind.UNKNOWN
    assert 16 <= bench.world.calls["serving.read"] <= 20, "two readings a second"


@pytest.mark.parametrize("seconds", STEPS)
def test_a_jump_while_a_change_is_observed_does_not_end_it(bench: Bench, seconds: float) -> None:
    bench.world.propagation = 6
    on_reading(bench, 4, lambda: bench.world.clock.step(seconds))
    run = bench.run(timing=Timing(settle_s=8.0))
    assert outcome(run) == (OutcomeKind.SETTLED, "in effect")
    assert 0.0 < run.updated - run.started < 30.0


def test_after_a_suspend_a_change_is_read_once_more_before_it_ends(bench: Bench) -> None:
    bench.world.propagation = 3
    on_reading(bench, 4, lambda: bench.world.clock.tick(NIGHT_S))
    assert outcome(bench.run(timing=Timing(settle_s=8.0)))[0] is OutcomeKind.SETTLED


def test_a_change_whose_time_ran_out_during_a_suspend_ends_as_unknown(bench: Bench) -> None:
    bench.world.propagation = NEVER
    on_reading(bench, 4, lambda: bench.world.clock.tick(NIGHT_S))
    assert outcome(bench.run(timing=Timing(settle_s=8.0)))[0] is OutcomeKind.UNKNOWN
    assert bench.serving.world.calls["serving.read"] < 8


def test_the_age_of_a_change_in_a_view_is_right_across_a_jump(engine: Engine, world: FakeWorld) -> None:
    thread = engine.execute(engine.plan(world.ref("sentiment"), FORWARD), reason="more evidence")
    thread.join(20.0)
    world.clock.step(-HOUR)
    world.clock.tick(30.0)
    view = eventually(engine, lambda view: view.clock_jump is not None)
    assert view.at - view.runs[0].updated == pytest.approx(30.0, abs=1.0)


# ── a jump is told ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("seconds", "words"), [(-HOUR, "the clock jumped back 1h at 02:14Z"), (DAY, "the clock jumped ahead 1d at 03:14Z")]
)
def test_a_jump_is_told_for_an_hour(engine: Engine, world: FakeWorld, seconds: float, words: str) -> None:
    view = jumped(engine, world, seconds)
    assert view.clock_jump is not None
    assert any(words in line for line in status_lines(view))
    assert view.clock_jump.brief in header_line(view, FULL, 160).plain
    world.clock.tick(TOLD_FOR_S + 1.0)
    eventually(engine, lambda view: view.clock_jump is None)


def test_a_slow_correction_of_the_clock_is_no_jump() -> None:
    clock = Clock()
    for _ in range(10):
        clock.step(0.05)
        clock.follow()
    assert clock.jump is None


# ── the law ─────────────────────────────────────────────────────────────────────────────────────────────────────

READS_THE_WALL_CLOCK = {
    "shiftdeck/common/clock.py": "is the clock",
    "shiftdeck/journal/journal.py": "dates entries",
    "tui/terminal/clipboard.py": "names files",
}


def wall_clock_reads(tree: ast.AST) -> Iterator[str]:
    """The names by which a module reads the wall clock itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (one.name for one in node.names if one.name in ("time", "time_ns"))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"time.time", "time.time_ns", "datetime.now"}:
            yield ast.unparse(node)


def wall_clock_sums(tree: ast.AST) -> Iterator[int]:
    """The lines on which a wall time is an operand where it is asked for: that is a duration."""
    for node in ast.walk(tree):
        parts = [node.left, node.right] if isinstance(node, ast.BinOp) else []
        parts += [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        yield from (one.lineno for one in parts if ast.unparse(one).endswith(".wall()"))


def test_no_duration_is_computed_from_the_wall_clock() -> None:
    root = Path(tui.__file__).parents[1]
    modules = sorted([*(root / "shiftdeck").rglob("*.py"), *(root / "tui").rglob("*.py")])
    trees = {str(path.relative_to(root)): ast.parse(path.read_text()) for path in modules}
    reads = {name: found for name, tree in trees.items() if (found := list(wall_clock_reads(tree)))}
    assert reads.keys() == READS_THE_WALL_CLOCK.keys(), "ask shiftdeck.common.clock.Clock: elapsed() for durations"
    assert {name: lines for name, tree in trees.items() if (lines := list(wall_clock_sums(tree)))} == {}


@pytest.mark.parametrize("line", ["time.time()", "from time import time", "datetime.now(UTC)", "partial(time.time)"])
def test_the_law_notices_a_reading_of_the_wall_clock(line: str) -> None:
    assert list(wall_clock_reads(ast.parse(line)))
    assert not list(wall_clock_reads(ast.parse("time.monotonic()")))


@pytest.mark.parametrize("line", ["clock.wall() - at", "until < self._clock.wall()", "clock.wall() + 5"])
def test_the_law_notices_a_duration_of_wall_time(line: str) -> None:
    assert list(wall_clock_sums(ast.parse(line)))


def test_a_clock_may_be_read_by_many_threads_while_it_jumps() -> None:
    clock = Clock()
    clock.step(-HOUR)
    threads = [threading.Thread(target=clock.follow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.wall() == clock()
