"""One dispatch: from a key, a word or the palette to what is done, on every kind of screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.driving import Driver, driving
from tests.fakes import FakeWorld
from tui.screens.drift import DriftScreen
from tui.screens.help import HelpScreen
from tui.screens.lists import JournalScreen, SourcesScreen
from tui.screens.main import MainScreen
from tui.screens.palette import offered
from tui.widgets.endpoint_table import EndpointsTable


def asking(driver: Driver) -> str:
    """The sign of the prompt, while it asks for something."""
    screen = driver.app.screen
    assert isinstance(screen, MainScreen)
    return screen.prompt.sign


# ── pause ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("open_it", [False, True])
async def test_pause_says_what_pauses_the_refresh_where_there_is_no_rollout_to_pause(
    tmp_path: Path, open_it: bool
) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        if open_it:
            await driver.press("enter")
        await driver.command("pause")
        await driver.hears("lab knows no pause. Space or :refresh-pause pauses the refresh.")
        assert not driver.app.view.paused


async def test_the_refresh_is_paused_by_its_own_word(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        await driver.command("refresh-pause")
        await driver.sees(" paused ")


async def test_keys_by_ids_of_an_earlier_release_work_and_are_named(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, keys={"pause": "f4"}) as driver:
        await driver.hears("Write refresh_pause")
        await driver.press("f4")
        await driver.sees(" paused ")


# ── command mode ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [("sort banana", "no column"), ("open nowhere", "no endpoint nowhere"), ("filter (", "unterminated")],
)
async def test_what_makes_no_sense_after_a_word_is_said_and_can_be_put_right(
    tmp_path: Path, typed: str, complaint: str
) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        await driver.command(typed)
        await driver.sees(complaint)
        assert asking(driver) == ":"


async def test_a_word_that_asks_for_more_asks_for_it(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        await driver.command("filter")
        assert asking(driver) == "/"
        await driver.write("churn")
        await driver.press("enter")
        await driver.until(lambda: driver.app.screen.query_one(EndpointsTable).filter.text == "churn", "no filter")
        assert asking(driver) == ""


async def test_words_with_an_argument_do_what_their_keys_do(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        table = driver.app.screen.query_one(EndpointsTable)
        await driver.press("o")
        assert table.sort == "name"
        await driver.command("sort p95")
        assert table.sort == "p95"
        await driver.command("span 6h")
        await driver.hears("Charts go back 6h.")
        await driver.command("journal")
        await driver.until(lambda: isinstance(driver.app.screen, JournalScreen), "no journal")


# ── other screens ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_is_copied_and_left_and_its_help_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with driving(FakeWorld(), tmp_path) as driver:
        await driver.press("S")
        await driver.until(lambda: isinstance(driver.app.screen, SourcesScreen), "no list")
        await driver.press("y")
        await driver.hears("copied.txt")
        await driver.press("question_mark")
        await driver.until(lambda: isinstance(driver.app.screen, HelpScreen), "no help")
        assert "Copy what has the focus" in driver.text()
        assert "Shift live traffic" not in driver.text()
        await driver.press("question_mark")
        await driver.until(lambda: isinstance(driver.app.screen, SourcesScreen), "the help stays")
        await driver.press("q")
        await driver.until(lambda: isinstance(driver.app.screen, MainScreen), "the list stays")
        assert driver.app.is_running


async def test_the_palette_offers_what_can_be_done_on_the_screen_that_it_is_over(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        screen = driver.app.screen
        assert isinstance(screen, MainScreen)
        ids = {one.id for one in offered(screen)}
        assert {"shift", "zoom", "command", "quit"} <= ids
        assert ids.isdisjoint({"advance", "pause", "palette"}), "lab has no steps"
        await driver.press("d")
        await driver.until(lambda: isinstance(driver.app.screen, DriftScreen), "no drift")
        drift = driver.app.screen
        assert isinstance(drift, DriftScreen)
        ids = {one.id for one in offered(drift)}
        assert {"shift", "rollback", "copy"} <= ids
        assert ids.isdisjoint({"zoom", "command", "back"}), "it has no panes and no command mode"


async def test_no_change_is_left_unwatched_by_suspending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = FakeWorld()
    world.propagation = 10_000
    async with driving(world, tmp_path) as driver:
        suspended: list[str] = []
        monkeypatch.setattr(driver.app, "suspend_as_job", lambda: suspended.append("suspended"))
        await driver.press("ctrl+z")
        assert suspended == ["suspended"]
        await driver.press("r")
        await driver.sees("way back")
        await driver.press("enter")
        await driver.sees("recorded")
        await driver.press("ctrl+z")
        await driver.hears("a suspended program would not watch it")
        await driver.press("escape")
        await driver.no_dialog()
        await driver.command("suspend")
        assert suspended == ["suspended"]
