"""``make mutate``: does the suite notice when the program is wrong? A sample of mutants, for a seed to tell which.

    make mutate                                      400 mutants over all modules of targets.py
    make mutate ARGS="--count 20 --seed 7"           fewer, others
    make mutate ARGS="--only shiftdeck/journal"      of these modules
    make mutate ARGS="--again mutants.json"          the survivors of an earlier run, told by its --json

Prints every survivor as the lines that were changed, and the score of each module; ends with 1 below ``--least``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.mutants import Mutant, same_mutant, sample
from tests.mutation.runs import Bench, Fate, Result, Usual, copied
from tests.mutation.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    options = _options().parse_args(arguments)
    modules = [module for module in TARGETS if not options.only or module.startswith(tuple(options.only))]
    mutants = (
        _survivors(Path(options.again), modules)
        if options.again
        else sample(ROOT, modules, options.count, options.seed)
    )
    if not mutants:
        _say("there is nothing to be mutated")
        return 2
    told = f"survivors of {options.again}" if options.again else f"seed {options.seed}"
    _say(f"{len(mutants)} mutants in {len({one.module for one in mutants})} modules, {told}")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        results = _tried(mutants, Path(folder), Path(options.python).absolute(), options.workers)
    _say("\n".join(_report(results)))
    if options.json:
        results_told = [
            {
                "mutant": one.mutant.name,
                "fate": one.fate,
                "by": one.noticed_by,
                "diff": one.diff,
                "seconds": one.seconds,
            }
            for one in results
        ]
        Path(options.json).write_text(json.dumps({"seed": options.seed, "mutants": results_told}, indent=1) + "\n")
    return 0 if _score(results) >= options.least else 1


def _options() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="make mutate", allow_abbrev=False)
    made.add_argument("--count", type=int, default=400, help="how many mutants (default: 400)")
    made.add_argument("--seed", type=int, default=1, help="which ones (default: 1)")
    made.add_argument("--only", nargs="+", default=[], metavar="PATH", help="only modules whose path begins so")
    made.add_argument("--again", metavar="FILE", help="the survivors of an earlier run, which wrote them there")
    made.add_argument("--workers", type=int, default=2, help="how many at a time (default: 2)")
    made.add_argument("--least", type=float, default=90.0, help="the score that is wanted, in percent (default: 90)")
    made.add_argument("--json", metavar="FILE", help="write all results there")
    made.add_argument("--python", default=sys.executable, help="the interpreter that has what the tests need")
    return made


def _survivors(told: Path, modules: Sequence[str]) -> list[Mutant]:
    """The survivors of an earlier run. Those whose line is no more are named, and left out."""
    found = []
    for one in json.loads(told.read_text(encoding="utf-8"))["mutants"]:
        if one["fate"] != Fate.SURVIVED or not one["mutant"].startswith(tuple(modules)):
            continue
        mutant = same_mutant(ROOT, one["mutant"], one["diff"])
        if mutant is None:
            _say(f"no more: {one['mutant']}\n{one['diff']}")
        else:
            found.append(mutant)
    return found


def _tried(mutants: Sequence[Mutant], folder: Path, python: Path, workers: int) -> list[Result]:
    """Try them all, each worker in a copy of the tree of its own; in the order of the modules."""
    benches: SimpleQueue[Bench] = SimpleQueue()
    usual = Usual()
    for number in range(workers):
        benches.put(Bench(copied(ROOT, folder / str(number)), python, usual))
    began = time.monotonic()

    def attempt(mutant: Mutant) -> Result:
        bench = benches.get()
        try:
            result = bench.attempt(mutant, TARGETS[mutant.module])
        finally:
            benches.put(bench)
        _say(f"{time.monotonic() - began:7.0f} s  {result.fate:9}  {mutant.name}")
        if result.fate is Fate.SURVIVED:
            _say(result.diff)
        return result

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(attempt, sorted(mutants, key=lambda one: [*TARGETS].index(one.module))))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _score(results: Sequence[Result]) -> float:
    noticed = sum(one.fate is not Fate.SURVIVED for one in results)
    return 100.0 * noticed / len(results)


def _report(results: Sequence[Result]) -> list[str]:
    lines = [""]
    survivors = [one for one in results if one.fate is Fate.SURVIVED]
    for one in survivors:
        lines += [f"survived: {one.mutant.name}", one.diff, ""]
    of: dict[str, Counter[Fate]] = defaultdict(Counter)
    for one in results:
        of[one.mutant.module][one.fate] += 1
    lines += ["| module | mutants | noticed | score |", "|---|---|---|---|"]
    for module, fates in sorted(of.items()):
        total = fates.total()
        noticed = total - fates[Fate.SURVIVED]
        lines.append(f"| `{module}` | {total} | {noticed} | {100 * noticed / total:.0f} % |")
    lines.append(f"| all | {len(results)} | {len(results) - len(survivors)} | {_score(results):.1f} % |")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
