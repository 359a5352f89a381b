"""The main screen: all endpoints, and below them the panes of the endpoint under the cursor."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.timer import Timer

from shiftdeck.fleet.sorting import Filter, next_sort, sort_named
from shiftdeck.sources.poll_interval import Visibility
from tui.input import panes
from tui.input.keymap import bindings
from tui.render import main_layout
from tui.render.main_layout import CHARTS, PANES, Plan
from tui.render.placeholder import TITLES, waiting
from tui.screens.base import Steering
from tui.startup import preload
from tui.startup.preload import Moment
from tui.terminal.background import in_background
from tui.widgets.absolute_layout import Deck
from tui.widgets.canvas import Lines, Table
from tui.widgets.endpoint_table import EndpointsTable
from tui.widgets.footer import Footer
from tui.widgets.header import Header
from tui.widgets.pane import Pane
from tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from shiftdeck.engine.view import View
    from shiftdeck.fleet.endpoint import EndpointView
    from tui.render.theme import Look

REST_S = 0.15
"""The panes of an endpoint are drawn, and its history is read, once the cursor has rested on it for this time."""

SOURCES_OF = {
    name: one.rests for one in panes.PANES if one.rests for name in (CHARTS if one.name == "charts" else (one.name,))
}
"""By pane: the kind of sources that are polled less often while no visible pane shows them."""


class MainScreen(Steering):
    """All endpoints and the panes of the selected one. ``show`` takes each new view."""

    KIND = "main"
    AUTO_FOCUS = "#endpoints"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("main", {}),
        Binding("tab", "next_pane(1)", show=False),
        Binding("shift+tab", "next_pane(-1)", show=False),
        Binding("escape", "out", show=False),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self._view: View | None = None
        self._chosen = "traffic"
        self._zoomed = ""
        self._asking = False
        self._resting: Timer | None = None
        self._resting_on: EndpointRef | None = None
        self._imported: dict[Moment, bool] = {}
        self.header_line = Header(look)
        self.table = EndpointsTable(look)
        self.tabs = Lines(look, id="tabs")
        self.footer = Footer(look, id="footer")
        self.prompt = Prompt(look)
        self.panes = {name: Pane(look, title, id=name) for name, title in TITLES.items()}

    # ── widgets and layout ──────────────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        yield Deck(self._plan, self.header_line, self.table, self.tabs, *self.panes.values(), self.footer, self.prompt)

    def _plan(self, size: Size) -> Plan:
        endpoints = len(self._view.endpoints) if self._view is not None else 0
        plan = main_layout.layout(size.width, size.height, max(3, endpoints), self._chosen, self._zoomed)
        if not self._asking:
            return plan
        line = main_layout.Box(0, size.height - 1, size.width, 1)
        return Plan({name: box for name, box in plan.boxes.items() if name != "footer"} | {"prompt": line}, plan.tabs)

    def _compositor_refresh(self) -> None:
        """Paint nothing until the table has been drawn, so that the first frame is complete."""
        if self.table.has_drawn or not self.table.size:
            super()._compositor_refresh()

    @property
    def plan(self) -> Plan:
        """The present layout."""
        return self._plan(self.size)

    def on_mount(self) -> None:
        self.app.set_keymap(dict(self.look.remapped))
        # The first frame shows the initial view: sources that are starting, and no endpoint yet.
        self.show(self.deck.view)
        self.watch(self.app, "app_focus", self._report_visibility, init=False)

    def has(self, moment: Moment) -> bool:
        """Whether the modules of that moment have been imported. The first call starts the import off this thread; the
        panes are drawn again when it has ended."""
        if moment not in self._imported:
            self._imported[moment] = False
            # An error of these imports comes again, and is reported, when the panes are drawn.
            came = partial(self._came, moment)
            in_background(self, partial(preload.load, moment), came, came)
        return self._imported[moment]

    def _came(self, moment: Moment, _: object) -> None:
        self._imported[moment] = True
        self._draw_panes()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._draw_panes)

    # ── views ───────────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, view: View) -> None:
        """Show a new view."""
        before = self._view
        self._view = view
        if before is None or before.context != view.context:
            self._resting_on = None
        if before is None or len(before.endpoints) != len(view.endpoints):
            self._rearrange()
        self.header_line.show_view(view, slow=self.deck.link.slow)
        self.table.show(view)
        self._draw_selected()

    @property
    def selected(self) -> EndpointView | None:
        """The endpoint under the cursor, of the newest view."""
        return self.table.selected

    def selected_ref(self) -> EndpointRef | None:
        self.table.hold()
        return self.selected.ref if self.selected else None

    @on(Table.Moved)
    def _moved(self) -> None:
        """Draw the panes, and read their history, once the cursor rests: a key held down passes many endpoints."""
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(REST_S, self._draw_selected)

    def on_key(self) -> None:
        self.table.hold()

    def _draw_selected(self) -> None:
        view = self._view
        if view is None:
            return
        self._follow_history()
        self._draw_tabs()
        self._draw_panes()
        self.footer.show_keys(
            "main",
            self.selected.endpoint if self.selected else None,
            writable=view.arming.writable,
            remapped=self.look.remapped,
        )

    def _draw_panes(self) -> None:
        view, chosen = self._view, self.selected
        if view is None:
            return
        self._report_visibility()
        if view.number == 0:
            self._draw_waiting(view)
            return
        if not self.has(Moment.ROWS):
            return
        from tui.render import main_panes

        makers, keys = main_panes.pane_makers(view, chosen, self.look), main_panes.pane_keys(view, chosen)
        for name in self.plan.panes:
            if name in makers:
                self.panes[name].show(makers[name], keys[name])
            else:
                self._draw_chart(name, view, chosen)

    def _draw_waiting(self, view: View) -> None:
        for name in self.plan.panes:
            self.panes[name].show(partial(waiting, view, name, self.look))

    def _draw_chart(self, name: str, view: View, chosen: EndpointView | None) -> None:
        """Draw a chart, if it would differ from the drawn one."""
        from tui.render import charts

        pane, kind, look = self.panes[name], charts.KINDS[name], self.look
        ready = view.charts is not None and self.has(Moment.CHARTED)
        key = (charts.key(view, chosen, kind, pane.size.width, look, every_s=self.deck.link.charts_s), ready)
        drawn = view if ready else replace(view, charts=None)
        pane.show(lambda width, height: charts.chart(drawn, chosen, kind, look, width, height), key)

    def _draw_tabs(self) -> None:
        if not self.plan.tabs:
            return
        shown = {"charts" if name in CHARTS else name for name in self.plan.panes}
        parts: list[tuple[str, str]] = []
        for number, name in enumerate(PANES, 1):
            parts += [(f" {number}", "key"), (f" {name} ", "strong" if name in shown else "muted")]
        line = self.look.text(*parts)
        self.tabs.show(lambda width: (line,))

    def _follow_history(self) -> None:
        """Let the engine read the history of the endpoint under the cursor."""
        ref = self.selected.ref if self.selected else None
        if ref is None or not self.is_current or ref == self._resting_on:
            return
        self._resting_on = ref
        self.deck.engine.focus(ref)

    def on_screen_resume(self) -> None:
        self._resting_on = None
        self._draw_selected()

    def on_screen_suspend(self) -> None:
        # The covering screen may lead to a change, which needs all sources.
        self.deck.set_visibility(Visibility())

    def _report_visibility(self) -> None:
        """Tell the engine which sources are shown, and whether the terminal has the focus."""
        if self.is_current:
            shown = {SOURCES_OF[name] for name in self.plan.panes if name in SOURCES_OF}
            self.deck.set_visibility(Visibility(shown, self.app.app_focus))

    # ── moving between panes ────────────────────────────────────────────────────────────────────────────────────

    def _rearrange(self) -> None:
        self.query_one(Deck).rearrange()

    def action_next_pane(self, by: int) -> None:
        """Move the focus through the table and the visible panes, in a circle."""
        if self._zoomed:
            return
        ring = ["endpoints", *self.plan.panes]
        focused = self.focused.id if self.focused is not None and self.focused.id in ring else "endpoints"
        self._focus(ring[(ring.index(focused) + by) % len(ring)])

    def _focus(self, name: str) -> None:
        widget = self.table if name == "endpoints" else self.panes[name]
        self.set_focus(widget, scroll_visible=False)

    def show_pane(self, name: str) -> None:
        """Show a pane. It gets the focus if all panes are shown at once, and the zoom if a pane is zoomed."""
        first = CHARTS[0] if name == "charts" else name
        if self._zoomed:
            self._zoomed = name
        elif self.plan.tabs:
            self._chosen = name
        elif first not in self.plan.panes:
            self._zoomed = name
        self._show_plan()
        if self._zoomed or not self.plan.tabs:
            self._focus(first)

    def zoom(self, argument: str = "") -> None:
        """Show the focused pane on the whole screen, or leave the zoom."""
        if self._zoomed:
            self._zoomed = ""
        else:
            focused = self.focused.id if self.focused is not None else None
            self._zoomed = focused if focused in self.panes else self._chosen if self.plan.tabs else "endpoints"
            self._focus(CHARTS[0] if self._zoomed == "charts" else self._zoomed)
        self._show_plan()

    def _show_plan(self) -> None:
        self._rearrange()
        self._draw_tabs()
        self.call_after_refresh(self._draw_panes)

    def action_out(self) -> None:
        """Leave the zoom, else go back to the table, else remove the filter."""
        if self._zoomed:
            self.zoom()
            self._focus("endpoints")
        elif self.focused is not self.table:
            self._focus("endpoints")
        elif self.table.filter.text:
            self._narrow("")

    # ── filter, order, commands ─────────────────────────────────────────────────────────────────────────────────

    def filter_rows(self, argument: str = "") -> None:
        """Filter the table by the argument, or ask for the filter."""
        if argument:
            self._narrow(argument)
        else:
            self._ask("/", self.table.filter.text)

    def sort_rows(self, argument: str = "") -> None:
        """Sort by the named column, or by the next one."""
        self.table.order_by(sort_named(argument) if argument else next_sort(self.table.sort))
        self._draw_selected()

    def ask_command(self, argument: str = "") -> None:
        """Open command mode."""
        self._ask(":", "")

    def _narrow(self, text: str) -> None:
        """Raises:
        ValueError: it is no regular expression.
        """
        self.table.narrow(Filter.parse(text))
        self._draw_selected()

    def _ask(self, sign: str, value: str) -> None:
        self._asking = True
        self._rearrange()
        self.prompt.ask(sign, value, self.completions if sign == ":" else lambda text: ())

    def _stop_asking(self) -> None:
        if self._asking:
            self._asking = False
            self.prompt.sign = ""
            self._rearrange()
            self._focus(self._zoomed if self._zoomed in self.panes else "endpoints")

    @on(Prompt.Changed)
    def _typed(self, event: Prompt.Changed) -> None:
        if event.sign == "/" and self._asking:
            try:
                self._narrow(event.value)
            except ValueError as error:
                self.prompt.complain(str(error))

    @on(Prompt.Cancelled)
    def _cancelled(self, event: Prompt.Cancelled) -> None:
        if event.sign == "/":
            self._narrow("")
        self._stop_asking()

    @on(Prompt.Done)
    def _done(self, event: Prompt.Done) -> None:
        try:
            if event.sign == "/":
                self._narrow(event.value)
            elif event.value.strip():
                self.obey(event.value)
        except ValueError as error:
            self.prompt.complain(str(error))
        else:
            if self.prompt.sign == event.sign:  # else the command has opened the prompt again
                self._stop_asking()

    def open_endpoint(self, argument: str = "") -> None:
        """Open the named endpoint, or the one under the cursor."""
        ref = self._find(argument) if argument else self.selected_ref()
        if ref is not None:
            self.deck.open_endpoint(ref)

    def _find(self, text: str) -> EndpointRef:
        """The endpoint that the text names: by its ref, or by its name if only one endpoint has it.

        Raises:
            ValueError: there is none, or more than one.
        """
        view = self.deck.view
        found = [one.ref for one in view.endpoints if text in (str(one.ref), one.ref.name)]
        if len(found) != 1:
            problem = "no endpoint" if not found else f"{len(found)} endpoints are named"
            raise ValueError(f"{problem} {text}: write BACKEND:SCOPE/NAME")
        return found[0]

    # ── text ────────────────────────────────────────────────────────────────────────────────────────────────────

    def focused_text(self) -> str:
        focused = self.focused
        return focused.as_text() if isinstance(focused, Pane | EndpointsTable) else self.table.as_text()

    def whole_text(self) -> str:
        width = max(80, self.size.width)
        parts = [self.header_line.as_text(width), self.table.as_text(width)]
        parts += [self.panes[name].as_text(width) for name in self.plan.panes]
        return "\n\n".join(part for part in parts if part.strip())
