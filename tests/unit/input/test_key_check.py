"""The table [keys]: what is not known, and what would leave an action without its key, is an error with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.binding import Binding
from textual.keys import Keys

from shiftdeck.config.loader import ConfigErrors, parse
from tests.unit.cli_world import Shell, shell
from tui.input.actions import ACTIONS
from tui.input.key_check import NAMED, canonical, check_keys, split

__all__ = ["shell"]

HERE = Path("/nowhere/k.toml")


def errors(*lines: str) -> str:
    text = "\n".join(("[contexts.a.serving.lab]", "[keys]", *lines))
    try:
        check_keys(parse(text, HERE, lambda *_: (), default_journal=HERE))
    except ConfigErrors as found:
        return str(found)
    return ""


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (('rollback = "s"',), "k.toml:3: keys.rollback: s is the key of shift too"),
        (('rollback = "slash"',), "is the key of filter too"),
        (('rollback = "/"',), "is the key of filter too"),
        (('save = "f5"', 'copy = "f5"'), "f5 is the key of"),
        (('nope = "x"',), "k.toml:3: keys.nope: unknown action"),
        (('rolback = "f5"',), "did you mean 'rollback'?"),
        (('rollback = "ctrl+shift+alt+foo"',), "no key is called 'ctrl+shift+alt+foo'"),
        (('rollback = "Enter"',), "did you mean 'enter'?"),
        (('rollback = "f5,nope"',), "no key is called 'nope'"),
        (('rollback = ","',), "no key is called"),
        (("", "promote = 5"), "k.toml:4: keys.promote: write a text in quotes, not a number"),
        (('promote = " "',), "keys.promote: name a key"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(lines: tuple[str, ...], words: str) -> None:
    assert words in errors(*lines)


@pytest.mark.parametrize(
    "lines",
    [
        ('rollback = "f5"',),
        ('rollback = "B"', 'shift = "ctrl+s"'),
        ('rollback = "s"', 'shift = "f6"'),  # two that change places
        ('rollback = "f5,B"',),
        ('pause = "f4"',),  # the id of an earlier release
        ('filter = "f"',),
        ('quit = "shift+f5"',),
        ('help = "comma"',),
        ('help = "é"',),
    ],
)
def test_what_is_right_is_accepted(lines: tuple[str, ...]) -> None:
    assert errors(*lines) == ""


def test_every_key_of_ours_is_known_and_has_one_action() -> None:
    for one in ACTIONS:
        assert all(canonical(key) == key for key in one.keys), one.id
        if not any(one.id in other.former_ids for other in ACTIONS):  # alone, such an id still means the other action
            assert errors(f'"{one.id}" = "{",".join(one.keys)}"') == ""


def test_the_names_are_those_of_textual() -> None:
    assert set(NAMED) <= {str(key.value) for key in Keys} | {"space"}


@given(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zs", "Cf", "Co")))
def test_a_character_is_the_key_that_textual_makes_of_it(char: str) -> None:
    if char in ",+":
        return
    (made,) = Binding.make_bindings([Binding(char, "act")])
    assert canonical(char) in (made.key, None)


@given(st.text(max_size=20))
def test_any_text_is_keys_or_no_keys(text: str) -> None:
    assert all(one is None or one for one in map(canonical, split(text)))


def test_config_check_ends_with_the_error(shell: Shell) -> None:
    shell.keys = {"rollback": "s"}
    said = shell.type("config", "check")
    assert said.code == 2, said
    assert "keys.rollback: s is the key of shift too" in said.err
