"""The embedded lab as a child process: one for all tests that share it, and fresh ones for those that break it.

``lab`` gives the shared one, started when first asked for and ended with the test run; whoever changes its traffic or
starts a drill puts it back. ``fresh_lab`` starts one of its own. Both end with this process, whatever ends it. ``Lab``
is one of them past shiftdeck, with configurations that point at it.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO, Any

import httpx
import pytest

from tests.waiting import wait_until

READY_S = 170.0  # it needs five seconds of processor, which a busy machine may not have soon
DELAY_S = 0.5
LABEL_S = 10.0
PACE = ("--rate", "2", "--delay", f"{DELAY_S:g}", "--label-delay", f"{LABEL_S:g}")
"""The pace of the shared lab: samples come sooner, a change takes half a second, and how right an answer was is known
after ten. Each request costs processor time, which tests on all workers share: hence no higher rate."""
SETTLE_S = 15.0
END_S = 10.0


@dataclass(frozen=True, slots=True)
class RunningLab:
    """``config``, ``gateway``, ``registry`` and ``metrics`` are what the lab said when it was ready."""

    process: subprocess.Popen[str]
    config: Path
    gateway: str
    registry: str
    metrics: str
    progress: tuple[float, ...]
    first: Mapping[str, Any]
    """Each endpoint's traffic when the lab began, before any test changed it."""


@contextmanager
def fresh_lab(*arguments: str) -> Iterator[RunningLab]:
    """A lab of one's own, started with these arguments ("--drill", "bad-canary"), ended with the block."""
    argv = [sys.executable, "-m", "backends.lab", "--with-parent", *arguments]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield _when_ready(process)
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _when_ready(process: subprocess.Popen[str]) -> RunningLab:
    said: list[str] = []
    complaints: list[str] = []
    for stream, kept in ((process.stdout, said), (process.stderr, complaints)):
        assert stream is not None
        # The thread closes it: who closes what another thread reads waits for that thread, and no signal ends that.
        Thread(target=_drain, args=(stream, kept), daemon=True).start()

    def ready() -> dict[str, str] | None:
        if process.poll() is not None:
            raise AssertionError(f"the lab ended with {process.returncode}: {''.join(complaints)}")
        return next((line for line in map(json.loads, said) if "config" in line), None)

    line = wait_until(ready, READY_S, lambda: f"the lab to be ready; it said {said[-3:]} {complaints[-20:]}")
    progress = tuple(one["progress"] for one in map(json.loads, said) if "progress" in one)
    config, gateway = Path(line["config"]), line["gateway"]
    return RunningLab(process, config, gateway, line["registry"], line["metrics"], progress, _traffic_of(gateway))


def _traffic_of(gateway: str) -> dict[str, Any]:
    with httpx.Client(base_url=gateway, timeout=10.0) as http:
        keys = [f"{one['scope']}/{one['name']}" for one in http.get("/v1/endpoints").json()["endpoints"]]
        return {key: http.get(f"/v1/endpoints/{key}/traffic").json() for key in keys}


def _drain(stream: IO[str], kept: list[str]) -> None:
    with stream:
        kept.extend(stream)


@cache
def shared_lab() -> RunningLab:
    """The lab that tests share. No session fixture: pytest makes one anew for each module that imports it."""
    stack = ExitStack()
    running = stack.enter_context(fresh_lab(*PACE))
    atexit.register(stack.close)
    return running


@pytest.fixture(scope="module")
def lab_at_rest() -> RunningLab:
    """The shared lab as it was when it began, whatever other modules have done to it."""
    running = shared_lab()
    with closing(Lab(running)) as world:
        world.reset()
    return running


@pytest.fixture
def lab(lab_at_rest: RunningLab) -> RunningLab:
    """The shared lab. A test puts back what it changes; so the next module finds all at rest in any case."""
    assert lab_at_rest.process.poll() is None, "a test has ended the shared lab"
    return lab_at_rest


class Lab:
    """A running lab, past shiftdeck: what an operator at another desk would see and do."""

    def __init__(self, running: RunningLab) -> None:
        self.config = running.config
        self.gateway = running.gateway
        self.registry = running.registry
        self.metrics = running.metrics
        self._http = httpx.Client(base_url=self.gateway, timeout=10.0)
        self._first = running.first

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
            self.wait_steady(key)

    def wait_steady(self, key: str, timeout_s: float = SETTLE_S) -> None:
        """Until the split is in effect and every replica that is wanted is ready."""
        wait_until(
            lambda: self.traffic(key)["phase"] == "steady",
            timeout_s,
            lambda: f"{key} to be steady; it is {self.traffic(key)['phase']}",
        )

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
        longest_hold: str = "2s",
    ) -> Path:
        """A configuration like the lab's own, with a journal in ``folder`` and, where given, other addresses. The
        sources are read more often, and shares are measured over seconds, so that no test waits for them, nor for the
        back-off after a failure; latency hardly matters, for on a busy machine it is the machine's. ``timeout`` is the
        deadline of each call of the sources that have an address; nothing on the way holds a call for longer than
        ``longest_hold``."""
        text = self.config.read_text(encoding="utf-8")
        old_journal = self.config.parent / "journal.jsonl"
        for old, new in (
            (f'uri = "{self.registry}"', f'uri = "{registry or self.registry}"\ntimeout = "{timeout}"'),
            (f'url = "{self.metrics}"', f'url = "{metrics or self.metrics}"\ntimeout = "{timeout}"'),
            (f'url = "{self.gateway}"', f'url = "{gateway or self.gateway}"\ntimeout = "{timeout}"'),
            (f'journal = "{old_journal}"', f'journal = "{folder / "journal.jsonl"}"'),
            ('access = "read-write"', f'access = "{access}"\nlongest_hold = "{longest_hold}"'),
            ('every = "1s"', 'every = "500ms"'),
            ('every = "10s"', 'every = "1s"'),
            ('every = "2s"', 'every = "1s"'),
            ('share_window = "10s"', 'share_window = "3s"'),
            ("min_samples = 40", f"min_samples = {min_samples}"),
            ('p95 = "200ms"', 'p95 = "2s"'),
        ):
            assert text.count(old) == 1, f"{old} in the lab's configuration:\n{text}"
            text = text.replace(old, new)
        path = folder / "shiftdeck.toml"
        path.write_text(text, encoding="utf-8")
        return path
