"""The engine: adapters, sources and changes of one context, on threads of their own.

The user interface never waits for it and it never waits for the user interface: it publishes numbered views, of which
a reader takes the newest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from backends.contracts import (
    Accelerators,
    Adapter,
    Alerts,
    Change,
    Drift,
    Drill,
    Endpoint,
    EndpointRef,
    Metrics,
    Registry,
    Rehearsal,
    Serving,
    Wiring,
)
from backends.discovery import adapter_class
from backends.errors import BackendError, Rejected
from ops.charts import read_charts
from ops.config import Access, ContextConfig, SourceConfig
from ops.execution import Execution, Ports, Timing
from ops.fleet import Arming, Charts, FleetView, MetricsReading, Readings
from ops.joining import join, shares
from ops.journal import Entry, Journal, JournalError
from ops.planning import make_plan
from ops.plans import Plan
from ops.recovery import Finding, resolve
from ops.runs import Run
from ops.sources import Snapshot, Source

TICK_S = 1.0
"""Ages grow and sources turn stale even when nothing answers, so a view is made at least this often."""

GAP_S = 0.1
"""Answers that come closer together than this share one view."""

JOURNAL_TAIL = 50
RUNS_KEPT = 20
CHARTS_EVERY_S = 2.0
CHART_WINDOW_S = 900.0

AdapterFactory = Callable[[str, str], type[Adapter]]


class Engine:
    """Everything about one context. ``start`` returns at once; ``stop`` gives changes under way time to finish."""

    def __init__(
        self,
        context: ContextConfig,
        journal: Journal,
        *,
        clock: Callable[[], float] = time.time,
        factory: AdapterFactory = adapter_class,
        timing: Timing | None = None,
    ) -> None:
        self.context = context
        self.journal = journal
        self._clock = clock
        self._factory = factory
        self._timing = timing or Timing()
        self._lock = threading.RLock()
        self._event = threading.Event()
        self._published = threading.Condition()
        self._ending = threading.Event()
        self._stopping = False
        self._paused = False
        self._armed_until: float | None = None
        self._focus: tuple[EndpointRef, float] | None = None
        self._adapters: dict[tuple[str, str], Adapter] = {}
        self._runs: dict[str, Run] = {}
        self._threads: list[threading.Thread] = []
        self._listeners: list[Callable[[FleetView], None]] = []
        self._unfinished: tuple[Entry, ...] = ()
        self._findings: tuple[Finding, ...] = ()
        self._journal_tail: tuple[Entry, ...] = ()
        self._journal_stamp: object = None
        self._sources: dict[tuple[str, str], Source[object]] = {}
        self._hidden: dict[str, Source[object]] = {}
        self._build_sources()
        self._view = FleetView(
            0, clock(), context.name, context.production, self._arming(), sources=self._readings().statuses()
        )
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()
        for source in (*self._sources.values(), *self._hidden.values()):
            source.start()

    def stop(self, grace_s: float = 10.0) -> tuple[Run, ...]:
        """End. Changes under way get ``grace_s`` seconds; returns those that are still without an outcome, which the
        next start resolves."""
        deadline = time.monotonic() + grace_s
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._ending.set()
        for thread in list(self._threads):
            thread.join(5.0)
        self._stopping = True
        self._event.set()
        for source in (*self._sources.values(), *self._hidden.values()):
            source.stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2.0)
        with self._lock:
            adapters, self._adapters = list(self._adapters.values()), {}
        for adapter in adapters:
            adapter.close()
        return tuple(run for run in self._runs.values() if not run.done)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def view(self) -> FleetView:
        """The newest view."""
        return self._view

    def subscribe(self, listener: Callable[[FleetView], None]) -> Callable[[], None]:
        """Have ``listener`` called with each new view, on the engine's thread; it must return at once. Returns a
        function that ends this."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def wait_for(self, condition: Callable[[FleetView], bool], timeout_s: float) -> FleetView | None:
        """The first view that meets ``condition``, or ``None`` when none came in time."""
        deadline = time.monotonic() + timeout_s
        with self._published:
            while not condition(self._view):
                left = deadline - time.monotonic()
                if left <= 0 or not self._published.wait(left):
                    return self._view if condition(self._view) else None
            return self._view

    def focus(self, ref: EndpointRef | None, window_s: float = CHART_WINDOW_S) -> None:
        """Read the history of this endpoint too, for charts; ``None`` ends it."""
        wanted = None if ref is None else (ref, window_s)
        if wanted != self._focus:
            self._focus = wanted
            self._hidden["charts"].refresh()

    def refresh(self, name: str | None = None) -> None:
        """Ask all sources, or the one of that name, now."""
        for source in self._sources.values():
            if name in (None, source.name):
                source.refresh()

    def pause(self, paused: bool) -> None:
        """Stop asking all sources, or go on. A change under way is observed all the same."""
        self._paused = paused
        for source in (*self._sources.values(), *self._hidden.values()):
            source.pause(paused)
        self._event.set()

    # ── what may be changed ─────────────────────────────────────────────────────────────────────────────────────

    def arm(self, seconds: float | None = None) -> None:
        """Allow changes for ``seconds`` (default: as configured), where the context can be armed.

        Raises:
            Rejected: the context is read-only.
        """
        if self.context.access is Access.READ_ONLY:
            raise Rejected(
                f"context {self.context.name} is read-only", hint='set access = "arm" or "read-write" in its table'
            )
        self._armed_until = self._clock() + (self.context.arm_for_s if seconds is None else seconds)
        self._event.set()

    def disarm(self) -> None:
        """Back to read-only, also in a read-write context, until armed again."""
        self._armed_until = 0.0
        self._event.set()

    def _arming(self) -> Arming:
        access, until, now = self.context.access, self._armed_until, self._clock()
        if access is Access.READ_WRITE and until is None:
            return Arming(access, True)
        writable = access is not Access.READ_ONLY and until is not None and now < until
        return Arming(access if access is not Access.READ_WRITE else Access.ARM, writable, until if writable else None)

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self, ref: EndpointRef, change: Change, *, move_alias: bool = True) -> Plan:
        """Work a change out against the endpoint as it is now: reads it, so call this off the UI's thread.

        Raises:
            BackendError: the endpoint is not known, or cannot be read.
        """
        view = self._view.endpoint(ref)
        if view is None:
            raise Rejected(f"no endpoint {ref}", hint="shiftdeck status lists them")
        serving = self._serving(ref)
        fresh = serving.read(ref)
        fleet = replace(self._view, at=self._clock(), arming=self._arming())
        return make_plan(
            fleet=fleet,
            view=view,
            fresh=fresh,
            change=change,
            serving=serving,
            registries=self._registries(),
            move_alias=move_alias,
            now=self._clock(),
        )

    def execute(self, plan: Plan, *, reason: str, override: str = "") -> threading.Thread:
        """Carry a plan out on a thread of its own; its run is in every view from now on. ``override`` is the reason
        for going on although checks block, or "" for none."""
        ports = Ports(
            serving=self._serving(plan.ref),
            registries=self._registries(),
            shares=self._shares,
            journal=self.journal,
            clock=self._clock,
            ending=self._ending,
            timing=self._timing,
        )
        execution = Execution(plan, ports, self._keep, reason=reason, override=override)
        self._keep(execution.run)

        def carry_out() -> None:
            execution.carry_out()
            self.refresh()

        # Not a daemon: the interpreter must not end under a change.
        thread = threading.Thread(target=carry_out, name=f"change-{plan.id}")
        self._threads = [other for other in self._threads if other.is_alive()]
        self._threads.append(thread)
        thread.start()
        return thread

    def run_of(self, plan: Plan) -> Run | None:
        """The run of that plan as it is now, whether or not a view shows it yet."""
        return self._runs.get(plan.id)

    def set_drill(self, name: str, running: bool) -> None:
        """Start or end a drill.

        Raises:
            BackendError: no rehearsal world is configured, or it refuses.
        """
        for adapter in self._of_kind("serving"):
            if isinstance(adapter, Rehearsal):
                adapter.set_drill(name, running)
                self._hidden["drills"].refresh()
                return
        raise Rejected("drills are for the lab only", hint="shiftdeck demo")

    def resolve_unfinished(self) -> tuple[Finding, ...]:
        """Resolve changes that an earlier process left without an outcome, as far as their endpoints can be read.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        findings = resolve(self.journal, self.context.name, lambda ref: self._serving(ref).read(ref))
        self._unfinished = tuple(finding.entry for finding in findings if finding.outcome is None)
        self._event.set()
        return findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What became of the changes that were found without an outcome at the start."""
        return self._findings

    def adapter(self, kind: str, name: str) -> Adapter:
        """The adapter behind a source; made on first use.

        Raises:
            LookupError: no such source is configured.
        """
        with self._lock:
            made = self._adapters.get((kind, name))
            if made is None:
                config = next((one for one in self.context.sources if (one.kind, one.name) == (kind, name)), None)
                if config is None:
                    raise LookupError(f"no source {name!r} of kind {kind} in context {self.context.name}")
                made = self._make(config)
                self._adapters[kind, name] = made
            return made

    # ── sources ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _make(self, config: SourceConfig) -> Adapter:
        cls = cast("Callable[[Wiring], Adapter]", self._factory(config.kind, config.adapter))
        options = {**config.options, "timeout": config.timeout_s}
        return cls(Wiring(config.name, options, self.adapter, self._clock))

    def _build_sources(self) -> None:
        for config in self.context.sources:
            self._sources[config.kind, config.name] = self._source(
                config.name, config.kind, config.adapter, config.every_s, config.timeout_s, self._question(config)
            )
        self._hidden["charts"] = self._source("charts", "hidden", "", CHARTS_EVERY_S, 10.0, self._poll_charts)
        self._hidden["drills"] = self._source("drills", "hidden", "", 2.0, 5.0, self._poll_drills)

    def _source(
        self, name: str, kind: str, adapter: str, every_s: float, timeout_s: float, poll: Callable[[], object]
    ) -> Source[object]:
        return Source(
            name=name,
            kind=kind,
            adapter=adapter,
            every_s=every_s,
            timeout_s=timeout_s,
            poll=poll,
            clock=self._clock,
            changed=self._event.set,
        )

    def _question(self, config: SourceConfig) -> Callable[[], object]:
        """What a source of that kind asks its adapter."""

        def ask() -> object:
            adapter = self.adapter(config.kind, config.name)
            match config.kind:
                case "serving":
                    return cast("Serving", adapter).endpoints()
                case "registries":
                    return cast("Registry", adapter).versions()
                case "metrics":
                    metrics = cast("Metrics", adapter)
                    return MetricsReading(metrics.current(config.window_s), metrics.current(config.share_window_s))
                case "accelerators":
                    return cast("Accelerators", adapter).gpus()
                case "drift":
                    return cast("Drift", adapter).scores()
                case _:
                    return cast("Alerts", adapter).alerts()

        return ask

    def _of_kind(self, kind: str) -> tuple[Adapter, ...]:
        return tuple(self.adapter(kind, config.name) for config in self.context.sources if config.kind == kind)

    def _serving(self, ref: EndpointRef) -> Serving:
        try:
            return cast("Serving", self.adapter("serving", ref.backend))
        except LookupError as error:
            raise Rejected(str(error)) from None

    def _registries(self) -> Mapping[str, Registry]:
        names = [config.name for config in self.context.sources if config.kind == "registries"]
        return {name: cast("Registry", self.adapter("registries", name)) for name in names}

    def _shares(self, endpoint: Endpoint) -> Mapping[str, float] | None:
        """Measured percent by variant over the short window, asked now; ``None`` where no metrics can tell."""
        for config in self.context.sources:
            if config.kind != "metrics":
                continue
            metrics = cast("Metrics", self.adapter(config.kind, config.name))
            try:
                recent = metrics.current(config.share_window_s)
            except BackendError:
                continue
            found = shares(endpoint, {one.subject: one for one in recent if not one.mirrored})
            if found:
                return found
        return None

    def _poll_charts(self) -> Charts | None:
        focus = self._focus
        view = self._view.endpoint(focus[0]) if focus else None
        sources = [config for config in self.context.sources if config.kind == "metrics"]
        if focus is None or view is None or not sources:
            return None
        metrics = cast("Metrics", self.adapter("metrics", sources[0].name))
        return read_charts(metrics, view, focus[1], self._clock())

    def _poll_drills(self) -> tuple[Drill, ...]:
        return tuple(
            drill
            for adapter in self._of_kind("serving")
            if isinstance(adapter, Rehearsal)
            for drill in adapter.drills()
        )

    # ── views ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _keep(self, run: Run) -> None:
        with self._lock:
            self._runs[run.plan.id] = run
            finished = [plan for plan, kept in self._runs.items() if kept.done]
            for plan in finished[:-RUNS_KEPT]:
                del self._runs[plan]
        self._event.set()

    def _readings(self) -> Readings:
        tables: dict[str, dict[str, Snapshot[object]]] = {}
        for (kind, name), source in self._sources.items():
            tables.setdefault(kind, {})[name] = source.snapshot()
        return Readings(**tables)  # type: ignore[arg-type]  # each kind's source holds that kind's answers

    def _build_view(self) -> FleetView:
        now = self._clock()
        readings = self._readings()
        endpoints, unjoined = join(self.context, readings, now)
        charts = self._hidden["charts"].snapshot().value
        drills = self._hidden["drills"].snapshot().value
        return FleetView(
            number=self._view.number + 1,
            at=now,
            context=self.context.name,
            production=self.context.production,
            arming=self._arming(),
            sources=readings.statuses(),
            endpoints=endpoints,
            versions=tuple(v for snapshot in readings.registries.values() for v in snapshot.value or ()),
            gpus=tuple(g for snapshot in readings.accelerators.values() for g in snapshot.value or ()),
            drift=tuple(s for snapshot in readings.drift.values() for s in snapshot.value or ()),
            alerts=tuple(a for snapshot in readings.alerts.values() for a in snapshot.value or ()),
            unjoined=unjoined,
            charts=cast("Charts | None", charts),
            runs=tuple(self._runs.values()),
            journal=self._read_journal(),
            unfinished=self._unfinished,
            drills=cast("tuple[Drill, ...]", drills or ()),
            paused=self._paused,
        )

    def _read_journal(self) -> tuple[Entry, ...]:
        stamp = self.journal.stamp()
        if stamp != self._journal_stamp:
            try:
                self._journal_tail = self.journal.tail(JOURNAL_TAIL)
            except JournalError:
                return self._journal_tail
            self._journal_stamp = stamp
        return self._journal_tail

    def _recover(self) -> None:
        try:
            self._findings = self.resolve_unfinished()
        except JournalError:
            self._findings = ()

    def _run(self) -> None:
        recovery = threading.Thread(target=self._recover, name="recovery", daemon=True)
        recovery.start()
        while not self._stopping:
            self._event.wait(TICK_S)
            self._event.clear()
            view = self._build_view()
            with self._published:
                self._view = view
                self._published.notify_all()
            for listener in list(self._listeners):
                listener(view)
            # A short rest lets answers that arrive together share the next view.
            self._ending.wait(GAP_S)
