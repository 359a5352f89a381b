"""Computes the bytes to write to the terminal: the difference between the last frame and the next one, cell by cell.

Textual writes the regions that widgets marked as changed. It does not know what the terminal shows, so an unneeded mark
costs bytes, and a lost mark leaves an old region on the screen. Here every frame is the whole screen and is compared
with the last one that was written, so nothing depends on marks.
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
"""Reset all attributes and colours to the terminal's defaults."""


BLANK = Cell(" ", PLAIN)


@lru_cache(4096)
def pen_of(style: Style | None, colours: ColorSystem) -> Pen:
    """The pen for a style, on a terminal with that number of colours."""
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
    """The cells of a strip, one a column, filled with blanks to the width."""
    row: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        pen = pen_of(style, colours)
        wide = cell_len(text)
        if wide == len(text) and (text.isascii() or all(cell_len(char) == 1 for char in text)):
            row += [_cell(char, pen) for char in text]
        elif wide:
            # Terminals disagree on the width of such characters, so the whole text becomes one cell. An accent at its
            # beginning is removed: the terminal would add it to the character before.
            row += [Cell(text[_accents(text) :], pen), *[Cell("", pen)] * (wide - 1)]
    return [*row, *[BLANK] * (width - len(row))] if len(row) < width else row[:width]


def _accents(text: str) -> int:
    return next(number for number, char in enumerate(text) if cell_len(char))


@lru_cache(16384)
def _cell(char: str, pen: Pen) -> Cell:
    """A cell of one character. Of a blank only the background colour is visible, so its pen has nothing else."""
    return Cell(char, Pen(paper=pen.paper) if char == " " and pen.plain else pen)


def runs(before: Row, after: Row) -> list[tuple[int, int]]:
    """The columns to write, as (first, end), left to right. Two changes are joined if writing the cells between them
    takes fewer bytes than moving the cursor. A row with characters of an uncertain width is written whole."""
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
"""Bytes that it takes to move the cursor over a few columns."""


def _cheap(row: Row, first: int, end: int) -> bool:
    """Whether writing these columns again takes no more bytes than moving the cursor over them to column ``end``."""
    if end - first > STEP:
        return False
    pen = row[first - 1].pen
    same = all(cell.pen == pen or (cell.free and needed(pen, cell.pen, free=True) == pen) for cell in row[first:end])
    return same and sum(len(cell.text.encode()) for cell in row[first:end]) <= STEP


class Painter:
    """Knows what the terminal shows, provided that nothing else writes to the terminal and every result is written.

    ``paint`` returns the bytes that turn the shown frame into the next one: "" if they are equal. The terminal keeps
    the pen from frame to frame. It is not assumed to keep the cursor: output of another program would move everything
    that is written after it.
    """

    def __init__(self, colours: ColorSystem) -> None:
        self._colours = colours
        self._strips: list[Strip] = []
        self._rows: list[Row] = []
        self._size = (0, 0)
        self._pen: Pen | None = None

    def use(self, colours: ColorSystem) -> None:
        """Draw with that number of colours from the next frame on."""
        if colours is not self._colours:
            self._colours = colours
            self.forget()

    @property
    def blank(self) -> bool:
        """Whether it is not known what the terminal shows."""
        return not self._rows

    def forget(self) -> None:
        """Forget what the terminal shows and its pen. The next frame is written whole."""
        self._rows, self._pen = [], None

    def paint(self, strips: Iterable[Strip], width: int, height: int) -> str:
        """The text to write so that a terminal of ``width`` columns and ``height`` rows shows these strips."""
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
