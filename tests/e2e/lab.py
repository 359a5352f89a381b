"""The lab for tests: the real child process, put back between tests, and configurations that point at it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.waiting import wait_until

SHIFTDECK = Path(sys.executable).with_name("shiftdeck")
READY_S = 90.0
SETTLE_S = 15.0
CLI_S = 150.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"not JSON: exit code {self.code}, stdout {self.out!r}, stderr {self.err!r}") from None

    def lines(self) -> list[Any]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def run(*args: str | Path, config: Path | None = None, timeout_s: float = CLI_S) -> Result:
    """Run ``shiftdeck`` with these arguments, and with ``--config`` where there is one."""
    named = [] if config is None else ["--config", str(config)]
    done = subprocess.run(
        [SHIFTDECK, *named, *map(str, args)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=timeout_s,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


class Lab:
    """A running lab. ``config``, ``gateway``, ``registry`` and ``metrics`` are what it said when it was ready."""

    def __init__(self, *drills: str) -> None:
        argv = [sys.executable, "-m", "backends.lab", "--with-parent"]
        for drill in drills:
            argv += ["--drill", drill]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._said: list[str] = []
        self._errors: list[str] = []
        for stream, kept in ((self.process.stdout, self._said), (self.process.stderr, self._errors)):
            threading.Thread(target=kept.extend, args=(stream,), daemon=True).start()
        ready = wait_until(self._ready, READY_S, lambda: f"the lab to be ready: {self._said[-3:]} {self._errors[-20:]}")
        self.config = Path(ready["config"])
        self.gateway = ready["gateway"]
        self.registry = ready["registry"]
        self.metrics = ready["metrics"]
        self._http = httpx.Client(base_url=self.gateway, timeout=10.0)
        self._first = {key: self.traffic(key) for key in self.keys()}

    def _ready(self) -> dict[str, str] | None:
        if self.process.poll() is not None:
            raise AssertionError(f"the lab ended: {''.join(self._errors)}")
        for line in reversed(self._said):
            said: dict[str, str] = json.loads(line)
            if "config" in said:
                return said
        return None

    def close(self) -> None:
        self._http.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    # ── the world, past shiftdeck ───────────────────────────────────────────────────────────────────────────────

    def keys(self) -> list[str]:
        return [f"{one['scope']}/{one['name']}" for one in self._http.get("/v1/endpoints").json()["endpoints"]]

    def traffic(self, key: str) -> dict[str, Any]:
        """The gateway's own word on an endpoint ("prod/sentiment")."""
        found: dict[str, Any] = self._http.get(f"/v1/endpoints/{key}/traffic").json()
        return found

    def weights(self, key: str, which: str = "observed") -> dict[str, float]:
        return {one["name"]: one["weight"][which] for one in self.traffic(key)["variants"]}

    def put(self, key: str, body: Mapping[str, object], operator: str = "somebody-else") -> None:
        """Change an endpoint past shiftdeck, as another operator would."""
        headers = {"If-Match": "*", "X-Operator": operator, "X-Reason": "made by a test"}
        self._http.put(f"/v1/endpoints/{key}/traffic", json=body, headers=headers).raise_for_status()

    def drill(self, name: str, *, running: bool) -> None:
        answer = self._http.put(f"/lab/drills/{name}") if running else self._http.delete(f"/lab/drills/{name}")
        answer.raise_for_status()

    def reset(self) -> None:
        """No drill, and every endpoint as it was when the lab began. Its metrics keep their memory of a minute."""
        for drill in self._http.get("/lab/drills").json()["drills"]:
            if drill["running"]:
                self.drill(drill["name"], running=False)
        for key, first in self._first.items():
            wanted = {one["name"]: one["weight"]["desired"] for one in first["variants"]}
            mirror = {one["name"]: one["mirror"] for one in first["variants"]}
            now = self.traffic(key)
            same = now["stable"] == first["stable"] and mirror == {v["name"]: v["mirror"] for v in now["variants"]}
            if not same or self.weights(key, "desired") != wanted:
                self.put(key, {"weights": wanted, "mirror": mirror, "stable": first["stable"]})
            self.wait_weights(key, wanted)

    def wait_weights(self, key: str, wanted: Mapping[str, float], timeout_s: float = SETTLE_S) -> None:
        wait_until(
            lambda: self.weights(key) == dict(wanted),
            timeout_s,
            lambda: f"{key} to be at {wanted}; it is at {self.weights(key)}",
        )

    # ── configurations ──────────────────────────────────────────────────────────────────────────────────────────

    def configure(
        self, folder: Path, *, gateway: str = "", metrics: str = "", registry: str = "", access: str = "read-write"
    ) -> Path:
        """A configuration like the lab's own, with a journal in ``folder`` and, where given, other addresses."""
        text = self.config.read_text(encoding="utf-8")
        old_journal = self.config.parent / "journal.jsonl"
        for old, new in (
            (f'uri = "{self.registry}"', f'uri = "{registry or self.registry}"'),
            (f'url = "{self.metrics}"', f'url = "{metrics or self.metrics}"'),
            (f'url = "{self.gateway}"', f'url = "{gateway or self.gateway}"'),
            (f'journal = "{old_journal}"', f'journal = "{folder / "journal.jsonl"}"'),
            ('access = "read-write"', f'access = "{access}"'),
        ):
            assert text.count(old) == 1, f"{old} in the lab's configuration:\n{text}"
            text = text.replace(old, new)
        path = folder / "shiftdeck.toml"
        path.write_text(text, encoding="utf-8")
        return path


def source(status: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One source of what ``status --json`` prints."""
    found: dict[str, Any] = next(one for one in status["sources"] if one["name"] == name)
    return found


def endpoint(status: Mapping[str, Any], ref: str) -> dict[str, Any]:
    """One endpoint of what ``status --json`` prints."""
    found: dict[str, Any] = next(one for one in status["endpoints"] if one["ref"] == ref)
    return found


def variant(status: Mapping[str, Any], ref: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in endpoint(status, ref)["variants"] if one["name"] == name)
    return found
