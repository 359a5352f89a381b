"""One table of actions: nothing bound twice, every handler there, every word its own, and the same everywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib import import_module
from inspect import signature
from typing import Any

import click
import pytest

from backends.contracts import Action
from shiftdeck.changes.access import Arming
from shiftdeck.config.loader import Access
from shiftdeck.fleet.sorting import counts
from tests.fakes import FakeWorld
from tests.unit.builders import endpoint
from tests.unit.panes import FULL, PLAIN, fleet, text
from tui.cli.main import VERBS, cli
from tui.input import command_line
from tui.input.actions import ACTIONS, ActionSpec
from tui.input.keymap import bindings, shown_key
from tui.input.renamed_keys import renamed
from tui.render.endpoint_table import title
from tui.render.theme import Look
from tui.screens.base import BaseScreen
from tui.screens.drift import DriftScreen
from tui.screens.endpoint import EndpointScreen
from tui.screens.help import HelpScreen, help_lines, keys_of
from tui.screens.list_screen import ListingScreen
from tui.screens.main import MainScreen
from tui.widgets.footer import footer_line
from tui.widgets.header import header_line

SCREENS = ("main", "endpoint", "list")


def test_ids_are_unique() -> None:
    assert max(Counter(key.id for key in ACTIONS).values()) == 1


@pytest.mark.parametrize("screen", SCREENS)
def test_no_key_is_bound_twice_on_one_screen(screen: str) -> None:
    pressed = Counter(one for key in ACTIONS if screen in key.screens for one in key.keys)
    assert {one for one, count in pressed.items() if count > 1} == set()


def test_words_of_command_mode_are_unique() -> None:
    words = Counter(key.word for key in ACTIONS if key.word)
    assert max(words.values()) == 1


KINDS: dict[str, tuple[type[BaseScreen[Any]], ...]] = {
    "main": (MainScreen,),
    "endpoint": (EndpointScreen,),
    "list": (ListingScreen, HelpScreen, DriftScreen),
}


@pytest.mark.parametrize("one", ACTIONS, ids=lambda one: one.id)
def test_every_action_has_its_handler_on_every_screen_that_has_its_key(one: ActionSpec) -> None:
    module, _, name = one.handler.rpartition(":")
    if module:
        assert list(signature(getattr(import_module(module), name)).parameters) == ["app", "ref", "argument"]
    else:
        for kind in one.screens:
            for screen in KINDS[kind]:
                assert list(signature(getattr(screen, name)).parameters)[1:] in (["argument"], ["name"]), screen


def test_a_change_says_what_it_makes_and_a_step_is_a_change() -> None:
    changes = [one.change for one in ACTIONS if one.change is not None]
    assert len(changes) == len(set(changes))
    assert all(one.change is not None for one in ACTIONS if one.step)


def test_a_word_of_an_earlier_release_is_no_word_of_this_one() -> None:
    words = {one.word for one in ACTIONS}
    assert words.isdisjoint({former for one in ACTIONS for former in (*one.former_words, *one.habits)} - {"drills"})


def test_a_word_means_the_same_in_command_mode_and_on_the_command_line() -> None:
    for one in ACTIONS:
        assert (VERBS.get(one.word, "") if one.word else "") == one.verb, one.id
        if one.change is not None:
            command = cli.get_command(click.Context(cli), one.word)
            assert command is not None
            assert command.short_help == f"{one.help}."


# ── the configuration's own keys ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "meant", "noticed"),
    [
        ({"rollback": "f2"}, {"rollback": "f2"}, []),
        ({"hold": "f3"}, {"pause": "f3"}, ["called pause now"]),
        ({"pause": "f4"}, {"refresh_pause": "f4"}, ["Write refresh_pause"]),
        (
            {"hold": "f3", "pause": "f4"},
            {"pause": "f3", "refresh_pause": "f4"},
            ["called pause", "Write refresh_pause"],
        ),
        ({"pause": "f3", "refresh_pause": "f4"}, {"pause": "f3", "refresh_pause": "f4"}, []),
        (
            {"hold": "f1", "pause": "f3", "refresh_pause": "f4"},
            {"pause": "f3", "refresh_pause": "f4"},
            ["called pause"],
        ),
    ],
)
def test_ids_of_an_earlier_release_are_read_with_a_notice(
    written: dict[str, str], meant: dict[str, str], noticed: list[str]
) -> None:
    found, notices = renamed(written)
    assert found == meant
    assert len(notices) == len(noticed)
    assert all(words in notice for words, notice in zip(noticed, notices, strict=True))


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
        for key in ACTIONS:
            if screen in key.screens:
                assert key.help in lines
                assert keys_of(key, {}) in lines


def test_keys_read_as_on_a_keyboard() -> None:
    shown = {key.id: shown_key(key, {}) for key in ACTIONS}
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
    for word, one in command_line.commands().items():
        assert command_line.usage(one).split(" ")[0] == word


def test_sentences_name_the_key_that_the_user_has_put_in_place_of_ours() -> None:
    ours, theirs = (Look.for_terminal(FULL.capabilities, remapped=keys) for keys in ({}, {"arm": "f9", "filter": "f"}))
    view = fleet(FakeWorld())
    armable = replace(view, arming=Arming(Access.ARM, False))
    for look, arm, narrow in ((ours, "A", "/"), (theirs, "f9", "f")):
        assert look.key("arm") == arm
        assert f"read-only, {arm} arms" in header_line(armable, look, 160).plain
        assert f"{narrow} filter" in title(view, counts(view.endpoints), 6, "", "health", look, 160).plain
