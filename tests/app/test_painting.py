"""What the terminal shows is what the app means, whatever happens in whatever order."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest
from rich.text import Text
from textual import events

from tests.app.driving import Driver, driving
from tests.app.emulated import Terminal, differences, emulated, resize, shows_the_screen
from tests.examples import many
from tests.fakes import FakeWorld
from tui.widgets.canvas import Lines
from tui.widgets.header import Header

SIZES = ((80, 24), (100, 30), (120, 36), (200, 50))
KEYS = ("down", "up", "pagedown", "end", "home", "o", "slash", "escape", "enter", "question_mark", "r", "s", "J", "S")
KEYS_MORE = ("left", "right", "tab", "z", "1", "4", "ctrl+p", "space", "a", "e", "d", "D", "n", "colon")


def shake(world: FakeWorld, dice: random.Random) -> None:
    """Something changes in the world."""
    world.clock.tick(dice.choice((0.3, 1.0, 1.0, 7.0)))
    name = dice.choice(("sentiment", "fraud", "ranker", "churn", "pricing", "eta"))
    world.endpoint(name).rps = dice.uniform(1.0, 2000.0)
    if dice.random() < 0.3:
        world.endpoint(name).drift["text_len"] = dice.uniform(0.0, 0.6)


async def act(driver: Driver, terminal: Terminal, dice: random.Random) -> str:
    """Do one thing, without waiting for what comes of it; returns what it was."""
    match dice.randrange(10):
        case 0 | 1 | 2 | 3:
            shake(driver.world, dice)
            driver.app.engine.refresh()
            return "news"
        case 4:
            size = dice.choice(SIZES)
            resize(driver.app, terminal, *size)
            return f"resize {size}"
        case _:
            key = dice.choice(dice.choice((KEYS, KEYS, KEYS_MORE)))
            driver.type_ahead(key)
            return key


@pytest.mark.parametrize("seed", range(many(6)))
async def test_whatever_happens_the_terminal_shows_the_screen(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = FakeWorld()
    world.make_bad_canary()
    with emulated(120, 36) as terminal:
        async with driving(world, tmp_path, size=(120, 36), production=False, every_s=3600.0) as driver:
            done: list[str] = []
            for _ in range(60):
                done.append(await act(driver, terminal, dice))
                if dice.random() < 0.4:
                    await asyncio.sleep(dice.choice((0.0, 0.01, 0.05)))
                if dice.random() < 0.3:
                    await shows_the_screen(driver, terminal, ", ".join(done))
            await driver.until(lambda: not driver.app.message_queue_size, "keys are not taken")
            await shows_the_screen(driver, terminal, ", ".join(done))


async def test_a_dialog_lives_while_the_screen_behind_it_does(tmp_path: Path) -> None:
    dice = random.Random(1)
    world = FakeWorld()
    world.make_bad_canary()
    world.propagation = 40
    with emulated(120, 36) as terminal:
        async with driving(world, tmp_path, size=(120, 36), every_s=3600.0) as driver:
            await driver.press("r")
            await driver.sees("way back")
            await shows_the_screen(driver, terminal, "a plan")
            await driver.press("enter")
            for number in range(60):
                shake(world, dice)
                driver.app.engine.refresh()
                await asyncio.sleep(0.01)
                await shows_the_screen(driver, terminal, f"news {number} of a run")
            await driver.sees("settled")
            await shows_the_screen(driver, terminal, "the outcome")


def _one_line(text: Text, width: int) -> tuple[Text]:
    return (text,)


async def test_what_a_dialog_draws_is_not_lost_when_the_screen_behind_it_changes_too(tmp_path: Path) -> None:
    with emulated(120, 36) as terminal:
        async with driving(FakeWorld(), tmp_path, size=(120, 36), every_s=3600.0) as driver:
            main = driver.app.screen
            await driver.press("r")
            await driver.sees("way back")
            driver.app._waiting = True  # no view comes and draws it once more
            await shows_the_screen(driver, terminal, "a plan")
            for number in range(20):
                drawn = partial(_one_line, Text(f"drawn {number}"))
                driver.app.screen.query_one("#title", Lines).show(drawn)
                main.query_one(Header).show(drawn)
                await asyncio.sleep(0.003 * number)
                driver.app.screen.query_one("#body", Lines).show(drawn)
                await shows_the_screen(driver, terminal, f"{number} was drawn")


async def test_the_palette_may_be_left_before_it_is_there(tmp_path: Path) -> None:
    with emulated(120, 36) as terminal:
        async with driving(FakeWorld(), tmp_path, size=(120, 36), every_s=3600.0) as driver:
            for _ in range(5):
                driver.type_ahead("ctrl+p", "escape", "escape", "question_mark", "escape")
                await driver.until(lambda: not driver.app.message_queue_size, "keys are not taken")
            await shows_the_screen(driver, terminal, "leaving the palette")


async def test_what_others_wrote_is_gone_when_the_screen_is_drawn_anew(tmp_path: Path) -> None:
    with emulated(120, 36) as terminal:
        async with driving(FakeWorld(), tmp_path, size=(120, 36), every_s=3600.0) as driver:
            await shows_the_screen(driver, terminal, "the start")
            terminal.feed("\x1b[5;1Hwarning: something else writes here")
            assert differences(driver.app, terminal)
            await driver.press("ctrl+l")
            await shows_the_screen(driver, terminal, "drawing it anew")


async def test_where_nothing_changes_nothing_is_written(tmp_path: Path) -> None:
    with emulated(120, 36) as terminal:
        async with driving(FakeWorld(), tmp_path, size=(120, 36), every_s=3600.0) as driver:
            await driver.sees("TRAFFIC lab:prod/sentiment", "P95 ms v7 v8", "SHARE % v8")
            await driver.pilot.pause()
            await shows_the_screen(driver, terminal, "the start")
            before, number = terminal.written, driver.app.view.number
            driver.app.engine.refresh()
            await driver.until(lambda: driver.app.view.number > number, "no view comes")
            driver.app.screen.refresh()
            await driver.pilot.pause()
            await shows_the_screen(driver, terminal, "a view like the last")
            assert terminal.written == before


async def test_a_slow_link_is_said_in_the_header_and_can_be_ended(tmp_path: Path) -> None:
    world = FakeWorld()
    with emulated(120, 36) as terminal:
        async with driving(world, tmp_path, size=(120, 36), every_s=3600.0) as driver:
            await driver.press("L")
            await driver.sees("slow link")
            await driver.press("L")
            await driver.until(lambda: "slow link" not in driver.text(), "it stays slow")
            for _ in range(2):  # late answers of the terminal
                driver.app._answered = float("-inf")
                driver.app.link.chosen = None
                driver.app.action_redraw()
                asked = driver.app._asked
                assert asked is not None
                late = events.CursorPosition(0, 0)
                late.time = asked + 1.0
                driver.app.post_message(late)
                await driver.until(lambda: driver.app._asked is None, "the answer is not heard")
            await driver.sees("slow link")
            await shows_the_screen(driver, terminal, "finding the link slow")


async def test_on_a_slow_link_views_are_drawn_seldom_and_keys_at_once(tmp_path: Path) -> None:
    world = FakeWorld()
    with emulated(120, 36) as terminal:
        async with driving(world, tmp_path, size=(120, 36), every_s=3600.0) as driver:
            await driver.press("L")
            await driver.sees("slow link")
            shown = driver.app.view.number
            world.clock.tick(3.0)
            driver.app.engine.refresh()
            await driver.until(lambda: driver.app.engine.view.number > shown, "no view comes")
            await driver.press("down")
            await shows_the_screen(driver, terminal, "a key")
            assert driver.app.view.number == shown
            await driver.press("L")
            await driver.until(lambda: driver.app.view.number > shown, "the newest view is not taken")


async def test_a_paused_screen_is_left_alone_until_it_would_show_old_data_as_good(tmp_path: Path) -> None:
    world = FakeWorld()
    with emulated(120, 36) as terminal:
        async with driving(world, tmp_path, size=(120, 36), every_s=60.0) as driver:
            await driver.press("space")
            await driver.sees(" paused ")
            await shows_the_screen(driver, terminal, "pausing")
            shown, written = driver.app.view.number, terminal.written
            world.clock.tick(3.0)
            driver.app.engine.arm()  # in a context where that changes nothing, it has a view made all the same
            await driver.until(lambda: driver.app.engine.view.number > shown, "no view comes")
            await driver.pilot.pause()
            assert (driver.app.view.number, terminal.written) == (shown, written)
            world.clock.tick(3600.0)
            driver.app.engine.arm()
            await driver.sees("lab stale 1h")
            await shows_the_screen(driver, terminal, "growing stale")
