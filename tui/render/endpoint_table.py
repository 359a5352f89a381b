"""The table of endpoints: its title, its columns and their widths. Pure. The first frame needs this module.

``tui.render.endpoint_row`` makes the rows.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from rich.text import Text

from shiftdeck.engine.view import View
from shiftdeck.health.verdict import Level
from tui.render import columns
from tui.render.columns import Column
from tui.render.theme import Look

NAME_AT_LEAST = 14
BAR_AT_LEAST, BAR_AT_MOST = 10, 36
WHY_AT_LEAST, WHY_WANTED = 14, 20
DROPPED_FIRST = 5
"""Columns of this rank and above are dropped before a long name is shortened."""

WHY_COMFORTABLE = 34

COLUMNS: Mapping[str, Column] = {
    "symbol": Column(),
    "name": Column("endpoint"),
    "on": Column("on", rank=7),
    "bar": Column("traffic", rank=8),
    "weights": Column(),
    "p95": Column("p95", right=True),
    "delta": Column("", right=True, rank=5),
    "errors": Column("errors", right=True, rank=1),
    "drift": Column("drift", right=True, rank=2),
    "load": Column("load", right=True, rank=6),
    "why": Column("why"),
}

GAPS: Mapping[str, int] = {"symbol": 1, "p95": 1}
"""The space after a cell, in columns, if it is not two."""

LEFT = RIGHT = 1


def fitted(wanted: Mapping[str, int], width: int) -> dict[str, int]:
    """The width of each column in a table of ``width`` cells, 0 for a dropped column.

    The remaining width goes to the reasons first, then to the bar.
    """
    # Space is reserved for figures that arrive later, so that no column moves when they do.
    usual = {"p95": 6, "errors": 5, "drift": 5, "load": 6, "weights": 6, "on": 2, "name": 8, "delta": 6}
    wide = {name: max(wanted.get(name, 0), usual.get(name, 0), len(column.head)) for name, column in COLUMNS.items()}
    wide |= {"symbol": 1, "bar": BAR_AT_LEAST, "why": WHY_WANTED}

    def total() -> int:
        kept = [name for name in COLUMNS if wide[name]]
        return LEFT + RIGHT + sum(wide[name] for name in kept) + sum(GAPS.get(name, columns.GAP) for name in kept[:-1])

    def drop(ranks: Container[int]) -> None:
        for name in sorted(COLUMNS, key=lambda name: COLUMNS[name].rank, reverse=True):
            if total() > width and COLUMNS[name].rank in ranks:
                wide[name] = 0

    def shrink(name: str, least: int) -> None:
        wide[name] -= max(0, min(total() - width, wide[name] - least))

    drop(range(DROPPED_FIRST, 100))
    shrink("why", WHY_AT_LEAST)
    shrink("name", NAME_AT_LEAST)
    drop(range(1, DROPPED_FIRST))
    shrink("weights", 6)
    over = total() - width
    if over > 0:
        return wide
    spare = -over
    more = min(spare, max(0, WHY_COMFORTABLE - wide["why"]))
    wide["why"] += more
    spare -= more
    if wide["bar"]:
        more = min(spare, BAR_AT_MOST - wide["bar"])
        wide["bar"] += more
        spare -= more
    wide["why"] += spare
    return wide


def heading(wide: Mapping[str, int], sort: str, look: Look) -> Text:
    """The headings of the columns. The heading of the sort column is highlighted."""
    line = Text(" " * LEFT, no_wrap=True, end="")
    sorted_by = {"health": "symbol", "name": "name"}.get(sort, sort)
    for name, column in COLUMNS.items():
        if not wide[name]:
            continue
        style = "text" if name == sorted_by else "muted"
        line.append_text(columns.placed(look.text((column.head, style)), wide[name], right=column.right))
        line.append(" " * (GAPS.get(name, columns.GAP) if name != "why" else 0))
    return line


def title(
    view: View, counted: Mapping[Level, int], shown: int, filtered: str, sort: str, look: Look, width: int
) -> Text:
    """ "ENDPOINTS 214  1 critical  3 warning  1 no data", with the filter and the order at the right end."""
    left = look.text((" ENDPOINTS", "title"), (f" {len(view.endpoints)}", "text"))
    for level in (Level.CRITICAL, Level.WARNING, Level.NO_DATA):
        if counted.get(level):
            left.append(f"  {counted[level]} {level}", look[look.level(level)[1]])
    running = [drill.name for drill in view.drills if drill.running]
    extras = [(f"drill {', '.join(running)}", "armed")] if running else []
    if view.unfinished:
        many = len(view.unfinished)
        extras.insert(0, (f"{many} change{'s' if many > 1 else ''} without outcome", "critical"))
    if view.unjoined:
        extras.append((f"{len(view.unjoined)} not joined", "muted"))
    narrowed = (
        (f"/{filtered} {shown} of {len(view.endpoints)}", "key")
        if filtered
        else (f"{look.key('filter')} filter", "muted")
    )
    right = look.text(narrowed, (f"  sort: {sort} {look.symbols.down}", "muted"))
    for words, style in extras:
        if left.cell_len + len(words) + right.cell_len + 5 > width:
            break
        left.append("  ")
        left.append(f" {words} " if style == "armed" else words, look[style])
    if left.cell_len + right.cell_len + 2 > width:
        right = look.text(narrowed)
    if left.cell_len + right.cell_len + 2 > width and not filtered:
        return left
    return columns.row(
        [left, right],
        [Column(), Column(right=True)],
        [left.cell_len, max(0, width - left.cell_len - 2)],
        gap=1,
    )
