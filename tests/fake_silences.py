"""Silences in memory, alone or as those of the in-memory world's alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from backends.contracts import Alert, AlertState, Call, Receipt, Silence
from shiftdeck.changes.silence import EXPIRED
from tests.fake_adapters import FakeAlerts
from tests.fakes import FakeWorld

NOW = 1_000_000.0


class Keeper:
    """Keeps silences; ``fault`` is raised by the next call, before or after it is done."""

    def __init__(self) -> None:
        self.kept: list[Silence] = []
        self.fault: Exception | None = None
        self.done_first = False

    def silences(self) -> tuple[Silence, ...]:
        return tuple(self.kept)

    def compile_silence(self, alert: Alert, *, starts: float, duration_s: float, author: str, comment: str) -> Call:
        return Call("POST", "/silences", {"labels": dict(alert.labels), "ends": starts + duration_s, "why": comment})

    def compile_expire(self, silence: str) -> Call:
        return Call("DELETE", f"/silences/{silence}", None)

    def send(self, call: Call) -> Receipt:
        if self.fault is not None and not self.done_first:
            raise self.fault
        body = call.body
        if body is None:
            self.kept = [
                Silence(one.id, one.matchers, one.starts, one.ends, one.author, one.comment, EXPIRED)
                for one in self.kept
            ]
        else:
            assert isinstance(body, Mapping)
            labels = body["labels"]
            assert isinstance(labels, dict)
            ends = body["ends"]
            assert isinstance(ends, float)
            self.kept.append(Silence(f"s{len(self.kept)}", labels, NOW, ends, "ada", str(body["why"]), "active"))
        if self.fault is not None:
            raise self.fault
        return Receipt("s0")


def silenced_by(keeper: Keeper, world: FakeWorld, patch: pytest.MonkeyPatch) -> None:
    """Let one alert fire in that world, and have its source keep silences."""

    def of(name: str) -> Any:
        return lambda self, *given, **named: getattr(keeper, name)(*given, **named)

    for name in ("silences", "compile_silence", "compile_expire", "send"):
        patch.setattr(FakeAlerts, name, of(name), raising=False)
    labels = {"alertname": "HighErrorRate"}
    world.alerts = [Alert("HighErrorRate", AlertState.FIRING, labels=labels, fingerprint="f1", source="alertmanager")]
    patch.setenv("SHIFTDECK_OPERATOR", "ada")
