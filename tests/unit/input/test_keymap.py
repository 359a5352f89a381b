"""One registry of keys: nothing bound twice, every action there, every word of command mode its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from backends.contracts import Action
from shiftdeck.changes.access import Arming
from shiftdeck.config.loader import Access
from shiftdeck.fleet.sorting import counts
from tests.fakes import FakeWorld
from tests.unit.builders import endpoint
from tests.unit.panes import FULL, PLAIN, fleet, text
from tui.input import command_line
from tui.input.keymap import KEYS, bindings, shown_key
from tui.render.endpoint_table import title
from tui.render.theme import Look
from tui.screens.help import help_lines, keys_of
from tui.screens.list_screen import ListingScreen
from tui.screens.main import MainScreen
from tui.widgets.footer import footer_line
from tui.widgets.header import header_line

SCREENS = ("main", "endpoint", "list")


def test_ids_are_unique() -> None:
    assert max(Counter(key.id for key in KEYS).values()) == 1


@pytest.mark.parametrize("screen", SCREENS)
def test_no_key_is_bound_twice_on_one_screen(screen: str) -> None:
    pressed = Counter(one for key in KEYS if screen in key.screens for one in key.keys)
    assert {one for one, count in pressed.items() if count > 1} == set()


def test_words_of_command_mode_are_unique() -> None:
    words = Counter(key.command for key in KEYS if key.command)
    assert max(words.values()) == 1


def test_every_key_of_the_main_screen_does_something() -> None:
    for key in KEYS:
        if "main" in key.screens:
            assert hasattr(MainScreen, f"action_{key.id.partition('(')[0]}"), key.id


def test_every_key_of_a_list_does_something() -> None:
    for key in KEYS:
        if "list" in key.screens:
            assert hasattr(ListingScreen, f"action_{key.id}"), key.id


def test_a_remapped_key_replaces_ours_everywhere() -> None:
    remapped = {"shift": "ctrl+t", "help": "f1"}
    made = {binding.id: binding.key for binding in bindings("main", remapped)}
    assert made["shift"] == "ctrl+t"
    assert made["promote"] == "p"
    footer = footer_line("main", endpoint(), FULL, 120, writable=True, remapped=remapped).plain
    assert "^T shift" in footer
    assert "f1 help" in footer
    lines = text(help_lines(frozenset({"main"}), remapped, FULL, 100))
    assert "^T" in lines
    assert "remapped" in lines


def test_the_help_names_every_key_of_a_screen() -> None:
    for screen in SCREENS:
        lines = text(help_lines(frozenset({screen}), {}, FULL, 160))
        for key in KEYS:
            if screen in key.screens:
                assert key.help in lines
                assert keys_of(key, {}) in lines


def test_keys_read_as_on_a_keyboard() -> None:
    shown = {key.id: shown_key(key, {}) for key in KEYS}
    assert (shown["filter"], shown["command"], shown["help"], shown["open"]) == ("/", ":", "?", "Enter")
    assert shown["refresh"] == "^R"


# ── the footer ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_footer_offers_only_what_the_system_knows() -> None:
    stepped = endpoint(actions={Action.PROMOTE: None, Action.ADVANCE: None})
    line = footer_line("main", stepped, FULL, 120, writable=True, remapped={}).plain
    assert "promote" in line
    assert "shift" not in line
    assert "mirror" not in line


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_the_footer_fits_and_keeps_what_is_needed_most(width: int) -> None:
    for look in (FULL, PLAIN):
        line = footer_line("main", endpoint(), look, width, writable=True, remapped={})
        assert line.cell_len <= max(width, 46)
        for word in ("shift", "promote", "roll back", "help"):
            assert word in line.plain


def test_what_is_not_possible_now_is_greyed() -> None:
    denied = endpoint(actions={Action.SHIFT: "frozen", Action.ROLLBACK: None})
    line = footer_line("main", denied, FULL, 120, writable=True, remapped={})
    styles = {line.plain[span.start : span.end]: span.style for span in line.spans}
    assert styles["shift"] == FULL["faint"]
    assert styles["roll back"] == FULL["text"]
    read_only = footer_line("main", denied, FULL, 120, writable=False, remapped={})
    styles = {read_only.plain[span.start : span.end]: span.style for span in read_only.spans}
    assert styles["roll back"] == FULL["faint"]
    assert styles["help"] == FULL["text"]


def test_every_usage_begins_with_its_word() -> None:
    for word in command_line.commands():
        assert command_line.usage(word).split(" ")[0] == word


def test_sentences_name_the_key_that_the_user_has_put_in_place_of_ours() -> None:
    ours, theirs = (Look.for_terminal(FULL.capabilities, remapped=keys) for keys in ({}, {"arm": "f9", "filter": "f"}))
    view = fleet(FakeWorld())
    armable = replace(view, arming=Arming(Access.ARM, False))
    for look, arm, narrow in ((ours, "A", "/"), (theirs, "f9", "f")):
        assert look.key("arm") == arm
        assert f"read-only, {arm} arms" in header_line(armable, look, 160).plain
        assert f"{narrow} filter" in title(view, counts(view.endpoints), 6, "", "health", look, 160).plain
