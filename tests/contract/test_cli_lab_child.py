"""The lab's process as the command line starts and ends it, with stand-ins for the lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.cli.lab_process import LabChild, LabFailed, lab_arguments


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules a child can run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def lab(folder: Path, text: str) -> LabChild:
    (folder / "stand_in_lab.py").write_text(text)
    return LabChild([], module="stand_in_lab")


READY = """
import json, sys
print(json.dumps({"progress": 0.5, "message": "halfway"}), flush=True)
print("noise", flush=True)
print(json.dumps({"config": "/c", "gateway": "g", "registry": "r", "metrics": "m"}), flush=True)
sys.stdin.read()
"""


def test_progress_is_told_and_then_where_everything_is(folder: Path) -> None:
    told: list[tuple[float, str]] = []
    with lab(folder, READY) as child:
        ready = child.ready(lambda done, message: told.append((done, message)))
        assert ready == {"config": "/c", "gateway": "g", "registry": "r", "metrics": "m"}
        assert told == [(0.5, "halfway")]
        assert child.running()
    assert not child.running()


def test_a_lab_that_dies_says_why(folder: Path) -> None:
    with lab(folder, "import sys; sys.exit('no port is free')") as child, pytest.raises(LabFailed) as caught:
        child.ready(lambda *_: None)
    assert caught.value.tail == "no port is free"
    assert "status 1" in str(caught.value)
    assert not caught.value.usage


def test_a_lab_that_does_not_take_its_arguments_is_quoted(folder: Path) -> None:
    text = "import argparse; argparse.ArgumentParser().parse_args(['--nope'])"
    with lab(folder, text) as child, pytest.raises(LabFailed, match="unrecognized arguments") as caught:
        child.ready(lambda *_: None)
    assert caught.value.usage


def test_a_lab_that_does_not_end_is_made_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.cli.lab_process.END_WITHIN_S", 0.2)
    stubborn = READY.replace(
        "import json, sys", "import json, signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"
    )
    with lab(folder, stubborn.replace("sys.stdin.read()", "signal.pause()")) as child:
        child.ready(lambda *_: None)
    assert not child.running()


def test_the_arguments() -> None:
    assert lab_arguments(["a", "b"], None, None, Path("/s")) == ["--drill", "a", "--drill", "b", "--state", "/s"]
    assert lab_arguments([], 3.0, 0.5, None) == ["--rate", "3.0", "--delay", "0.5"]
    assert lab_arguments([], None, None, None) == []
