"""The screen of one endpoint: its reasons, its variants side by side, charts, drift, accelerators, releases."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.layout import Layout

from backends.contracts import EndpointRef
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from tui.input.keymap import bindings
from tui.render import charts
from tui.render.drift import drift
from tui.render.endpoint_panes import (
    CHARTS,
    PANES,
    change,
    gpus,
    journal,
    missing,
    pane_widths,
    placed,
    releases,
    title,
    why,
)
from tui.render.main_layout import Box, Plan
from tui.render.theme import Look
from tui.render.variant_comparison import variants
from tui.screens.base import Steering
from tui.screens.dialog import Note
from tui.startup import preload
from tui.startup.preload import Moment
from tui.widgets.absolute_layout import PlannedLayout
from tui.widgets.footer import Footer
from tui.widgets.header import Header
from tui.widgets.pane import MARGIN, Make, Pane
from tui.widgets.prompt import Prompt

CHART_ROWS = 11
CHART_KINDS = {"p95": charts.P95, "errors": charts.ERRORS, "share": charts.SHARE}


class Sheet(VerticalScroll, can_focus=False):
    """The container of the panes, which scrolls as a whole."""

    DEFAULT_CSS = "Sheet { width: 100%; height: 1fr; scrollbar-size: 0 0; }"

    def __init__(self, planned: Layout, *panes: Pane) -> None:
        super().__init__(*panes)
        self._planned = planned

    @property
    def layout(self) -> Layout:
        return self._planned


class EndpointScreen(Steering):
    """The screen of one endpoint, which may not be known yet. ``show`` takes each new view."""

    KIND = "endpoint"
    DEFAULT_CSS = """
    EndpointScreen { layout: vertical; }
    EndpointScreen #title { margin: 0 1; }
    EndpointScreen #missing { margin: 1 1; }
    EndpointScreen Pane { overflow-y: hidden; }
    EndpointScreen Pane.zoomed { overflow-y: scroll; }
    """
    AUTO_FOCUS = "#why"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("endpoint", {})]

    def __init__(self, look: Look, ref: EndpointRef) -> None:
        super().__init__()
        self.look = look
        self.ref = ref
        self._view: View | None = None
        self._zoomed = ""
        self._chart_keys: dict[str, object] = {}
        self._plotting = threading.Event()
        self._needed: dict[str, int] = {}
        self.header_line = Header(look)
        self.footer = Footer(look, id="footer")
        self.prompt = Prompt(look)
        self.prompt.display = False
        titles = {"gpu": "GPU", "p95": "P95 ms", "share": "SHARE %", "errors": "ERRORS %"}
        self.panes = {name: Pane(look, titles.get(name, name.upper()), id=name) for name in PANES}
        self.sheet = Sheet(PlannedLayout(self._plan), *self.panes.values())

    def compose(self) -> ComposeResult:
        yield self.header_line
        yield Note(self.look, id="title")
        yield Note(self.look, id="missing")
        yield self.sheet
        yield self.footer
        yield self.prompt

    def on_mount(self) -> None:
        threading.Thread(target=self._load_plotter, name="plotext", daemon=True).start()
        self.show(self.deck.view)

    def _load_plotter(self) -> None:
        preload.load(Moment.CHARTED)
        self._plotting.set()

    def on_resize(self, event: events.Resize) -> None:
        if self._view is not None:
            self._chart_keys.clear()
            self.show(self._view)

    # ── layout ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _plan(self, size: Size) -> Plan:
        if self._zoomed:
            return Plan({self._zoomed: Box(0, 0, size.width, size.height)})
        return placed(size.width, size.height, self._needed)

    def _rearrange(self) -> None:
        # Textual drops the arrangement of a container when a child asks for a layout, not when the container does.
        self.panes["why"].refresh(layout=True)

    def _arrange(self, makers: dict[str, Make]) -> None:
        """Give each pane the rows that it needs at its width."""
        needed: dict[str, int] = {}
        for name, wide in pane_widths(self.size.width).items():
            lines = CHART_ROWS if name in CHARTS else len(makers[name](wide - 2 * MARGIN, 1000).lines)
            needed[name] = lines + 1 if lines else 0
        if needed != self._needed:
            self._needed = needed
            for name, rows in needed.items():
                self.panes[name].display = rows > 0
            self._rearrange()

    # ── views ───────────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, view: View) -> None:
        """Show a new view."""
        self._view = view
        self.header_line.show_view(view, slow=self.deck.link.slow)
        selected = view.endpoint(self.ref)
        wide = max(20, self.size.width - 2)
        self.query_one("#title", Note).say(lambda width: title(view, self.ref, self.look, width), wide)
        gone = self.query_one("#missing", Note)
        gone.display = selected is None
        self.sheet.display = selected is not None
        self.footer.show_keys(
            "endpoint",
            selected.endpoint if selected else None,
            writable=view.arming.writable,
            remapped=self.look.remapped,
        )
        if selected is None:
            gone.say(lambda width: missing(view, self.ref, self.look, width), wide)
            return
        if self.is_current and (view.charts is None or view.charts.ref != self.ref):
            self.deck.engine.focus(self.ref)
        self._draw(view, selected)

    def _draw(self, view: View, selected: EndpointView) -> None:
        look, ref = self.look, self.ref
        makers: dict[str, Make] = {
            "why": lambda width, height: why(view, selected, look, width),
            "variants": lambda width, height: variants(view, selected, look, width),
            "change": lambda width, height: change(view, ref, look, width),
            "drift": lambda width, height: drift(view, selected, look, width),
            "gpu": lambda width, height: gpus(view, selected, look, width),
            "releases": lambda width, height: releases(view, selected, look, width),
            "journal": lambda width, height: journal(view, ref, look, width),
        }
        self._arrange(makers)
        for name, make in makers.items():
            self.panes[name].show(make)
        for name in CHARTS:
            self._draw_chart(name, view, selected)

    def _draw_chart(self, name: str, view: View, selected: EndpointView) -> None:
        """Draw a chart, if it would differ from the drawn one."""
        pane, kind, look = self.panes[name], CHART_KINDS[name], self.look
        ready = self._plotting.is_set()
        key = (
            charts.key(view, selected, kind, pane.size.width, look, every_s=self.deck.link.charts_s),
            pane.size,
            ready,
        )
        if self._chart_keys.get(name) != key:
            self._chart_keys[name] = key
            drawn = view if ready else replace(view, charts=None)
            pane.show(lambda width, height: charts.chart(drawn, selected, kind, look, width, height))

    # ── acting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def selected_ref(self) -> EndpointRef | None:
        return self.ref

    def go_back(self, argument: str = "") -> None:
        """Leave the zoom, else go back to the fleet."""
        if self._zoomed:
            self.zoom()
        else:
            self.dismiss()

    def zoom(self, argument: str = "") -> None:
        """Show the focused pane on the whole sheet, or leave the zoom."""
        focused = self.focused.id if self.focused is not None else None
        self._zoomed = focused if not self._zoomed and focused in self.panes else ""
        for name, pane in self.panes.items():
            # Only a zoomed pane scrolls. Otherwise it has all its rows, and its keys scroll the sheet.
            pane.set_class(name == self._zoomed, "zoomed")
            pane.scroll_home(animate=False, immediate=True)
        self.sheet.scroll_home(animate=False, immediate=True)
        self._rearrange()
        if not self._zoomed and focused in self.panes:
            self.call_after_refresh(self.panes[focused].scroll_visible, animate=False)

    # ── commands ────────────────────────────────────────────────────────────────────────────────────────────────

    def ask_command(self, argument: str = "") -> None:
        """Open command mode."""
        self._asking(True)
        self.prompt.ask(":", "", self.completions)

    def _asking(self, asking: bool) -> None:
        self.prompt.display, self.footer.display = asking, not asking
        if not asking:
            self.prompt.sign = ""
            self.set_focus(self.panes["why"], scroll_visible=False)

    @on(Prompt.Cancelled)
    def _cancelled(self) -> None:
        self._asking(False)

    @on(Prompt.Done)
    def _done(self, event: Prompt.Done) -> None:
        try:
            if event.value.strip():
                self.obey(event.value)
        except ValueError as error:
            self.prompt.complain(str(error))
        else:
            self._asking(False)

    # ── text ────────────────────────────────────────────────────────────────────────────────────────────────────

    def focused_text(self) -> str:
        return self.focused.as_text() if isinstance(self.focused, Pane) else self.whole_text()

    def whole_text(self) -> str:
        width = max(80, self.size.width)
        shown = [self.panes[name] for name in PANES if self._needed.get(name)]
        head = [self.header_line.as_text(width), self.query_one("#title", Note).as_text(width)]
        return "\n\n".join([*head, *(pane.as_text(width) for pane in shown)])
