"""What a test needs from the machine: a program, a server. Without it the test is skipped, in CI it fails."""

from __future__ import annotations

import os
import shutil

import pytest


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def require(condition: object, reason: str) -> None:
    """Go on only where ``condition`` holds. ``reason`` says what is missing and how to get it.

    Raises:
        pytest.skip.Exception: it does not hold.
        pytest.fail.Exception: it does not hold, and this is CI, where nothing may go untested unnoticed.
    """
    if condition:
        return
    if in_ci():
        pytest.fail(f"CI has to have what its tests need: {reason}")
    pytest.skip(reason)


def require_program(name: str, package: str = "") -> str:
    """The path of that program. ``package`` is what to install to have it, where that is another name."""
    path = shutil.which(name)
    require(path, f"{name} is not installed: install {package or name}")
    assert path is not None
    return path
