"""Keys that nobody meant: typed ahead, pasted, torn apart by a slow link."""

from __future__ import annotations

from pathlib import Path

from shiftdeck.config.loader import Access
from tests.app.driving import confirming_after, driving
from tests.fakes import FakeWorld
from tui.screens.main import MainScreen

HOUR_S = 3600.0


async def test_a_plan_that_nobody_can_have_read_is_not_applied(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, read_s=HOUR_S) as driver:
        await driver.press("r")
        await driver.sees("way back", "Apply")
        await driver.press("enter")
        await driver.hears("Apply came before this could be read. Press it again.")
        assert world.sent == []
        with confirming_after(0.0):
            await driver.press("enter")
            await driver.sees("recorded")
        assert world.sent != []


async def test_a_word_pasted_into_a_terminal_without_brackets_changes_nothing(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, read_s=HOUR_S) as driver:
        driver.type_ahead(*"rollback", "enter")
        await driver.until(lambda: driver.app.screen.is_modal, "a dialog")
        await driver.sees("ROLL BACK")
        driver.type_ahead("enter")
        await driver.press("enter")
        assert world.sent == []


async def test_the_pieces_of_an_arrow_key_do_not_arm(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, access=Access.ARM) as driver:
        before = driver.app.screen
        for pieces in (("escape", "left_square_bracket", "A"), ("left_square_bracket", "D"), ("escape", "O", "A")):
            await driver.press(*pieces)
            assert driver.app.screen is before
            assert isinstance(before, MainScreen)
            assert not driver.app.view.arming.writable


async def test_a_crash_is_told_by_the_exit_status(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        driver.app.panic("something broke")
    assert driver.app.return_code == 1
