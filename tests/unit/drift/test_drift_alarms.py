"""An hour of the lab's payments, by sampling and not by waiting: nothing alarms without cause, and the drill is
found."""

from __future__ import annotations

import pytest

from backends.drift.methods import METHODS
from tests.bench.drift import EVERY_S, WINDOW_S, alarms

RPS = 4.0
DRILL_S = 600.0


@pytest.mark.timeout(300)
def test_nothing_alarms_in_an_hour_in_which_nothing_drifts() -> None:
    quiet = alarms(RPS, 1.0, seed=3)
    assert {name: counted["looks"] > 900 for name, counted in quiet.items()} == dict.fromkeys(METHODS, True)
    assert {name: counted["alarms"] for name, counted in quiet.items()} == dict.fromkeys(METHODS, 0)


@pytest.mark.timeout(300)
def test_every_method_finds_the_drill_in_the_feature_that_moved_and_in_no_other() -> None:
    found = alarms(RPS, (DRILL_S + WINDOW_S) / 3600, seed=7, drifts_at=DRILL_S)
    for name, counted in found.items():
        assert counted["alarms"] == counted["alarms amount"] > 0, name
        assert DRILL_S < counted["first amount"] <= DRILL_S + WINDOW_S + EVERY_S, name
