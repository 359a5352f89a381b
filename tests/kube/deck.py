"""A shell on the test API server that follows a change closely, and not for long: twenty readings a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import shiftdeck.engine.engine
from shiftdeck.changes.timing import Timing
from shiftdeck.config.loader import ContextConfig
from shiftdeck.journal.entry import EntryKind
from shiftdeck.journal.journal import Entry, Journal
from tests.kube.apiserver import ApiServer
from tests.kube.shell import KubeShell, Said
from tui.cli import engine_session


class Deck(KubeShell):
    """``settle_s`` is for how long a change is followed."""

    def __init__(
        self,
        server: ApiServer,
        namespace: str,
        adapter: str,
        folder: Path,
        patch: pytest.MonkeyPatch,
        *,
        user: str = "admin",
        settle_s: float = 20.0,
    ) -> None:
        super().__init__(server, folder, adapter, namespace, user=user)
        self.settle_s = settle_s
        patch.setenv("SHIFTDECK_OPERATOR", "ana")
        patch.setattr(engine_session, "Engine", self._engine)

    def _engine(
        self, context: ContextConfig, journal: Journal, timing: Timing | None = None
    ) -> shiftdeck.engine.engine.Engine:
        given = replace(timing or Timing(), poll_s=0.05, settle_s=self.settle_s, read_back_s=2.0)
        return shiftdeck.engine.engine.Engine(context, journal, timing=given)

    def change(self, *words: str) -> Said:
        """A change, confirmed and with the reason that it may need; nothing measures anything here."""
        return self.type(*words, "--yes", "--json", "--override", "--reason", "a test", "--observe", "0")

    def endpoint(self, name: str) -> Any:
        """The endpoint as ``status --json`` shows it."""
        found = self.type("status", "--json", "--observe", "0").json["endpoints"]
        return next(one for one in found if one["ref"].endswith(f"/{name}"))

    def split(self, name: str) -> dict[str, float | None]:
        return {one["name"]: one["desired"] for one in self.endpoint(name)["variants"]}

    def of_kind(self, kind: EntryKind) -> list[Entry]:
        return [entry for entry in self.journal() if entry.kind is kind] if self.path.exists() else []

    def outcomes(self) -> list[str]:
        return [str(entry.data["outcome"]) for entry in self.of_kind(EntryKind.OUTCOME)]


def message(said: Said) -> str:
    """The words of the outcome that a change was said to have."""
    return str(said.json["outcome"]["message"])
