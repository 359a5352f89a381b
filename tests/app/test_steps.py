"""The keys of rollouts by steps, in the app: from the key to the plan, and to what is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from shiftdeck.config.loader import Config, ContextConfig
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.journal import Journal
from tests.app.driving import confirming_after
from tests.fake_steps import stepped_factory
from tests.fakes import FAST, FakeWorld, fake_context
from tui.app.app import ShiftdeckApp
from tui.screens.plan import PlanScreen


def deck(world: FakeWorld, folder: Path) -> ShiftdeckApp:
    context = fake_context(production=False)
    config = Config(folder / "config.toml", context.name, folder / "journal.jsonl", {context.name: context})

    def make(chosen: ContextConfig, journal: Journal) -> Engine:
        return Engine(chosen, journal, clock=world.clock, factory=stepped_factory(world), timing=FAST)

    return ShiftdeckApp(config, make_engine=make)


async def on_sentiment(app: ShiftdeckApp, pilot: Pilot[int]) -> None:
    """Until every source was read, on the endpoint that is a rollout."""
    for _ in range(200):
        await pilot.pause(0.02)
        if app.view.loaded:
            break
    app.open_endpoint(next(view.ref for view in app.view.endpoints if view.ref.name == "sentiment"))
    await pilot.pause()


async def planned(app: ShiftdeckApp, pilot: Pilot[int]) -> PlanScreen:
    for _ in range(200):
        await pilot.pause(0.02)
        if isinstance(app.screen, PlanScreen) and app.screen.query_one("#apply").display:
            return app.screen
    raise AssertionError(f"no plan is shown, but {app.screen}")


async def test_the_key_aborts_after_a_plan(tmp_path: Path) -> None:
    world = FakeWorld()
    app = deck(world, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_sentiment(app, pilot)
        await pilot.press("X")
        screen = await planned(app, pilot)
        assert "ABORT" in screen.query_one("#title").render_line(0).text
        with confirming_after(0.0):
            await pilot.press("enter")
        for _ in range(200):
            await pilot.pause(0.02)
            if world.sent:
                break
        assert world.sent == ["traffic v7 90 → 100, traffic v8 10 → 0"]
    app.engine.stop(2.0)


@pytest.mark.parametrize("typed", ["P", ":pause", ":hold"])
async def test_pause_is_the_rollouts(tmp_path: Path, typed: str) -> None:
    world = FakeWorld()
    app = deck(world, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await on_sentiment(app, pilot)
        keys = typed if typed == "P" else f"{typed.replace(':', '')}"
        await pilot.press(*([] if typed == "P" else ["colon"]), *keys, *([] if typed == "P" else ["enter"]))
        screen = await planned(app, pilot)
        assert "PAUSE" in screen.query_one("#title").render_line(0).text
        assert not app.view.paused
        said = "\n".join(one.message for one in app._notifications)
        assert (":hold is called :pause now" in said) is (typed == ":hold")
        await pilot.press("escape")
    app.engine.stop(2.0)
    assert world.sent == []


async def test_what_cannot_be_done_now_is_said_and_opens_nothing(tmp_path: Path) -> None:
    world = FakeWorld()
    app = deck(world, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_sentiment(app, pilot)
        before = app.screen
        await pilot.press("T")
        await pilot.pause()
        assert app.screen is before
        assert world.sent == []
    app.engine.stop(2.0)


async def test_the_key_for_the_next_step_plans_it(tmp_path: Path) -> None:
    world = FakeWorld()
    app = deck(world, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_sentiment(app, pilot)
        await pilot.press("n")
        screen = await planned(app, pilot)
        assert "ADVANCE" in screen.query_one("#title").render_line(0).text
        await pilot.press("escape")
    app.engine.stop(2.0)
    assert world.sent == []
