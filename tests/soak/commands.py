"""Changes by the real program, each disturbed at a random moment, and then an engine on the same journal, which has to
find out by itself what became of them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from shiftdeck.changes.run import OutcomeKind
from shiftdeck.journal.journal import Journal
from tests.soak.cases import Case, System
from tests.soak.engines import CALL_S, CHANGE_S, opened, resolved
from tests.soak.faults import Faults
from tests.soak.programs import configured, intent_of
from tests.soak.statements import Facts, Judged, Statement, judge, statements
from tests.treatments import Treatment
from tests.waiting import wait_until

AT_ONCE = 4
BEGUN_S = 60.0
ENDED_S = 90.0
PATIENT_S = 8.0
"""The deadline of the program's calls: longer than a call is held."""

LATE_S = 7.0
"""What the engine is told that a call may be held: longer than it is."""

CODES = {
    0: OutcomeKind.SETTLED,
    1: OutcomeKind.FAILED,
    3: OutcomeKind.REFUSED,
    4: OutcomeKind.CONFLICT,
    5: OutcomeKind.UNKNOWN,
}
"""What an exit code says; any other says nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One change, and the configuration and journal that it is made with. ``held_s``: how long its first call is."""

    case: Case
    config: Path
    journal: Journal
    random: Random
    held_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """What was done to the program, in words, its exit code, and when it had ended."""

    words: str
    code: int | None
    at: float


Disturb = Callable[[Job], Ended]


def batch(
    system: System, cases: Sequence[Case], folder: Path, seed: str, held_s: float, disturb: Disturb
) -> list[Judged]:
    """The changes, some at once. Their first calls are held up to ``held_s``. Those that had not begun are left out."""
    randoms = [Random(f"{seed} {number}") for number in range(len(cases))]
    slow = [random.uniform(0.0, held_s) for random in randoms]

    def treatments(number: int) -> Iterator[Treatment]:
        yield Treatment(held_s=slow[number])
        while True:  # what comes later, a fence among it, is slow as well
            yield Treatment(held_s=randoms[number].uniform(0.01, 0.5))

    faults, writes = Faults(cases, treatments), len(system.proxy.writes)
    patient = system.sources.replace(f'timeout = "{CALL_S:g}s"', f'timeout = "{PATIENT_S:g}s"')
    config = configured(patient, folder, LATE_S)
    journal = Journal(folder / "journal.jsonl")
    jobs = [Job(case, config, journal, *one) for case, one in zip(cases, zip(randoms, slow, strict=True), strict=True)]
    system.proxy.decide = faults.decide
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            ended = list(pool.map(disturb, jobs))
        intents = [intent_of(journal, case) for case in cases]
        with opened(system.sources, folder, late_s=LATE_S) as engine:
            wait_until(lambda: system.proxy.idle, CHANGE_S, "the proxy to pass on what it holds")
            resolved(engine, {one.seq for one in intents if one is not None}, 2 * LATE_S + 5.0)
    finally:
        system.proxy.decide = None
    entries = journal.entries(newest_first=False) if journal.path.exists() else ()
    found = []
    for number, (case, intent, end) in enumerate(zip(cases, intents, ended, strict=True)):
        facts = Facts(case.taken(intent, system.proxy.writes[writes:]), case.in_effect())
        if intent is None and not facts.taken:
            continue
        said = [*statements(entries, intent.seq if intent is not None else None)]
        if end.code in CODES:
            said.append(Statement(CODES[end.code], f"exit code {end.code}", end.at))
        said.sort(key=lambda one: one.at)
        found.append(judge(f"{case.name} [{seed} {number}] {end.words}, {faults.words(number)}", said, facts))
    return found


def begin(job: Job, process: subprocess.Popen[str]) -> None:
    """Wait until the intent is on the disk, or the program has ended."""
    wait_until(
        lambda: intent_of(job.journal, job.case) or process.poll() is not None,
        BEGUN_S,
        f"{job.case.name} to begin",
        every_s=0.02,
    )


def ended(words: str, process: subprocess.Popen[str]) -> Ended:
    """Once the program has ended."""
    process.communicate(timeout=ENDED_S)
    return Ended(f"{words}, ended with {process.returncode}", process.returncode, time.time())
