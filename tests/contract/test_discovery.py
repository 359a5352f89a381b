"""Entry points as they are found on the disk, against what ``importlib.metadata`` finds there."""

from __future__ import annotations

import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from backends.discovery import GROUP, adapter_class, declared, installed

TEXT = f"""
[console_scripts]
serving.none = elsewhere:Main

[{GROUP}]
# not = one:OfThem
serving.one = there.module:One
; metrics.two = not.this
metrics.two=there:Two.Inner [extra]

[other]
drift.none = elsewhere:Other
"""
FOUND = {"serving.one": "there.module:One", "metrics.two": "there:Two.Inner"}


def distribution(folder: Path, name: str, text: str) -> Path:
    info = folder / name
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: there\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
    return folder


def test_only_our_group_is_read() -> None:
    assert dict(declared(TEXT)) == FOUND


def test_what_is_installed_here_is_what_the_standard_library_finds() -> None:
    found = installed(sys.path)
    assert found == {point.name: point.value for point in entry_points(group=GROUP)}
    assert found["serving.lab"] == "backends.serving.lab:LabServing"


@pytest.mark.parametrize("name", ["there-1.0.dist-info", "There-1.0-py3.11.egg-info"])
def test_others_add_theirs(tmp_path: Path, name: str) -> None:
    folder = distribution(tmp_path, name, TEXT)
    assert installed([str(tmp_path / "missing"), str(folder), str(folder)]) == FOUND


def test_the_first_distribution_of_a_name_counts(tmp_path: Path) -> None:
    first = distribution(tmp_path / "first", "a_b-2.dist-info", f"[{GROUP}]\nserving.one = new:One\n")
    second = distribution(tmp_path / "second", "A.b-1.dist-info", TEXT)
    assert installed([str(first), str(second)]) == {"serving.one": "new:One"}


def test_what_is_not_text_is_passed_over(tmp_path: Path) -> None:
    folder = distribution(tmp_path, "there-1.dist-info", TEXT)
    (distribution(tmp_path, "odd-1.dist-info", "") / "odd-1.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "bare-1.dist-info").mkdir()
    assert installed([str(folder)]) == FOUND


def test_archives_are_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "there.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("there-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: there\nVersion: 1\n")
        written.writestr("there-1.dist-info/entry_points.txt", TEXT)
    monkeypatch.syspath_prepend(str(archive))
    found = installed(sys.path)
    assert found.items() >= FOUND.items()
    assert "serving.lab" in found


def test_an_adapter_is_imported_by_its_name() -> None:
    assert adapter_class("serving", "lab").__name__ == "LabServing"
    with pytest.raises(LookupError, match="known are deployment"):
        adapter_class("serving", "nothing")
