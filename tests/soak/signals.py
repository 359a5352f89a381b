"""SIGTERM, SIGHUP, Ctrl-C, and two in a row, during each kind of change by command line; and q, SIGTERM and a closed
terminal in the app."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.e2e.app import roll_back
from tests.e2e.terminal import Terminal
from tests.soak.cases import System
from tests.soak.commands import Ended, Job, batch, begin, ended
from tests.soak.lab_system import LabSystem
from tests.soak.programs import REASON, argv, running
from tests.soak.registry_system import MlflowSystem
from tests.soak.silence_system import AlertmanagerSystem
from tests.soak.statements import Judged, Tally
from tests.waiting import wait_until

HELD_S = 3.0
BATCH = 10
IN_APP = 0.2
"""The part of the changes that is made in the app: each takes a terminal, and seconds."""

ORDERS = (
    (signal.SIGTERM,),
    (signal.SIGHUP,),
    (signal.SIGINT,),
    (signal.SIGINT, signal.SIGINT),
    (signal.SIGHUP, signal.SIGTERM),
    (signal.SIGTERM, signal.SIGINT),
)


def run(folder: Path, *, count: int, seed: int, kinds: tuple[type[System], ...] = ()) -> Tally:
    """So many changes, of every kind in turn."""
    tally = Tally("signals", seed)
    in_app = round(count * IN_APP)
    classes = kinds or (LabSystem, AlertmanagerSystem, MlflowSystem)
    shares = [(count - in_app) // len(classes)] * len(classes)
    shares[0] += count - in_app - sum(shares)
    for kind, share in zip(classes, shares, strict=True):
        system = kind(folder, seed)  # type: ignore[call-arg]  # each takes a folder and a seed
        try:
            for number in range(-(-share // BATCH)):
                named = f"{seed} signals {system.name} {number}"
                cases = system.cases(min(BATCH, share - number * BATCH), Random(named))
                tally.judged += batch(
                    system, cases, folder / f"signals-{system.name}-{number}", named, HELD_S, signalled
                )
            if isinstance(system, LabSystem) and in_app:
                tally.judged += _in_app(system, folder, in_app, f"{seed} signals app")
        finally:
            system.close()
    return tally


def signalled(job: Job) -> Ended:
    """Begin the change, and send one signal at a random moment, or two."""
    order = job.random.choice(ORDERS)
    pauses = [job.random.uniform(0.0, job.held_s + 0.5), job.random.uniform(0.0, 0.3)]
    words = []
    with running(job.config, *job.case.words, *REASON) as process:
        begin(job, process)
        for number, pause_s in zip(order, pauses, strict=False):
            with suppress(subprocess.TimeoutExpired):
                process.wait(pause_s)
            if process.poll() is None:
                process.send_signal(number)
                words.append(f"{number.name} after {pause_s:.1f} s")
        return ended(", ".join(words) or "no signal", process)


# ── the app ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _in_app(system: LabSystem, folder: Path, count: int, seed: str) -> list[Judged]:
    return batch(system, [system.back() for _ in range(count)], folder / "signals-app", seed, HELD_S, left)


def left(job: Job) -> Ended:
    """Roll back in the app, and leave it at a random moment: by q, by SIGTERM, or by closing the terminal."""
    how = job.random.choice(("q", "SIGTERM", "closed"))
    pause_s = job.random.uniform(0.0, job.held_s)
    with Terminal(job.config.parent) as terminal:
        terminal.start(argv(job.config))
        terminal.wait_for("TRAFFIC", 60)
        terminal.keys("/")
        terminal.wait_for(lambda screen: screen.splitlines()[-1].strip() == "/", 10, "the filter's prompt")
        terminal.type(job.case.name)
        terminal.keys("Enter")
        terminal.wait_for(rf"TRAFFIC \S+/{job.case.name}\b", 20)
        roll_back(terminal)
        time.sleep(pause_s)
        if how == "q":
            terminal.keys("Escape")
            terminal.wait_for(lambda screen: "✔ recorded" not in screen, 10, "the fleet")
            terminal.keys("q")
            wait_until(lambda: terminal.ended or "QUIT" in terminal.text(), 20, "the end, or the question before it")
            if not terminal.ended:
                terminal.keys("Tab", "Enter")
        elif how == "SIGTERM":
            os.kill(terminal.process().pid, signal.SIGTERM)
        if how != "closed":
            terminal.wait_ended(60)
    return Ended(f"{how} after {pause_s:.1f} s in the app", None, time.time())
