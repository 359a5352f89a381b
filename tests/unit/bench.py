"""One change on one in-memory world, carried out in no time, with everything that was said about it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from backends.contracts import Change, Endpoint, Split
from shiftdeck.changes.executor import Execution, Ports
from shiftdeck.changes.plan import Plan
from shiftdeck.changes.run import OutcomeKind, Run
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
        self.said: list[Run] = []

    def shares(self, endpoint: Endpoint) -> Mapping[str, float] | None:
        rates = {
            one.subject.variant: one.rps or 0.0
            for one in FakeMetrics(self.world).current(60.0)
            if one.subject.endpoint == endpoint.ref.name and not one.mirrored
        }
        return {name: 100.0 * rate / sum(rates.values()) for name, rate in rates.items()} or None

    def plan(self) -> Plan:
        return plan(self.world, self.name, self.change)

    def run(self, made: Plan | None = None, *, reason: str = "INC-42", override: str = "", **ports: object) -> Run:
        given: dict[str, object] = {
            "serving": self.serving,
            "registries": {"mlflow": FakeRegistry(self.world)},
            "shares": self.shares,
            "journal": self.journal,
            "clock": self.world.clock,
            "ending": self.ending,
            "refusal": lambda: self.refusal,
        }
        all_ports = Ports(**{**given, **ports})  # type: ignore[arg-type]  # fields by name
        execution = Execution(made or self.plan(), all_ports, self.said.append, reason=reason, override=override)
        return execution.carry_out()

    def entries(self) -> list[Entry]:
        return list(self.journal.entries(newest_first=False))

    def kinds(self) -> list[str]:
        return [str(entry.kind) for entry in self.entries()]


def outcome(run: Run) -> tuple[OutcomeKind, str]:
    assert run.outcome is not None
    return run.outcome.kind, run.outcome.message
