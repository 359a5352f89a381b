"""Line charts as lines of text: the curves from plotext, with axes and marks around them.

plotext draws each curve by itself, in braille dots if the terminal has them. The dots of all curves are combined here,
because within plotext a later curve erases the cells of an earlier one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from rich.text import Text

from shiftdeck.history.charts import Mark
from tui.render.theme import Look
from tui.terminal.capabilities import Colours

BRAILLE = 0x2800
BRAILLE_END = 0x28FF

NICE_SPANS_S = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0, 86_400.0)
"""The lengths of time axes: with fixed lengths, the axis does not change with every new point."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart. ``points`` are (x, y or ``None`` for a gap), by x; ``marker`` is for plain terminals."""

    style: str
    points: Sequence[tuple[float, float | None]]
    marker: str = "*"


@dataclass(frozen=True, slots=True)
class Frame:
    """The axes of a chart: x in Unix seconds, y from 0 to ``top``. ``limit`` is an objective, drawn as a horizontal
    line."""

    since: float
    until: float
    top: float
    unit: str = ""
    limit: float | None = None
    now: str = "now"


def nice_top(highest: float) -> float:
    """The end of an axis from 0: the next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten."""
    if highest <= 0 or not math.isfinite(highest):
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next((step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= highest), 10 * power)


def nice_span(needed_s: float, longest_s: float) -> float:
    """The length of a time axis that holds ``needed_s`` seconds, a minute at least."""
    return min(longest_s, next((span for span in NICE_SPANS_S if span >= needed_s), longest_s))


def chart_lines(
    curves: Sequence[Curve], frame: Frame, marks: Sequence[Mark], look: Look, width: int, height: int
) -> list[Text]:
    """A chart of ``width`` × ``height`` cells, with its axes and labels."""
    labels = _y_labels(frame, max(1, height - 2))
    margin = max(len(label) for label in labels) + 2
    columns, rows = max(4, width - margin), max(1, height - 2)
    cells = _cells(curves, frame, look, columns, rows)
    at = {_column(mark.at, frame, columns): mark for mark in marks if frame.since <= mark.at <= frame.until}
    _fill(cells, frame, at, look)
    lines = []
    for label, row in zip(labels, cells, strict=True):
        line = look.text((label.rjust(margin - 2), "muted"), (f" {look.symbols.vertical}", "faint"))
        lines.append(line.append_text(_runs(row, look)))
    lines.append(_axis(at, look, margin, columns))
    lines.append(_x_labels(frame, at, look, margin, columns))
    return lines


# ── the curves ──────────────────────────────────────────────────────────────────────────────────────────────────

Cells = list[list[tuple[str, str]]]


def _cells(curves: Sequence[Curve], frame: Frame, look: Look, columns: int, rows: int) -> Cells:
    # Without colours the dots of two curves look the same, so each curve has a character of its own.
    plain = look.symbols.vertical == "|" or look.capabilities.colours is Colours.NONE
    cells: Cells = [[(" ", "text")] * columns for _ in range(rows)]
    for curve in curves:
        drawn = _plotted(curve, frame, columns, rows, curve.marker if plain else "braille")
        for row, text in enumerate(drawn[:rows]):
            for column, char in enumerate(text[:columns]):
                if char not in (" ", chr(BRAILLE)):
                    cells[row][column] = (_over(cells[row][column][0], char), curve.style)
    return cells


def _over(below: str, above: str) -> str:
    """One character with the dots of both, if both are braille; else the upper one."""
    if BRAILLE <= ord(below) <= BRAILLE_END and BRAILLE <= ord(above) <= BRAILLE_END:
        return chr(ord(below) | ord(above))
    return above


def _plotted(curve: Curve, frame: Frame, columns: int, rows: int, marker: str) -> list[str]:
    """One curve as ``rows`` lines of ``columns`` characters. Points above the top are drawn on the upper edge."""
    from textual_plotext import Plot

    plot = Plot()
    # plotext limits a figure to the terminal that it detects, which in a test is not the one that is drawn on.
    plot._limit_size(False, False)  # noqa: SLF001 - has no public name on a figure
    plot.plot_size(columns, rows)
    plot.theme("clear")
    plot.xaxes(False, False)
    plot.yaxes(False, False)
    plot.xticks([])
    plot.yticks([])
    plot.xlim(0.0, frame.until - frame.since)
    plot.ylim(0.0, frame.top)
    for part in _unbroken(curve.points, frame):
        xs = [x - frame.since for x, _ in part]
        ys = [min(y, frame.top) for _, y in part]
        plot.plot(xs, ys, marker=marker)
    return [str(line) for line in plot.uncolorize(plot.build()).splitlines()]


def _unbroken(points: Sequence[tuple[float, float | None]], frame: Frame) -> list[list[tuple[float, float]]]:
    """The stretches of a curve without gaps."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None or not math.isfinite(y):
            stretches.append([])
        elif frame.since <= x <= frame.until:
            stretches[-1].append((x, y))
    return [stretch for stretch in stretches if stretch]


# ── axes and marks ──────────────────────────────────────────────────────────────────────────────────────────────


def _column(at: float, frame: Frame, columns: int) -> int:
    return min(columns - 1, max(0, round((at - frame.since) / (frame.until - frame.since) * (columns - 1))))


def _fill(cells: Cells, frame: Frame, marks: dict[int, Mark], look: Look) -> None:
    """Draw the objective and the marks behind the curves."""
    rows = len(cells)
    if frame.limit is not None and 0 < frame.limit < frame.top:
        row = min(rows - 1, max(0, rows - 1 - int(frame.limit / frame.top * rows)))
        for column, (char, _) in enumerate(cells[row]):
            if char == " " and column % 2 == 0:
                cells[row][column] = (look.symbols.track, "faint")
    for column in marks:
        for row in range(rows):
            if cells[row][column][0] in (" ", look.symbols.track):
                cells[row][column] = (look.symbols.vertical, "faint")


def _y_labels(frame: Frame, rows: int) -> list[str]:
    """A label for each row: the top, the middle if there is room, and 0 at the bottom."""
    labels = [""] * rows
    labels[-1] = "0"
    if rows >= 2:
        labels[0] = f"{frame.top:g}"
    if rows >= 5:
        labels[rows // 2] = f"{frame.top / 2:g}"
    return labels


def _axis(marks: dict[int, Mark], look: Look, margin: int, columns: int) -> Text:
    line = Text(" " * (margin - 1), no_wrap=True, end="")
    line.append("+" if look.symbols.vertical == "|" else "└", look["faint"])
    mark, track = (look.symbols.mark, "strong"), (look.symbols.track, "faint")
    return line.append_text(_runs([mark if column in marks else track for column in range(columns)], look))


def _x_labels(frame: Frame, marks: dict[int, Mark], look: Look, margin: int, columns: int) -> Text:
    """The line of labels: the begin, the marks that fit without touching each other, and the end."""
    written = [" "] * columns
    styles = ["muted"] * columns
    begin = datetime.fromtimestamp(frame.since, UTC)
    _write(written, f"{begin:%H:%M:%S}" if frame.until - frame.since < 300 else f"{begin:%H:%M}", 0)
    _write(written, frame.now, columns - len(frame.now))
    for column, mark in sorted(marks.items(), reverse=True):
        for words in (mark.text, mark.text.rpartition(" ")[0]):
            start = max(0, min(column - len(words) // 2, columns - len(words)))
            around = written[max(0, start - 2) : start + len(words) + 2]
            if words and len(words) <= columns and all(char == " " for char in around):
                _write(written, words, start)
                styles[start : start + len(words)] = ["text"] * len(words)
                break
    line = Text(" " * margin, no_wrap=True, end="")
    return line.append_text(_runs(list(zip(written, styles, strict=True)), look))


def _runs(cells: Sequence[tuple[str, str]], look: Look) -> Text:
    """Characters with their styles as text. Neighbours of one style are one run, because each run costs an escape
    sequence."""
    line = Text(no_wrap=True, end="")
    for style, run in groupby(cells, key=lambda cell: cell[1]):
        line.append("".join(char for char, _ in run), look[style])
    return line


def _write(cells: list[str], words: str, start: int) -> None:
    if start >= 0 and start + len(words) <= len(cells):
        cells[start : start + len(words)] = list(words)
