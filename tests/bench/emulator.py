"""What a terminal is to a program: a screen that shows what was written, and answers to what it is asked."""

from __future__ import annotations

import re

import pyte

QUERIES: tuple[tuple[re.Pattern[bytes], bytes], ...] = (
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),  # primary device attributes: VT220 with colours
    (re.compile(rb"\x1b\[>0?c"), b"\x1b[>1;10;0c"),
    (re.compile(rb"\x1b\[>0?q"), b"\x1bP>|bench(1)\x1b\\"),
    (re.compile(rb"\x1b\[5n"), b"\x1b[0n"),
    (re.compile(rb"\x1b\[\?2026\$p"), b"\x1b[?2026;2$y"),  # synchronised output: known, and off
    (re.compile(rb"\x1b\[\?(?!2026)(\d+)\$p"), b"\x1b[?MODE;0$y"),  # any other mode: not known
    (re.compile(rb"\x1b\]1[01];\?(?:\x07|\x1b\\)"), b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
)
"""What is asked, and the answer (xterm's "Control Sequences"; contour's for mode 2026)."""

CURSOR_AT = re.compile(rb"\x1b\[6n")

FOREIGN = re.compile(
    rb"\x1b\[[<=>][0-9;:]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p|\x1b\[\?[0-9;]*u|\x1bP.*?\x1b\\|\x1b\][0-9].*?(?:\x07|\x1b\\)",
    re.DOTALL,
)
"""What pyte would take for text: key protocols, mode queries, device and operating system strings."""

UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;:?<=>$]*|[P\]][^\x07\x1b]*\x1b?)?\Z")


class Emulator:
    """``feed`` it what a program writes; it returns what a terminal would answer."""

    def __init__(self, cols: int, rows: int) -> None:
        self.cols = cols
        self.rows = rows
        self._screen = pyte.Screen(cols, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._rest = b""
        self._text: str | None = ""

    def feed(self, data: bytes) -> bytes:
        """Show ``data``. A sequence that is not whole yet is kept for the next time."""
        data = self._rest + data
        unfinished = UNFINISHED.search(data)
        cut = unfinished.start() if unfinished and len(data) - unfinished.start() < 4096 else len(data)
        data, self._rest = data[:cut], data[cut:]
        self._stream.feed(FOREIGN.sub(b"", data))
        self._text = None
        return self._answers(data)

    def _answers(self, data: bytes) -> bytes:
        if b"\x1b" not in data:
            return b""
        found = b"".join(
            answer.replace(b"MODE", match.group(match.lastindex or 0))
            for query, answer in QUERIES
            for match in query.finditer(data)
        )
        if CURSOR_AT.search(data):
            cursor = self._screen.cursor
            found += b"\x1b[%d;%dR" % (cursor.y + 1, cursor.x + 1)
        return found

    @property
    def text(self) -> str:
        """The whole screen, a line for each row."""
        if self._text is None:
            self._text = "\n".join(self._screen.display)
        return self._text

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def backgrounds(self, col: int) -> tuple[str, ...]:
        """The background colour of each row in column ``col``, from the top."""
        return tuple(self._screen.buffer[row][col].bg for row in range(self.rows))
