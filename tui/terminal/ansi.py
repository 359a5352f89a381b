"""Writes changed cells with few bytes: the order of the cells, and the control sequences for pen and cursor.

A change of colour costs more than a move of the cursor: 11 bytes on a terminal of 256 colours, against 4 to 8. So all
cells of one pen in a frame are written together if that is shorter than row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple


class Pen(NamedTuple):
    """The attributes and colours with which a terminal draws, as SGR parameters. ``ink`` and ``paper`` are "" for the
    default foreground and background."""

    attributes: tuple[str, ...] = ()
    ink: str = ""
    paper: str = ""

    @property
    def plain(self) -> bool:
        """Whether a blank drawn with this pen shows nothing but its background colour."""
        return not self.attributes or SEEN.isdisjoint(self.attributes)


class Cell(NamedTuple):
    """One column of a row. A text wider than one column is in its first column; the columns that it covers have ""."""

    text: str
    pen: Pen

    @property
    def free(self) -> bool:
        """Whether only the background colour of the cell is visible."""
        return self.text == " " and not self.pen.attributes


Row = Sequence[Cell]
PLAIN = Pen()

SEEN = frozenset({"4", "7", "9", "21", "51", "52", "53"})
"""Attributes that are visible on a blank: lines, frames, exchanged colours."""

OFF = {
    **dict.fromkeys("12", "22"),
    "3": "23",
    **dict.fromkeys(("4", "21"), "24"),
    **dict.fromkeys("56", "25"),
    "7": "27",
    "8": "28",
    "9": "29",
    **dict.fromkeys(("51", "52"), "54"),
    "53": "55",
}
"""The SGR parameter that ends each attribute (ECMA-48, 8.3.117). Some end two attributes at once."""


class Stroke(NamedTuple):
    """Neighbouring cells of a row that one pen draws, up to column ``end``. ``free``: they are blanks of which only the
    background colour is visible. ``sure``: the terminal draws them with the assumed width."""

    y: int
    first: int
    end: int
    pen: Pen
    text: str
    free: bool = False
    sure: bool = True


# ── the pen ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(4096)
def turn(before: Pen | None, after: Pen) -> str:
    """The control sequence that changes the terminal's pen from ``before`` to ``after``. ``before`` is ``None`` if the
    terminal's pen is not known."""
    if before == after:
        return ""
    # An empty parameter is 0: everything off.
    anew = ";".join(["", *after.attributes, *filter(None, (after.ink, after.paper))])
    if before is None:
        return f"\x1b[{anew}m"
    off = {OFF[code] for code in before.attributes if code not in after.attributes}
    codes = sorted(off)
    codes += [code for code in after.attributes if code not in before.attributes or OFF[code] in off]
    if before.ink != after.ink:
        codes.append(after.ink or "39")
    if before.paper != after.paper:
        codes.append(after.paper or "49")
    kept = ";".join(codes)
    return f"\x1b[{kept if len(kept) <= len(anew) else anew}m"


def needed(before: Pen | None, pen: Pen, *, free: bool) -> Pen:
    """The pen to draw with. For blanks it is the terminal's present pen with their background, if they look the
    same."""
    return before._replace(paper=pen.paper) if free and before is not None and before.plain else pen


# ── the cursor ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Place(NamedTuple):
    """The position of the cursor. ``x`` is ``None`` if it depends on the terminal: after the last column, and after
    characters of an uncertain width."""

    y: int
    x: int | None


def move(at: Place | None, y: int, x: int) -> str:
    """The shortest control sequence that moves the cursor there. ``at`` is ``None`` if its position is not known."""
    column = f";{x + 1}" if x else ""
    ways = [f"\x1b[{y + 1}{column}H"]
    if at is not None and at.x is None and at.y == y:
        ways.append(f"\x1b[{x + 1}G")
    elif at is not None and at.x is not None:
        ways += [_down(y - at.y) + across for across in (_across(at.x, x), f"\x1b[{x + 1}G")]
    return min(ways, key=len)


def _across(before: int, after: int) -> str:
    if after == 0 and before:
        return "\r"
    step = _along(after - before, "C", "D")
    return "\b" * (before - after) if 0 < before - after < len(step) else step


def _down(by: int) -> str:
    """The sequence that moves the cursor down. Index and reverse index move one row and are shorter; neither scrolls,
    because the target row is on the screen."""
    return {1: "\x1bD", -1: "\x1bM"}.get(by) or _along(by, "B", "A")


def _along(by: int, forward: str, back: str) -> str:
    if not by:
        return ""
    return f"\x1b[{abs(by) if abs(by) > 1 else ''}{forward if by > 0 else back}"


# ── strokes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def strokes(y: int, row: Row, first: int, end: int) -> Iterator[Stroke]:
    """The cells of a row from column ``first`` up to ``end``, left to right, in as few strokes as possible."""
    begin, pen, free = first, PLAIN, True
    for column in range(first, end):
        cell = row[column]
        if not cell.text:
            begin = column + 1
            continue
        if not _sure(row, column):
            yield from _stroke(y, row, begin, column, pen, free)
            begin = _after(row, column)
            yield Stroke(y, column, begin, cell.pen, cell.text, sure=False)
        elif column == begin:
            pen, free = cell.pen, cell.free
        elif cell.pen == pen or (cell.free and pen.plain and cell.pen.paper == pen.paper):
            free = free and cell.free
        elif free and cell.pen.plain and cell.pen.paper == pen.paper:
            pen, free = cell.pen, False
        else:
            yield from _stroke(y, row, begin, column, pen, free)
            begin, pen, free = column, cell.pen, cell.free
    yield from _stroke(y, row, begin, end, pen, free)


def _stroke(y: int, row: Row, first: int, end: int, pen: Pen, free: bool) -> Iterator[Stroke]:
    if first < end:
        yield Stroke(y, first, end, pen, "".join([cell.text for cell in row[first:end]]), free)


def _sure(row: Row, column: int) -> bool:
    """Whether every terminal draws the text of this column one column wide."""
    return len(row[column].text) == 1 and (column + 1 == len(row) or row[column + 1].text != "")


def _after(row: Row, column: int) -> int:
    """The first column after the text of this one."""
    column += 1
    while column < len(row) and not row[column].text:
        column += 1
    return column


def by_pen(found: Iterable[Stroke], pen: Pen | None) -> list[Stroke]:
    """The strokes grouped by pen. After each pen follows the pen that takes the fewest bytes to change to. Blanks are
    drawn with the first pen that has their background."""
    groups: dict[Pen, list[Stroke]] = {}
    blanks: dict[str, list[Stroke]] = {}
    for one in found:
        if one.free:
            blanks.setdefault(one.pen.paper, []).append(one)
        else:
            groups.setdefault(one.pen, []).append(one)
    ordered: list[Stroke] = []
    while groups:
        before = pen
        pen = min(groups, key=lambda other: len(turn(before, other)))
        group = groups.pop(pen)
        if pen.plain:
            group = sorted(group + blanks.pop(pen.paper, []))
        ordered += group
    return ordered + [one for rest in blanks.values() for one in rest]


def written(ordered: Iterable[Stroke], pen: Pen | None, width: int) -> tuple[str, Pen | None]:
    """The text that draws the strokes in this order, and the terminal's pen afterwards."""
    parts: list[str] = []
    at: Place | None = None
    for one in ordered:
        wanted = needed(pen, one.pen, free=one.free)
        parts += (move(at, one.y, one.first), turn(pen, wanted), one.text)
        pen = wanted
        at = Place(one.y, one.end if one.sure and one.end < width else None)
    return "".join(parts), pen
