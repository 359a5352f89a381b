"""Pictures of the main screen at the sizes people have. ``pytest tests/app/test_snapshots.py --snapshot-update`` takes
them anew; look at what changed before committing it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from shiftdeck.config.loader import Config
from shiftdeck.journal.journal import Journal
from tests.fakes import FakeWorld, fake_context, fake_engine
from tui.app.app import ShiftdeckApp
from tui.screens.main import MainScreen
from tui.startup.preload import Moment
from tui.terminal.capabilities import Capabilities, Colours

Compare = Callable[..., bool]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShiftdeckApp:
    """The app on a bad night, in full colour whatever terminal the tests run in."""
    monkeypatch.setattr("tui.app.app._FOUND", Capabilities(Colours.FULL, unicode=True))
    return app_of(tmp_path)


def app_of(tmp_path: Path) -> ShiftdeckApp:
    world = FakeWorld()
    world.make_night()
    context = fake_context()
    config = Config(tmp_path / "config.toml", context.name, tmp_path / "journal.jsonl", {context.name: context})
    journal = Journal(config.journal, clock=world.clock, operator="ana", host="bastion")
    return ShiftdeckApp(
        config,
        make_engine=lambda context, _: fake_engine(world, tmp_path, context=context, journal=journal),
    )


async def settled(pilot: Pilot[int]) -> None:
    """Until everything has answered, and the charts of what the cursor is on are drawn."""
    app = pilot.app
    assert isinstance(app, ShiftdeckApp)
    screen = app.screen_stack[-1]
    assert isinstance(screen, MainScreen)
    for _ in range(600):
        await pilot.pause(0.05)
        if app.view.loaded:
            # Which endpoint was critical first depends on which source was faster.
            screen.table.move(0)
        charts, ref = app.view.charts, screen.table.selected.ref if screen.table.selected else None
        drawn = charts is not None and charts.ref == ref and screen.has(Moment.CHARTED)
        if app.view.loaded and drawn and app.view.endpoints[0].verdict.level == "critical":
            break
    else:
        raise AssertionError("the screen never settles")
    app.engine.stop(1.0)
    screen.show(app.engine.view)
    await pilot.pause()
    await pilot.pause()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 36), (200, 50)])
def test_a_bad_night(night: ShiftdeckApp, snap_compare: Compare, width: int, height: int) -> None:
    assert snap_compare(night, terminal_size=(width, height), run_before=settled)


def test_charts_in_a_small_terminal(night: ShiftdeckApp, snap_compare: Compare) -> None:
    async def open_charts(pilot: Pilot[int]) -> None:
        await pilot.press("3")
        await settled(pilot)

    assert snap_compare(night, terminal_size=(80, 24), run_before=open_charts)


def test_help(night: ShiftdeckApp, snap_compare: Compare) -> None:
    async def open_help(pilot: Pilot[int]) -> None:
        await settled(pilot)
        await pilot.press("question_mark")
        await pilot.pause()

    assert snap_compare(night, terminal_size=(120, 50), run_before=open_help)


def test_ascii_without_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snap_compare: Compare) -> None:
    monkeypatch.setattr("tui.app.app._FOUND", Capabilities(Colours.NONE, unicode=False))
    app = app_of(tmp_path)
    app.theme = "ansi-dark"
    assert snap_compare(app, terminal_size=(120, 36), run_before=settled)
