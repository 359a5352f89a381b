"""The program as the harness runs it, and what is to be seen of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.emulator import Emulator
from tests.bench.link import Link
from tests.bench.session import NotSeen, Session
from tests.bench.world import Synthetic

SETTLED_S = 10.0
QUIET_EVERY_S = 900.0
"""How seldom sources are asked where nothing is to be refreshed."""

SHIFTDECK = Path(sys.executable).with_name("shiftdeck")


def skeleton(screen: Emulator) -> bool:
    """Something that tells what one is waiting for."""
    return "shiftdeck" in screen.text


def frame(screen: Emulator) -> bool:
    """The first full frame of the main screen: its table's title, and the keys at the bottom."""
    return "ENDPOINTS" in screen.text and "help" in screen.lines[-1]


def rows(screen: Emulator) -> bool:
    """Endpoints, each behind the sign of its verdict."""
    return any(line.lstrip().startswith(("✖ ", "▲ ", "? ", "● ")) for line in screen.lines)


MARKS = {"skeleton": skeleton, "frame": frame, "rows": rows}


@contextmanager
def opened(
    config: Path,
    *more: str,
    env: Mapping[str, str] | None = None,
    cols: int = 120,
    rows: int = 36,
    link: Link | None = None,
) -> Iterator[Session]:
    """The app on that configuration, in a pseudo-terminal; ``MARKS`` are watched from the start."""
    argv: list[str | Path] = [SHIFTDECK, "--config", config, *more]
    with Session(argv, cols=cols, rows=rows, env=env, link=link, marks=MARKS) as session:
        yield session


@contextmanager
def settled(
    made: Synthetic, *options: str, link: Link | None = None, cols: int = 120, rows: int = 36
) -> Iterator[Session]:
    """The app on a synthetic fleet, ``SETTLED_S`` after its first rows."""
    with opened(made.config, *options, env=made.env, link=link, cols=cols, rows=rows) as session:
        session.mark_s("rows")
        time.sleep(SETTLED_S)
        yield session


class Cursor:
    """Where the cursor of a table is on the screen, by its background; found by moving it once."""

    def __init__(self, session: Session, *, col: int = 1, down: bytes = b"j", up: bytes = b"k") -> None:
        self._session = session
        self._col = col
        self._keys = (down, up)
        before = session.screen.backgrounds(col)
        session.paint_s(down, lambda screen: screen.backgrounds(col) != before)
        session.quiet(0.3, 2.0)
        after = session.screen.backgrounds(col)
        moved = [row for row, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        if len(moved) != 2:
            raise NotSeen(f"the cursor: {moved} changed their background; the screen:\n{session.screen.text}")
        self._colour = after[moved[1]]
        session.paint_s(up, lambda screen: screen.backgrounds(col)[moved[0]] == self._colour)

    def at(self, screen: Emulator) -> int | None:
        """The row of the screen that it is on."""
        backgrounds = screen.backgrounds(self._col)
        return backgrounds.index(self._colour) if self._colour in backgrounds else None

    def moves(self, count: int, *, every_s: float = 0.1) -> list[float]:
        """Seconds from key to paint of so many moves, down and up in turn. A key is pressed ``every_s``, not when the
        screen is at rest, so that moves fall on whatever else is being done."""
        found = []
        for number in range(count):
            begin = self.at(self._session.screen)
            key = self._keys[number % 2]

            def moved(screen: Emulator, begin: int | None = begin) -> bool:
                return self.at(screen) not in (None, begin)

            took = self._session.paint_s(key, moved)
            found.append(took)
            time.sleep(max(0.0, every_s - took))
        return found
