"""A real child process that answers in JSON lines, and is ended when nobody asks it any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from backends.child import Child
from tests.waiting import wait_until

ECHO = """\
import os
from backends.child import serve
serve(lambda request: {"pid": os.getpid(), "said": request["say"]})
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    (tmp_path / "echo_child.py").write_text(ECHO, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    made = Child("echo_child", "echo", restart_s=3600.0, rest_s=0.5)
    yield made
    made.close()


def _pid(child: Child) -> int:
    answer = child.ask({"say": "hello"}, 60.0)
    assert isinstance(answer, dict)
    assert answer["said"] == "hello"
    return int(answer["pid"])


def test_a_child_that_nobody_asks_is_ended_and_the_next_question_starts_another(child: Child) -> None:
    first = _pid(child)
    wait_until(lambda: not psutil.pid_exists(first), 20.0, "the end of a child that nobody asks")
    assert _pid(child) != first


def test_who_asks_whether_it_is_there_keeps_it(child: Child) -> None:
    assert not child.awake()
    first = _pid(child)
    rested = time.monotonic() + 1.5
    wait_until(lambda: not child.awake() or time.monotonic() > rested, 20.0, "three times its rest to pass")
    assert _pid(child) == first


def test_a_child_that_is_asked_goes_on(child: Child) -> None:
    first = _pid(child)
    assert {_pid(child) for _ in range(200)} == {first}
