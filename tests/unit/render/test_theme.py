"""The look: the same names in every palette, no colour where none is wanted, ASCII where nothing else can be shown."""

from __future__ import annotations

from dataclasses import fields

import pytest

from backends.contracts import Role
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.health.verdict import Level
from shiftdeck.sources.source import SourceState
from tests.unit.panes import COLOURLESS, FULL, PLAIN
from tui.render.theme import ASCII, UNICODE, Look
from tui.terminal.capabilities import Capabilities, Colours

SIXTEEN = Look.for_terminal(Capabilities(Colours.SIXTEEN, unicode=True))


def test_every_palette_has_every_style() -> None:
    assert set(FULL.styles) == set(SIXTEEN.styles) == set(COLOURLESS.styles)


def test_without_colours_none_is_written() -> None:
    for name, style in COLOURLESS.styles.items():
        assert style.color is None, name
        assert style.bgcolor is None, name


def test_sixteen_colours_are_the_terminals_own() -> None:
    for name, style in SIXTEEN.styles.items():
        for colour in (style.color, style.bgcolor):
            assert colour is None or colour.number is None or colour.number < 16, name
            assert colour is None or colour.triplet is None, name


def test_the_ascii_set_is_ascii() -> None:
    for field in fields(ASCII):
        assert getattr(ASCII, field.name).isascii(), field.name


def test_symbols_are_as_wide_in_both_sets_where_columns_depend_on_it() -> None:
    for name in ("critical", "warning", "ok", "nodata", "bar", "bar_thin", "track", "transit", "vertical", "mark"):
        assert len(getattr(ASCII, name)) == len(getattr(UNICODE, name)) == 1, name


@pytest.mark.parametrize("look", [FULL, SIXTEEN, COLOURLESS, PLAIN])
def test_everything_that_is_shown_has_a_symbol_and_a_style(look: Look) -> None:
    shown = [look.level(level) for level in Level] + [look.check(verdict) for verdict in CheckVerdict]
    shown += [look.source(state) for state in SourceState]
    for symbol, style in shown:
        assert symbol
        assert style in look.styles
    assert all(look.role(role) in look.styles for role in Role)


def test_verdicts_differ_by_symbol_and_not_by_colour_alone() -> None:
    for look in (FULL, PLAIN):
        assert len({look.level(level)[0] for level in Level}) == len(Level)
        assert len({look.check(verdict)[0] for verdict in CheckVerdict}) == len(CheckVerdict)


def test_only_what_is_fresh_looks_well() -> None:
    assert [state for state in SourceState if FULL.source(state)[1] == "ok"] == [SourceState.OK]


def test_ascii_can_be_asked_for_and_refused() -> None:
    unicode = Capabilities(Colours.FULL, unicode=True)
    assert Look.for_terminal(unicode, ascii_only=True).symbols is ASCII
    assert Look.for_terminal(Capabilities(Colours.FULL, unicode=False)).symbols is ASCII
    assert Look.for_terminal(Capabilities(Colours.FULL, unicode=False), ascii_only=False).symbols is UNICODE
