"""A proxy before the lab's gateway holds a write for longer than its caller waits: what is said of it, and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backends.contracts import EndpointRef, Split
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.timing import Timing
from shiftdeck.config.loader import load
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.journal import Journal
from tests.faults import Fault, FaultProxy
from tests.lab import Lab, RunningLab, lab
from tests.waiting import wait_until

__all__ = ["lab"]

KEY, REF = "prod/pricing", EndpointRef("lab", "prod", "pricing")
ASKED = {"v21": 80.0, "v22": 20.0}


class Bench:
    """The lab behind a proxy."""

    def __init__(self, folder: Path, lab: Lab, proxy: FaultProxy) -> None:
        self.folder = folder
        self.lab = lab
        self.proxy = proxy

    @contextmanager
    def engine(self, longest_hold: str) -> Iterator[Engine]:
        config = load(self.lab.configure(self.folder, gateway=self.proxy.url, timeout="1s", longest_hold=longest_hold))
        context = next(iter(config.contexts.values()))
        timing = Timing(poll_s=0.1, measure_s=0.0)
        engine = Engine(context, Journal(config.journal), timing=timing)
        engine.start()
        try:
            assert engine.wait_for(lambda view: view.loaded, 20.0) is not None
            yield engine
        finally:
            engine.stop(0.0)

    def hold(self, seconds: float) -> None:
        """Hold every write of a split for so long, and deliver it although its caller has gone."""
        self.proxy.slow_s = seconds
        self.proxy.set(Fault.SLOW, only="PUT")


@pytest.fixture
def bench(lab: RunningLab, tmp_path: Path) -> Iterator[Bench]:
    found = Lab(lab)
    found.reset()
    with FaultProxy(lab.gateway) as proxy:
        yield Bench(tmp_path, found, proxy)
    found.reset()
    found.close()


def test_a_write_that_is_held_is_in_effect_or_never_and_what_is_said_is_so(bench: Bench) -> None:
    """Whether it is followed until it lands, or met by a fence, what is said of it stays true."""
    with bench.engine("30s") as engine:
        bench.hold(3.0)
        run = engine.carry_out(engine.plan(REF, Split(ASKED)), reason="held", override="a test")
        assert run.outcome is not None
        bench.proxy.set(Fault.PASS)
        applied = bench.lab.weights(KEY, "desired") == ASKED
        assert run.outcome.kind is (OutcomeKind.SETTLED if applied else OutcomeKind.FAILED), run.outcome


def test_a_write_that_lands_after_it_was_called_not_applied_reopens_its_outcome(bench: Bench) -> None:
    with bench.engine("1s") as engine:
        bench.hold(4.0)
        run = engine.carry_out(engine.plan(REF, Split(ASKED)), reason="held", override="a test")
        assert run.outcome is not None
        assert (run.outcome.kind, "not applied" in run.outcome.message) == (OutcomeKind.FAILED, True), run.outcome
        bench.lab.wait_weights(KEY, ASKED)
        wait_until(lambda: engine.findings, 20.0, "the outcome to be reopened")
        (finding,) = engine.findings
        assert (finding.outcome, finding.reopened) == (OutcomeKind.SETTLED, True)
        assert finding.message.startswith("applied after all")
        shown = engine.run_of(run.plan)
        assert shown is not None
        assert shown.outcome is not None
        assert shown.outcome.kind is OutcomeKind.SETTLED
        assert engine.journal.verify().ok


def test_a_call_of_a_killed_process_that_is_still_on_its_way_is_waited_for(bench: Bench) -> None:
    """The process ends while the proxy holds its call; the next one starts at once."""
    with bench.engine("2s") as engine:
        bench.hold(3.0)
        engine.execute(engine.plan(REF, Split(ASKED)), reason="held", override="a test")
        wait_until(lambda: engine.journal.in_flight(), 10.0, "the intent")
        wait_until(lambda: any(run.message.startswith("no answer") for run in engine.runs()), 10.0, "the lost answer")
    with bench.engine("2s") as engine:
        wait_until(lambda: engine.findings, 20.0, "the finding")
        assert engine.findings[0].outcome is not OutcomeKind.FAILED or bench.lab.weights(KEY, "desired") != ASKED
        wait_until(lambda: engine.findings[0].outcome is not None, 30.0, "the outcome")
        bench.proxy.set(Fault.PASS)
        applied = bench.lab.weights(KEY, "desired") == ASKED
        expected = OutcomeKind.SETTLED if applied else OutcomeKind.FAILED
        # On a busy machine the lab may take longer than the change may: then it is unknown first, and reopened.
        wait_until(lambda: engine.findings[-1].outcome is expected, 30.0, lambda: f"{expected}: {engine.findings}")
