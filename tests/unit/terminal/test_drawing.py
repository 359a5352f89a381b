"""Which code draws: ours with the versions of Textual that it was tested with, Textual's own with any other."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path

import pytest

from tui.cli import doctor
from tui.terminal import drawing

PROGRAM = """
import sys
from tui.terminal import drawing
drawing.textual_version = lambda: sys.argv[1]
from tui.app.app import ShiftdeckApp
print(ShiftdeckApp.__base__.__name__, "tui.terminal.painted_app" in sys.modules)
"""


def drawn_by(textual: str) -> list[str]:
    argv = [sys.executable, "-c", PROGRAM, textual]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout.split()


def test_the_version_is_that_of_the_package() -> None:
    assert drawing.textual_version() == version("textual")


def test_the_version_is_found_without_the_metadata_of_all_packages() -> None:
    program = (
        "import sys; from tui.terminal import drawing; drawing.textual_version();"
        "print('importlib.metadata' in sys.modules, 'textual' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("folders", [(), ("textual-8.2.7.dist-info", "textual-8.2.8.dist-info")])
def test_where_the_folder_does_not_tell_the_metadata_is_asked(
    folders: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*folders, "textual"):
        (tmp_path / name).mkdir()
    spec = ModuleSpec("textual", None, origin=str(tmp_path / "textual" / "__init__.py"))
    monkeypatch.setattr(drawing, "find_spec", lambda name: spec)
    assert drawing.textual_version() == version("textual")


def test_these_tests_run_with_a_tested_version() -> None:
    assert drawing.is_painted()


def test_a_tested_version_is_drawn_by_the_painter() -> None:
    assert drawn_by(drawing.TESTED[-1]) == ["PaintedApp", "True"]


@pytest.mark.parametrize("textual", ["8.99.0", "9.0.0", "unknown"])
def test_any_other_version_draws_by_itself_and_the_painter_is_not_even_imported(textual: str) -> None:
    assert drawn_by(textual) == ["DrawnApp", "False"]


def test_doctor_says_who_draws_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = doctor._drawing()
    assert usual.detail == f"shiftdeck's own: it was tested with Textual {version('textual')}"
    assert not usual.hint
    monkeypatch.setattr(drawing, "textual_version", lambda: "8.99.0")
    other = doctor._drawing()
    assert other.detail == "Textual's own: shiftdeck's was not tested with Textual 8.99.0"
    assert (other.ok, drawing.TESTED[-1] in other.hint) == (None, True)
