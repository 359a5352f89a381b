"""A terminal in memory that gets every character the app writes, and what should stand on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import pyte
import pytest
from pyte.screens import Char
from textual import events
from textual._context import visible_screen_stack
from textual.app import App
from textual.drivers import headless_driver
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Size

import tui.app.app
from tui.terminal.capabilities import Capabilities, Colours

if TYPE_CHECKING:
    from tests.app.driving import Driver

DEADLINE_S = 30.0


def _seen(cell: Char) -> Char:
    """Of a blank nothing is seen but the colour behind it, and lines through it."""
    plain = cell.data == " " and not (cell.underscore or cell.strikethrough or cell.reverse)
    return cell._replace(fg="default", bold=False, italics=False, blink=False) if plain else cell


Row = tuple[Char, ...]


class Terminal:
    """What was written, as a terminal of that size shows it. ``written`` counts the bytes."""

    def __init__(self, width: int, height: int) -> None:
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self._screen)
        self._rows: dict[int, Row] = {}
        self.written = 0

    def feed(self, data: str) -> None:
        self.written += len(data.encode())
        self._stream.feed(data)

    def resize(self, width: int, height: int) -> None:
        """What stood on it stays, cut or filled with blanks."""
        self._screen.resize(height, width)

    @property
    def size(self) -> tuple[int, int]:
        return self._screen.columns, self._screen.lines

    def cells(self) -> list[Row]:
        screen = self._screen
        for y in screen.dirty:
            self._rows[y] = tuple(_seen(screen.buffer[y][x]) for x in range(screen.columns))
        screen.dirty.clear()
        return [self._rows[y] for y in range(screen.lines)]

    def text(self) -> str:
        return "\n".join("".join(cell.data for cell in row).rstrip() for row in self.cells())


@contextmanager
def emulated(width: int, height: int, colours: Colours = Colours.FULL) -> Iterator[Terminal]:
    """Apps under ``run_test`` write to this terminal."""
    terminal = Terminal(width, height)

    class Emulated(HeadlessDriver):
        @property
        def is_headless(self) -> bool:
            return False

        def write(self, data: str) -> None:
            terminal.feed(data)

    patch = pytest.MonkeyPatch()
    patch.setattr(headless_driver, "HeadlessDriver", Emulated)
    patch.setattr(tui.app.app, "_FOUND", Capabilities(colours, unicode=True))
    try:
        yield terminal
    finally:
        patch.undo()


def resize(app: App[int], terminal: Terminal, width: int, height: int) -> None:
    """The terminal gets another size, and the app hears of it."""
    terminal.resize(width, height)
    size = Size(width, height)
    cast("HeadlessDriver", app._driver)._size = (width, height)
    app.post_message(events.Resize(size, size))


def expected(app: App[int]) -> list[Row]:
    """What should stand on the terminal: all of the screen, drawn at once on an empty one."""
    visible_screen_stack.set(app._background_screens)
    width, height = app.size
    rows = [strip.render(app.console) for strip in app.screen._compositor.render_strips()]
    # Between a new size and its layout the screen still has the number of rows from before.
    return [_drawn(row, width) for row in (*rows, *[""] * height)[:height]]


@lru_cache(maxsize=2048)
def _drawn(written: str, width: int) -> Row:
    """One row on an empty terminal; from one frame to the next few rows differ."""
    fresh = Terminal(width, 1)
    fresh.feed(written)
    return fresh.cells()[0]


def differences(app: App[int], terminal: Terminal) -> list[str]:
    """Where the terminal shows something else than it should, row by row."""
    if app.screen.size != Size(*terminal.size):
        return [f"the screen is laid out for {app.screen.size}, the terminal has {terminal.size}"]
    found = []
    for y, (wanted, shown) in enumerate(zip(expected(app), terminal.cells(), strict=True)):
        if wanted != shown:
            columns = [x for x, pair in enumerate(zip(wanted, shown, strict=True)) if pair[0] != pair[1]]
            words = ["".join(cell.data for cell in row).rstrip() for row in (wanted, shown)]
            found.append(f"row {y}, columns {columns[0]}–{columns[-1]}\n  should be {words[0]}\n  is        {words[1]}")
    return found


async def shows_the_screen(driver: Driver, terminal: Terminal, what: str) -> None:
    """Wait until the terminal shows just what it should, without anything being done for that."""
    deadline = time.monotonic() + DEADLINE_S
    while wrong := differences(driver.app, terminal):
        assert time.monotonic() < deadline, f"after {what}:\n" + "\n".join(wrong)
        await asyncio.sleep(0.01)
