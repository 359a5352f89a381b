"""The layout of the main screen, by the terminal's size. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tui.input import panes

PANES = tuple(one.name for one in panes.PANES)
"""The panes in the order of their keys."""

CHARTS = ("p95", "share", "errors")
"""The charts of the charts pane, the most important first."""

GRID_CHARTS: Mapping[str, panes.Cell] = {"p95": (1, 0, 40), "share": (1, 1, 28)}
LARGE_CHARTS: Mapping[str, panes.Cell] = {"p95": (1, 0, 40), "share": (1, 1, 30), "errors": (1, 2, 30)}
"""The places of the charts that fit on a usual and on a large screen."""

SMALLEST = (60, 15)
"""Columns and rows. A smaller screen has the table only."""

GRID = (100, 30)
"""Columns and rows from which all panes are shown side by side."""

LARGE_WIDTH = 160
PANE_LEAST, CHART_LEAST, CHART_MOST, JOURNAL_LEAST, JOURNAL_MOST = 5, 8, 18, 4, 10
CHART_COLUMNS = 32
"""The least width of a chart beside another one."""


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the screen, in cells."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A place for each widget by its id; other widgets are hidden. ``tabs`` is whether panes take turns."""

    boxes: Mapping[str, Box]
    tabs: bool = False

    @property
    def panes(self) -> tuple[str, ...]:
        """The visible panes, in reading order."""
        shown = [name for name in self.boxes if name in PANES or name in CHARTS]
        return tuple(sorted(shown, key=lambda name: (self.boxes[name].y, self.boxes[name].x)))


def layout(width: int, height: int, endpoints: int, chosen: str = "traffic", zoomed: str = "") -> Plan:
    """The main screen of that size with that number of endpoints. ``chosen`` is the pane that comes first if not all
    fit. ``zoomed`` is the pane that gets the whole screen; "": none."""
    boxes: dict[str, Box] = {}
    top, bottom = 0, height
    if height >= 6:
        boxes["header"] = Box(0, 0, width, 1)
        boxes["footer"] = Box(0, height - 1, width, 1)
        top, bottom = 1, height - 1
    if zoomed:
        room = Box(0, top, width, bottom - top)
        boxes |= _slot(zoomed, room) if zoomed == "charts" else {zoomed: room}
        return Plan(boxes)
    if width < SMALLEST[0] or height < SMALLEST[1]:
        boxes["endpoints"] = Box(0, top, width, bottom - top)
        return Plan(boxes)
    if width < GRID[0] or height < GRID[1]:
        return Plan(boxes | _in_turn(width, top, bottom, endpoints, chosen), tabs=True)
    return Plan(boxes | _grid(width, top + 1, bottom - 1, endpoints))


# ── one zone, in which panes take turns ─────────────────────────────────────────────────────────────────────────


def _in_turn(width: int, top: int, bottom: int, endpoints: int, chosen: str) -> dict[str, Box]:
    room = bottom - top - 1  # the line of tabs
    table = min(max(endpoints, 1) + 2, max(6, room - 9), max(6, int(room * 0.55)))
    boxes = {"endpoints": Box(0, top, width, table), "tabs": Box(0, top + table, width, 1)}
    zone = Box(0, top + table + 1, width, room - table)
    columns = max(1, min(3, width // 62))
    rows = 1 if zone.height < 20 else 2 if zone.height < 34 else 3
    first = PANES.index(chosen) if chosen in PANES else 0
    names = [PANES[(first + number) % len(PANES)] for number in range(min(len(PANES), columns * rows))]
    heights = _shares(zone.height, [1] * rows, gap=1)
    widths = _shares(zone.width, [1] * columns, gap=1)
    y = zone.y
    for row, row_height in enumerate(heights):
        x = 0
        for column, column_width in enumerate(widths):
            if row * columns + column < len(names):
                boxes |= _slot(names[row * columns + column], Box(x, y, column_width, row_height))
            x += column_width + 1
        y += row_height + 1
    return boxes


def _slot(name: str, box: Box) -> dict[str, Box]:
    """A pane in its place. The charts share theirs."""
    if name != "charts":
        return {name: box}
    count = max(1, min(len(CHARTS), (box.width + 1) // (CHART_COLUMNS + 1)))
    widths = _shares(box.width, [1] * count, gap=1)
    boxes, x = {}, box.x
    for chart, width in zip(CHARTS[:count], widths, strict=True):
        boxes[chart] = Box(x, box.y, width, box.height)
        x += width + 1
    return boxes


# ── all at once ─────────────────────────────────────────────────────────────────────────────────────────────────


def _grid(width: int, top: int, bottom: int, endpoints: int) -> dict[str, Box]:
    room = bottom - top
    least = PANE_LEAST + 1 + CHART_LEAST + 1
    table = min(max(endpoints, 1) + 2, max(6, int(room * 0.42)), room - least)
    table = max(table, min(6, room - least))
    rest = room - table - 1
    # A blank line before each row of panes.
    upper = max(PANE_LEAST, min(9, rest // 3))
    journal = 0
    if rest - upper - 1 - CHART_LEAST - 1 >= JOURNAL_LEAST:
        journal = max(JOURNAL_LEAST, min(JOURNAL_MOST, (rest - upper - 2) // 3))
    lower = rest - upper - 1 - (journal + 1 if journal else 0)
    if lower > CHART_MOST:
        spare = lower - CHART_MOST
        extra = min(spare // 2, 8)
        upper, journal = upper + extra, journal + (spare - extra if journal else 0)
        lower = rest - upper - 1 - (journal + 1 if journal else 0)
    boxes = {"endpoints": Box(0, top, width, table)}
    y = top + table + 1
    large = width >= LARGE_WIDTH
    rows = [(upper, _cells(0, large=large)), (lower, _cells(1, large=large))]
    if journal:
        rows.append((journal, [("journal", 1)]))
    for height, cells in rows:
        x = 0
        for (name, _), wide in zip(cells, _shares(width, [share for _, share in cells], gap=1), strict=True):
            boxes[name] = Box(x, y, wide, height)
            x += wide + 1
        y += height + 1
    return boxes


def _cells(row: int, *, large: bool) -> list[tuple[str, int]]:
    """The panes of that row, from the left, with their relative widths."""
    cells = dict(LARGE_CHARTS if large else GRID_CHARTS)
    cells |= {one.name: cell for one in panes.PANES if (cell := one.large if large else one.grid) is not None}
    found = sorted((place, name, share) for name, (at, place, share) in cells.items() if at == row)
    return [(name, share) for _, name, share in found]


def _shares(total: int, weights: Sequence[int], gap: int) -> list[int]:
    """``total`` divided by weight, with a gap between neighbours. The last part takes the rounding error."""
    room = total - gap * (len(weights) - 1)
    given = [room * weight // sum(weights) for weight in weights]
    given[-1] += room - sum(given)
    return given
