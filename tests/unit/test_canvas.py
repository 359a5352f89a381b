"""Lines are written only where they differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from rich.text import Text

from tui.widgets.canvas import changed

WIDTH = 40


def line(words: str, *spans: tuple[int, int, str]) -> Text:
    text = Text(words, end="")
    for start, end, style in spans:
        text.stylize(Style.parse(style), start, end)
    return text


def test_the_same_line_changes_nothing() -> None:
    assert changed(line("p95 231 ms", (4, 7, "red")), line("p95 231 ms", (4, 7, "red")), WIDTH) == []


def test_only_the_figure_that_changed_is_written() -> None:
    assert changed(line("p95 231 ms"), line("p95 241 ms"), WIDTH) == [(5, 1)]


def test_another_colour_is_a_change() -> None:
    assert changed(line("p95 231 ms"), line("p95 231 ms", (4, 7, "red")), WIDTH) == [(4, 3)]


def test_near_changes_go_together_and_far_ones_apart() -> None:
    assert changed(line("a1" + " " * 20 + "b1"), line("a2" + " " * 20 + "b2"), WIDTH) == [(1, 1), (23, 1)]
    assert changed(line("a1  b1"), line("a2  b2"), WIDTH) == [(1, 5)]


def test_what_was_longer_is_wiped_out() -> None:
    assert changed(line("unreachable"), line("ok"), WIDTH) == [(0, 11)]


def test_lines_with_wide_characters_are_written_whole() -> None:
    assert changed(line("模型 a"), line("模型 b"), WIDTH) == [(0, WIDTH)]
    assert changed(None, line("a"), WIDTH) == [(0, WIDTH)]


@given(st.text("ab ●", max_size=WIDTH), st.text("ab ●", max_size=WIDTH))
def test_writing_the_runs_turns_one_line_into_the_other(before: str, after: str) -> None:
    cells, wanted = list(before.ljust(WIDTH)), after.ljust(WIDTH)
    for start, many in changed(line(before), line(after), WIDTH):
        cells[start : start + many] = wanted[start : start + many]
    assert "".join(cells) == wanted
