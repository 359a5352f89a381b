"""A real Alertmanager under attack: silences."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

from backends.contracts import Alert
from shiftdeck.changes.kind import Planned
from shiftdeck.engine.engine import Engine
from tests.faults import FaultProxy
from tests.realservers.prometheus import alertmanager
from tests.soak.cases import Case, System
from tests.soak.engines import CALL_S
from tests.waiting import wait_until

SEEN_S = 60.0


class AlertmanagerSystem(System):
    name = "alertmanager"

    def __init__(self, folder: Path, seed: int) -> None:
        self._server = alertmanager(folder / "alertmanager").start()
        self.proxy: FaultProxy = FaultProxy(self._server.url)
        self._made = 0

    @property
    def sources(self) -> str:
        return (
            f'[contexts.soak.alerts.am]\nadapter = "alertmanager"\nurl = "{self.proxy.url}"\nevery = "500ms"\n'
            f'timeout = "{CALL_S:g}s"\n'
        )

    def cases(self, count: int, random: Random) -> list[Case]:
        names = [f"Alert{self._made + number}" for number in range(count)]
        self._made += count
        starts = datetime.now(UTC).isoformat()
        self._ask("POST", "/alerts", [{"labels": {"alertname": name}, "startsAt": starts} for name in names])
        return [self._case(name, random) for name in names]

    def close(self) -> None:
        self.proxy.close()
        self._server.stop()

    def _case(self, name: str, random: Random) -> Case:
        seconds = random.choice((600.0, 1800.0, 3600.0))
        return Case(
            f"silence {name} {seconds:g} s",
            lambda method, path, body: method == "POST" and f'"{name}"'.encode() in body,
            partial(_planned, name=name, seconds=seconds),
            lambda: any(self._is_for(one, name) for one in self._ask("GET", "/silences")),
            words=("silence", name, "--for", f"{seconds:.0f}s"),
        )

    def _is_for(self, silence: dict[str, object], name: str) -> bool:
        matchers, status = silence["matchers"], silence["status"]
        assert isinstance(matchers, list)
        assert isinstance(status, dict)
        return status["state"] == "active" and [one["value"] for one in matchers] == [name]

    def _ask(self, method: str, path: str, body: object = None) -> list[dict[str, object]]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._server.url}/api/v2{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return list(json.loads(answer.read() or b"[]"))


def _planned(engine: Engine, name: str, seconds: float) -> Planned:
    def seen() -> Alert | None:
        return next((one for one in engine.view.alerts if one.name == name), None)

    alert = wait_until(seen, SEEN_S, f"{name} to be seen")
    return engine.changes.kinds.silences.plan(engine.view, (alert,), duration_s=seconds, reason="a soak run")
