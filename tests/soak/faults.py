"""Changes through a proxy that fails: answers of any status after the call was applied, answers that are lost, calls
that are held and arrive late, calls that arrive twice."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from shiftdeck.changes.run import Run
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.journal import Entry
from tests.soak.cases import Case, System
from tests.soak.engines import CHANGE_S, LATE_S, carried_out, opened
from tests.soak.statements import Facts, Judged, Standing, Statement, Tally, Wrong, judge, statements
from tests.treatments import READS, Fault, Treatment
from tests.waiting import wait_until

STATUSES = (408, 409, 412, 422, 425, 429, 500, 502, 503, 504)
REFUSALS = (400, 401, 403, 404)
HELD = (0.1, 0.9)
"""How long a call is held, in parts of what the program is told that anything may hold it."""

OLD, OLD_S = 0.15, (0.1, 0.7)
"""How often a read is answered late, and how late: within the deadline of a call."""

AGAIN = 0.4
"""How often what comes after the first write of a change fails as well: a fence, a second call."""


def applied() -> list[Treatment]:
    """The call is applied, and its answer does not say so."""
    answers = [Treatment(Fault.STATUS, status, applied=True) for status in STATUSES]
    others = [Treatment(fault, applied=True) for fault in (Fault.EMPTY, Fault.GARBAGE, Fault.NOISE, Fault.HANG)]
    return [*answers, *others, Treatment(Fault.TRUNCATED), Treatment(Fault.LOST_ANSWER), Treatment(Fault.TWICE)]


def not_applied() -> list[Treatment]:
    """The call never reaches the system."""
    answers = [Treatment(Fault.STATUS, status) for status in (*STATUSES, *REFUSALS)]
    return [*answers, *(Treatment(fault) for fault in (Fault.EMPTY, Fault.GARBAGE, Fault.HANG, Fault.GONE))]


def drawn(random: Random, late_s: float) -> Treatment:
    """Most calls are applied without saying so, or held; some are answered first and applied later, by a proxy that
    has given up; the others are not applied."""
    held_s = random.uniform(*HELD) * late_s
    match random.choices(("applied", "held", "early", "beyond", "lost"), (9, 6, 3, 1, 3))[0]:
        case "applied":
            return random.choice(applied())
        case "held":
            return Treatment(random.choice((Fault.PASS, Fault.PASS, Fault.LOST_ANSWER)), held_s=held_s)
        case "early":
            return Treatment(Fault.STATUS, random.choice(STATUSES), after_s=held_s)
        case "beyond":
            return Treatment(held_s=held_s + late_s)
    return random.choice(not_applied())


def treatments(random: Random, late_s: float) -> Iterator[Treatment]:
    """Of the first write of a change, the second, and so on."""
    yield drawn(random, late_s)
    while True:
        yield drawn(random, late_s) if random.random() < AGAIN else Treatment()


class Faults:
    """Gives each write of each case its treatment, and remembers it. Some reads are answered late: what they say is
    old when it comes."""

    def __init__(self, cases: Sequence[Case], draw: Callable[[int], Iterator[Treatment]], seed: str = "") -> None:
        self._random = Random(seed)
        self._given: list[tuple[Case, Iterator[Treatment], deque[Treatment]]] = [
            (case, draw(number), deque()) for number, case in enumerate(cases)
        ]
        self._lock = threading.Lock()

    def decide(self, method: str, path: str, body: bytes) -> Treatment | None:
        if method in READS:
            return None if "watch=" in path else self._read()
        for case, coming, given in self._given:
            if case.matches(method, path, body):
                with self._lock:
                    given.append(next(coming))
                    return given[-1]
        return None

    def _read(self) -> Treatment | None:
        with self._lock:
            return Treatment(late_s=self._random.uniform(*OLD_S)) if self._random.random() < OLD else None

    def words(self, number: int) -> str:
        return ", ".join(words_of(one) for one in self._given[number][2]) or "no write"


def words_of(one: Treatment) -> str:
    held = f"held {one.held_s:.1f} s" if one.held_s else ""
    answer = str(one.status) if one.fault is Fault.STATUS else str(one.fault)
    after = f"and told {one.after_s:.1f} s later" if one.after_s else ""
    return " ".join(part for part in (held, "applied, then" if one.applied else "", answer, after) if part)


def run(system: System, folder: Path, *, count: int, seed: int, late_s: float = LATE_S) -> Tally:
    """So many changes, in batches. ``late_s`` is what the program is told that anything may hold a call."""
    tally = Tally(f"faults {system.name}", seed)
    for number in range(-(-count // system.most)):
        named = f"{seed} {system.name} {number}"
        cases = system.cases(min(system.most, count - number * system.most), Random(named))
        tally.judged += _batch(system, cases, folder / f"{system.name}-{number}", named, late_s)
    return tally


def _batch(system: System, cases: Sequence[Case], folder: Path, seed: str, late_s: float) -> list[Judged]:
    faults = Faults(cases, lambda number: treatments(Random(f"{seed} {number}"), late_s), seed)
    with opened(system.sources, folder, late_s=late_s, settle_s=system.settle_s) as engine:
        return under_faults(engine, system, cases, faults, seed, 2 * late_s)


def under_faults(
    engine: Engine, system: System, cases: Sequence[Case], faults: Faults, seed: str, within_s: float
) -> list[Judged]:
    """The changes, all at once, judged when the proxy has passed on what it holds, and every outcome is known or has
    stayed unknown for ``within_s`` seconds."""
    writes = len(system.proxy.writes)
    plans = [case.plan(engine) for case in cases]
    system.proxy.decide = faults.decide

    def judged() -> list[Judged]:
        entries = engine.journal.entries(newest_first=False)
        found = []
        for number, (case, run) in enumerate(zip(cases, runs, strict=True)):
            label = f"{case.name} [{seed} {number}] {faults.words(number)}"
            intent = next((entry for entry in entries if entry.seq == run.seq), None)
            facts = Facts(case.taken(intent, system.proxy.writes[writes:]), case.in_effect())
            found.append(judge(label, said_of(run, entries), facts))
        return found

    try:
        with ThreadPoolExecutor(len(cases)) as pool:
            runs = list(pool.map(lambda plan: carried_out(engine, plan), plans))
        wait_until(lambda: system.proxy.idle, CHANGE_S, "the proxy to pass on what it holds")
        return at_rest(judged, within_s)
    finally:
        system.proxy.decide = None


def at_rest(judged: Callable[[], list[Judged]], within_s: float) -> list[Judged]:
    """The changes once nothing is left to be found out, or ``within_s`` seconds have passed: what is unknown is to be
    resolved, and what turned out to be wrong to be reopened."""
    began = time.monotonic()
    while True:
        found = judged()
        left = any(one.standing in (Standing.OPEN, Wrong.DENIED) for one in found)
        if not left or time.monotonic() - began > within_s:
            return found
        time.sleep(0.25)


def said_of(run: Run[Any], entries: Sequence[Entry]) -> Sequence[Statement]:
    """What the journal says of a run, or the run itself where the journal says nothing."""
    found = statements(entries, run.seq)
    if found or run.outcome is None:
        return found
    return (Statement(run.outcome.kind, run.outcome.message, time.time()),)
