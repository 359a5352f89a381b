"""What is written turns what the terminal shows into what it should show, and is little."""

from __future__ import annotations

import re
from unicodedata import normalize

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.terminal.ansi import Pen, Place, move, turn
from tui.terminal.painter import Painter

WIDTH, HEIGHT = 30, 4
STYLES = (
    *("", "red", "bold red on blue", "on blue", "underline", "#a0b0c0 on #101820", "reverse", "italic green"),
    *("bold", "bold italic underline", "strike red", "bold reverse on blue"),
)
WORDS = st.lists(st.sampled_from(("a", "b", " ", "1", "━", "●", "模", "e\u0301")), min_size=1, max_size=6).map("".join)
LINE = st.lists(st.tuples(WORDS, st.sampled_from(STYLES)), max_size=6)
FRAME = st.lists(LINE, min_size=HEIGHT, max_size=HEIGHT)


def strip(*parts: tuple[str, str]) -> Strip:
    return Strip([Segment(text, Style.parse(style)) for text, style in parts]).adjust_cell_length(WIDTH)


def painter() -> Painter:
    return Painter(ColorSystem.EIGHT_BIT)


def fresh() -> tuple[pyte.Screen, pyte.Stream]:
    screen = pyte.Screen(WIDTH, HEIGHT)
    screen.reset_mode(pyte.modes.DECAWM >> 5, private=True)  # as Textual sets a terminal: no line is ever wrapped
    return screen, pyte.Stream(screen)


def shown(screen: pyte.Screen) -> list[list[tuple[object, ...]]]:
    return [[_look(screen.buffer[y][x]) for x in range(WIDTH)] for y in range(HEIGHT)]


def _look(cell: pyte.screens.Char) -> tuple[object, ...]:
    lines = (cell.underscore, cell.strikethrough, cell.reverse)
    return (" ", cell.bg, *lines) if cell.data == " " and not any(lines) else tuple(cell)


@given(st.lists(FRAME, min_size=1, max_size=4))
def test_after_each_frame_the_terminal_shows_what_one_drawn_at_once_would(
    frames: list[list[list[tuple[str, str]]]],
) -> None:
    screen, stream = fresh()
    kept = painter()
    for frame in frames:
        strips = [strip(*line) for line in frame]
        stream.feed(kept.paint(strips, WIDTH, HEIGHT))
        wanted, at_once = fresh()
        at_once.feed(painter().paint(strips, WIDTH, HEIGHT))
        assert shown(screen) == shown(wanted)
        plain = ["".join(segment.text for segment in one) for one in strips]
        assert [row.rstrip() for row in screen.display] == [row.rstrip() for row in _displayed(plain)]
        assert kept.paint(strips, WIDTH, HEIGHT) == ""


@given(FRAME, st.lists(st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.sampled_from(STYLES))))
def test_figures_here_and_there_are_drawn_where_they_belong(
    frame: list[list[tuple[str, str]]], figures: list[tuple[int, int, str]]
) -> None:
    screen, stream = fresh()
    kept = painter()
    strips = [strip(*line) for line in frame]
    stream.feed(kept.paint(strips, WIDTH, HEIGHT))
    for y, x, style in figures:
        figure = Strip([Segment("7", Style.parse(style))])
        strips[y] = Strip.join([strips[y].crop(0, x), figure, strips[y].crop(x + 1)])
        # Whoever else is at the terminal may have moved its cursor.
        stream.feed(f"\x1b[{x % HEIGHT + 1};{y + 1}H" + kept.paint(strips, WIDTH, HEIGHT))
    wanted, at_once = fresh()
    at_once.feed(painter().paint(strips, WIDTH, HEIGHT))
    assert shown(screen) == shown(wanted)


def _displayed(lines: list[str]) -> list[str]:
    screen, stream = fresh()
    for y, line in enumerate(lines):
        stream.feed(f"\x1b[{y + 1};1H{line}")
    return [*screen.display]


def test_a_figure_that_changes_is_written_alone() -> None:
    kept = painter()
    line = [("p95  ", ""), ("231 ms", "red"), ("  err 2.4 %", "")]
    other = [("p95  ", ""), ("241 ms", "red"), ("  err 2.4 %", "")]
    blank = [strip()] * (HEIGHT - 1)
    kept.paint([strip(*line), *blank], WIDTH, HEIGHT)
    assert kept.paint([strip(*other), *blank], WIDTH, HEIGHT) == "\x1b[1;7H\x1b[31m4"


def test_changes_apart_are_stepped_between_and_near_ones_written_together() -> None:
    kept = painter()
    blank = [strip()] * (HEIGHT - 1)
    kept.paint([strip(("a1  b1" + " " * 9 + "c1", "")), *blank], WIDTH, HEIGHT)
    written = kept.paint([strip(("a2  b2" + " " * 9 + "c2", "")), *blank], WIDTH, HEIGHT)
    assert written == "\x1b[1;2H2  b2\x1b[10C2"


def test_the_colour_of_a_blank_is_no_change() -> None:
    kept = painter()
    blank = [strip()] * (HEIGHT - 1)
    kept.paint([strip(("a b", "red")), *blank], WIDTH, HEIGHT)
    assert kept.paint([strip(("a", "red"), (" ", "green"), ("b", "red")), *blank], WIDTH, HEIGHT) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [("模型 a", "模型 b"), ("a 模", "b 模"), ("模 a", "x  a"), ("x  a", "模 a"), ("e\u0301  a", "e\u0301  b")],
    ids=ascii,
)
def test_a_line_with_characters_of_uncertain_width_is_written_from_its_beginning(before: str, after: str) -> None:
    """Terminals differ in how wide such characters are: of a change beside one no column can be relied on."""
    kept = painter()
    other = strip(("row 1", ""))
    blank = [strip()] * (HEIGHT - 2)
    kept.paint([strip((before, "")), other, *blank], WIDTH, HEIGHT)
    written = kept.paint([strip((after, "")), other, *blank], WIDTH, HEIGHT)
    assert written.startswith("\x1b[1H"), "the first row, from column 0"
    first, *others = _displayed_of(written)
    assert first.rstrip() == normalize("NFC", after), "as pyte puts an accent on its letter"
    assert others == ["#" * WIDTH] * (HEIGHT - 1)


def _displayed_of(written: str) -> list[str]:
    """What stands in each row of a terminal that showed nothing but "#" before; "#" is what was not written."""
    screen, stream = fresh()
    stream.feed("".join(f"\x1b[{y + 1};1H{'#' * WIDTH}" for y in range(HEIGHT)) + written)
    return [*screen.display]


def test_an_accent_with_nothing_under_it_does_not_reach_what_stands_before() -> None:
    kept = painter()
    blank = [strip()] * (HEIGHT - 1)
    assert "\u0301" not in kept.paint(
        [*blank, strip(("\u0301", "")), strip(("\u0301", "red"), ("a", ""))], WIDTH, HEIGHT
    )


def test_what_is_not_known_any_more_is_written_whole() -> None:
    kept = painter()
    frame = [strip((f"row {y}", "red")) for y in range(HEIGHT)]
    first = kept.paint(frame, WIDTH, HEIGHT)
    kept.forget()
    assert kept.blank
    assert kept.paint(frame, WIDTH, HEIGHT) == first
    assert kept.paint(frame, WIDTH, HEIGHT) == ""


def test_with_other_colours_the_next_frame_is_written_whole() -> None:
    kept = painter()
    frame = [strip((f"row {y}", "#a0b0c0 on #101820")) for y in range(HEIGHT)]
    kept.paint(frame, WIDTH, HEIGHT)
    kept.use(ColorSystem.EIGHT_BIT)
    assert kept.paint(frame, WIDTH, HEIGHT) == "", "those are the same"
    kept.use(ColorSystem.TRUECOLOR)
    assert kept.blank
    assert kept.paint(frame, WIDTH, HEIGHT) == Painter(ColorSystem.TRUECOLOR).paint(frame, WIDTH, HEIGHT)


def test_a_pen_is_kept_from_frame_to_frame_and_taken_up_once_for_all_that_it_draws() -> None:
    kept = painter()
    blank = [strip()] * (HEIGHT - 2)

    def frame(digit: str) -> list[Strip]:
        line = strip((digit, "red"), (" " * 8, ""), (digit, "blue"), (" " * 8, ""), (digit, "red"))
        return [line, line, *blank]

    kept.paint(frame("1"), WIDTH, HEIGHT)
    for digit in "234":
        written = kept.paint(frame(digit), WIDTH, HEIGHT)
        assert re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\x1b[DM]|[\x08\r]", "", written) == digit * 6
        assert written.count("m") == 1


def test_the_cursor_goes_the_shortest_way() -> None:
    assert move(None, 4, 9) == "\x1b[5;10H"
    assert move(Place(4, 9), 4, 9) == ""
    assert move(Place(4, 9), 4, 13) == "\x1b[4C"
    assert move(Place(4, 9), 4, 8) == "\b"
    assert move(Place(13, 106), 14, 104) == "\x1bD\b\b"
    assert move(Place(14, 20), 13, 20) == "\x1bM"
    assert move(Place(4, None), 4, 7) == "\x1b[8G"
    assert move(Place(4, None), 5, 7) == "\x1b[6;8H"


def test_of_a_pen_only_what_differs_is_set() -> None:
    red = Pen((), "31", "44")
    assert turn(red, red) == ""
    assert turn(red, Pen((), "32", "44")) == "\x1b[32m"
    assert turn(red, Pen(("1",), "31", "44")) == "\x1b[1m"
    assert turn(Pen(("1",), "31", "44"), Pen((), "32")) == "\x1b[;32m"
    assert turn(red, Pen()) == "\x1b[m"
    assert turn(Pen(("1",), "31", "44"), red) == "\x1b[22m"
    assert turn(Pen(("1", "2"), "31", "44"), Pen(("2",), "31", "44")) == "\x1b[22;2m"
    assert turn(None, red) == "\x1b[;31;44m"
