"""The lab for end-to-end tests: put back between tests, with configurations that point at it; and ``shiftdeck``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.lab import RunningLab
from tests.waiting import wait_until

SHIFTDECK = Path(sys.executable).with_name("shiftdeck")
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


def command(*args: str | Path, config: Path | None = None) -> list[str]:
    """The command line of ``shiftdeck`` with these arguments, and with ``--config`` where there is one."""
    named = [] if config is None else ["--config", str(config)]
    return [str(SHIFTDECK), *named, *map(str, args)]


def run(*args: str | Path, config: Path | None = None, timeout_s: float = CLI_S) -> Result:
    """Run ``shiftdeck`` to its end, with no terminal."""
    done = subprocess.run(
        command(*args, config=config),
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=timeout_s,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(*args: str | Path, config: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """``shiftdeck`` in the background, ended with the block if it has not ended by itself."""
    argv = command(*args, config=config)
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Lab:
    """A running lab, past shiftdeck: what an operator at another desk would see and do."""

    def __init__(self, running: RunningLab) -> None:
        self.config = running.config
        self.gateway = running.gateway
        self.registry = running.registry
        self.metrics = running.metrics
        self._http = httpx.Client(base_url=self.gateway, timeout=10.0)
        self._first = {key: self.traffic(key) for key in self.keys()}

    def close(self) -> None:
        """Let go of it; whoever started it ends it."""
        self._http.close()

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
        self,
        folder: Path,
        *,
        gateway: str = "",
        metrics: str = "",
        registry: str = "",
        access: str = "read-write",
        timeout: str = "5s",
        min_samples: int = 40,
    ) -> Path:
        """A configuration like the lab's own, with a journal in ``folder`` and, where given, other addresses. The
        registry is read as often as the gateway, so that no test waits for it. ``timeout`` is the deadline of each call
        of the sources that have an address."""
        text = self.config.read_text(encoding="utf-8")
        old_journal = self.config.parent / "journal.jsonl"
        for old, new in (
            (f'uri = "{self.registry}"', f'uri = "{registry or self.registry}"\ntimeout = "{timeout}"'),
            (f'url = "{self.metrics}"', f'url = "{metrics or self.metrics}"\ntimeout = "{timeout}"'),
            (f'url = "{self.gateway}"', f'url = "{gateway or self.gateway}"\ntimeout = "{timeout}"'),
            (f'journal = "{old_journal}"', f'journal = "{folder / "journal.jsonl"}"'),
            ('access = "read-write"', f'access = "{access}"'),
            ('every = "10s"', 'every = "1s"'),
            ("min_samples = 40", f"min_samples = {min_samples}"),
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


def journal(config: Path) -> list[dict[str, Any]]:
    """The journal's entries, oldest first, as the command line prints them."""
    return run("journal", "--json", "--limit", "1000", config=config).lines()


def outcomes(entries: Sequence[Mapping[str, Any]], seq: int) -> list[dict[str, Any]]:
    """The data of every outcome of that intent; more than one would be a lie."""
    return [dict(one["data"]) for one in entries if one["kind"] == "outcome" and one["data"]["intent"] == seq]


def intents(entries: Sequence[Mapping[str, Any]]) -> list[int]:
    return [one["seq"] for one in entries if one["kind"] == "intent"]


def wait_sent(config: Path, timeout_s: float = 40.0) -> int:
    """The number of the first intent of which a call was taken, once there is one: the change is under way then."""

    def sent() -> int | None:
        return next((int(one["data"]["intent"]) for one in journal(config) if one["kind"] == "sent"), None)

    return wait_until(sent, timeout_s, lambda: f"a change under way; the journal holds {journal(config)}", every_s=0.3)
