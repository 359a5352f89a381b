"""What is found out about the terminal, and what Textual is told of it."""

from __future__ import annotations

import os

import pytest

from tui.terminal.capabilities import Capabilities, Colours, capabilities, prepare


@pytest.mark.parametrize(
    ("environ", "colours"),
    [
        ({"TERM": "xterm-256color"}, Colours.FULL),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, Colours.FULL),
        ({"TERM": "xterm"}, Colours.SIXTEEN),
        ({"TERM": "screen"}, Colours.SIXTEEN),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, Colours.NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, Colours.FULL),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, Colours.NONE),
    ],
)
def test_colours(environ: dict[str, str], colours: Colours) -> None:
    assert capabilities(environ, "UTF-8").colours is colours


@pytest.mark.parametrize(
    ("environ", "encoding", "unicode"),
    [
        ({"TERM": "xterm"}, "UTF-8", True),
        ({"TERM": "xterm"}, "ANSI_X3.4-1968", False),
        ({"TERM": "linux"}, "UTF-8", False),
        ({"TERM": "dumb"}, "utf-8", False),
        ({"TERM": "xterm", "SHIFTDECK_ASCII": "1"}, "utf-8", False),
    ],
)
def test_unicode(environ: dict[str, str], encoding: str, unicode: bool) -> None:
    assert capabilities(environ, encoding).unicode is unicode


def test_nothing_animates_unless_the_user_wants_it() -> None:
    environ: dict[str, str] = {"TEXTUAL_FPS": "60"}
    prepare(environ, Capabilities(Colours.FULL, unicode=True))
    assert environ["TEXTUAL_ANIMATIONS"] == "none"
    assert environ["TEXTUAL_FPS"] == "60"
    assert "TEXTUAL_THEME" not in environ


@pytest.mark.parametrize("colours", [Colours.NONE, Colours.SIXTEEN])
def test_few_colours_need_the_terminals_own_theme(colours: Colours) -> None:
    environ: dict[str, str] = {}
    prepare(environ, Capabilities(colours, unicode=True))
    assert environ["TEXTUAL_THEME"] == "ansi-dark"
    assert environ["TEXTUAL_FPS"] == "120"


def test_a_size_that_the_shell_exports_does_not_outvote_the_terminal() -> None:
    environ: dict[str, str] = {"COLUMNS": "80", "LINES": "24"}
    prepare(environ, Capabilities(Colours.FULL, unicode=True), os.terminal_size((120, 36)))
    assert "COLUMNS" not in environ
    assert "LINES" not in environ


def test_a_terminal_that_does_not_know_its_size_leaves_the_exported_one() -> None:
    environ: dict[str, str] = {"COLUMNS": "80", "LINES": "24"}
    prepare(environ, Capabilities(Colours.FULL, unicode=True), None)
    assert (environ["COLUMNS"], environ["LINES"]) == ("80", "24")
