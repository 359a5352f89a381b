"""``make setup`` without a network: it says so at once, and does without where everything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAYS = "No network: the package index cannot be reached. Check the connection or the proxy (HTTPS_PROXY)"
NOBODY = "http://127.0.0.1:1"


def prepare(folder: Path, *group: str, with_uv: bool) -> subprocess.CompletedProcess[str]:
    """Run ``scripts/prepare-venv`` where nothing beyond this machine can be reached, and no cache helps."""
    tools = folder / "tools"
    tools.mkdir()
    uv = shutil.which("uv")
    if with_uv and uv:
        (tools / "uv").symlink_to(uv)
    else:
        (tools / "uv").write_text("#!/bin/sh\nexit 1\n")
        (tools / "uv").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
    offline = {
        "HTTPS_PROXY": NOBODY,
        "HTTP_PROXY": NOBODY,
        "ALL_PROXY": NOBODY,
        "NO_PROXY": "",
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_CONFIG": "1",
        "UV_CACHE_DIR": str(folder / "cache"),
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [ROOT / "scripts/prepare-venv", folder / "venv", *group],
        env={**kept, **offline},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def environment(folder: Path) -> Path:
    """The packages of a virtual environment that this Python made, with nothing in it."""
    if not find_spec("pip"):
        pytest.skip("there is no pip beside these tests: uv made their environment")
    venv.create(folder / "venv", symlinks=True, with_pip=False)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    return packages


def test_uv_says_that_there_is_no_network(tmp_path: Path) -> None:
    if not shutil.which("uv"):
        pytest.skip("uv is not installed: set-up with pip is tested")
    done = prepare(tmp_path, "dev", with_uv=True)
    assert done.returncode == 1, done.stdout
    assert done.stderr.splitlines()[-1].startswith(SAYS)
    assert "after 1 retry" in done.stderr


def test_pip_says_that_there_is_no_network(tmp_path: Path) -> None:
    pip = find_spec("pip")
    packages = environment(tmp_path)
    assert pip is not None
    assert pip.origin is not None
    (packages / "pip").symlink_to(Path(pip.origin).parent)
    done = prepare(tmp_path, "dev", with_uv=False)
    assert done.returncode == 1, done.stdout
    assert done.stderr.splitlines()[-1].startswith(SAYS)
    assert done.stderr.count("Retrying") <= 1, done.stderr


def test_what_is_installed_is_not_asked_for(tmp_path: Path) -> None:
    packages = environment(tmp_path)
    (packages / "installed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    done = prepare(tmp_path, with_uv=False)
    assert done.returncode == 0, done.stderr
    assert "Retrying" not in done.stderr
    assert (tmp_path / "venv/bin/shiftdeck").exists(), "the project itself is installed"
    shown = subprocess.run(
        [tmp_path / "venv/bin/python", "-c", "import shiftdeck; print(shiftdeck.__file__)"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(shown.stdout.strip()).is_relative_to(ROOT), shown.stderr
