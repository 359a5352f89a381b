"""The engine on sources and clocks that are handed in: the same answers make the same views, and no adapter is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backends.contracts import Adapter
from shiftdeck.common import clock as clocks
from shiftdeck.engine.engine import Engine
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.health.verdict import Level
from shiftdeck.journal.journal import Journal
from shiftdeck.source_kinds.answers import MetricsReading
from shiftdeck.sources.source import Snapshot, SourceState, SourceStatus
from tests.fakes import Behaviour, Clock, eventually, fake_context
from tests.unit.builders import NOW, endpoint, metrics
from tests.waiting import wait_until

CONTEXT = fake_context(sources=(("serving", "lab"), ("metrics", "gateway")))
WELL = (metrics("v7", samples=9000), metrics("v8", samples=1000))
SLOW = (metrics("v7", samples=9000), metrics("v8", Behaviour(0.9), samples=1000))


class ScriptedSource:
    """A source whose snapshots the test sets."""

    def __init__(self, name: str, kind: str, every_s: float, clock: clocks.Clock, changed: Callable[[], None]) -> None:
        self.name, self.kind, self.usual_s = name, kind, every_s
        self.started = False
        self._clock, self._changed = clock, changed
        status = SourceStatus(name, kind, name, SourceState.STARTING, None, clock.wall(), every_s)
        self._snapshot: Snapshot[Any] = Snapshot(None, status)

    def say(self, value: object, state: SourceState = SourceState.OK) -> None:
        now = self._clock.wall()
        self._snapshot = Snapshot(value, replace(self._snapshot.status, state=state, at=now, since=now))
        self._changed()

    def start(self) -> None:
        self.started = True

    def snapshot(self) -> Snapshot[Any]:
        return self._snapshot

    def stop(self) -> None: ...
    def refresh(self) -> None: ...
    def nudge(self) -> None: ...
    def pause(self, paused: bool) -> None: ...
    def set_interval(self, every_s: float) -> None: ...


@dataclass
class Script:
    """A source factory that remembers what it made, by source name."""

    made: dict[str, ScriptedSource] = field(default_factory=dict)

    def __call__(
        self,
        *,
        name: str,
        kind: str,
        adapter: str,
        every_s: float,
        timeout_s: float,
        poll: Callable[[], Any],
        clock: clocks.Clock,
        changed: Callable[[], None],
    ) -> ScriptedSource:
        source = self.made[name] = ScriptedSource(name, kind, every_s, clock, changed)
        return source


def no_adapter(kind: str, name: str) -> type[Adapter]:
    raise AssertionError(f"the adapter {kind}.{name} was asked for")


def played(folder: Path) -> list[tuple[float, tuple[EndpointView, ...]]]:
    """The time and the endpoints of the view after each step of one script."""
    clock, script = Clock(NOW), Script()
    engine = Engine(CONTEXT, Journal(folder / "journal.jsonl"), clock=clock, factory=no_adapter, source=script)
    steps = (
        ("lab", (endpoint(),), SourceState.OK),
        ("gateway", MetricsReading(WELL, WELL), SourceState.OK),
        ("gateway", MetricsReading(SLOW, SLOW), SourceState.OK),
        ("gateway", MetricsReading(SLOW, SLOW), SourceState.UNREACHABLE),
    )
    engine.start()
    try:
        return [step(engine, clock, script.made[name], value, state) for name, value, state in steps]
    finally:
        engine.stop(1.0)


def step(
    engine: Engine, clock: Clock, source: ScriptedSource, value: object, state: SourceState
) -> tuple[float, tuple[EndpointView, ...]]:
    wait_until(lambda: source.started, 10.0, "the engine to start the source")
    clock.tick(10.0)
    source.say(value, state)
    view = eventually(engine, lambda view: source.snapshot().status in view.sources)
    return view.at, view.endpoints


def test_scripted_sources_make_the_views_that_adapters_would_make(tmp_path: Path) -> None:
    levels = [endpoints[0].verdict.level for _, endpoints in played(tmp_path)]
    assert levels == [Level.NO_DATA, Level.OK, Level.CRITICAL, Level.CRITICAL]


def test_the_same_script_makes_the_same_views_again(tmp_path: Path) -> None:
    assert played(tmp_path / "one") == played(tmp_path / "two")


def test_sources_that_start_later_wait_by_the_clock_that_is_handed_in(tmp_path: Path) -> None:
    elapsed, script = Clock(0.0), Script()
    engine = Engine(
        CONTEXT,
        Journal(tmp_path / "journal.jsonl"),
        clock=Clock(NOW),
        monotonic=elapsed,
        factory=no_adapter,
        source=script,
    )
    engine.subscribe(lambda view: None)
    engine.start()
    try:
        eventually(engine, lambda view: view.number > 1)
        assert [name for name, source in script.made.items() if source.started] == ["lab"]
        elapsed.tick(1.0)
        wait_until(lambda: all(source.started for source in script.made.values()), 10.0, "all sources to be started")
    finally:
        engine.stop(1.0)
