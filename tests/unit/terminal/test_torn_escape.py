"""A slow link tears an arrow key apart: no piece of it arms, drills or closes anything."""

from __future__ import annotations

import pytest

from tui.terminal.torn_escape import WITHIN_S, TornEscape

Pressed = tuple[str, str | None]


def left(pieces: list[Pressed], apart_s: float = 0.3, *, typing: bool = False) -> list[str]:
    """The keys that are passed on."""
    torn = TornEscape()
    return [
        key
        for number, (key, character) in enumerate(pieces)
        if not torn.swallows(key, character, number * apart_s, typing=typing)
    ]


ESC, BRACKET, A = ("escape", "\x1b"), ("left_square_bracket", "["), ("A", "A")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([ESC, BRACKET, A], ["escape"]),
        ([ESC, BRACKET, ("D", "D")], ["escape"]),
        ([BRACKET, A], []),
        ([ESC, ("O", "O"), A], ["escape"]),
        ([("alt+shift+o", "O"), A], []),
        ([BRACKET, ("1", "1"), ("semicolon", ";"), ("5", "5"), A], []),
        ([BRACKET, ("1", "1"), ("tilde", "~"), A], ["A"]),
        ([ESC, A], ["escape", "A"]),
        ([ESC, ESC, BRACKET, A, A], ["escape", "escape", "A"]),
        ([("O", "O"), A], ["O", "A"]),
    ],
)
def test_the_pieces_of_a_sequence_are_no_keys(pieces: list[Pressed], expected: list[str]) -> None:
    assert left(pieces, 0.1) == expected


def test_what_comes_much_later_is_a_key() -> None:
    assert left([BRACKET, A], WITHIN_S + 0.1) == ["A"]
    assert left([ESC, ("O", "O")], WITHIN_S + 0.1) == ["escape", "O"]


def test_a_bracket_can_be_typed_into_a_field() -> None:
    assert left([BRACKET, A], typing=True) == ["left_square_bracket", "A"]
    assert left([ESC, BRACKET, A], typing=True) == ["escape"]
