"""One change on one in-memory world, carried out in no time, with everything that was said about it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.contracts import Change, Endpoint, Split
from shiftdeck.changes.executor import Executor, Ports
from shiftdeck.changes.plan import Plan
from shiftdeck.changes.recovery import Bounds
from shiftdeck.changes.run import OutcomeKind, TrafficRun
from shiftdeck.changes.time_known import Ages
from shiftdeck.changes.timing import Timing
from shiftdeck.changes.traffic import Traffic
from shiftdeck.journal.journal import Entry, Journal
from tests.fakes import Clock, FakeMetrics, FakeRegistry, FakeServing, FakeWorld
from tests.unit.planned import plan

FORWARD = Split({"v7": 75.0, "v8": 25.0})
NEVER = 1_000_000


class Ending(threading.Event):
    """Waiting lets the world's time pass instead of ours. ``at`` is a moment at which the program ends."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.at = float("inf")

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.clock.tick(timeout)
        if self.clock() >= self.at:
            self.set()
        return self.is_set()


class Bench:
    """One change on one world, and everything that was said about it."""

    def __init__(self, folder: Path, name: str = "sentiment", change: Change = FORWARD) -> None:
        self.world = FakeWorld()
        self.name = name
        self.change = change
        self.serving: FakeServing = FakeServing(self.world)
        self.journal = Journal(folder / "journal.jsonl", operator="me", host="bastion")
        self.ending = Ending(self.world.clock)
        self.refusal = ""
        self.said: list[TrafficRun] = []
        self.bounds = Bounds(ages=Ages(self.world.clock), refusal=lambda: self.refusal)

    def shares(self, endpoint: Endpoint) -> Mapping[str, float] | None:
        rates = {
            one.subject.variant: one.rps or 0.0
            for one in FakeMetrics(self.world).current(60.0)
            if one.subject.endpoint == endpoint.ref.name and not one.mirrored
        }
        return {name: 100.0 * rate / sum(rates.values()) for name, rate in rates.items()} or None

    def plan(self) -> Plan:
        return plan(self.world, self.name, self.change)

    def traffic(self, **given: Any) -> Traffic:
        """The kind of change that works on this world; ``given`` stands in for parts of it."""
        usual: dict[str, Any] = {
            "serving": lambda ref: self.serving,
            "registries": lambda: {"mlflow": FakeRegistry(self.world)},
            "shares": self.shares,
            "timing": Timing(),
        }
        return Traffic(**usual | given)

    def run(
        self,
        made: Plan | None = None,
        *,
        reason: str = "INC-42",
        override: str = "",
        journal: Journal | None = None,
        **given: Any,
    ) -> TrafficRun:
        ports = Ports(
            journal=journal or self.journal,
            clock=self.world.clock,
            ending=self.ending,
            timing=given.get("timing", Timing()),
            refusal=lambda: self.refusal,
        )
        kind, said = self.traffic(**given), self.said.append
        return Executor(made or self.plan(), kind, ports, said, reason=reason, override=override).carry_out()

    def entries(self) -> list[Entry]:
        return list(self.journal.entries(newest_first=False))

    def kinds(self) -> list[str]:
        return [str(entry.kind) for entry in self.entries()]


def outcome(run: TrafficRun) -> tuple[OutcomeKind, str]:
    assert run.outcome is not None
    return run.outcome.kind, run.outcome.message
