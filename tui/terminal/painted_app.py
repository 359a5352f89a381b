"""An app that writes only the cells in which a frame differs from the terminal."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from functools import partial
from time import monotonic

from rich.color import ColorSystem
from rich.console import RenderableType
from textual import events
from textual._compositor import Compositor, CompositorUpdate, LayoutUpdate, ReflowResult
from textual._context import visible_screen_stack
from textual.dom import DOMNode
from textual.driver import Driver
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from tui.terminal.drawn_app import DrawnApp
from tui.terminal.painter import RESET, Painter
from tui.terminal.torn_escape import TornEscape

AGAIN_S = 0.05
"""The time until the next attempt to draw, if the terminal has not read the last frame yet."""

BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
WHERE = "\x1b[6n"
"""Device Status Report: asks for the cursor's position. The terminal answers after it has read everything before."""

MUCH = 1024
ASK_EVERY_S = 10.0

LONG = 512
"""Frames of more bytes might be seen half drawn. They are bracketed if the terminal supports synchronized output."""


class Marks(Compositor):
    """A compositor that only reports whether a widget asked to be drawn. The app draws the whole screen."""

    def reflow(self, parent: Widget, size: Size) -> ReflowResult:
        """Lay the screen out, without reporting the screen itself as shown or resized. Textual would send the screen
        its size, and the screen would lay itself out again; with two pending sizes that never ends."""
        hidden, shown, resized = super().reflow(parent, size)
        return ReflowResult(hidden, shown - {parent}, resized - {parent})

    def render_update(
        self,
        full: bool = False,
        screen_stack: list[Screen[object]] | None = None,
        simplify: bool = False,
    ) -> RenderableType | None:
        if full:  # for a screenshot
            return super().render_update(full, screen_stack, simplify)
        if not self._dirty_regions:
            return None
        self._dirty_regions.clear()
        return LayoutUpdate([], self.size.region)


class PlainAtTheEnd(Driver):
    """Resets the terminal's attributes at the end, because frames do not reset them."""

    def stop_application_mode(self) -> None:
        self.write(RESET)
        super().stop_application_mode()  # type: ignore[safe-super]  # the driver that this class is mixed with


class ForgivingInput(Driver):
    """Drops bytes that are not UTF-8: line noise, or keys of a terminal that sends Latin-1. Textual would end."""

    def run_input_thread(self) -> None:
        from textual.drivers import linux_driver

        linux_driver.getincrementaldecoder = _forgiving  # type: ignore[attr-defined, assignment]  # its own is strict
        super().run_input_thread()  # type: ignore[misc]  # the driver that this class is mixed with


def _forgiving(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(encoding), errors="ignore")


class PaintedApp(DrawnApp):
    """Composes the whole screen for every frame, and writes the cells that differ from the shown ones.

    Textual relies on the marks of each widget, and loses some: a screen that is asked to repaint regions of itself, as
    a dialog is when the screen behind it changes, forgets the marks of its own widgets.
    """

    def __init__(self) -> None:
        super().__init__()
        self._colours = self.console._color_system or ColorSystem.TRUECOLOR  # noqa: SLF001 - as Textual does
        self._painter = Painter(self._colours)
        self._torn = TornEscape()
        self._owing = False
        self._asked: float | None = None
        self._answered = monotonic() - ASK_EVERY_S

    def get_driver_class(self) -> type[Driver]:
        return type("PaintedDriver", (PlainAtTheEnd, ForgivingInput, super().get_driver_class()), {})

    def panic(self, *renderables: RenderableType) -> None:
        """End the app with a report, and with an exit status that says so: Textual's input thread gives none."""
        self._return_code = self._return_code or 1
        super().panic(*renderables)

    async def on_event(self, event: events.Event) -> None:
        """Drop the pieces of an escape sequence that a slow link tore apart."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            typing = isinstance(self.focused, Input)
            if self._torn.swallows(event.key, event.character, event.time, typing=typing):
                return
        await super().on_event(event)

    def _register_child(self, parent: DOMNode, child: Widget, before: int | None, after: int | None) -> None:
        if isinstance(child, Screen) and not self.is_headless:
            child._compositor = Marks()  # noqa: SLF001 - before the screen is laid out
        super()._register_child(parent, child, before, after)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if renderable is not None and not isinstance(renderable, CompositorUpdate):
            self._painter.forget()
            super()._display(screen, renderable)
            return
        if renderable is not None or self._painter.blank:
            self._paint()
        self.post_display_hook()

    def _paint(self) -> None:
        driver, screen = self._driver, self.screen
        if driver is None or self.is_headless or not self._running or self._closed:
            return
        if self._batch_count or self._unread():
            self._owe()
            return
        compositor = screen._compositor  # noqa: SLF001 - Textual has no public access to the composed screen
        try:
            visible_screen_stack.set(self._background_screens)
            written = self._painter.paint(compositor.render_strips(), *compositor.size)
        except Exception as error:  # noqa: BLE001 - an error of a widget while it draws itself ends the app with a report
            self._handle_exception(error)
            return
        if written:
            bracketed = self._sync_available and len(written) > LONG
            driver.write(f"{BEGIN}{written}{END}" if bracketed else written)
            self._ask(len(written))
            driver.flush()

    # ── a terminal that does not read ───────────────────────────────────────────────────────────────────────────

    def _unread(self) -> bool:
        """Whether an earlier frame still waits for the terminal. Frames are never queued: the newest one is drawn when
        the terminal is ready, and the loop does not block."""
        writer = getattr(self._driver, "_writer_thread", None)
        return writer is not None and not writer._queue.empty()  # noqa: SLF001 - its write waits where it is full

    def _owe(self) -> None:
        if not self._owing:
            self._owing = True
            self.set_timer(AGAIN_S, self._pay)

    def _pay(self) -> None:
        self._owing = False
        self._paint()

    # ── a slow link ─────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, written: int) -> None:
        """After many bytes were written, ask the terminal for an answer, to measure when it has read them."""
        if self._driver is None or self._asked is not None or self.link.chosen is not None:
            return
        rested = monotonic() - self._answered
        if rested >= ASK_EVERY_S and written >= MUCH:
            self._asked = monotonic()
            self._driver.write(WHERE)

    def on_cursor_position(self, event: events.CursorPosition) -> None:
        """Take the terminal's answer, and judge the link by its time."""
        if self._asked is None:
            return
        # event.time is when the answer was read; this loop may have been busy since.
        took, self._asked, self._answered = event.time - self._asked, None, monotonic()
        before = self.link.slow
        self.link.answered(took)
        if self.link.slow is not before:
            self.link_changed()

    def link_changed(self) -> None:
        """Adapt the drawing to the new judgement of the link."""
        slow = self.link.slow and self._colours is ColorSystem.TRUECOLOR
        self._painter.use(ColorSystem.EIGHT_BIT if slow else self._colours)

    # ── a terminal with unknown content ─────────────────────────────────────────────────────────────────────────

    def on_resize(self, event: events.Resize) -> None:
        """Forget what the terminal shows. A terminal that changes its size moves or cuts its content. A detached
        terminal that is attached again shows other content, and reports its size."""
        self._painter.forget()

    def redraw(self) -> None:
        """Write the whole screen: something else wrote to the terminal."""
        self._painter.forget()
        self._paint()
