"""The clock stepped back an hour and ahead a day, and a suspend: during a change, while a call is on its way, while the
context is armed, and while the engine is paused. What lasts so many seconds must last so many real seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from backends.contracts import EndpointRef, Split
from backends.lab.world import SCOPE
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.common.clock import Clock
from shiftdeck.engine.engine import Engine
from tests.soak.engines import LATE_S, opened, planned
from tests.soak.faults import Faults, under_faults
from tests.soak.lab_gateway import CANARY, STABLE
from tests.soak.lab_system import LabSystem
from tests.soak.statements import Judged, Standing, Statement, Tally, Wrong
from tests.treatments import Fault, Treatment

STEPS_S = (-3600.0, 86_400.0)
SETTLE_S = 3.0
ARMED_S = 2.0
PAUSED_S = 12.0
LATE_BY_S = 2.5
"""How much later than it says something may end: the machine is busy."""

AT_ONCE = 12


class Steps:
    """A wall clock that can be stepped, and an elapsed clock that a suspend moves on."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._asleep_s = 0.0

    def wall(self) -> float:
        return time.time() + self._ahead_s

    def elapsed(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self._asleep_s

    def step(self, seconds: float) -> None:
        self._ahead_s += seconds

    def suspend(self, seconds: float) -> None:
        """Both clocks go on while nothing runs."""
        self._ahead_s += seconds
        self._asleep_s += seconds

    @property
    def clock(self) -> Clock:
        return Clock(self.wall, self.elapsed)


def run(folder: Path, *, count: int, seed: int, paused_s: float = PAUSED_S) -> Tally:
    """So many changes under a stepped clock, and for each step: arming, pausing for ``paused_s``, a change that never
    gets there."""
    tally = Tally("clocks", seed)
    system = LabSystem(folder, seed)
    try:
        with ThreadPoolExecutor(8) as pool:
            checks = [pool.submit(_armed_asleep, system, folder / "asleep")]
            for number, step_s in enumerate(STEPS_S):
                checks.append(pool.submit(_armed, system, folder / f"armed-{number}", step_s))
                checks.append(pool.submit(_paused, system, folder / f"paused-{number}", step_s, paused_s))
                checks.append(pool.submit(_limited, system, folder / f"limited-{number}", step_s))
            tally.judged += [one.result() for one in checks]
        for batch in range(-(-count // AT_ONCE)):
            left = min(AT_ONCE, count - batch * AT_ONCE)
            tally.judged += _changed(system, folder / f"changed-{batch}", left, f"{seed} clocks {batch}")
    finally:
        system.close()
    return tally


# ── what lasts so many seconds ──────────────────────────────────────────────────────────────────────────────────


def _armed(system: LabSystem, folder: Path, step_s: float) -> Judged:
    """Armed for two seconds: for two seconds, and no longer."""
    steps = Steps()
    with opened(system.sources, folder, clock=steps.clock, access="arm") as engine:
        engine.arm(ARMED_S)
        steps.step(step_s)
        took_s = _until(lambda: bool(engine.gate.refusal()), ARMED_S + LATE_BY_S)
    right = took_s is not None and took_s >= ARMED_S - 0.5
    return _timed(f"armed for {ARMED_S:g} s, {step_s:+g} s", right, f"read-only after {took_s} s")


def _armed_asleep(system: LabSystem, folder: Path) -> Judged:
    """A laptop that slept an hour is armed no more."""
    steps = Steps()
    with opened(system.sources, folder, clock=steps.clock, access="arm") as engine:
        engine.arm(600.0)
        steps.suspend(3600.0)
        took_s = _until(lambda: bool(engine.gate.refusal()), LATE_BY_S)
    return _timed("armed for 600 s, suspended for an hour", took_s is not None, f"read-only after {took_s} s")


def _paused(system: LabSystem, folder: Path, step_s: float, paused_s: float) -> Judged:
    """A source that is not asked any more gets older, second by second, and stale."""
    steps = Steps()
    with opened(system.sources, folder, clock=steps.clock) as engine:
        engine.pause(True)
        steps.step(step_s)
        began, seen = time.monotonic(), []
        while time.monotonic() - began < paused_s:
            time.sleep(0.5)
            seen.append((time.monotonic() - began, _age_s(engine)))
    wrong = [(real, age) for real, age in seen if age is None or not real - 6.5 <= age <= real + 6.5]
    return _timed(f"paused, {step_s:+g} s", not wrong, f"{len(wrong)} of {len(seen)} ages are wrong: {wrong[-1:]}")


def _age_s(engine: Engine) -> float | None:
    view = engine.view
    [status] = [one for one in view.sources if one.name == "lab"]
    return status.age_s(view.at)


def _limited(system: LabSystem, folder: Path, step_s: float) -> Judged:
    """A change that never comes into effect is given up after its time, not before and not an hour later."""
    steps, name = Steps(), f"stuck{abs(step_s):.0f}"
    system.gateway.add(name, stuck=True)
    with opened(system.sources, folder, clock=steps.clock, settle_s=SETTLE_S) as engine:
        plan = planned(engine, EndpointRef("lab", SCOPE, name), Split({STABLE: 80.0, CANARY: 20.0}))
        stepping = threading.Timer(1.0, steps.step, (step_s,))
        stepping.start()
        began = time.monotonic()
        thread = engine.execute(plan, reason="a soak run", override="a soak run")
        thread.join(SETTLE_S + LATE_BY_S)
        took_s = time.monotonic() - began
        run = engine.run_of(plan)
        assert run is not None
        right = run.outcome is not None and run.outcome.kind is OutcomeKind.UNKNOWN and took_s >= SETTLE_S - 0.5
        words = f"{run.outcome.kind if run.outcome else run.stage} after {took_s:.1f} s"
    return _timed(f"in effect within {SETTLE_S:g} s or given up, {step_s:+g} s", right, words)


def _until(condition: Callable[[], bool], within_s: float) -> float | None:
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        if condition():
            return round(time.monotonic() - began, 2)
        time.sleep(0.02)
    return None


def _timed(label: str, right: bool, words: str) -> Judged:
    statement = Statement(OutcomeKind.SETTLED, words, time.time())
    return Judged(label, Standing.RIGHT if right else Wrong.TIMED, (statement,))


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _changed(system: LabSystem, folder: Path, count: int, seed: str) -> list[Judged]:
    """Changes whose calls are held, lost or answered at once, while the clock is stepped: no bound may end early."""
    random = Random(seed)
    cases = system.cases(count, random)
    held = [random.choice((0.0, random.uniform(0.5, 0.7 * LATE_S))) for _ in cases]

    def treatments(number: int) -> Iterator[Treatment]:
        yield Treatment(Random(f"{seed} {number}").choice((Fault.PASS, Fault.LOST_ANSWER)), held_s=held[number])
        while True:
            yield Treatment()

    steps, faults = Steps(), Faults(cases, treatments)
    moments = [(random.uniform(0.2, LATE_S), random.choice(STEPS_S)) for _ in range(3)]
    stepping = [threading.Timer(after_s, steps.step, (step_s,)) for after_s, step_s in moments]
    with opened(system.sources, folder, clock=steps.clock) as engine:
        for one in stepping:
            one.start()
        try:
            return under_faults(engine, system, cases, faults, seed, 2 * LATE_S)
        finally:
            for one in stepping:
                one.join()
