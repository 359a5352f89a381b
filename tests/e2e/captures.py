"""What the terminals of a failed test showed, kept in a folder that the report names. A plug-in of pytest."""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import Protocol

import pytest

FOLDER = Path("build/terminals")
"""Below pytest's root directory; one folder for each test."""


class Captured(Protocol):
    """A terminal that can tell what it showed, also after its end."""

    def save(self, stem: Path) -> None:
        """Write what is known into files whose names begin with ``stem``."""


_of_this_test: deque[Captured] = deque(maxlen=20)


def remember(terminal: Captured) -> None:
    """Save this terminal if the test that runs fails."""
    _of_this_test.append(terminal)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _of_this_test.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and _of_this_test:
        folder = item.config.rootpath / FOLDER / re.sub(r"[^\w.-]+", "_", item.nodeid)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for number, terminal in enumerate(_of_this_test, 1):
            terminal.save(folder / f"terminal-{number}")
        report.sections.append(("Terminals", f"what they showed last is in {folder}"))
    return report
