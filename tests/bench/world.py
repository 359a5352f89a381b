"""A fleet of any size that changes by itself, for the real program to look at.

``synthetic`` writes a distribution's metadata and a configuration into a folder. With that folder on its path the
program finds the adapters below as it finds anybody's, through the entry-point group ``shiftdeck.backends``, and
nothing in it knows that it is measured. ``python -m tests.bench.world`` opens the app on it, to look at.

Every ``beat`` seconds a given share of the endpoints behaves differently. All figures carry a new time with each beat,
as those of a metrics server do. An adapter's own work is part of what is measured; it is kept small, and
``python -m tests.bench.world --cost`` tells how small.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import ClassVar

from backends.contracts import (
    CONTRACT_VERSION,
    Alert,
    AlertState,
    Call,
    Change,
    Direction,
    DriftScore,
    Endpoint,
    EndpointRef,
    Gpu,
    Histogram,
    Measure,
    ModelVersion,
    Probe,
    ProbeKind,
    Progress,
    Receipt,
    Sample,
    Series,
    Settled,
    Subject,
    VariantMetrics,
    Wiring,
)
from backends.errors import Rejected, Unsupported
from backends.options import Options, duration, number, percent, text
from tests.fake_data import Behaviour, gpus_of, many, versions_of
from tests.fake_world import EndpointState

ROOT = Path(__file__).parents[2]
KINDS = ("registries", "serving", "metrics", "accelerators", "drift", "alerts")
NAMES = {"serving": "lab", "metrics": "prometheus", "registries": "mlflow", "accelerators": "dcgm", "drift": "psi"}
TROUBLED = 50
"""One endpoint in so many is beyond its objectives."""

DRIFT_S = 15.0

METADATA = "Metadata-Version: 2.1\nName: shiftdeck-bench\nVersion: 0\n"

CALLS = "SHIFTDECK_BENCH_CALLS"
"""Where this names a file, each call to an adapter appends a line to it: KIND.OPERATION."""


@dataclass(slots=True)
class _One:
    """One variant of one endpoint, as it is now."""

    subject: Subject
    behaviour: Behaviour
    rps: float


class World:
    """``count`` endpoints, ``share`` (0–1) of which change every ``beat`` seconds. Deterministic but for the clock;
    thread-safe."""

    def __init__(self, count: int, share: float, beat: float) -> None:
        self.specs = many(count)
        self.share = share
        self.beat = beat
        self.began = time.time()
        self._lock = threading.Lock()
        self._step = 0
        states = [EndpointState.of(spec, self.began) for spec in self.specs]
        self.endpoints = tuple(state.as_read() for state in states)
        self.by_ref = {endpoint.ref: endpoint for endpoint in self.endpoints}
        self._served = [
            [
                _One(
                    Subject(spec.name, variant.name, state.ref.scope),
                    replace(variant.behaviour, median_s=0.2) if number % TROUBLED == 0 else variant.behaviour,
                    spec.rps * variant.weight / 100.0,
                )
                for variant in spec.variants
            ]
            for number, (spec, state) in enumerate(zip(self.specs, states, strict=True))
        ]
        self._metrics: dict[float, tuple[int, tuple[VariantMetrics, ...]]] = {}

    @property
    def now(self) -> float:
        """When the last beat was."""
        self._go_on()
        return self.began + self._step * self.beat

    @property
    def step(self) -> int:
        self._go_on()
        return self._step

    def _go_on(self) -> None:
        with self._lock:
            target = int((time.time() - self.began) / self.beat)
            while self._step < target:
                self._step += 1
                rng = Random(self._step)
                for number in rng.sample(range(len(self._served)), round(self.share * len(self._served))):
                    for one, variant in zip(self._served[number], self.specs[number].variants, strict=True):
                        one.rps = self.specs[number].rps * variant.weight / 100.0 * rng.uniform(0.8, 1.2)
                        trouble = number % TROUBLED == 0
                        median_s = (0.2 if trouble else variant.behaviour.median_s) * rng.uniform(0.9, 1.1)
                        one.behaviour = replace(one.behaviour, median_s=round(median_s, 3))

    def metrics(self, window_s: float) -> tuple[VariantMetrics, ...]:
        at, step = self.now, self.step
        known = self._metrics.get(window_s)
        if known is not None and known[0] == step:
            return known[1]
        found = tuple(_measured(one, window_s, at) for served in self._served for one in served)
        self._metrics[window_s] = (step, found)
        return found

    def scores(self) -> tuple[DriftScore, ...]:
        """One feature of each endpoint; drift is worked out anew every ``DRIFT_S`` seconds."""
        return tuple(
            DriftScore(
                subject=Subject(spec.name, spec.stable, endpoint.ref.scope),
                feature="amount",
                method="psi",
                value=0.01 * (number % 12),
                threshold=0.25,
                direction=Direction.ABOVE,
                samples=5000,
                window_s=3600.0,
                at=self.now // DRIFT_S * DRIFT_S,
            )
            for number, (spec, endpoint) in enumerate(zip(self.specs, self.endpoints, strict=True))
        )


def _measured(one: _One, window_s: float, at: float) -> VariantMetrics:
    samples = round(one.rps * window_s)
    behaviour = one.behaviour
    return VariantMetrics(
        one.subject,
        window_s,
        at,
        one.rps,
        behaviour.error_ratio,
        behaviour.median_s,
        behaviour.quantile(1.645),
        behaviour.quantile(2.326),
        samples,
        latency=behaviour.histogram(samples),
    )


@cache
def world(count: int, share: float, beat: float) -> World:
    """The one world that all adapters of a process look at."""
    return World(count, share, beat)


# ── adapters ────────────────────────────────────────────────────────────────────────────────────────────────────────


class SyntheticOptions(Options):
    """What the world is like."""

    endpoints = number("how many", default=10.0)
    share = percent("how many of them change with each beat", default=1.0)
    beat = duration("how often something changes", default=2.0)
    delay = duration("how long each answer takes", default=0.0)
    imports = text("a module to import before the first answer", default="")


class _Synthetic:
    CONTRACT: ClassVar[int] = CONTRACT_VERSION
    OPTIONS: ClassVar[type[Options]] = SyntheticOptions

    def __init__(self, wiring: Wiring[SyntheticOptions]) -> None:
        self.name = wiring.name
        self._options = wiring.options
        self._calls = os.environ.get(CALLS)
        self._lock = threading.Lock()

    def probe(self) -> tuple[Probe, ...]:
        return (Probe(ProbeKind.REACH, True, "synthetic", latency_s=0.0),)

    def close(self) -> None:
        pass

    def _world(self, operation: str) -> World:
        options = self._options
        if self._calls:
            with Path(self._calls).open("a", encoding="ascii") as calls:
                calls.write(f"{self.name}.{operation}\n")
        if options.imports:
            __import__(options.imports)
        time.sleep(options.delay)
        with _making:
            return world(
                int(options.endpoints),
                options.share / 100.0,
                options.beat,
            )


_making = threading.Lock()


class SyntheticRegistry(_Synthetic):
    def versions(self) -> tuple[ModelVersion, ...]:
        found = self._world("versions")
        return _versions(found)

    def compile_alias(self, model: str, alias: str, version: str, expected: str | None) -> tuple[Call, ...]:
        raise Unsupported("a synthetic registry is only looked at")

    def send(self, call: Call) -> Receipt:
        raise Unsupported("a synthetic registry is only looked at")


@cache
def _versions(found: World) -> tuple[ModelVersion, ...]:
    return tuple(version for spec in found.specs for version in versions_of(spec, found.began))


class SyntheticServing(_Synthetic):
    def endpoints(self) -> tuple[Endpoint, ...]:
        return self._world("endpoints").endpoints

    def read(self, ref: EndpointRef) -> Endpoint:
        try:
            return self._world("read").by_ref[ref]
        except KeyError:
            raise Rejected(f"there is no endpoint {ref}") from None

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        raise Unsupported("a synthetic fleet is only looked at")

    def send(self, call: Call) -> Receipt:
        raise Unsupported("a synthetic fleet is only looked at")

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        return Settled("nothing changes here")


class SyntheticMetrics(_Synthetic):
    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        return self._world("current").metrics(window_s)

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series:
        at = self._world("history").now
        count = int(window_s / step_s)
        return Series(
            subject,
            measure,
            tuple((at - window_s + step_s * (step + 1), 0.05 + 0.01 * (step % 7)) for step in range(count)),
        )

    def samples(self, name: str) -> tuple[Sample, ...]:
        return ()

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        return ()


class SyntheticAccelerators(_Synthetic):
    def gpus(self) -> tuple[Gpu, ...]:
        found = self._world("gpus")
        return tuple(
            replace(gpu, utilisation=float((7 * number + 3 * found.step) % 100))
            for number, gpu in enumerate(gpus_of(found.specs[:6]))
        )


class SyntheticDrift(_Synthetic):
    def scores(self) -> tuple[DriftScore, ...]:
        return self._world("scores").scores()


class SyntheticAlerts(_Synthetic):
    def alerts(self) -> tuple[Alert, ...]:
        found = self._world("alerts")
        return tuple(
            Alert(
                "HighLatency",
                AlertState.FIRING,
                "warning",
                f"{endpoint.ref.name} is slow",
                found.began - 240.0,
                subject=Subject(endpoint.ref.name, "", endpoint.ref.scope),
                fingerprint=f"slow-{endpoint.ref.name}",
            )
            for endpoint in found.endpoints[:: TROUBLED * 4]
        )


# ── the program on it ───────────────────────────────────────────────────────────────────────────────────────────────

CLASSES: Mapping[str, type] = {
    "registries": SyntheticRegistry,
    "serving": SyntheticServing,
    "metrics": SyntheticMetrics,
    "accelerators": SyntheticAccelerators,
    "drift": SyntheticDrift,
    "alerts": SyntheticAlerts,
}


@dataclass(frozen=True, slots=True)
class Synthetic:
    """How to run the program on a synthetic fleet: ``[SHIFTDECK, "--config", config]`` with ``env``."""

    config: Path
    env: Mapping[str, str]
    calls_path: Path

    def calls(self) -> Counter[str]:
        """How often each operation was asked for, by SOURCE.OPERATION, of programs run with ``env``."""
        if not self.calls_path.exists():
            return Counter()
        return Counter(self.calls_path.read_text(encoding="ascii").split())


def synthetic(
    folder: Path,
    endpoints: int,
    *,
    share: float = 0.01,
    beat: float = 2.0,
    every: float | None = None,
    extra: Mapping[str, str] | None = None,
    kinds: tuple[str, ...] = KINDS,
) -> Synthetic:
    """A fleet of that many ``endpoints`` (see ``World``) whose sources are asked ``every`` so many seconds (default:
    the beat). ``extra`` is TOML for the table of the kinds that it names: ``{"registries": 'imports = "mlflow"'}``."""
    info = folder / "shiftdeck_bench-0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(METADATA, encoding="utf-8")
    points = "\n".join(f"{kind}.synthetic = {__spec__.name}:{CLASSES[kind].__name__}" for kind in CLASSES)
    (info / "entry_points.txt").write_text(f"[shiftdeck.backends]\n{points}\n", encoding="utf-8")
    tables = "\n".join(
        f"[contexts.bench.{kind}.{NAMES.get(kind, 'alertmanager')}]\n"
        f'adapter = "synthetic"\nendpoints = {endpoints}\nshare = "{share * 100:g}%"\nbeat = "{beat * 1000:.0f}ms"\n'
        f'every = "{(every or beat) * 1000:.0f}ms"\n{(extra or {}).get(kind, "")}\n'
        for kind in kinds
    )
    config = folder / "bench.toml"
    config.write_text(
        f'default_context = "bench"\njournal = "{folder / "journal.jsonl"}"\n\n[contexts.bench]\nproduction = true\n'
        f'access = "read-only"\n\n[contexts.bench.slo]\np95 = "200ms"\nerrors = "1%"\ndrift = 0.25\n\n{tables}',
        encoding="utf-8",
    )
    calls = folder / "calls.txt"
    env = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), CALLS: str(calls)}
    return Synthetic(config, env, calls)


def _cost(count: int, share: float) -> None:
    """What the synthetic adapters' own work costs, per beat."""
    found = World(count, share, 2.0)
    looks: dict[str, Callable[[float], object]] = {
        "metrics, a window": found.metrics,
        "drift": lambda _: found.scores(),
    }
    for name, look in looks.items():
        began = time.process_time()
        for window_s in range(60, 65):
            look(float(window_s))
        sys.stdout.write(f"{name:24}{(time.process_time() - began) / 5 * 1000:9.1f} ms\n")


def main() -> None:
    import argparse  # here, since the program that is measured imports this module for its adapters

    parser = argparse.ArgumentParser(prog="python -m tests.bench.world", description="The app on a synthetic fleet.")
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--share", type=float, default=0.01, help="how many change with each beat (default: 0.01)")
    parser.add_argument("--beat", type=float, default=2.0, help="seconds (default: 2)")
    parser.add_argument("--cost", action="store_true", help="tell what the synthetic adapters themselves cost")
    options, more = parser.parse_known_args()
    if options.cost:
        _cost(options.endpoints, options.share)
        return
    import subprocess

    with TemporaryDirectory(prefix="shiftdeck-bench-") as folder:
        made = synthetic(Path(folder), options.endpoints, share=options.share, beat=options.beat)
        program = Path(sys.executable).with_name("shiftdeck")
        argv = [str(program), "--config", str(made.config), *more]
        raise SystemExit(subprocess.call(argv, env={**os.environ, **made.env}))


if __name__ == "__main__":
    main()
