"""The harness itself: what it says of a terminal is so."""

from __future__ import annotations

import subprocess
import sys
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


FAILS = """
from tests.e2e.captures import pytest_runtest_makereport, pytest_runtest_setup
from tests.e2e.terminal import Terminal

def test_it(tmp_path):
    with Terminal(tmp_path, 60, 10) as first:
        first.start(["sh", "-c", "printf 'the \\033[1mfirst\\033[m one'; read x"])
        first.wait_for("the first one")
        first.keys("Enter")
    with Terminal(tmp_path, 60, 10) as second:
        second.start(["sh", "-c", "echo before; read x; clear; echo after; read x"])
        second.wait_for("before")
        second.keys("Enter")
        second.wait_for("after")
        assert False

def test_another(tmp_path):
    assert True
"""


def test_a_failed_test_leaves_what_its_terminals_showed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(FAILS.partition("def ")[0], encoding="utf-8")
    (tmp_path / "test_fails.py").write_text(FAILS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    folder = tmp_path / "build/terminals/test_fails.py_test_it"
    assert f"what they showed last is in {folder}" in done.stdout
    assert sorted(one.name for one in folder.iterdir()) == [
        *("terminal-1.raw", "terminal-1.screens.txt"),
        *("terminal-2.raw", "terminal-2.screens.txt"),
    ]
    assert b"the \x1b[1mfirst\x1b[m one" in (folder / "terminal-1.raw").read_bytes()
    before, _, after = (folder / "terminal-2.screens.txt").read_text(encoding="utf-8").partition("after\n")
    assert "before" in before
    assert after == "\n" * 9
    assert list(folder.parent.iterdir()) == [folder], "a test that passes leaves nothing"
