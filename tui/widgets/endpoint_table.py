"""The table of endpoints. Draws only visible rows; the cursor stays on its endpoint when the order changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

from shiftdeck.changes.run import traffic_runs
from shiftdeck.fleet.sorting import EndpointSorter, Filter, counts
from shiftdeck.health.verdict import Level
from shiftdeck.sources.incremental import identical
from shiftdeck.sources.source import SourceState
from tui.render import endpoint_table as pane
from tui.render import source_status
from tui.widgets.canvas import Table

if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from shiftdeck.changes.run import TrafficRun
    from shiftdeck.engine.view import View
    from shiftdeck.fleet.endpoint import EndpointView
    from tui.render import endpoint_row
    from tui.render.theme import Look

SCOPE = attrgetter("endpoint.ref.scope")

TIGHT_BELOW = 100
"""Below this width, in columns, the weights have no dots between them."""


@dataclass(slots=True)
class _Made:
    """A row, the ``key`` that it was made from, and its line once it was drawn."""

    key: object
    row: endpoint_row.Row
    line: Text | None = None


class EndpointsTable(Table):
    """All endpoints, one a line. ``drawn`` counts the rows that were made, for tests of the cost of drawing."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, id="endpoints")
        self.sort = "health"
        self.filter = Filter()
        self.drawn = 0
        self._sorter = EndpointSorter()
        self._view: View | None = None
        self._rows: Sequence[EndpointView] = ()
        self._runs: Mapping[EndpointRef, TrafficRun] = {}
        self._counts: Mapping[Level, int] = {}
        self._scoped = False
        self._settled = False
        self._selected: EndpointRef | None = None
        self._wanted: dict[str, int] = {}
        self._wide: dict[str, int] = {}
        self._heading: Text | None = None
        self._made: dict[EndpointRef, _Made] = {}

    # ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────

    def show(self, view: View) -> None:
        """Show a new view."""
        if self._view is None or view.context != self._view.context:
            self._forget_columns()
            self._settled = False
        # Verdicts arrive with the metrics. The cursor stays on the first row until a critical endpoint is there or the
        # operator has chosen one; from then on it stays on its endpoint.
        if not self._settled and self.cursor == 0:
            self._selected = None
        if self._view is None or not identical(view.endpoints, self._view.endpoints):
            self._counts = counts(view.endpoints)
            self._scoped = len(set(map(SCOPE, view.endpoints))) > 1
        self._settled = self._settled or self._counts[Level.CRITICAL] > 0
        self._view = view
        self._runs = {run.plan.ref: run for run in traffic_runs(view.runs) if not run.done}
        self._arrange()

    def order_by(self, sort: str) -> None:
        """Sort by that column; the cursor stays on its endpoint."""
        self.sort = sort
        self._heading = None
        self._arrange()

    def narrow(self, kept: Filter) -> None:
        """Show only what the filter keeps."""
        self.filter = kept
        self._arrange()

    def select(self, ref: EndpointRef) -> bool:
        """Put the cursor on that endpoint. Returns whether the table has it."""
        at = next((index for index, view in enumerate(self._rows) if view.ref == ref), None)
        if at is None:
            return False
        self._selected, self._settled = ref, True
        self.move(at)
        return True

    def hold(self) -> None:
        """Keep the cursor on its endpoint from now on, because an action may apply to it."""
        self._settled = True

    @property
    def selected(self) -> EndpointView | None:
        """The endpoint under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    def _arrange(self) -> None:
        view = self._view
        if view is None:
            return
        self._rows = self._sorter.filtered(self.filter, self._sorter.ordered(view.endpoints, self.sort))
        at = next((index for index, row in enumerate(self._rows) if row.ref == self._selected), None)
        if at is not None and at != self.cursor:
            self.move(at)
        self.cursor = max(0, min(self.cursor, len(self._rows) - 1))
        if at is None and self._rows:
            self._keep_selected()
        self.redraw()

    def _keep_selected(self) -> None:
        self._selected = self.selected.ref if self.selected else None

    def move(self, to: int) -> bool:
        moved = super().move(to)
        if moved:
            self._settled = True
            self._keep_selected()
        return moved

    # ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _forget_columns(self) -> None:
        self._wanted.clear()
        self._wide.clear()
        self._made.clear()

    def redraw(self) -> None:
        if self.size.width > 0 and self._view is not None:
            self._measure()
        super().redraw()

    def _forget(self) -> None:
        self._forget_columns()
        super()._forget()

    def _measure(self) -> None:
        """Widen the columns to their widest visible cell. They never shrink, so that the table does not jump."""
        from tui.render import endpoint_row

        grown = not self._wide
        top = int(self.scroll_offset.y)
        made: dict[EndpointRef, _Made] = {}
        for view in self._rows[top : top + self.size.height]:
            made[view.ref] = one = self._make(view)
            for name, wide in endpoint_row.widths_of(one.row).items():
                if wide > self._wanted.get(name, 0):
                    self._wanted[name] = wide
                    grown = True
        self._made = made
        if grown:
            self._wide = pane.fitted(self._wanted, self.size.width)
            self._heading = None
            for one in made.values():
                one.line = None

    def _make(self, view: EndpointView) -> _Made:
        """The row of an endpoint. It is made again only if its key has changed."""
        from tui.render import endpoint_row

        key = self._key(view)
        one = self._made.get(view.ref)
        if one is None or one.key != key:
            self.drawn += 1
            tight = self.size.width < TIGHT_BELOW
            run = self._runs.get(view.ref)
            row = endpoint_row.make_row(view, run, self._now, self.look, scoped=self._scoped, tight=tight)
            self._made[view.ref] = one = _Made(key, row)
        return one

    def _key(self, view: EndpointView) -> object:
        """All values that a row depends on. The time is one of them only while the row shows ages."""
        source = view.metrics_source
        ages = any(reason.since is not None for reason in view.verdict.reasons)
        trusted = (source is None or source.fresh) and not ages
        return (
            view.endpoint.variants,
            view.variants,
            view.verdict,
            view.drift,
            self._runs.get(view.ref),
            None if trusted else int(self._now),
        )

    @property
    def _now(self) -> float:
        return self._view.at if self._view else 0.0

    def head(self, width: int) -> Sequence[Text]:
        if self._view is None:
            return (self.look.text((" ENDPOINTS", "title")),)
        title = pane.title(
            self._view, self._counts, len(self._rows), self.filter.text, self.sort, self.look, max(0, width - 1)
        )
        if not self._rows or not self._wide:
            return (title,)
        if self._heading is None:
            self._heading = pane.heading(self._wide, self.sort, self.look)
        return (title, self._heading)

    def total(self) -> int:
        return len(self._rows) or len(self._empty(self.size.width))

    def line(self, index: int, width: int) -> Text:
        if not self._rows:
            return self._empty(width)[index]
        one = self._make(self._rows[index])
        if one.line is None:
            from tui.render import endpoint_row

            one.line = endpoint_row.row_line(one.row, self._wide, self.look)
        return one.line

    def line_style(self, index: int) -> Style | None:
        return super().line_style(index) if self._rows else None

    def _empty(self, width: int) -> list[Text]:
        """Why there are no rows."""
        view = self._view
        if view is None:
            return []
        if view.endpoints:
            return [self.look.text((f" none of {len(view.endpoints)} endpoints matches /{self.filter.text}", "muted"))]
        serving = source_status.of_kind(view, "serving")
        lines = source_status.notes(serving, view.at, self.look, width - 2)
        if all(status.state is not SourceState.OK for status in serving) or not lines:
            lines += source_status.why_empty(serving, "endpoints", "no endpoints are served here", self.look, width - 2)
        return [self.look.text(" ").append_text(line) for line in lines]
