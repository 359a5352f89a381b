"""A rival who writes at a random moment of every stage of a change, and an operator who begins two changes at once.

The rival writes straight to the gateway, which dates every write. "Settled" is right only where the change was in
effect when it was said.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx

from backends.contracts import EndpointRef, Split
from backends.errors import BackendError
from backends.lab.world import SCOPE
from shiftdeck.changes.run import Run, Stage
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.journal import Entry
from tests.faults import FaultProxy
from tests.soak.engines import CHANGE_S, LATE_S, carried_out, opened, planned, resolved
from tests.soak.faults import said_of
from tests.soak.lab_gateway import CANARY, STABLE, LabGateway
from tests.soak.statements import Facts, Judged, Tally, judge
from tests.treatments import Fault, Treatment
from tests.waiting import wait_until

AT_ONCE = 10
BATCH = 40
RPS = 200.0
MEASURE_S = 1.5
UNDONE_S = 0.4
SLACK_S = 0.5

ORDER = (Stage.RECORDING, Stage.SENDING, Stage.OBSERVING, Stage.MEASURING, Stage.DONE)


class Rival(StrEnum):
    """What else happens to the endpoint."""

    OTHER = "a rival"  # asks for another split
    BACK = "a rival who goes back"  # to the split that was there before
    UNDO = "a rival who undoes it at once"  # before the answer is lost
    TWIN = "a second change of our own"
    PATIENT = "nobody"


def run(folder: Path, *, count: int, seed: int) -> Tally:
    tally = Tally("rivals", seed)
    with LabGateway(seed) as gateway, FaultProxy(gateway.url) as proxy:
        gateway.count(RPS)
        for batch in range(-(-count // BATCH)):
            left = min(BATCH, count - len(tally.judged))
            found = _batch(gateway, proxy, folder / f"rivals-{batch}", left, f"{seed} rivals {batch}")
            tally.judged += found[:left]
    return tally


def _batch(gateway: LabGateway, proxy: FaultProxy, folder: Path, count: int, seed: str) -> list[Judged]:
    names = [f"e{len(gateway.traffic) + number}" for number in range(count)]
    for name in names:
        gateway.add(name)
    sources = _sources(gateway, proxy)
    with opened(sources, folder, measure_s=MEASURE_S) as engine, ThreadPoolExecutor(AT_ONCE) as pool:
        _Race.seen_by(engine, names)
        races = [_Race(gateway, engine, name, f"{seed} {number}") for number, name in enumerate(names)]
        proxy.decide = partial(_lost, {race.path: race for race in races})
        list(pool.map(_Race.hold, races))
        resolved(engine, {run.seq for race in races for run in race.runs if run.seq is not None}, LATE_S + 1.0)
        entries = engine.journal.entries(newest_first=False)
    return [judged for race in races for judged in race.judged(entries)]


def _lost(races: Mapping[str, _Race], method: str, path: str, body: bytes) -> Treatment | None:
    """The first answer of a race whose rival undoes the change is lost, after he had time for that."""
    race = races.get(path) if method == "PUT" else None
    return Treatment(Fault.LOST_ANSWER, late_s=UNDONE_S) if race is not None and race.loses() else None


def _sources(gateway: LabGateway, proxy: FaultProxy) -> str:
    return (
        f'[contexts.soak.serving.lab]\nurl = "{proxy.url}"\nevery = "500ms"\n'
        f'[contexts.soak.metrics.m]\nadapter = "openmetrics"\nurl = "{gateway.url}/metrics"\nevery = "300ms"\n'
        f'window = "5s"\nshare_window = "1s"\n'
    )


class _Race:
    """One endpoint, one change or two, and a rival."""

    def __init__(self, gateway: LabGateway, engine: Engine, name: str, seed: str) -> None:
        self._gateway, self._engine, self._name, self._seed = gateway, engine, name, seed
        self._random = Random(seed)
        self._rival = self._random.choices(tuple(Rival), (5, 2, 2, 3, 1))[0]
        self._answered = False
        self.path = f"/v1/endpoints/{SCOPE}/{name}/traffic"
        self._stage = self._random.choice(ORDER)
        self._after_s = self._random.uniform(0.0, MEASURE_S if self._stage is Stage.MEASURING else 0.4)
        share, other = self._random.sample(range(11, 60), 2)
        self._asked = [_split(share), _split(other)]
        self._ended = threading.Event()
        self.runs: list[Run[Any]] = []

    @staticmethod
    def seen_by(engine: Engine, names: list[str]) -> None:
        def seen() -> bool:
            return {one.endpoint.ref.name for one in engine.view.endpoints} >= set(names)

        wait_until(seen, CHANGE_S, "the endpoints to be seen")

    def hold(self) -> None:
        """Make the change, and have the rival write at the moment that was drawn."""
        plans = [planned(self._engine, EndpointRef("lab", SCOPE, self._name), Split(asked)) for asked in self._asked]
        first = plans[0]
        if self._rival is not Rival.TWIN:
            plans = plans[:1]
        rival = threading.Thread(target=self._act, args=(lambda: self._stage_of(first), plans[-1]), daemon=True)
        rival.start()
        self.runs.append(carried_out(self._engine, first))
        self._ended.set()
        rival.join(CHANGE_S)

    def loses(self) -> bool:
        """Whether the answer that is due now is lost: the first, where the rival is one who undoes."""
        lost, self._answered = self._rival is Rival.UNDO and not self._answered, True
        return lost

    def _stage_of(self, plan: Any) -> Stage | None:
        found = self._engine.run_of(plan)
        return None if found is None else found.stage

    def _act(self, stage: Callable[[], Stage | None], twin: Any) -> None:
        if self._rival is Rival.UNDO:
            self._undo()
            return
        while not self._ended.is_set():
            now = stage()
            if now is not None and ORDER.index(now) >= ORDER.index(self._stage):
                break
            time.sleep(0.005)
        self._ended.wait(self._after_s)
        match self._rival:
            case Rival.OTHER:
                self._write(self._asked[1])
            case Rival.BACK:
                self._write({STABLE: 90.0, CANARY: 10.0})
            case Rival.TWIN:
                try:
                    self.runs.append(carried_out(self._engine, twin))
                except BackendError:
                    return
            case _:
                return

    def _undo(self) -> None:
        while not self._ended.is_set():
            if dict(self._gateway.history(self._name)[-1].weights) == self._asked[0]:
                self._write({STABLE: 90.0, CANARY: 10.0})
                return
            time.sleep(0.005)

    def _write(self, weights: dict[str, float]) -> None:
        headers = {"If-Match": "*", "X-Operator": "rival", "X-Reason": "a soak run"}
        url = f"{self._gateway.url}{self.path}"
        answer = httpx.put(url, json={"weights": weights}, headers=headers, timeout=30.0, trust_env=False)
        answer.raise_for_status()

    def judged(self, entries: tuple[Entry, ...]) -> list[Judged]:
        return [self._judged(run, entries) for run in self.runs]

    def _judged(self, run: Run[Any], entries: tuple[Entry, ...]) -> Judged:
        asked = next(one for one in self._asked if one == dict(run.plan.change.weights))
        told = self._gateway.history(self._name)
        taken = tuple(one.at for one in told if dict(one.weights) == asked)
        lost = tuple(one.at for one in told if dict(one.weights) != asked)
        facts = Facts(taken, self._gateway.weights(self._name) == asked, lost)
        words = f"{self._rival} {self._after_s:.2f} s after {self._stage!r}"
        return judge(
            f"{self._name} v8={asked[CANARY]:g} [{self._seed}] {words}", said_of(run, entries), facts, slack_s=SLACK_S
        )


def _split(share: int) -> dict[str, float]:
    return {STABLE: 100.0 - share, CANARY: float(share)}
