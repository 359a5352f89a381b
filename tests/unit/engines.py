"""The engine on the in-memory world, for its tests: how it is started, and what is looked for in its views."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.contracts import EndpointRef, Split
from shiftdeck.changes.plan import Plan
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.health.verdict import Level
from shiftdeck.sources.source import SourceState
from tests.fakes import CountedSource, FakeWorld, fake_context, running

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


def level(view: View, name: str = "sentiment") -> Level:
    found = next(one for one in view.endpoints if one.ref.name == name)
    return found.verdict.level


def seen(view: View, ref: EndpointRef) -> EndpointView:
    found = view.endpoint(ref)
    assert found is not None
    return found


def state(view: View, source: str) -> SourceState:
    status = view.source(source)
    assert status is not None
    return status.state


def rounds(engine: Engine, *names: str) -> dict[str, int]:
    """How many polls of each source were answered or failed; of an engine of ``running``."""
    sources = {name: source for (_, name), source in engine._sources.items() if not names or name in names}
    return {name: source.rounds for name, source in sources.items() if isinstance(source, CountedSource)}


def outcome(engine: Engine, plan: Plan) -> OutcomeKind:
    run = engine.run_of(plan)
    assert run is not None
    assert run.outcome is not None
    return run.outcome.kind
