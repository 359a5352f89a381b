"""Fixtures that several contract tests share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shiftdeck.changes.timing import Timing
from shiftdeck.config.loader import ContextConfig
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.journal import Journal
from tests.kube.apiserver import apiserver
from tests.lab import lab, lab_at_rest
from tui.cli import engine_session

__all__ = ["apiserver", "lab", "lab_at_rest"]

POLL_S = 0.05


@pytest.fixture(autouse=True)
def changes_are_read_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change by the command line within this process is read back twenty times a second, not twice."""

    def engine(context: ContextConfig, journal: Journal, timing: Timing | None = None) -> Engine:
        return Engine(context, journal, timing=replace(timing or Timing(), poll_s=POLL_S))

    monkeypatch.setattr(engine_session, "Engine", engine)
