"""A test that hangs beyond its time limit ends its worker, and what each of its threads was doing is shown.

The limit of pytest-timeout raises an error in the main thread, once. A test whose clean-up then waits for a thread that
hangs as well would hold the whole run for ever. A plug-in of pytest.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Generator
from pathlib import Path

import pytest

FOLDER = Path("build/hangs")
"""Below pytest's root directory: one file for each process that hung, with the test and the stacks."""

GRACE_S = 120.0
"""How long a test may take to end once pytest-timeout has ended it."""


def pytest_sessionstart(session: pytest.Session) -> None:
    folder = session.config.rootpath / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if not hasattr(session.config, "workerinput"):
        for old in folder.glob("*.txt"):
            old.unlink(missing_ok=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    path = item.config.rootpath / FOLDER / f"{os.getpid()}.txt"
    with path.open("w", encoding="utf-8") as stacks:
        stacks.write(f"{item.nodeid}\n")
        stacks.flush()
        faulthandler.dump_traceback_later(_limit_s(item) + GRACE_S, exit=True, file=stacks)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)


def _limit_s(item: pytest.Item) -> float:
    """The limit of pytest-timeout for that test."""
    own = item.get_closest_marker("timeout")
    return float(own.args[0] if own is not None else item.config.getini("timeout"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for path in sorted((config.rootpath / FOLDER).glob("*.txt")):
        terminalreporter.section("hung, or ended by its own process")
        terminalreporter.write_line(path.read_text(encoding="utf-8", errors="replace"))
