"""The command line on the real lab, as processes: the demo's life, the shapes, confirming on a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.lab import Lab, RunningLab
from tests.waiting import wait_until

SHIFTDECK = str(Path(sys.executable).with_name("shiftdeck"))
READY_S = 90.0
DONE_S = 90.0


def run(*words: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SHIFTDECK, *words], stdin=stdin, capture_output=True, text=True, timeout=DONE_S, check=False)


# ── the demo ────────────────────────────────────────────────────────────────────────────────────────────────────


class Demo:
    """``shiftdeck demo --no-app`` once it is ready."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [SHIFTDECK, "demo", "--no-app", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.ready: dict[str, str] = json.loads(self.process.stdout.readline())
        [self.lab] = psutil.Process(self.process.pid).children()

    def lab_has_ended(self) -> bool:
        return not self.lab.is_running() or self.lab.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def demo() -> Iterator[Demo]:
    found = Demo("--drill", "gpu-fault")
    yield found
    found.process.kill()
    found.process.communicate()


def test_the_lab_alone_ends_when_it_is_told_to(demo: Demo) -> None:
    assert set(demo.ready) == {"config", "gateway", "registry", "metrics"}
    assert Path(demo.ready["config"]).exists()
    demo.process.send_signal(signal.SIGTERM)
    out, err = demo.process.communicate(timeout=15)
    assert demo.process.returncode == 0, err
    assert out == "", "standard output holds one line and no more"
    assert "opening the registry" in err
    assert demo.lab_has_ended()
    assert not Path(demo.ready["config"]).exists(), "its folder goes with it"


def test_ctrl_c_while_it_starts() -> None:
    with subprocess.Popen(
        [SHIFTDECK, "demo", "--no-app"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "opening the registry\n"
        [child] = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=15)
    assert (process.returncode, out) == (0, "")
    assert not child.is_running()


def test_the_lab_ends_with_whoever_started_it(demo: Demo) -> None:
    demo.process.kill()
    wait_until(demo.lab_has_ended, 10, "the lab to end")


def test_the_end_of_the_lab_is_the_end_of_the_demo(demo: Demo) -> None:
    demo.lab.kill()
    _, err = demo.process.communicate(timeout=15)
    assert demo.process.returncode == 1
    assert "the lab was ended by signal 9" in err


def test_a_drill_that_there_is_none_of() -> None:
    said = run("demo", "--no-app", "--drill", "flood")
    assert said.returncode == 2
    assert "bad-canary" in said.stderr


def test_a_demo_without_a_terminal_says_so_before_it_starts_anything() -> None:
    said = run("demo")
    assert said.returncode == 2
    assert "terminal" in said.stderr
    assert "registry" not in said.stderr


# ── what is seen ────────────────────────────────────────────────────────────────────────────────────────────────


def status(lab: RunningLab) -> dict[str, Any]:
    said = run("status", "--json", "--config", str(lab.config))
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def test_status_has_rates_after_one_look(lab: RunningLab) -> None:
    found = status(lab)
    assert set(found) == {"generated_at", "context", "sources", "endpoints", "changes"}
    assert {one["ref"] for one in found["endpoints"]} >= {"lab:prod/sentiment", "lab:prod/fraud", "lab:prod/ranker"}
    stable = next(v for one in found["endpoints"] if one["ref"] == "lab:prod/sentiment" for v in one["variants"])
    assert set(stable) == {
        "name",
        "role",
        "model",
        "version",
        "desired",
        "observed",
        "measured",
        "mirror",
        "message",
        "ready",
        "wanted",
        "metrics",
    }
    assert stable["model"] == "sentiment-classifier"
    assert stable["metrics"]["rps"] > 0
    assert stable["metrics"]["window_s"] > 1, "counters are looked at again after two seconds, less what a look took"


def test_watching_ends_quietly_when_interrupted(lab: RunningLab) -> None:
    words = [SHIFTDECK, "--config", str(lab.config), "status", "--watch", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert first["generated_at"] < second["generated_at"]
    assert process.returncode == 0
    assert err == ""


def test_a_reader_that_goes_is_no_trouble(lab: RunningLab) -> None:
    command = f"'{SHIFTDECK}' --config '{lab.config}' status | true; echo ${{PIPESTATUS[0]}}"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=DONE_S, check=False)
    assert said.stdout.strip() == "0"
    assert said.stderr == ""


def test_doctor_reaches_the_whole_lab(lab: RunningLab) -> None:
    said = run("--config", str(lab.config), "doctor", "--json")
    found = json.loads(said.stdout)
    ok = {one["name"]: one["ok"] for one in found["sources"]}
    assert ok | {"nvml": None, "quality": None} == {
        "mlflow": True,
        "lab": True,
        "gateway": True,
        "dcgm": True,
        "psi": True,
        "quality": None,  # the truth of the first minute is not known yet
        "nvml": None,
    }


# ── confirming on a terminal ────────────────────────────────────────────────────────────────────────────────────


class OnTerminal:
    """A command on a pseudo-terminal of its own."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [SHIFTDECK, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(theirs)
        self.screen = ""

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + DONE_S
        while text not in self.screen:
            assert self._read(deadline), f"no {text!r} in {self.screen}"

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        deadline = time.monotonic() + DONE_S
        while self._read(deadline):
            pass
        os.close(self._ours)
        return self.process.wait(10)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        try:
            more = os.read(self._ours, 65536) if ready else b""
        except OSError:  # Linux: the other end is closed
            return False
        self.screen += more.decode("utf-8", "replace")
        return bool(more)


@pytest.fixture
def config(lab: RunningLab, tmp_path: Path) -> str:
    """The lab's configuration with a journal of this test's own."""
    with closing(Lab(lab)) as world:
        return str(world.configure(tmp_path))


def test_a_change_in_production_wants_the_name_typed(config: str) -> None:
    words = ("--config", config, "shift", "pricing", "v22=6", "--reason", "a step", "--override", "--observe", "0")
    for answer, code, said in (("yes", 3, "not confirmed; nothing was sent"), ("pricing", 0, "settled")):
        forward = OnTerminal(*words)
        forward.wait_for("Type pricing to apply it")
        forward.type(f"{answer}\r")
        assert forward.end() == code, forward.screen
        assert said in forward.screen

    back = OnTerminal("--config", config, "rollback", "pricing", "--reason", "the way back")
    back.wait_for("Enter applies it")
    back.type("\r")
    assert back.end() == 0, back.screen
    verified = run("--config", config, "journal", "verify", "--json")
    assert json.loads(verified.stdout)["ok"] is True
