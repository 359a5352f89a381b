"""Environments of their own for what is installed: a wheel is built and installed as a user would, without an index."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


def build_wheel(folder: Path, into: Path) -> Path:
    """The wheel of the distribution in that folder."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(into)], cwd=folder, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr
    return into / done.stdout.split()[-1]


class Environment:
    """A virtual environment with these wheels. What they depend on is taken from the environment that runs the tests,
    whose own shiftdeck comes after the installed one."""

    def __init__(self, folder: Path, *wheels: Path) -> None:
        venv.create(folder, symlinks=True, with_pip=False)
        self.folder = folder
        self.python = folder / "bin/python"
        install = (
            [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--no-index"]
            if find_spec("pip")
            else ["uv", "pip", "install", "--offline", "--python", str(self.python)]
        )
        done = subprocess.run(
            [*install, "--no-deps", *map(str, wheels)], capture_output=True, text=True, timeout=150, check=False
        )
        assert done.returncode == 0, done.stderr
        # As of now: an installer that saw the other environment's shiftdeck would not install this one.
        (self._site() / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def _site(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def run(self, *command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command, the first word of which may be one of this environment's scripts."""
        first, *rest = map(str, command)
        script = self.folder / "bin" / first
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SHIFTDECK_CONFIG")}
        return subprocess.run(
            [str(script) if script.exists() else first, *rest],
            cwd=self.folder,
            env={**kept, **env},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
