"""The drift of one endpoint: every feature by variant, and the details of the feature under the cursor."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from backends.contracts import EndpointRef
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.history.charts import Mark
from tui.input.keymap import bindings
from tui.render import source_status
from tui.render.content import Content
from tui.render.drift_detail import FeatureRow, detail, feature_rows, summary, table
from tui.render.theme import Look
from tui.render.traffic_bar import variant_styles
from tui.screens.base import Steering
from tui.startup import preload
from tui.startup.preload import Moment
from tui.widgets.canvas import Table
from tui.widgets.footer import Footer
from tui.widgets.header import Header
from tui.widgets.pane import Pane


class FeatureTable(Table):
    """The table of features. The cursor stays on its feature when the order changes."""

    def __init__(self, look: Look, ref: EndpointRef) -> None:
        super().__init__(look, id="features")
        self._ref = ref
        self._variants: Sequence[str] = ()
        self._notes: Sequence[Text] = ()
        self.rows: Sequence[FeatureRow] = ()

    def show(self, rows: Sequence[FeatureRow], variants: Sequence[str], notes: Sequence[Text]) -> None:
        """Show new scores. ``notes`` are the problems of their sources, or why there are no scores."""
        before = self.picked
        self.rows, self._variants, self._notes = rows, variants, notes
        keys = [row.key for row in rows]
        if before is not None and before.key in keys:
            self.cursor = keys.index(before.key)
        self.cursor = max(0, min(self.cursor, len(rows) - 1))
        self.redraw()

    @property
    def picked(self) -> FeatureRow | None:
        """The feature under the cursor."""
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    @property
    def needed(self) -> int:
        """The number of lines that the table needs."""
        return 3 + len(self._notes) + len(self.rows)

    def head(self, width: int) -> Sequence[Text]:
        ref = self._ref
        title = self.look.text((" DRIFT ", "title"), (f"{ref.backend}:{ref.scope}/", "muted"), (ref.name, "strong"))
        if self.rows:
            title.append(f"  {summary(self.rows)}", self.look["muted"])
        headings = [_indented(table(self.rows, self._variants, self.look, width - 2)[0])] if self.rows else []
        return (title, *(_indented(note) for note in self._notes), *headings)

    def total(self) -> int:
        return len(self.rows)

    def line(self, index: int, width: int) -> Text:
        return _indented(table(self.rows, self._variants, self.look, width - 2)[1][index])


def _indented(line: Text) -> Text:
    made = Text(" ", no_wrap=True, end="")
    made.append_text(line)
    return made


class DriftScreen(Steering):
    """The screen of one endpoint's drift. ``show`` takes each new view."""

    DEFAULT_CSS = """
    DriftScreen { layout: vertical; }
    DriftScreen #features { height: 8; }
    DriftScreen #detail { height: 1fr; margin: 1 0 0 0; }
    """
    KIND = "list"
    OFFERS = "endpoint"
    AUTO_FOCUS = "#features"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("list", {}),
        Binding("escape", "leave", show=False),
        Binding("tab", "other", show=False),
        Binding("shift+tab", "other", show=False),
    ]

    def __init__(self, look: Look, ref: EndpointRef) -> None:
        super().__init__()
        self.look = look
        self.ref = ref
        self._plotting = threading.Event()
        self.header_line = Header(look)
        self.features = FeatureTable(look, ref)
        self.detail = Pane(look, "FEATURE", id="detail")
        self.footer = Footer(look)

    def compose(self) -> ComposeResult:
        yield self.header_line
        yield self.features
        yield self.detail
        yield self.footer

    def on_mount(self) -> None:
        threading.Thread(target=self._load_plotter, name="plotext", daemon=True).start()
        self.footer.show_entries([("Esc", "back", True), ("Tab", "scroll the feature", True), ("y", "copy", True)])
        self.show(self.deck.view)

    def _load_plotter(self) -> None:
        preload.load(Moment.CHARTED)
        self._plotting.set()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self.call_later(lambda: self.show(self.deck.view))

    def on_resize(self, event: events.Resize) -> None:
        self.show(self.deck.view)

    def show(self, view: View) -> None:
        """Show a new view."""
        self.header_line.show_view(view, slow=self.deck.link.slow)
        selected = view.endpoint(self.ref)
        statuses = source_status.of_kind(view, "drift")
        width = max(20, self.size.width - 2)
        notes = source_status.notes(statuses, view.at, self.look, width)
        rows = feature_rows(selected) if selected is not None else []
        if not rows:
            nothing = f"no scores of {self.ref.name}"
            notes += source_status.why_empty(statuses, "drift scores", nothing, self.look, width)
        variants = [one.name for one in selected.variants] if selected is not None else []
        scored = {name for row in rows for name in row.scores}
        self.features.show(rows, [name for name in (*variants, "") if name in scored], notes)
        most = max(4, self.size.height // 2 - 2)
        self.features.styles.height = min(most, self.features.needed)
        self._draw(view, selected)

    @on(Table.Moved)
    def _moved(self) -> None:
        view = self.deck.view
        self.detail.scroll_home(animate=False, immediate=True)
        self._draw(view, view.endpoint(self.ref))

    def _draw(self, view: View, selected: EndpointView | None) -> None:
        row, look = self.features.picked, self.look
        if row is None or selected is None:
            self.detail.show(lambda width, height: Content("", Text(), ()))
            return
        styles: Mapping[str, str] = variant_styles([one.variant for one in selected.variants], look)
        marks: Sequence[Mark] = view.charts.marks if view.charts is not None and view.charts.ref == self.ref else ()
        past = view.drift_history if view.drift_history is not None and view.drift_history.ref == self.ref else None
        plot = self._plotting.is_set()
        self.detail.show(
            lambda width, height: Content(
                row.feature.upper(),
                look.text((row.worst.method, "muted")),
                detail(row, styles, marks, view.at, look, width, plot=plot, drift_history=past),
            )
        )

    # ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────

    def action_leave(self) -> None:
        self.dismiss()

    def action_other(self) -> None:
        """Move the focus between the table and the details, which scroll."""
        self.set_focus(self.detail if self.focused is self.features else self.features)

    # ── text ────────────────────────────────────────────────────────────────────────────────────────────────────

    def selected_ref(self) -> EndpointRef | None:
        return self.ref

    def whole_text(self) -> str:
        """The table and the feature under the cursor as plain text."""
        width = max(80, self.size.width)
        return f"{self.features.as_text(width)}\n\n{self.detail.as_text(width)}"
