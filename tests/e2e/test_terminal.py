"""The harness itself: what it says of a terminal is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.e2e


def test_sees_what_is_on_the_screen_and_presses_keys(tmp_path: Path) -> None:
    with Terminal(tmp_path, 60, 10) as terminal:
        terminal.start(["sh", "-c", "stty size; printf '▁▂▃ done? '; read answer; echo got $answer; exit 3"])
        assert "10 60" in terminal.wait_for("▁▂▃ done?")
        terminal.type("Enter")
        terminal.keys("Enter")
        terminal.wait_for("got Enter")
        assert terminal.wait_ended() == 3


def test_knows_the_alternate_screen_and_a_new_size(tmp_path: Path) -> None:
    with Terminal(tmp_path, 60, 10) as terminal:
        terminal.start_shell(["sh", "-c", "tput smcup; echo on it; read x; stty size; read x; tput rmcup"])
        terminal.wait_for("^on it")  # the shell shows the command itself first, with the same words further right
        assert terminal.on_alternate_screen()
        terminal.resize(100, 20)
        terminal.keys("Enter")
        terminal.wait_for("^20 100")
        assert terminal.process().name() == "sh"
        terminal.keys("Enter")
        terminal.wait_for(lambda _: not terminal.on_alternate_screen())


def test_a_failure_shows_the_last_screen(tmp_path: Path) -> None:
    with Terminal(tmp_path, 60, 10) as terminal:
        terminal.start(["sh", "-c", "echo only this; exit 7"])
        with pytest.raises(AssertionError, match=r"(?s)never there.*only this.*exit code 7"):
            terminal.wait_for("never there", 2)
