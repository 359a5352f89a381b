"""The first moments of the app: what is done, and what can go wrong, before the engine is there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shiftdeck.config.loader import Config, ConfigError, ConfigErrors
from shiftdeck.journal.journal import Journal
from tests.fakes import FAST, FakeWorld, fake_context, fake_engine
from tui.app.app import ShiftdeckApp
from tui.widgets.pane import Pane


def sketched(folder: Path, complete: Callable[[Config], Config]) -> ShiftdeckApp:
    """The app on the sketch of a configuration: its sources have no options yet."""
    whole = fake_context()
    sources = tuple(replace(source, options={}) for source in whole.sources)
    sketch = replace(whole, sources=sources)
    config = Config(folder / "config.toml", whole.name, folder / "journal.jsonl", {whole.name: sketch})
    known = replace(config, contexts={whole.name: whole})
    journal = Journal(config.journal)
    return ShiftdeckApp(
        config,
        make_engine=lambda context, _: fake_engine(FakeWorld(), folder, context=context, journal=journal, timing=FAST),
        complete=lambda: complete(known),
    )


async def until(condition: Callable[[], object]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("never so")


def wrong(config: Config) -> Config:
    raise ConfigErrors([ConfigError(config.path, 3, "contexts.prod.metrics.prometheus", "'url' is missing")])


async def test_sources_get_their_options_before_they_are_asked(tmp_path: Path) -> None:
    app = sketched(tmp_path, lambda known: known)
    async with app.run_test():
        await until(lambda: app.view.number > 0)
        assert app.engine.context == fake_context()
        app.engine.stop(2.0)


async def test_wrong_options_end_the_app_and_are_left_to_be_told(tmp_path: Path) -> None:
    app = sketched(tmp_path, wrong)
    async with app.run_test():
        await until(lambda: not app.is_running)
    assert "'url' is missing" in str(app.misconfigured)
    assert app.begun is None


async def test_a_key_does_not_act_on_half_a_configuration(tmp_path: Path) -> None:
    held = threading.Event()

    def slow(known: Config) -> Config:
        held.wait(10.0)
        return wrong(known)

    app = sketched(tmp_path, slow)
    async with app.run_test():
        threading.Timer(0.1, held.set).start()
        app.simulate_key("space")  # not the pilot's way, which waits for a screen that is gone by then
        await until(lambda: not app.is_running)
    assert app.misconfigured is not None
    assert app.begun is None


async def test_keys_before_the_engine_is_there_reach_it(tmp_path: Path) -> None:
    app = sketched(tmp_path, lambda known: known)
    async with app.run_test() as pilot:
        await pilot.press("space")
        await until(lambda: app.view.paused)
        app.engine.stop(2.0)


async def test_a_context_is_switched_to_before_the_engine_of_the_first_has_begun(tmp_path: Path) -> None:
    app = sketched(tmp_path, lambda known: known)
    async with app.run_test():
        first = app.engine
        app.switch_context(app.config.default_context)
        await until(lambda: app.view.number > 0)
        assert app.engine is not first
        app.engine.stop(2.0)


async def test_before_the_engine_is_there_panes_say_what_is_read_and_claim_nothing(tmp_path: Path) -> None:
    held = threading.Event()

    def slow(known: Config) -> Config:
        held.wait(10.0)
        return known

    app = sketched(tmp_path, slow)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        panes = {pane.id: pane.as_text() for pane in app.screen.query(Pane)}
        assert panes["journal"] == "JOURNAL\nreading the journal…"
        assert "reading traffic from" in panes["traffic"]
        assert "reading history from" in panes["p95"]
        held.set()
        await until(lambda: "no change has been recorded yet" in app.screen.query_one("#journal", Pane).as_text())
        app.engine.stop(2.0)
