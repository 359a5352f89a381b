"""What the tests run against: the versions of Python, of Textual and of every real program, and the CRDs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAMS = {
    "tmux": "-V",
    "bash": "--version",
    "zsh": "--version",
    "fish": "--version",
    "prometheus": "--version",
    "prometheus-alertmanager": "--version",
    "haproxy": "-v",
    "docker-registry": "--version",
    "socat": "-V",
    "etcd": "--version",
    "kube-apiserver": "--version",
}
"""The programs, and how each is asked for its version."""

ENVIRONMENTS = {"mlflow": "mlflow-server", "evidently": "evidently", "bentoml": "bentoml"}
"""Packages in an environment of their own below ``.venv``."""

PACKAGES = ("textual", "mlflow-skinny", "kubernetes", "hypothesis")
NOT_HERE = "not here"
NUMBER = re.compile(r"\d+(?:\.\d+)+[\w.+~-]*")
ASK = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"


def lines() -> Iterator[str]:
    """One line for each: its name and its version."""
    yield f"Python {platform.python_version()}, {platform.platform()}"
    yield from (f"{name} {version(name)}" for name in PACKAGES)
    for name, flag in PROGRAMS.items():
        yield f"{name} {_told(_path(name), flag)}"
    for name, folder in ENVIRONMENTS.items():
        yield f"{name} {_told(str(ROOT / '.venv' / folder / 'bin/python'), '-c', ASK, name)}"
    yield f"CRDs {crds()}"


def crds() -> str:
    """Which definitions of the serving systems' objects the API server gets."""
    folder = os.environ.get("SHIFTDECK_CRDS")
    ours = f"{len(list((ROOT / 'tests/kube/crds').glob('*.yaml')))} minimal ones of our own"
    if not folder:
        return f"{ours}; none that the projects publish: SHIFTDECK_CRDS names no folder"
    return f"{len(list(Path(folder).glob('*.yaml')))} published ones in {folder}; {ours}"


def _path(name: str) -> str | None:
    """Where a program is; those of Kubernetes are where ``KUBEBUILDER_ASSETS`` says, as for the tests."""
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS", "")) / name
    return str(assets) if os.environ.get("KUBEBUILDER_ASSETS") and assets.exists() else shutil.which(name)


def _told(program: str | None, *arguments: str) -> str:
    if program is None or not Path(program).exists():
        return NOT_HERE
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"tells no version: {error}"
    found = NUMBER.search(done.stdout + done.stderr)
    return found[0] if found else f"tells no version: {(done.stdout + done.stderr)[:80]!r}"
