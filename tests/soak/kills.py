"""kill -9 at random moments of a change by command line, against a slow gateway, and a start at once."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.soak.commands import Ended, Job, batch, begin
from tests.soak.lab_system import LabSystem
from tests.soak.programs import REASON, done, running
from tests.soak.statements import Tally

SLOW_S = 5.0
BATCH = 20


def run(folder: Path, *, count: int, seed: int) -> Tally:
    """So many changes killed."""
    tally = Tally("kills", seed)
    system = LabSystem(folder, seed)
    try:
        for number in range(-(-count // BATCH)):
            named = f"{seed} kills {number}"
            cases = system.cases(min(BATCH, count - number * BATCH), Random(named))
            tally.judged += batch(system, cases, folder / f"kills-{number}", named, SLOW_S, killed)
    finally:
        system.close()
    return tally


def killed(job: Job) -> Ended:
    """Begin the change, kill it at a random moment, and look at once, as a user does."""
    random = job.random
    early = random.random() < 0.1
    after_s = random.uniform(0.0, 1.5 if early else random.choice((1.0, job.held_s + 1.5)))
    with running(job.config, *job.case.words, *REASON) as process:
        if not early:
            begin(job, process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
        code = process.poll()
        process.kill()
        process.communicate()
    done(job.config, "status", "--json", "--observe", "0")
    words = f"killed {after_s:.1f} s after its {'start' if early else 'intent'}"
    return Ended(words if code is None else f"ended with {code}", code, time.time())
