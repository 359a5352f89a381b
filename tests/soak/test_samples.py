"""A short sample of every long run: the same seed each time, and nothing wrong may be said. ``make soak`` runs more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.soak import clocks, faults, kills, rivals, signals
from tests.soak.cases import System
from tests.soak.haproxy_system import HaproxySystem
from tests.soak.lab_system import LabSystem
from tests.soak.silence_system import AlertmanagerSystem
from tests.soak.statements import resolved, right

SEED = 1
LATE_S = 2.0


@pytest.mark.parametrize(("system", "count"), [(LabSystem, 40), (HaproxySystem, 12), (AlertmanagerSystem, 20)])
def test_answers_that_do_not_say_what_happened(
    tmp_path: Path, system: Callable[[Path, int], System], count: int
) -> None:
    made = system(tmp_path, SEED)
    try:
        right(faults.run(made, tmp_path, count=count, seed=SEED, late_s=LATE_S))
    finally:
        made.close()


def test_killed_and_looked_at_at_once(tmp_path: Path) -> None:
    resolved(kills.run(tmp_path, count=3, seed=SEED))


def test_settled_is_so_when_it_is_said(tmp_path: Path) -> None:
    right(rivals.run(tmp_path, count=24, seed=SEED))


def test_seconds_are_seconds_whatever_the_clock_says(tmp_path: Path) -> None:
    right(clocks.run(tmp_path, count=6, seed=SEED, paused_s=4.0))


def test_signals_leave_nothing_wrong_behind(tmp_path: Path) -> None:
    right(signals.run(tmp_path, count=4, seed=SEED, kinds=(LabSystem,)))
