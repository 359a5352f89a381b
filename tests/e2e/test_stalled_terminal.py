"""A terminal that stops reading for half a minute while a change is under way."""

from __future__ import annotations

import time
from itertools import cycle
from pathlib import Path

import pytest

from tests.e2e.app import read_a_moment
from tests.e2e.program import command, journal, outcomes, run, wait_sent
from tests.e2e.stalling import StallingTerminal, left
from tests.lab import Lab
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

STALL_S = 30.0
ON_TIME_S = 25.0  # the slow control plane takes 5 s, and the metrics a few more to show it; the stall is longer


def test_a_change_completes_and_is_recorded_while_the_terminal_reads_nothing(lab: Lab, config: Path) -> None:
    lab.drill("slow-control-plane", running=True)
    with StallingTerminal(command("open", "lab:prod/sentiment", config=config)) as terminal:
        terminal.wait_for(r"RELEASES", 60)
        terminal.type("r")
        terminal.wait_for(r"way back", 15)
        read_a_moment()
        terminal.type("\r")
        seq = wait_sent(config)
        terminal.stall()
        began = time.time()
        widths = cycle((140, 120))

        def full() -> bool:
            terminal.resize(next(widths), 40)  # a new size has everything drawn anew; otherwise little is written
            return terminal.full

        wait_until(full, 15, "the terminal to be full", every_s=0.2)
        wait_until(lambda: outcomes(journal(config), seq), ON_TIME_S, "the outcome in the journal", every_s=0.2)
        [outcome] = outcomes(journal(config), seq)
        assert outcome["outcome"] == "settled"
        assert outcome["confirmed"] is True
        assert lab.weights("prod/sentiment") == {"v7": 100.0, "v8": 0.0}
        wait_until(lambda: time.time() - began > STALL_S, STALL_S, "half a minute to pass", every_s=0.5)
        assert terminal.full, "nothing was read all this time"

        seen = terminal.written
        terminal.resume()
        terminal.wait_for(r"SETTLED", 15, seen)
        terminal.type("\r")  # on "Close"
        wait_until(lambda: left(terminal), 30, "the app to end", every_s=1.0)
        assert terminal.process.returncode == 0
    assert run("journal", "verify", config=config).code == 0
