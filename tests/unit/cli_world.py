"""The command line on the in-memory world: what a user types, what is printed, how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import shiftdeck.engine.engine
from shiftdeck.changes.timing import Timing
from shiftdeck.config.loader import Access, Config, ContextConfig
from shiftdeck.journal.journal import Entry, Journal, current_operator
from tests.fakes import FakeWorld, fake_context, fake_factory
from tui.cli import apply, doctor, engine_session
from tui.cli.main import cli
from tui.startup import context


class Shell:
    """Types commands. ``world`` is what they act on; ``contexts`` the configuration."""

    def __init__(self, world: FakeWorld, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.world = world
        world.me = current_operator()
        self.path = folder / "journal.jsonl"
        self.contexts: dict[str, ContextConfig] = {"prod-eu": fake_context()}
        self.keys: dict[str, str] = {}
        self._patch = patch
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(context, "load", self._load)
        patch.setattr(engine_session, "Engine", self._engine)
        patch.setattr(doctor, "Engine", self._engine)
        patch.setattr(doctor, "EXTRA_S", 0.0)

    def _load(self, path: Path) -> Config:
        return Config(path, next(iter(self.contexts)), self.path, self.contexts, self.keys)

    def _engine(
        self, context: ContextConfig, journal: Journal, timing: Timing | None = None
    ) -> shiftdeck.engine.engine.Engine:
        return shiftdeck.engine.engine.Engine(
            context,
            journal,
            clock=self.world.clock,
            factory=fake_factory(self.world),
            timing=replace(timing or Timing(), poll_s=0.005),
        )

    def access(self, access: Access, *, production: bool = True) -> None:
        self.contexts = {"prod-eu": fake_context(access, production)}

    def on_a_terminal(self) -> None:
        self._patch.setattr(apply, "can_ask", lambda: True)

    def type(self, *words: str, answer: str | None = None) -> Said:
        done = CliRunner().invoke(cli, list(words), input=answer, catch_exceptions=False)
        return Said(done.exit_code, done.stdout, done.stderr)

    def journal(self) -> tuple[Entry, ...]:
        return Journal(self.path).entries(newest_first=False)


class Said:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n--- stderr\n{self.err}"

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(FakeWorld(), tmp_path, monkeypatch)
