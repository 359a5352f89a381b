"""Looking for long enough: metrics that are scraped directly have no past, those of a server have."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from backends.contracts import VariantMetrics
from shiftdeck.engine.engine import Engine
from tests.fake_adapters import FakeMetrics
from tests.fakes import FakeWorld, fake_context, running
from tui.cli.engine_session import has_window, observe, wait_loaded


class Scraped:
    """Makes the metrics of a world look scraped: their window grows from 0 with the real clock."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.first: float | None = None
        current = FakeMetrics.current

        def scraped(adapter: FakeMetrics, window_s: float) -> tuple[VariantMetrics, ...]:
            now = time.monotonic()
            self.first = now if self.first is None else self.first
            grown = min(window_s, now - self.first)
            return tuple(replace(one, window_s=grown) for one in current(adapter, window_s))

        patch.setattr(FakeMetrics, "current", scraped)


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


def looked_for(engine: Engine, seconds: float) -> tuple[float, float]:
    wait_loaded(engine, print)
    began = time.monotonic()
    view = observe(engine, seconds, has_window(seconds))
    found = [one.metrics.window_s for endpoint in view.endpoints for one in endpoint.variants if one.metrics]
    return time.monotonic() - began, max(found)


def test_a_server_with_a_memory_is_not_waited_for(world: FakeWorld, tmp_path: Path) -> None:
    with running(world, tmp_path) as engine:
        took, window = looked_for(engine, 30.0)
    assert window == 60.0
    assert took < 5.0


def test_what_is_scraped_is_looked_at_again_at_the_end(
    world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scraped(monkeypatch)
    ticking = world.clock
    with running(world, tmp_path, context=fake_context(every_s=300.0), loaded=False) as engine:
        wait_loaded(engine, print)
        ticking.tick(1.0)
        took, window = looked_for(engine, 0.5)
    assert window >= 0.5, "though its next look was minutes away"
    assert took < 5.0


def test_nothing_is_waited_for_where_no_metrics_answer(world: FakeWorld, tmp_path: Path) -> None:
    context = fake_context(sources=(("serving", "lab"),))
    with running(world, tmp_path, context=context) as engine:
        wait_loaded(engine, print)
        began = time.monotonic()
        observe(engine, 30.0, has_window(30.0))
    assert time.monotonic() - began < 5.0
