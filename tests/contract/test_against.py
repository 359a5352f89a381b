"""What a report says of the programs that the tests ran against is so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests import against
from tests.servers import in_ci

ROOT = Path(__file__).parents[2]


def test_every_program_tells_its_version() -> None:
    lines = list(against.lines())
    assert lines[0].startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}.")
    named = [line.partition(" ")[0] for line in lines[1:]]
    assert named == [*against.PACKAGES, *against.PROGRAMS, *against.ENVIRONMENTS, "CRDs"]
    assert not [line for line in lines if "tells no version" in line]
    assert not in_ci() or not [line for line in lines if line.endswith(against.NOT_HERE)]


def test_in_ci_the_summary_is_preceded_by_them(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_terminal_summary")
    (tmp_path / "test_it.py").write_text("def test_it(): assert False")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=ROOT,
        env={**os.environ, "CI": "true"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    before, _, summary = done.stdout.partition("short test summary info")
    assert "ran against" in before, done.stdout
    assert "textual 8." in before
    assert "1 failed" in summary
