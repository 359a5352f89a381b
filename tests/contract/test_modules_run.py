"""``python -m tui`` and ``python -m shiftdeck`` are the same program as the console script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.program import SHIFTDECK

PROGRAMS = {"script": [str(SHIFTDECK)]} | {name: [sys.executable, "-m", name] for name in ("tui", "shiftdeck")}
CONFIG = '[contexts.prod.serving.lab]\nurl = "http://127.0.0.1:9"\n'


def run(program: str, folder: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [*PROGRAMS[program], *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("program", ["tui", "shiftdeck"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--version",), 0),
        (("--help",), 0),
        (("--config", "config.toml", "config", "check"), 0),
        (("--config", "nowhere.toml", "status"), 2),
        (("shift",), 2),
        ((), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_module_does_what_the_script_does(program: str, words: tuple[str, ...], code: int, tmp_path: Path) -> None:
    """The same exit code and the same words, in which the program has the same name."""
    (tmp_path / "config.toml").write_text(CONFIG)
    expected = run("script", tmp_path, *words)
    assert expected[0] == code, expected
    assert run(program, tmp_path, *words) == expected
    assert "shiftdeck" in "".join(expected[1:]) or "config.toml" in expected[1]
