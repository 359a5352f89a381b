"""Cells in columns. Pure. Columns that do not fit are dropped, the least important first. A shortened cell ends in an
ellipsis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from tui.render.theme import Look

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column. A column of ``rank`` 0 is never dropped; of the others the highest rank is dropped first. A
    ``flexible`` column takes the remaining width, and shrinks to ``least`` cells."""

    head: str = ""
    right: bool = False
    rank: int = 0
    flexible: bool = False
    least: int = 8


def natural(columns: Sequence[Column], rows: Sequence[Sequence[Text]], *, heads: bool) -> list[int]:
    """The width of the widest cell of each column; 0 for an empty column."""
    widest = [max((row[index].cell_len for row in rows), default=0) for index in range(len(columns))]
    if not heads:
        return widest
    return [max(width, len(column.head)) if width else 0 for width, column in zip(widest, columns, strict=True)]


def fit(columns: Sequence[Column], widths: Sequence[int], width: int, gap: int = GAP) -> list[int]:
    """The width that each column gets, 0 for a dropped or empty column. If the columns that are never dropped are too
    wide together, the widest ones shrink."""
    kept = {index for index, wide in enumerate(widths) if wide > 0}

    def needed(index: int) -> int:
        return min(widths[index], columns[index].least) if columns[index].flexible else widths[index]

    def total() -> int:
        return sum(needed(index) for index in kept) + gap * max(0, len(kept) - 1)

    for index in sorted(kept, key=lambda index: columns[index].rank, reverse=True):
        if total() <= width or columns[index].rank == 0:
            break
        kept.discard(index)
    spare = max(0, width - total())
    given = [0] * len(columns)
    for index in kept:
        given[index] = needed(index)
        if columns[index].flexible:
            given[index] += min(spare, widths[index] - given[index])
    for _ in range(total() - width):
        widest = max(kept, key=lambda index: given[index])
        given[widest] = max(1, given[widest] - 1)
    return given


def row(cells: Sequence[Text], columns: Sequence[Column], given: Sequence[int], gap: int = GAP) -> Text:
    """One line with each cell in its column. Columns marked ``right`` are right-aligned; a shortened cell ends in an
    ellipsis."""
    line = Text(no_wrap=True, end="")
    first = True
    for cell, column, wide in zip(cells, columns, given, strict=True):
        if wide <= 0:
            continue
        if not first:
            line.append(" " * gap)
        first = False
        line.append_text(placed(cell, wide, right=column.right))
    return line


def placed(cell: Text, width: int, *, right: bool = False) -> Text:
    """A cell of exactly ``width`` columns."""
    if cell.cell_len > width:
        cell = cell.copy()
        cell.truncate(width, overflow="ellipsis")
    missing = width - cell.cell_len
    if missing <= 0:
        return cell
    cell = cell.copy()
    if right:
        cell.pad_left(missing)
    else:
        cell.pad_right(missing)
    return cell


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int, look: Look, *, heads: bool = False
) -> list[Text]:
    """All rows as lines of at most ``width`` columns, under their headings if wanted."""
    if not rows:
        return []
    given = fit(columns, natural(columns, rows, heads=heads), width)
    lines = [row(cells, columns, given) for cells in rows]
    if heads:
        lines.insert(0, row([look.text((column.head, "muted")) for column in columns], columns, given))
    return lines
