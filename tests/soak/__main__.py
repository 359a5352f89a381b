"""Long runs by name, each with its seed and its counts. The exit code is 1 where anything wrong was said."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.soak import clocks, faults, inputs, kills, kube_systems, rivals, signals
from tests.soak.cases import System
from tests.soak.haproxy_system import HaproxySystem
from tests.soak.lab_system import LabSystem
from tests.soak.registry_system import MlflowSystem
from tests.soak.silence_system import AlertmanagerSystem
from tests.soak.statements import Tally

Run = Callable[[Path, int, int], Iterator[Tally]]
"""In a folder, so many changes, by a seed."""


@dataclass(frozen=True, slots=True)
class Named:
    """A long run. ``count`` is how many changes it makes where it is not told."""

    help: str
    count: int
    run: Run


def _one(run: Callable[..., Tally], folder: Path, count: int, seed: int) -> Iterator[Tally]:
    yield run(folder, count=count, seed=seed)


def _faults(folder: Path, count: int, seed: int) -> Iterator[Tally]:
    """Shared among all systems."""
    each = -(-count // 7)
    for opened in (_lab, _haproxy, _alertmanager, _mlflow, _kube):
        try:
            with opened(folder, seed) as systems:
                for make in systems:
                    with _closed(make()) as system:
                        yield faults.run(system, folder, count=each, seed=seed)
        except pytest.skip.Exception as skipped:
            _say(f"skipped: {skipped}")


@contextmanager
def _closed(system: System) -> Iterator[System]:
    try:
        yield system
    finally:
        system.close()


Made = list[Callable[[], System]]


@contextmanager
def _lab(folder: Path, seed: int) -> Iterator[Made]:
    yield [partial(LabSystem, folder, seed)]


@contextmanager
def _haproxy(folder: Path, seed: int) -> Iterator[Made]:
    yield [partial(HaproxySystem, folder, seed)]


@contextmanager
def _alertmanager(folder: Path, seed: int) -> Iterator[Made]:
    yield [partial(AlertmanagerSystem, folder, seed)]


@contextmanager
def _mlflow(folder: Path, seed: int) -> Iterator[Made]:
    yield [partial(MlflowSystem, folder, seed)]


@contextmanager
def _kube(folder: Path, seed: int) -> Iterator[Made]:
    server = kube_systems.api_server(folder / "apiserver")
    try:
        kinds = (kube_systems.RouteSystem, kube_systems.IstioSystem, kube_systems.PairSystem)
        yield [partial(kind, server, folder) for kind in kinds]
    finally:
        server.stop()


RUNS = {
    "faults": Named("answers that do not say what happened, calls that arrive late or twice", 500, _faults),
    "kills": Named("kill -9 at random moments, and a start at once", 100, partial(_one, kills.run)),
    "rivals": Named("somebody else writes at a random moment of every stage", 200, partial(_one, rivals.run)),
    "clocks": Named("the clock stepped by -1 h and +1 day", 60, partial(_one, clocks.run)),
    "signals": Named("SIGTERM, SIGHUP, Ctrl-C and q during each kind of change", 60, partial(_one, signals.run)),
    "inputs": Named("tests of foreign input, with so many examples each", 2000, inputs.run),
}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    listed = "; ".join(f"{name}: {one.help}, {one.count}" for name, one in RUNS.items())
    parser.add_argument("names", nargs="*", metavar="RUN", help=f"which (default: all). {listed}")
    parser.add_argument("--runs", type=int, metavar="N", help="how many changes each makes")
    parser.add_argument("--seed", type=int, default=1, help="what decides everything that is random (default: 1)")
    parser.add_argument("--all", action="store_true", help="print every change, not only those with something wrong")
    options = parser.parse_args()
    if unknown := set(options.names) - set(RUNS):
        parser.error(f"no run {', '.join(sorted(unknown))}: there are {', '.join(RUNS)}")
    wrong = 0
    for name in options.names or RUNS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="shiftdeck-soak-", ignore_cleanup_errors=True) as folder:
            for tally in RUNS[name].run(Path(folder), options.runs or RUNS[name].count, options.seed):
                wrong += len(tally.wrong)
                _say(f"{tally}, {time.monotonic() - began:.0f} s")
                for one in tally.judged if options.all else [*tally.wrong, *tally.open]:
                    _say(f"    {one}")
                began = time.monotonic()
    _say("nothing wrong was said" if not wrong else f"{wrong} wrong statements")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
