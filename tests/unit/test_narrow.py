"""What is written to the terminal is the changed region, whatever widget it is in."""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.segment import Segment
from textual import _compositor
from textual.strip import Strip

from tui.narrow import NarrowUpdate, write_narrowly

CONSOLE = Console(file=io.StringIO(), force_terminal=True, width=40)


def written(spans: list[tuple[int, int, int]], *rows: dict[int, str]) -> list[tuple[int, int, str]]:
    """What an update of these widgets' lines writes: (row, column, text), both from 0."""
    chops = [{x: Strip([Segment(text)]) for x, text in row.items()} for row in rows]
    ends = [[x + len(text) for x, text in row.items()] for row in rows]
    sent = NarrowUpdate(chops, spans, ends).render_segments(CONSOLE)
    return [(int(y) - 1, int(x) - 1, text) for y, x, text in re.findall(r"\x1b\[(\d+);(\d+)H([^\x1b]*)", sent)]


def test_a_figure_at_the_end_of_a_row_is_written_alone() -> None:
    assert written([(0, 16, 19)], {0: "sentiment  p95  231 ms"}) == [(0, 16, "231")]


def test_a_region_over_two_widgets_is_written_in_two_pieces() -> None:
    assert written([(0, 8, 12)], {0: "0123456789", 10: "abcdefghij"}) == [(0, 8, "89"), (0, 10, "ab")]


def test_a_whole_line_and_several_lines() -> None:
    both = written([(0, 0, 5), (1, 1, 3)], {0: "first"}, {0: "other"})
    assert both == [(0, 0, "first"), (1, 1, "th")]


def test_textual_still_has_what_is_replaced() -> None:
    write_narrowly()
    assert _compositor.ChopsUpdate is NarrowUpdate
    assert {"chops", "spans", "chop_ends"} <= set(vars(NarrowUpdate([], [], [])))
