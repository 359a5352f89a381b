"""Fakes for tests: one world in memory, adapters that talk to it, and an engine over them. Deterministic, no I/O.

    world = FakeWorld()
    with running(world, tmp_path) as engine:          # started, every source read once, stopped at the end
        plan = engine.plan(world.ref("sentiment"), Split({"v7": 75.0, "v8": 25.0}))

Six endpoints (``lab:prod/…``), all well: sentiment (v7 90, canary v8 10), fraud (v12, shadow v13 20 %), ranker (v9 50,
v10 30, v11 20), churn (v3), pricing (v21 95, canary v22 5) and eta (v5). Sources: mlflow, lab, gateway, dcgm, psi, and
alertmanager with ``fake_context(alerts=True)``.

Time stands still at 03:14:22 UTC: ``world.clock.tick(60)``. Sources ask every 0.2 real seconds all the same.

What a test can do, at any time and from any thread:

- ``world.fail["metrics"] = Unreachable("…")``; keys are a kind, a kind's operation ("serving.read", "serving.send",
  "metrics.current", "registries.send", …) or a source's name ("gateway"). ``del`` ends it.
- ``world.hang("metrics")`` and ``world.let_go()``: calls do not return in between. Keys as above.
- ``world.on["serving.send"] = lambda: world.rival("sentiment", {"v7": 100.0})``: something happens just before a call.
- ``world.propagation = 3``: observed follows desired at the third ``read`` after a change (0: at once).
- ``world.lost_answers = 1``: the next write is applied, and times out all the same.
- ``world.hold_s = 20.0``: writes are held on their way and time out; each arrives 20 s later, at the next call of any
  adapter or at ``world.deliver(all_held=True)``, and is refused if its guard does not hold any more.
- ``world.me = "root"``: who our own changes are made by, as the system names them.
- ``world.fences = True``: the serving system can be brought to refuse a held write.
- ``world.rival("sentiment", {"v7": 100.0}, by="ana")``: somebody else changes a split.
- ``world.make_bad_canary()``, ``make_slow()``, ``make_drift()``, ``make_gpu_fault()``, ``make_night()`` (all of them).
- ``world.endpoint("sentiment")``: its state, to write to: ``.ready["v8"] = 0``, ``.measured = {"v7": 90, "v8": 10}``
  (what the metrics see), ``.rps = 0.5`` (too few samples), ``.denied[Action.SHIFT] = "frozen"``, ``.owner = "argocd"``,
  ``.phase = Phase.FAILED``, ``.drift["text_len"] = 0.4``, ``.behaviour["v8"] = Behaviour(0.3)``.
- ``world.big(1000)``: that many endpoints instead.
- ``world.wake["lab"]()``: a backend tells its source that there is something new.
- ``world.calls["metrics.current"]`` counts calls; ``world.sent`` lists the summaries of the writes that were applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path
from typing import Any, TypeVar, cast

from backends.contracts import Adapter
from shiftdeck.changes.timing import Timing
from shiftdeck.config.loader import Access, ContextConfig, Slo, SloConfig, SourceConfig
from shiftdeck.engine.engine import AdapterFactory, Engine
from shiftdeck.engine.view import View
from shiftdeck.journal.journal import Journal
from shiftdeck.sources.polled_source import PolledSource
from tests.fake_adapters import (
    FakeAccelerators,
    FakeAlerts,
    FakeDrift,
    FakeMetrics,
    FakeRegistry,
    FakeRehearsal,
    FakeServing,
)
from tests.fake_data import Behaviour
from tests.fake_world import Clock, EndpointState, FakeWorld

__all__ = [
    "FAST",
    "Behaviour",
    "Clock",
    "CountedSource",
    "EndpointState",
    "FakeAccelerators",
    "FakeAlerts",
    "FakeDrift",
    "FakeMetrics",
    "FakeRegistry",
    "FakeRehearsal",
    "FakeServing",
    "FakeWorld",
    "eventually",
    "fake_context",
    "fake_engine",
    "fake_factory",
    "running",
]

T = TypeVar("T")

FAST = Timing(poll_s=0.005)
"""Readings follow one another at once; deadlines are the world's clock's, so nothing times out until it is ticked."""


def fake_factory(world: FakeWorld) -> AdapterFactory:
    """What ``Engine(factory=…)`` takes: every source of a kind is that kind's fake, over ``world``."""
    classes: dict[str, type[Any]] = {
        "serving": FakeRehearsal if world.rehearsal else FakeServing,
        "registries": FakeRegistry,
        "metrics": FakeMetrics,
        "accelerators": FakeAccelerators,
        "drift": FakeDrift,
        "alerts": FakeAlerts,
    }
    return lambda kind, _: bound(classes[kind], world)


def bound(cls: type[Any], world: FakeWorld) -> type[Adapter]:
    """The fake as a class that is made with a ``Wiring`` alone, as adapters are."""
    return cast("type[Adapter]", type(cls.__name__, (cls,), {"__init__": partialmethod(cls.__init__, world)}))


class CountedSource(PolledSource[T]):
    """A polled source that counts: ``rounds`` polls were answered or failed."""

    rounds = 0

    def ask(self) -> None:
        super().ask()
        self.rounds += 1


SOURCES: tuple[tuple[str, str], ...] = (
    ("registries", "mlflow"),
    ("serving", "lab"),
    ("metrics", "gateway"),
    ("accelerators", "dcgm"),
    ("drift", "psi"),
)


def fake_context(
    access: Access = Access.READ_WRITE,
    production: bool = True,
    *,
    name: str = "prod-eu",
    every_s: float = 0.2,
    timeout_s: float = 5.0,
    alerts: bool = False,
    sources: tuple[tuple[str, str], ...] = SOURCES,
) -> ContextConfig:
    """A context over the fakes: p95 200 ms (ranker 400 ms), errors 1 %, drift 0.25, 100 samples, windows of 60 s."""
    wanted = (*sources, ("alerts", "alertmanager")) if alerts else sources
    slo = Slo(p95_s=0.2, error_ratio=0.01, drift=0.25, min_samples=100)
    ranker = Slo(p95_s=0.4, error_ratio=0.01, drift=0.25, min_samples=100)
    return ContextConfig(
        name=name,
        sources=tuple(SourceConfig(kind, one, one, every_s, timeout_s, 60.0, {}) for kind, one in wanted),
        production=production,
        access=access,
        slo=SloConfig(slo, {"lab:prod/ranker": ranker}),
        runbooks={"lab:prod/sentiment": "https://runbooks.example/sentiment"},
    )


def fake_engine(
    world: FakeWorld,
    tmp_path: Path,
    *,
    context: ContextConfig | None = None,
    access: Access = Access.READ_WRITE,
    production: bool = True,
    journal: Journal | None = None,
    timing: Timing = FAST,
) -> Engine:
    """An engine over ``world``, not started. Its journal is ``tmp_path / "journal.jsonl"`` unless one is given."""
    return Engine(
        context or fake_context(access, production),
        journal or Journal(tmp_path / "journal.jsonl"),
        clock=world.clock,
        factory=fake_factory(world),
        source=CountedSource,
        timing=timing,
    )


@contextmanager
def running(
    world: FakeWorld,
    tmp_path: Path,
    *,
    context: ContextConfig | None = None,
    access: Access = Access.READ_WRITE,
    production: bool = True,
    timing: Timing = FAST,
    loaded: bool = True,
    watched: bool = False,
) -> Iterator[Engine]:
    """A started engine, with every source read once (unless ``loaded`` is false); stopped at the end. ``watched``:
    somebody has subscribed before it starts, as the app does."""
    engine = fake_engine(world, tmp_path, context=context, access=access, production=production, timing=timing)
    if watched:
        engine.subscribe(lambda view: None)
    engine.start()
    try:
        if loaded:
            eventually(engine, lambda view: view.loaded)
        yield engine
    finally:
        world.let_go()
        engine.stop(grace_s=2.0)


def eventually(engine: Engine, condition: Callable[[View], bool], timeout_s: float = 10.0) -> View:
    """The first view that meets ``condition``.

    Raises:
        AssertionError: none did in time.
    """
    view = engine.wait_for(condition, timeout_s)
    assert view is not None, f"not in {timeout_s:g} s; the newest view is number {engine.view.number}"
    return view
