"""How long a change is waited for, and that it is not waited for beyond that."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.contracts import Change, Mirror, Split
from backends.errors import TimedOut
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.timing import Timing
from tests.unit.bench import NEVER, Bench, outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_change_is_called_stalled_after_half_a_minute_and_given_up_after_five(bench: Bench) -> None:
    bench.world.propagation = NEVER
    began = bench.world.clock()
    ended = bench.run()
    stalled = next(run for run in bench.said if run.stalled)
    assert stalled.updated - began == pytest.approx(30.0, abs=0.6)
    assert ended.updated - began == pytest.approx(300.0, abs=0.6)


def test_the_metrics_are_waited_for_longer_than_their_window(bench: Bench) -> None:
    bench.world.endpoint("sentiment").measured = {"v7": 90.0, "v8": 10.0}
    began = bench.world.clock()
    ended = bench.run()
    assert ended.updated - began == pytest.approx(90.0, abs=0.6)
    assert outcome(ended) == (OutcomeKind.SETTLED, "in effect; the metrics do not show it yet")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sentiment", Split({"v7": 75.0, "v8": 25.0})),
        ("sentiment", Split({"v7": 95.0, "v8": 5.0})),
        ("fraud", Mirror("v13", 50.0)),
        ("fraud", Mirror("v13", 10.0)),
    ],
)
def test_a_revision_that_moves_by_itself_is_no_sign_that_a_call_was_applied(
    tmp_path: Path, name: str, change: Change
) -> None:
    """Some systems raise it for their own bookkeeping; what was asked for is not to be seen."""
    bench = Bench(tmp_path, name, change)
    bench.world.fail["serving.send"] = TimedOut("no answer", maybe_applied=True)
    made, state = bench.plan(), bench.world.endpoint(name)
    state.generation += 1
    assert outcome(bench.run(made)) == (OutcomeKind.FAILED, "no answer; not applied: looked again after 60 s")


@pytest.mark.parametrize("lost_s", [60.0, 60.2])
def test_a_call_without_an_answer_is_looked_for_during_a_minute(bench: Bench, lost_s: float) -> None:
    """Readings are half a second apart, so that none of them need be at the very end of that time."""
    bench.world.fail["serving.send"] = TimedOut("no answer", maybe_applied=True)
    began = bench.world.clock()
    bench.ending.at = began + 120.0
    ended = bench.run(timing=Timing(lost_s=lost_s))
    assert outcome(ended) == (OutcomeKind.FAILED, f"no answer; not applied: looked again after {lost_s:g} s")
    assert ended.updated - began == pytest.approx(60.0, abs=0.6)
