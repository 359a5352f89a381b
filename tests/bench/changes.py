"""What each row of the screen cost, of all that was written, and how much of it came to look different."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyte
from pyte.screens import Char

from tests.bench.emulator import FOREIGN

FRAME_S = 0.004
"""What arrives closer together is one frame, read in pieces."""

TOKEN = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[^\[]|[^\x1b]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Changed:
    """One row in one frame: ``written`` bytes, against the bytes of the ``characters`` that differ from before."""

    y: int
    line: str
    written: int
    characters: int

    @property
    def ratio(self) -> float:
        return self.written / self.characters


def frames(arrivals: Iterable[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    """Pieces that belong together, joined."""
    begun, last, held = 0.0, 0.0, b""
    for at, data in arrivals:
        if held and at - last > FRAME_S:
            yield begun, held
            held = b""
        begun = begun if held else at
        last, held = at, held + data
    if held:
        yield begun, held


def changes(arrivals: Iterable[tuple[float, bytes]], since: float, cols: int, rows: int) -> list[Changed]:
    """All rows that changed, frame by frame, in what arrived after ``since``. What moves the cursor to a row, or turns
    the pen there, is that row's."""
    screen = pyte.Screen(cols, rows)
    stream = pyte.ByteStream(screen)
    found: list[Changed] = []
    for at, data in frames(arrivals):
        data = FOREIGN.sub(b"", data)
        if at < since:
            stream.feed(data)
            continue
        before = [_cells(screen, y) for y in range(rows)]
        written: dict[int, int] = defaultdict(int)
        for token in TOKEN.findall(data):
            stream.feed(token)
            written[screen.cursor.y] += len(token)
        for y in range(rows):
            after = _cells(screen, y)
            differ = [new.data for old, new in zip(before[y], after, strict=True) if old != new]
            if differ:
                count = len("".join(differ).encode())
                found.append(Changed(y, screen.display[y], written[y], count))
    return found


def _cells(screen: pyte.Screen, y: int) -> list[Char]:
    """Of a blank only the colour behind it is seen."""
    row = screen.buffer[y]
    return [
        cell._replace(fg="default", bold=False, italics=False) if cell.data == " " and not cell.reverse else cell
        for cell in (row[x] for x in range(screen.columns))
    ]
