"""What scoring a fleet's drift costs, and how often each method alarms without cause.

``python -m tests.bench.drift [--endpoints N] [--features N] [--hours N]``: prints two tables and writes
``bench-drift.json``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from statistics import median

from backends.contracts import Histogram, Wiring
from backends.drift.distribution import Distribution
from backends.drift.histograms import HistogramDrift, HistogramOptions, Key
from backends.drift.methods import METHODS
from backends.lab.baseline import ROWS
from backends.lab.drills import DRIFT_FACTOR
from backends.lab.families import FAMILIES
from backends.lab.meters import bins_of

WINDOW_S = 300.0
EVERY_S = 15.0


class Fleet:
    """A metrics source with histograms of that many endpoints, each with a canary, and the reference to them."""

    def __init__(self, endpoints: int, features: int) -> None:
        rng = Random(7)
        self.bounds = (*(float(step) for step in range(1, 11)), math.inf)
        self.asked = 0
        self.reference: list[Mapping[str, object]] = []
        self.found: list[Histogram] = []
        for endpoint in range(endpoints):
            for feature in range(features):
                counts = [rng.randrange(200, 2000) for _ in self.bounds]
                for variant, part in (("v1", 1.0), ("v2", 0.1)):
                    values = (f"e{endpoint}", variant, "prod", f"m{endpoint}", variant[1:], f"f{feature}")
                    live = tuple(part * count * rng.uniform(0.9, 1.1) for count in counts)
                    self.found.append(Histogram(dict(zip(Key._fields, values, strict=True)), self.bounds, live))
                entry = {"model": f"m{endpoint}", "feature": f"f{feature}", "counts": counts}
                self.reference.append({**entry, "bounds": [*self.bounds[:-1], None]})

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> Sequence[Histogram]:
        self.asked += 1
        return self.found


def cost(endpoints: int, features: int, folder: Path, runs: int = 3) -> Mapping[str, object]:
    """Seconds of processor time that one look at the whole fleet takes, by method, and what the scores hold in
    memory."""
    fleet = Fleet(endpoints, features)
    reference = folder / "bench-reference.json"
    reference.write_text(json.dumps({"features": fleet.reference}), encoding="utf-8")
    took: dict[str, float] = {}
    clock = [0.0]
    try:
        for method in METHODS:
            drift = made(fleet, reference, clock, method)
            drift.scores()  # reads the reference
            times = []
            for _ in range(runs):
                clock[0] += EVERY_S
                began = time.process_time()
                scores = drift.scores()
                times.append(time.process_time() - began)
            took[method] = round(median(times), 3)
        fleet.asked = 0
        drift = made(fleet, reference, clock, "psi")
        drift.scores()
        tracemalloc.start()
        for _ in range(3):
            clock[0] += EVERY_S
            scores = drift.scores()
        memory = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    finally:
        reference.unlink()
    queries = fleet.asked / 4
    return {"scores": len(scores), "queries": queries, "seconds": took, "megabytes": round(memory / 1e6, 1)}


def made(fleet: Fleet, reference: Path, clock: list[float], method: str) -> HistogramDrift:
    given = HistogramOptions(metrics="fleet", reference=reference, method=method)
    return HistogramDrift(Wiring("drift", given, lambda *_: fleet, lambda: clock[0]))  # type: ignore[arg-type]


# ── false alarms ────────────────────────────────────────────────────────────────────────────────────────────────


def alarms(rps: float, hours: float, seed: int, *, drifts_at: float | None = None) -> Mapping[str, Counter[str]]:
    """How many looks alarmed, by method, while the lab's payments came at ``rps`` for so many hours, by sampling and
    not by waiting. ``first`` is the second of the first alarm. From ``drifts_at`` on, amounts are as in the drill."""
    family = FAMILIES["fraud-detector"]
    rng = Random(seed)
    reference = {name: one for name, one in bins_of(family).items() if name != "prediction"}
    for _ in range(ROWS):
        for bins, value in zip(reference.values(), family.draw(rng), strict=True):
            bins.add(value)
    slices: list[dict[str, list[int]]] = []
    found: dict[str, Counter[str]] = {name: Counter() for name in METHODS}
    for step in range(round(hours * 3600 / EVERY_S)):
        at = (step + 1) * EVERY_S
        live = {name: one for name, one in bins_of(family).items() if name != "prediction"}
        for _ in range(poisson(rng, rps * EVERY_S)):
            for (name, bins), value in zip(live.items(), family.draw(rng), strict=True):
                shifted = drifts_at is not None and at > drifts_at and name == "amount"
                bins.add(value * DRIFT_FACTOR if shifted else value)
        slices.append({name: list(bins.counts) for name, bins in live.items()})
        window = slices[-round(WINDOW_S / EVERY_S) :]
        for name, bins in reference.items():
            counts = tuple(float(sum(column)) for column in zip(*(one[name] for one in window), strict=True))
            look(found, name, at, counts, bins.counts, bins.bounds)
    return found


def look(
    found: Mapping[str, Counter[str]],
    feature: str,
    at: float,
    counts: tuple[float, ...],
    reference: Sequence[int],
    bounds: Sequence[float],
) -> None:
    one = Distribution(counts, (*bounds, math.inf))
    if one.total < 200:
        return
    other = Distribution(tuple(float(count) for count in reference), one.bounds)
    for name, method in METHODS.items():
        value = method.score(one, other)
        beyond = value > method.threshold if method.direction == "above" else value < method.threshold
        watched = value > method.watch if method.direction == "above" else value < method.watch
        found[name]["looks"] += 1
        found[name]["watch"] += watched
        found[name]["alarms"] += beyond
        found[name][f"alarms {feature}"] += beyond
        if beyond and not found[name][f"first {feature}"]:
            found[name][f"first {feature}"] = round(at)


def poisson(rng: Random, mean: float) -> int:
    """By the normal approximation, which is fine for the dozens of requests of a slice."""
    return max(0, round(rng.gauss(mean, math.sqrt(mean))))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.drift", description="What drift costs, and how it errs."
    )
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--rps", type=float, default=16.0)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    out = sys.stdout
    costs = cost(options.endpoints, options.features, Path.cwd())
    seconds = costs["seconds"]
    assert isinstance(seconds, dict)
    out.write(f"\n{costs['scores']:,} scores, {costs['queries']:g} query a look, {costs['megabytes']} MB\n")
    out.writelines(f"  {name:14}{took:8.3f} s\n" for name, took in seconds.items())
    quiet: dict[str, Counter[str]] = {name: Counter() for name in METHODS}
    for seed in range(options.seeds):
        for name, counted in alarms(options.rps, options.hours, seed).items():
            quiet[name].update(counted)
    drill = alarms(options.rps, 0.5, 7, drifts_at=900.0)
    out.write(f"\n{options.hours:g} h at {options.rps:g}/s, {options.seeds} times, nothing drifts; then the drill\n")
    out.write(f"  {'':14}{'looks':>8}{'watch':>8}{'alarms':>8}   amount found after   others alarmed\n")
    for name, counted in quiet.items():
        after = drill[name]["first amount"] - 900
        others = drill[name]["alarms"] - drill[name]["alarms amount"]
        out.write(f"  {name:14}{counted['looks']:8}{counted['watch']:8}{counted['alarms']:8}{after:18} s{others:17}\n")
    path = Path("bench-drift.json")
    path.write_text(json.dumps({"cost": costs, "quiet": quiet, "drill": drill}, indent=2) + "\n", encoding="utf-8")
    out.write(f"\nwritten to {path}\n")


if __name__ == "__main__":
    main()
