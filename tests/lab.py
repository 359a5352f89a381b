"""The embedded lab as a child process: one for all tests that share it, and fresh ones for those that break it.

``lab`` gives the shared one, started when first asked for and ended with the test run; whoever changes its traffic or
starts a drill puts it back. ``fresh_lab`` starts one of its own. Both end with this process, whatever ends it.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread

import pytest

from tests.waiting import wait_until

READY_S = 90.0
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
            for stream in (process.stdin, process.stdout, process.stderr):
                assert stream is not None
                stream.close()


def _when_ready(process: subprocess.Popen[str]) -> RunningLab:
    said: list[str] = []
    complaints: list[str] = []
    for stream, kept in ((process.stdout, said), (process.stderr, complaints)):
        assert stream is not None
        Thread(target=_drain, args=(stream, kept), daemon=True).start()

    def ready() -> dict[str, str] | None:
        if process.poll() is not None:
            raise AssertionError(f"the lab ended with {process.returncode}: {''.join(complaints)}")
        return next((line for line in map(json.loads, said) if "config" in line), None)

    line = wait_until(ready, READY_S, lambda: f"the lab to be ready; it said {said[-3:]} {complaints[-20:]}")
    progress = tuple(one["progress"] for one in map(json.loads, said) if "progress" in one)
    return RunningLab(process, Path(line["config"]), line["gateway"], line["registry"], line["metrics"], progress)


def _drain(stream: Iterator[str], kept: list[str]) -> None:
    try:
        kept.extend(stream)
    except ValueError:  # closed at the end of the test
        return


@cache
def shared_lab() -> RunningLab:
    """The lab that tests share. No session fixture: pytest makes one anew for each module that imports it."""
    stack = ExitStack()
    running = stack.enter_context(fresh_lab())
    atexit.register(stack.close)
    return running


@pytest.fixture
def lab() -> RunningLab:
    """The shared lab."""
    running = shared_lab()
    assert running.process.poll() is None, "a test has ended the shared lab"
    return running
