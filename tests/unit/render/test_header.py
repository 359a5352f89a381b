"""The header: what is wrong is spelled out at any width, and access is never in doubt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shiftdeck.changes.access import Arming
from shiftdeck.config.loader import Access
from shiftdeck.sources.source import SourceState
from tests.fakes import FakeWorld
from tests.unit.panes import FULL, PLAIN, fleet, style_at
from tui.render.theme import Look
from tui.widgets.header import header_line


def test_a_wide_header_names_every_source_with_its_age() -> None:
    line = header_line(fleet(FakeWorld()), FULL, 140).plain
    for words in (" shiftdeck ", "prod-eu", " PRODUCTION ", "● mlflow 1s", "● gateway 1s", "read-write", "03:14:22Z"):
        assert words in line
    assert len(line) <= 140


@pytest.mark.parametrize("width", [80, 90, 100, 120, 160])
@pytest.mark.parametrize("look", [FULL, PLAIN])
def test_a_source_in_trouble_is_named_at_every_width(width: int, look: Look) -> None:
    line = header_line(fleet(FakeWorld(), gateway=SourceState.UNAUTHENTICATED), look, width)
    assert line.cell_len <= width
    assert "gateway unauthenticated 1m" in line.plain
    assert "critical" in style_at(line, "gateway", look)


def test_a_source_that_is_off_is_quiet_and_one_that_is_stale_is_not() -> None:
    line = header_line(fleet(FakeWorld(), dcgm=SourceState.OFF, psi=SourceState.STALE), FULL, 140)
    assert "○ dcgm off" in line.plain
    assert "▲ psi stale 1m" in line.plain


def test_even_a_narrow_header_says_that_something_is_wrong() -> None:
    states = dict.fromkeys(("gateway", "mlflow", "lab"), SourceState.UNREACHABLE)
    assert "3 sources in trouble" in header_line(fleet(FakeWorld(), **states), FULL, 70).plain
    assert "5 ok" in header_line(fleet(FakeWorld()), FULL, 60).plain


def test_access() -> None:
    view = fleet(FakeWorld())

    def said(arming: Arming) -> str:
        return header_line(replace(view, arming=arming), FULL, 120).plain

    assert "read-only" in said(Arming(Access.READ_ONLY, False))
    assert "read-only, A arms" in said(Arming(Access.ARM, False))
    assert "armed 14m" in said(Arming(Access.ARM, True, view.at + 14 * 60 + 20))
    assert "read-write" in said(Arming(Access.READ_WRITE, True))


def test_production_stands_out_and_paused_is_said() -> None:
    view = fleet(FakeWorld())
    assert "production" in style_at(header_line(view, FULL, 120), "PRODUCTION")
    other = header_line(replace(view, production=False, paused=True), FULL, 120)
    assert "staging" in style_at(other, "not production")
    assert " paused " in other.plain


def test_seconds_only_where_there_is_room() -> None:
    assert "03:14Z" in header_line(fleet(FakeWorld()), FULL, 100).plain
    assert "03:14:22Z" in header_line(fleet(FakeWorld()), FULL, 120).plain


def test_a_clock_that_is_not_drawn_each_second_shows_none() -> None:
    assert "03:14Z" in header_line(replace(fleet(FakeWorld()), paused=True), FULL, 120).plain
