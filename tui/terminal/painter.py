"""What is written to the terminal: the difference between what it shows and what it should show, cell by cell.

Textual writes the regions that widgets marked as changed. It has no memory of what the terminal shows, so a mark too
many costs bytes, and a mark that is lost leaves the screen torn. Here every frame is the whole screen, compared with
the last one that was written: nothing depends on marks.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.strip import SGR_STYLES, Strip

from tui.terminal.ansi import PLAIN, Cell, Pen, Row, Stroke, by_pen, needed, strokes, written

RESET = "\x1b[m"
"""Draw as it was before there was any pen."""


BLANK = Cell(" ", PLAIN)


@lru_cache(4096)
def pen_of(style: Style | None, colours: ColorSystem) -> Pen:
    """The pen for a style, on a terminal with so many colours."""
    if style is None:
        return PLAIN
    bits = style._attributes & style._set_attributes  # noqa: SLF001 - Rich has no public name for all of them at once
    attributes = tuple(code for number, code in enumerate(SGR_STYLES) if bits & (1 << number))
    return Pen(attributes, _colour(style.color, colours, ink=True), _colour(style.bgcolor, colours, ink=False))


def _colour(colour: Color | None, colours: ColorSystem, *, ink: bool) -> str:
    if colour is None or colour.is_default:
        return ""
    return ";".join(colour.downgrade(colours).get_ansi_codes(ink))


def cells(strip: Strip, width: int, colours: ColorSystem) -> Row:
    """A strip, column by column, filled with blanks to the width."""
    row: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        pen = pen_of(style, colours)
        wide = cell_len(text)
        if wide == len(text) and (text.isascii() or all(cell_len(char) == 1 for char in text)):
            row += [_cell(char, pen) for char in text]
        elif wide:
            # Terminals differ in how wide they think such characters are: the text is taken as one. An accent at its
            # beginning would be put on what stands before it.
            row += [Cell(text[_accents(text) :], pen), *[Cell("", pen)] * (wide - 1)]
    return [*row, *[BLANK] * (width - len(row))] if len(row) < width else row[:width]


def _accents(text: str) -> int:
    return next(number for number, char in enumerate(text) if cell_len(char))


@lru_cache(16384)
def _cell(char: str, pen: Pen) -> Cell:
    """Of a blank nothing is seen but the colour behind it."""
    return Cell(char, Pen(paper=pen.paper) if char == " " and pen.plain else pen)


def runs(before: Row, after: Row) -> list[tuple[int, int]]:
    """Which columns to write, as (first, end), left to right. Changes are joined over what is cheaper written again
    than stepped over. A row with characters of an uncertain width is written whole."""
    found: list[tuple[int, int]] = []
    for column, pair in enumerate(zip(before, after, strict=True)):
        if pair[0] == pair[1]:
            continue
        if found and _cheap(after, found[-1][1], column):
            found[-1] = (found[-1][0], column + 1)
        else:
            found.append((column, column + 1))
    whole = bool(found) and any(len(cell.text) != 1 for row in (before, after) for cell in row)
    return [(0, len(after))] if whole else found


STEP = 4
"""Bytes that it takes to step over a few columns."""


def _cheap(row: Row, first: int, end: int) -> bool:
    """Whether these columns are cheaper written again, before column ``end`` is written, than stepped over."""
    if end - first > STEP:
        return False
    pen = row[first - 1].pen
    same = all(cell.pen == pen or (cell.free and needed(pen, cell.pen, free=True) == pen) for cell in row[first:end])
    return same and sum(len(cell.text.encode()) for cell in row[first:end]) <= STEP


class Painter:
    """Knows what the terminal shows, as long as nothing but this writes to it and all that it gives is written.

    ``paint`` gives what turns that into the next frame: "" where there is nothing to be done. The pen stays as the
    frame leaves it. Where the cursor was left is not relied on: a stray word of somebody else on the terminal would
    move all that is written after it.
    """

    def __init__(self, colours: ColorSystem) -> None:
        self._colours = colours
        self._strips: list[Strip] = []
        self._rows: list[Row] = []
        self._size = (0, 0)
        self._pen: Pen | None = None

    def use(self, colours: ColorSystem) -> None:
        """From the next frame on, draw with so many colours."""
        if colours is not self._colours:
            self._colours = colours
            self.forget()

    @property
    def blank(self) -> bool:
        """Whether it is not known what the terminal shows."""
        return not self._rows

    def forget(self) -> None:
        """It is not known any more what the terminal shows, or how it draws: the next frame is written whole."""
        self._rows, self._pen = [], None

    def paint(self, strips: Iterable[Strip], width: int, height: int) -> str:
        """What to write so that the terminal, ``width`` columns and ``height`` rows, shows these strips."""
        if self._size != (width, height) or len(self._rows) != height:
            self._size, self._strips = (width, height), []
            self.forget()
        wanted = [*strips][:height]
        wanted += [Strip([])] * (height - len(wanted))
        rows: list[Row] = []
        whole = self.blank
        changes: list[Stroke] = []
        for y, strip in enumerate(wanted):
            if not whole and strip == self._strips[y]:
                rows.append(self._rows[y])
                continue
            row = cells(strip, width, self._colours)
            rows.append(row)
            for first, end in [(0, width)] if whole else runs(self._rows[y], row):
                changes += strokes(y, row, first, end)
        self._strips, self._rows = wanted, rows
        ways = [written(changes, self._pen, width)]
        if not whole:
            ways.append(written(by_pen(changes, self._pen), self._pen, width))
        shortest, self._pen = min(ways, key=lambda way: len(way[0]))
        return shortest
