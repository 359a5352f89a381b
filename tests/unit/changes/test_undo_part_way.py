"""What ``u`` takes back: the newest change that was carried through, or that ended part of the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.errors import BackendError, Rejected
from shiftdeck.changes.run import OutcomeKind, TrafficRun
from tests.unit.bench import Bench
from tests.unit.changes.test_executor_lost_answers import two_calls
from tui.actions.changes import last_settled


def undoable(*runs: TrafficRun) -> TrafficRun | None:
    return last_settled(runs, runs[0].plan.ref)


@pytest.mark.parametrize("error", [Rejected("no"), None])
def test_what_changed_something_can_be_taken_back(tmp_path: Path, error: BackendError | None) -> None:
    bench = Bench(tmp_path)
    run = two_calls(bench, error)
    assert undoable(run) is run
    assert run.plan.undo is not None


def test_what_changed_nothing_cannot(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.world.fail["serving.send"] = Rejected("no")
    run = bench.run()
    assert run.outcome is not None
    assert run.outcome.kind is OutcomeKind.FAILED
    assert undoable(run) is None
