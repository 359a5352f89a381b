"""The app in a terminal, as an operator works it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from backends.contracts import EMPTY
from tests.e2e.program import command
from tests.e2e.terminal import Terminal
from tests.waiting import wait_until
from tui.screens.dialog import READ_S

STARTED_S = 60.0

NAMES = ("churn", "eta", "fraud", "pricing", "ranker", "sentiment")

SETTLED = r"ROLL BACK SETTLED"


@contextmanager
def opened(
    folder: Path, config: Path, cols: int = 120, rows: int = 36, exported: Mapping[str, str] = EMPTY
) -> Iterator[Terminal]:
    """The app on that configuration, once it shows endpoints. ``exported`` is what its shell exports."""
    with Terminal(folder, cols, rows) as terminal:
        terminal.start(["env", *(f"{name}={value}" for name, value in exported.items()), *command(config=config)])
        wait_fleet(terminal)
        yield terminal


@contextmanager
def opened_from_shell(folder: Path, config: Path) -> Iterator[Terminal]:
    """The same from a shell, to which the terminal goes back."""
    with Terminal(folder) as terminal:
        terminal.start_shell(command(config=config))
        wait_fleet(terminal)
        yield terminal


def wait_fleet(terminal: Terminal) -> None:
    terminal.wait_for(lambda screen: len(order(screen)) == len(NAMES), STARTED_S, "six endpoints")


def order(screen: str) -> list[str]:
    """The endpoints in the list, from the top."""
    return [match[1] for match in re.finditer(rf"^\s*[✖▲?●]\s+({'|'.join(NAMES)})\s", screen, re.MULTILINE)]


def select(terminal: Terminal, name: str) -> None:
    """Put the cursor on that endpoint, by the filter."""
    terminal.keys("/")
    terminal.wait_for(lambda screen: screen.splitlines()[-1].strip() == "/", 10, "the filter's prompt")
    terminal.type(name)
    terminal.keys("Enter")
    terminal.wait_for(lambda screen: order(screen) == [name], 10, f"only {name} in the list")
    # A key that arrives before the prompt is closed is typed into it.
    terminal.wait_for(lambda screen: "help" in screen.splitlines()[-1], 10, "the prompt to be closed")
    terminal.wait_for(rf"TRAFFIC \S+/{re.escape(name)}\b", 10)


def read_a_moment() -> None:
    shown = time.monotonic()
    wait_until(lambda: time.monotonic() - shown > READ_S, 5, "a person to have read it")


def confirm(terminal: Terminal) -> None:
    """Enter on the plan that is shown, once a person can have read it: before, the app does not take it."""
    read_a_moment()
    terminal.keys("Enter")


def roll_back(terminal: Terminal) -> None:
    """r, Enter: the two keys of the retreat. Where a busy machine makes stable slow as well, no release counts as good,
    and the oldest is chosen by hand."""
    terminal.keys("r")
    if "ROLL BACK to" in terminal.wait_for(r"way back|known to be good", 15):
        terminal.keys("End", "Enter")
        terminal.wait_for(r"way back", 15)
    confirm(terminal)
    terminal.wait_for(r"✔ recorded", 15)
