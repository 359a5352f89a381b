"""What the next start says of a change of several calls, of which the journal recorded some or all as sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.errors import TimedOut
from shiftdeck.changes.run import OutcomeKind
from tests.unit.bench import NEVER, Bench
from tests.unit.changes.test_executor_lost_answers import found_later, two_calls


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """The program ends while it observes, or reads back, the change."""
    made = Bench(tmp_path)
    made.ending.at = made.world.clock() + 5.0
    return made


def test_a_change_that_was_sent_as_a_whole_is_not_called_a_part(bench: Bench) -> None:
    bench.world.propagation = NEVER
    assert two_calls(bench, None).outcome is None
    bench.world.rival("sentiment", {"v7": 60.0, "v8": 40.0})
    assert found_later(bench) == (
        OutcomeKind.UNKNOWN,
        "unknown: the endpoint was changed since, and is now at v7 60 %, v8 40 %",
    )


def test_a_change_that_is_in_effect_is_not_called_a_part_whatever_was_recorded(bench: Bench) -> None:
    assert two_calls(bench, TimedOut("no answer", maybe_applied=True)).outcome is None
    assert found_later(bench) == (OutcomeKind.SETTLED, "applied")
