"""The harness of ``make bench`` itself, on programs of a few lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.app import SHIFTDECK
from tests.bench.link import Link
from tests.bench.session import NotSeen, Session
from tests.bench.world import synthetic

ECHO = """
import os, sys, termios, tty
tty.setraw(0)
os.write(1, b"\\x1b[2J\\x1b[Hready\\x1b[?2026$p")
asked = b""
while not asked.endswith(b"$y"):
    asked += os.read(0, 1)
os.write(1, b"\\r\\nknown" if asked == b"\\x1b[?2026;2$y" else repr(asked).encode())
while (key := os.read(0, 1)) != b"q":
    os.write(1, b"\\r\\n<" + key + b">")
"""


def test_a_program_is_seen_answered_and_counted() -> None:
    marks = {"ready": lambda screen: "ready" in screen.text, "known": lambda screen: "known" in screen.text}
    with Session([sys.executable, "-c", ECHO], cols=40, rows=10, marks=marks) as session:
        assert 0 < session.mark_s("ready") <= session.mark_s("known")
        pressed = session.press(b"x")
        painted = session.wait(lambda screen: "<x>" in screen.text, what="the echo")
        assert pressed < painted
        assert session.bytes_between(pressed, painted) == len("\r\n<x>")
        assert session.paint_s(b"y", lambda screen: "<y>" in screen.text) > 0
        assert session.usage.cpu_s() > 0
        assert session.usage.memory().pss > 0
        session.press(b"q")
        code, took = session.ended_s()
        assert code == 0
        assert took > session.mark_s("known")


def test_what_does_not_come_is_told_with_the_screen() -> None:
    with (
        Session([sys.executable, "-c", "print('something else')"]) as session,
        pytest.raises(NotSeen, match="something else"),
    ):
        session.wait(lambda screen: "never" in screen.text, 20.0)


def test_a_link_takes_its_time_both_ways() -> None:
    link = Link(round_trip_s=0.4, bytes_per_s=1000.0)
    with Session([sys.executable, "-c", ECHO], link=link) as session:
        session.wait(lambda screen: "known" in screen.text)
        assert session.paint_s(b"x", lambda screen: "<x>" in screen.text) >= 0.4


def test_a_synthetic_fleet_is_found_as_any_adapter_is(tmp_path: Path) -> None:
    made = synthetic(tmp_path, 12)
    done = subprocess.run(
        [SHIFTDECK, "--config", made.config, "status", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **made.env},
        check=True,
    )
    said = json.loads(done.stdout)
    assert len(said["endpoints"]) == 12
    assert {one["state"] for one in said["sources"]} == {"ok"}
    assert made.calls()["lab.endpoints"] >= 1
