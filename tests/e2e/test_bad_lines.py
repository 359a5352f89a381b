"""A bad line: bytes that are no text, and keys in pieces. Nothing ends, and nothing is armed."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e.program import command
from tests.e2e.stalling import StallingTerminal, left
from tests.waiting import wait_until

APART_S = 0.4
"""Longer than a parser waits for the rest of a sequence."""


def apart() -> None:
    sent = time.monotonic()
    wait_until(lambda: time.monotonic() - sent > APART_S, 5, "the next piece")


def test_bytes_that_are_no_text_and_pieces_of_keys_do_nothing(config: Path) -> None:
    with StallingTerminal(command(config=config)) as terminal:
        terminal.wait_for(r"TRAFFIC", 60)
        for pieces in (b"\xff", b"\xe9", b"\x1b", b"[A", b"\x1b[", b"D", b"\x1b[1;", b"5A"):
            terminal.type(pieces)
            apart()
        assert terminal.process.poll() is None
        terminal.type("?")
        terminal.wait_for(r"they are now", 15)
        assert "DRILLS" not in terminal.text(), "no piece was taken for a key"
        terminal.type("\x1b")
        wait_until(lambda: left(terminal), 30, "the app to end", every_s=1.0)
        assert terminal.process.returncode == 0
