"""One lab for all end-to-end tests, put back before each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.captures import pytest_runtest_makereport, pytest_runtest_setup
from tests.lab import Lab, shared_lab

__all__ = ["pytest_runtest_makereport", "pytest_runtest_setup"]


@pytest.fixture(scope="session")
def running_lab(own_home: Path) -> Iterator[Lab]:
    found = Lab(shared_lab())
    yield found
    found.reset()
    found.close()


@pytest.fixture
def lab(running_lab: Lab) -> Lab:
    """The lab as it was when it began."""
    running_lab.reset()
    return running_lab


@pytest.fixture
def config(lab: Lab, tmp_path: Path) -> Path:
    """The lab's configuration, with a journal of this test's own."""
    return lab.configure(tmp_path)
