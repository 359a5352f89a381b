"""An in-memory world of endpoints: deterministic, without I/O and without threads of its own. Use it through
``tests.fakes``, which says how."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from backends.contracts import (
    Action,
    Alert,
    AlertState,
    Direction,
    DriftScore,
    Endpoint,
    EndpointRef,
    Gpu,
    ModelRef,
    ModelVersion,
    Phase,
    Release,
    Role,
    Subject,
    Variant,
    VariantMetrics,
)
from backends.errors import BackendError, Rejected
from shiftdeck.common import clock
from tests.fake_data import (
    DAY,
    ENDPOINTS,
    SCOPE,
    Behaviour,
    EndpointSpec,
    VariantSpec,
    gpus_of,
    many,
    versions_of,
)

NIGHT = datetime(2026, 7, 29, 3, 14, 22, tzinfo=UTC).timestamp()
BACKEND = "lab"
FAULTY = Behaviour(0.112, 0.5, 0.062)


class Clock(clock.Clock):
    """A clock that stands still until ``tick``. Unix seconds; it begins at 03:14:22 UTC on a night in July 2026.

    ``tick`` lets time pass, also that of a suspend. ``step`` sets the wall clock, and no time passes. Called, it
    returns the wall time of the machine.
    """

    def __init__(self, start: float = NIGHT) -> None:
        self._elapsed = start
        self._stepped = 0.0
        self._lock = threading.Lock()
        super().__init__(self, lambda: self._elapsed)

    def __call__(self) -> float:
        with self._lock:
            return self._elapsed + self._stepped

    def tick(self, seconds: float) -> None:
        with self._lock:
            self._elapsed += seconds

    def step(self, seconds: float) -> None:
        with self._lock:
            self._stepped += seconds


@dataclass(slots=True)
class EndpointState:
    """One endpoint as it is now. Tests may write to it: ``world.endpoint("sentiment").ready["v8"] = 0``.

    ``measured`` is what the metrics see instead of the observed weights; ``denied`` why an action is not possible now;
    ``behind`` how many readings observed still lags desired; ``scale`` the replicas that a variant is to have, where
    they do not follow from its weight; ``guarded`` is false for a system that gives no revision to guard a change with.
    """

    spec: EndpointSpec
    ref: EndpointRef
    stable: str
    desired: dict[str, float]
    observed: dict[str, float]
    mirror: dict[str, float]
    releases: list[Release]
    generation: int
    behaviour: dict[str, Behaviour]
    drift: dict[str, float]
    rps: float
    ready: dict[str, int] = field(default_factory=dict)
    measured: dict[str, float] | None = None
    denied: dict[Action, str] = field(default_factory=dict)
    behind: int = 0
    phase: Phase | None = None
    message: str = ""
    owner: str = ""
    scale: dict[str, int] = field(default_factory=dict)
    guarded: bool = True

    @classmethod
    def of(cls, spec: EndpointSpec, now: float) -> EndpointState:
        first = 17 - len(spec.past) + 1
        releases = [
            Release(
                str(first + n), past.weights, now - past.age_s, past.by, past.note, past is spec.past[-1], past.good
            )
            for n, past in enumerate(spec.past)
        ]
        weights = {variant.name: variant.weight for variant in spec.variants}
        return cls(
            spec=spec,
            ref=EndpointRef(BACKEND, SCOPE, spec.name),
            stable=spec.stable,
            desired=dict(weights),
            observed=dict(weights),
            mirror={variant.name: variant.mirror for variant in spec.variants},
            releases=releases[::-1],
            generation=17,
            behaviour={variant.name: variant.behaviour for variant in spec.variants},
            drift=dict(spec.drift),
            rps=spec.rps,
        )

    def role(self, name: str) -> Role:
        if name == self.stable:
            return Role.STABLE
        if self.mirror[name] > 0:
            return Role.SHADOW
        if self.desired[name] <= 0 and self.observed[name] <= 0:
            return Role.IDLE
        return Role.CANDIDATE if self.spec.candidates else Role.CANARY

    @property
    def revision(self) -> str:
        return str(self.generation) if self.guarded else ""

    def wanted(self, name: str) -> int:
        if name in self.scale:
            return self.scale[name]
        weight = max(self.desired[name], self.observed[name])
        return max(math.ceil(self.spec.replicas * weight / 100.0), int(name == self.stable or self.mirror[name] > 0))

    def actions(self) -> dict[Action, str | None]:
        alone = None if len(self.spec.variants) > 1 else f"{self.spec.name} has one variant only"
        first = None if len(self.releases) > 1 else "there is no earlier release"
        possible: dict[Action, str | None] = {
            Action.SHIFT: alone,
            Action.MIRROR: alone,
            Action.PROMOTE: alone,
            Action.ROLLBACK: first,
        }
        return {**possible, **self.denied}

    def as_read(self) -> Endpoint:
        moving = self.desired != self.observed
        phase = self.phase or (Phase.PROGRESSING if moving else Phase.STEADY)
        return Endpoint(
            ref=self.ref,
            variants=tuple(self._variant(variant) for variant in self.spec.variants),
            phase=phase,
            message=self.message or ("the split is propagating" if moving else ""),
            releases=tuple(self.releases),
            revision=self.revision,
            owner=self.owner,
            actions=self.actions(),
        )

    def _variant(self, spec: VariantSpec) -> Variant:
        name, shadow = spec.name, self.role(spec.name) is Role.SHADOW
        wanted = self.wanted(name)
        return Variant(
            name=name,
            role=self.role(name),
            model=ModelRef(self.spec.model, spec.version),
            image=f"registry.example/{self.spec.model}:{spec.version}",
            ready=self.ready.get(name, wanted),
            wanted=wanted,
            desired=None if shadow else self.desired[name],
            observed=None if shadow else self.observed[name],
            mirror=self.mirror[name],
        )

    def served(self) -> list[str]:
        """The variants that get requests or copies of them, stable first."""
        names = [name for name in self.desired if self.observed[name] > 0 or self.mirror[name] > 0]
        return sorted(names, key=lambda name: name != self.stable)

    def shares(self) -> dict[str, float]:
        return self.observed if self.measured is None else self.measured

    def metrics(self, window_s: float, now: float) -> list[VariantMetrics]:
        found = []
        for mirrored, percent in ((False, self.shares()), (True, self.mirror)):
            for name, share in percent.items():
                rps = self.rps * share / 100.0
                samples = round(rps * window_s)
                if samples == 0:
                    continue
                behaviour = self.behaviour[name]
                found.append(
                    VariantMetrics(
                        subject=Subject(self.spec.name, name, self.ref.scope),
                        window_s=window_s,
                        at=now,
                        rps=rps,
                        error_ratio=behaviour.error_ratio,
                        p50=behaviour.quantile(0.0),
                        p95=behaviour.quantile(1.645),
                        p99=behaviour.quantile(2.326),
                        samples=samples,
                        mirrored=mirrored,
                        latency=behaviour.histogram(samples),
                    )
                )
        return found

    def put(self, weights: Mapping[str, float], mirror: Mapping[str, float], now: float, by: str, note: str) -> None:
        """Ask for these weights, as a new release."""
        self.generation += 1
        if dict(weights) != self.desired:
            self.releases = [replace(release, current=False) for release in self.releases]
            self.releases.insert(0, Release(str(self.generation), dict(weights), now, by, note, current=True))
        self.desired, self.mirror = dict(weights), dict(mirror)


class FakeWorld:
    """See ``tests.fakes``."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.fail: dict[str, BackendError] = {}
        self.on: dict[str, Callable[[], None]] = {}
        self.calls: Counter[str] = Counter()
        self.sent: list[str] = []
        self.wake: dict[str, Callable[[], None]] = {}
        self.propagation = 0
        self.lost_answers = 0
        self.hold_s: float | None = None
        self.fences = False
        self.me = "me"
        self.rehearsal = True
        self.drills: dict[str, float] = {}
        self.alerts: list[Alert] = []
        self.states: dict[EndpointRef, EndpointState] = {}
        self.versions: list[ModelVersion] = []
        self.gpus: list[Gpu] = []
        self.gone: dict[Subject, float] = {}
        """What the metrics measured and measure no longer, with the time of the last data."""
        self.lock = threading.RLock()
        self._held: list[tuple[float, Callable[[], object]]] = []
        self._hanging: set[str] = set()
        self._let_go = threading.Condition()
        self._fill(ENDPOINTS)

    # ── looking things up ───────────────────────────────────────────────────────────────────────────────────────

    def ref(self, name: str) -> EndpointRef:
        return EndpointRef(BACKEND, SCOPE, name)

    def endpoint(self, name: str | EndpointRef) -> EndpointState:
        ref = self.ref(name) if isinstance(name, str) else name
        with self.lock:
            if ref not in self.states:
                raise Rejected(f"there is no endpoint {ref}")
            return self.states[ref]

    def read(self, name: str | EndpointRef) -> Endpoint:
        """The endpoint as an adapter reads it, without anything being counted, failing or hanging."""
        with self.lock:
            return self.endpoint(name).as_read()

    # ── making calls fail and hang ──────────────────────────────────────────────────────────────────────────────

    def hang(self, *keys: str) -> None:
        """Calls of these keys do not return until ``let_go``."""
        with self._let_go:
            self._hanging.update(keys)

    def let_go(self, *keys: str) -> None:
        """End the hanging of these keys, or of all."""
        with self._let_go:
            self._hanging -= set(keys) if keys else set(self._hanging)
            self._let_go.notify_all()

    def called(self, source: str, kind: str, operation: str) -> None:
        """An adapter is asked: count it, run the hook, hang, and raise what the test wants raised."""
        self.deliver()
        keys = {source, kind, f"{kind}.{operation}"}
        with self.lock:
            self.calls[f"{kind}.{operation}"] += 1
        hook = self.on.get(f"{kind}.{operation}")
        if hook is not None:
            hook()
        with self._let_go:
            self._let_go.wait_for(lambda: not keys & self._hanging)
        error = next((self.fail[key] for key in keys if key in self.fail), None)
        if error is not None:
            raise error.with_traceback(None)

    def hold(self, write: Callable[[], object]) -> None:
        """A write is held on its way: it arrives ``hold_s`` seconds from now."""
        with self.lock:
            assert self.hold_s is not None
            self._held.append((self.clock.elapsed() + self.hold_s, write))

    def deliver(self, *, all_held: bool = False) -> None:
        """The held writes that are due arrive, or all of them; a guard that does not hold refuses them."""
        with self.lock:
            due = [write for at, write in self._held if all_held or at <= self.clock.elapsed()]
            self._held = [held for held in self._held if held[1] not in due]
            for write in due:
                with suppress(BackendError):
                    write()

    # ── things that happen ──────────────────────────────────────────────────────────────────────────────────────

    def rival(self, name: str | EndpointRef, weights: Mapping[str, float], by: str = "ana") -> None:
        """Somebody else changes the split; in effect at once."""
        with self.lock:
            state = self.endpoint(name)
            full = {**dict.fromkeys(state.desired, 0.0), **weights}
            state.put(full, state.mirror, self.clock(), by, "")
            state.observed, state.behind = dict(full), 0

    def make_untidy(self, name: str = "sentiment") -> EndpointState:
        """An endpoint of two variants in the middle of a change: 75 to 25 is asked for, 90 to 10 in effect and 93 to 7
        measured; 2 of 3 replicas of stable are ready and 4 of 9 of the canary; and the system gives no revision."""
        with self.lock:
            state = self.endpoint(name)
            canary = next(one for one in state.desired if one != state.stable)
            state.desired = {state.stable: 75.0, canary: 25.0}
            state.observed = {state.stable: 90.0, canary: 10.0}
            state.measured = {state.stable: 93.0, canary: 7.0}
            state.scale = {state.stable: 3, canary: 9}
            state.ready = {state.stable: 2, canary: 4}
            state.behind, state.guarded = 1_000_000, False
            return state

    def make_bad_canary(self, name: str = "sentiment", variant: str = "v8") -> None:
        """6 % errors and a p95 of a quarter of a second, and the alert that a human is paged for."""
        with self.lock:
            self.endpoint(name).behaviour[variant] = FAULTY
            self.alerts.append(
                Alert(
                    "HighErrorRate",
                    AlertState.FIRING,
                    "page",
                    f"{name} {variant} answers with errors",
                    self.clock() - 240.0,
                    subject=Subject(name, variant, SCOPE),
                    fingerprint=f"high-error-rate-{name}-{variant}",
                )
            )

    def make_slow(self, name: str = "pricing", variant: str = "v22", factor: float = 3.0) -> None:
        with self.lock:
            state = self.endpoint(name)
            state.behaviour[variant] = replace(
                state.behaviour[variant], median_s=state.behaviour[variant].median_s * factor
            )

    def make_drift(self, name: str = "fraud", feature: str = "amount", value: float = 0.31) -> None:
        with self.lock:
            self.endpoint(name).drift[feature] = value

    def make_gpu_fault(self, name: str = "eta") -> None:
        """The first GPU of that endpoint falls off the bus."""
        with self.lock:
            for number, gpu in enumerate(self.gpus):
                if gpu.subject is not None and gpu.subject.endpoint == name:
                    lost = "XID 79: fallen off the bus"
                    self.gpus[number] = replace(gpu, xid=79, fault=lost, utilisation=0.0, power=41.0)
                    return

    def make_night(self) -> None:
        """A bad night for pictures: a faulty canary, a slow one, drift, and a lost GPU."""
        self.make_bad_canary()
        self.make_slow()
        self.make_drift()
        self.make_gpu_fault()

    def big(self, count: int) -> FakeWorld:
        """That many endpoints instead of the usual ones: ``model-00000`` and on, a canary at every third."""
        self._fill(many(count))
        return self

    # ── what it begins with ─────────────────────────────────────────────────────────────────────────────────────

    def _fill(self, specs: tuple[EndpointSpec, ...]) -> None:
        now = self.clock()
        with self.lock:
            states = [EndpointState.of(spec, now) for spec in specs]
            self.states = {state.ref: state for state in states}
            self.versions = [version for spec in specs for version in versions_of(spec, now)]
            self.gpus = gpus_of(specs[:6])

    def scores(self) -> list[DriftScore]:
        with self.lock:
            return [
                _score(state, variant, feature, value * (1.0 - 0.05 * number), self.clock())
                for state in self.states.values()
                for number, variant in enumerate(state.served())
                for feature, value in state.drift.items()
            ]


def _score(state: EndpointState, variant: str, feature: str, value: float, now: float) -> DriftScore:
    shape = [math.exp(-((bin_ - 4.0) ** 2) / 8.0) for bin_ in range(10)]
    moved = [math.exp(-((bin_ - 4.0 - 3.0 * value) ** 2) / 8.0) for bin_ in range(10)]
    calm = min(value, 0.06)
    history = tuple(calm + (value - calm) * (step / 23.0) ** 2 + 0.008 * math.sin(step * 1.7) for step in range(23))
    return DriftScore(
        subject=Subject(state.spec.name, variant, state.ref.scope),
        feature=feature,
        method="psi",
        value=value,
        threshold=0.25,
        direction=Direction.ABOVE,
        samples=round(state.rps * 3600.0),
        window_s=3600.0,
        at=now,
        baseline=f"training {datetime.fromtimestamp(now - 30 * DAY, UTC):%Y-%m-%d}",
        history=(*(max(0.0, old) for old in history), value),
        live=tuple(part / sum(moved) for part in moved),
        reference=tuple(part / sum(shape) for part in shape),
    )
