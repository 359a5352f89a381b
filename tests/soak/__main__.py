"""Long runs by name, each with its seed and its counts. The exit code is 1 where anything wrong was said."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.soak import clocks, faults, inputs, kills, rivals, signals
from tests.soak.statements import Tally
from tests.soak.systems import NAMES, systems

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


def _faults(folder: Path, count: int, seed: int, names: Sequence[str] = NAMES) -> Iterator[Tally]:
    """Shared among the systems."""
    try:
        for make in systems(folder, seed, names):
            try:
                system = make()
            except pytest.skip.Exception as skipped:
                _say(f"skipped: {skipped}")
                continue
            try:
                yield faults.run(system, folder, count=-(-count // len(names)), seed=seed)
            finally:
                system.close()
    except pytest.skip.Exception as skipped:
        _say(f"skipped: {skipped}")


RUNS = {
    "faults": Named("answers that do not say what happened, calls that arrive late or twice", 500, _faults),
    **{f"faults:{name}": Named("the same on one system", 100, partial(_faults, names=(name,))) for name in NAMES},
    "kills": Named("kill -9 at random moments, and a start at once", 100, partial(_one, kills.run)),
    "rivals": Named("somebody else writes at a random moment of every stage", 200, partial(_one, rivals.run)),
    "clocks": Named("the clock stepped by -1 h and +1 day", 60, partial(_one, clocks.run)),
    "signals": Named("SIGTERM, SIGHUP, Ctrl-C and q during each kind of change", 60, partial(_one, signals.run)),
    "inputs": Named("the tests that use Hypothesis, with so many examples each", 2000, inputs.run),
}


ALL = tuple(name for name in RUNS if ":" not in name)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    listed = "; ".join(f"{name}: {one.help}, {one.count}" for name, one in RUNS.items() if name in ALL)
    listed += f". Of one system alone: {', '.join(f'faults:{name}' for name in NAMES)}"
    parser.add_argument("names", nargs="*", metavar="RUN", help=f"which (default: all). {listed}")
    parser.add_argument("--runs", type=int, metavar="N", help="how many changes each makes")
    parser.add_argument("--seed", type=int, default=1, help="what decides everything that is random (default: 1)")
    parser.add_argument("--all", action="store_true", help="print every change, not only those with something wrong")
    options = parser.parse_args()
    if unknown := set(options.names) - set(RUNS):
        parser.error(f"no run {', '.join(sorted(unknown))}: there are {', '.join(RUNS)}")
    wrong = 0
    for name in options.names or ALL:
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
