"""The skeleton: when it is written, what it says, and that it costs no import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from tui import main
from tui.cli.main import cli
from tui.startup import splash
from tui.startup.context import Common


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["--config", "a.toml", "--read-only"], {"config": "a.toml", "read_only": True}),
        (
            ["--config=a.toml", "--ascii", "--context", "prod"],
            {"config": "a.toml", "ascii_only": True, "context": "prod"},
        ),
        (["status"], None),
        (["--config", "a.toml", "status"], None),
        (["--config"], None),
        (["--config", "--read-only"], None),
        (["--help"], None),
        (["--version"], None),
        (["open", "sentiment"], None),
        (["--unknown"], None),
        (["--mouse=yes"], None),
    ],
)
def test_only_what_opens_the_app_and_nothing_else_has_one(arguments: list[str], options: object) -> None:
    assert main.options_of(arguments) == options


def test_every_option_of_the_app_is_known_to_it() -> None:
    known = {*main.VALUES, *main.FLAGS}
    options = [one for one in cli.params if isinstance(one, click.Option) and one.name != "version"]
    assert {name for one in options for name in one.opts} == known
    assert {one.name for one in options} == {*main.VALUES.values(), *main.FLAGS.values()}


def test_the_options_are_the_command_lines_own() -> None:
    given: dict[str, str | bool] = {"config": "a.toml", "read_only": True, "slow_link": True}
    assert Common.of(given) == Common(config=Path("a.toml"), read_only=True, slow_link=True)
    assert Common.of({}) == Common()


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (200, 50), (8, 3)])
def test_it_stays_on_its_lines(columns: int, lines: int) -> None:
    written = splash.text(columns, lines)
    assert written.isascii()
    assert "shiftdeck" in written
    assert f"\x1b[{lines};1H" in written


def test_it_imports_nothing_that_was_not_there() -> None:
    program = "import sys; before = set(sys.modules); import tui.main; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['__future__', 'tui', 'tui.main', 'tui.startup', 'tui.startup.splash']"
