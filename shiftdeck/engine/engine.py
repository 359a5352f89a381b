"""The engine: adapters, sources and changes of one context, on threads of their own.

It publishes numbered views, of which a reader takes the newest: the engine and the user interface never wait for each
other. Clocks and sources are handed in, so that scripted or recorded sources can drive the same engine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from backends.discovery import adapter_class
from shiftdeck.changes.access import Gate
from shiftdeck.changes.manager import ChangeManager
from shiftdeck.changes.recovery import Bounds, Finding, Recovery
from shiftdeck.changes.reopening import Reopening
from shiftdeck.changes.time_known import Ages
from shiftdeck.common.clock import Clock, seconds_since_boot
from shiftdeck.config.loader import ContextConfig
from shiftdeck.engine.auxiliary_sources import AuxiliarySources
from shiftdeck.engine.initial_view import first_view
from shiftdeck.engine.view import View
from shiftdeck.fleet.joiner import Joiner
from shiftdeck.fleet.share_watch import ShareWatch
from shiftdeck.fleet.view import FleetView, outdated
from shiftdeck.journal.journal import Journal
from shiftdeck.source_kinds.answers import AskedImage
from shiftdeck.source_kinds.table import IMAGES, SERVING, source_kind
from shiftdeck.sources.adapters import AdapterFactory, Adapters, asked_images
from shiftdeck.sources.forgotten import Forgotten
from shiftdeck.sources.poll_interval import CHARTS, Visibility, interval_s
from shiftdeck.sources.polled_source import PolledSource
from shiftdeck.sources.protocol import Source, SourceFactory
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceState, SourceStatus
from shiftdeck.sources.text_gate import shown

if TYPE_CHECKING:
    from backends.contracts import Adapter, Change, Endpoint, EndpointRef
    from shiftdeck.changes.kind import P, Planned
    from shiftdeck.changes.plan import AliasMove, Plan
    from shiftdeck.changes.release_memory import Memory
    from shiftdeck.changes.run import Run
    from shiftdeck.changes.timing import Timing

__all__ = ["AdapterFactory", "Engine"]

TICK_S = 1.0
"""A view is made at least this often: ages grow and sources turn stale while no source answers."""

PAUSED_TICK_S = 5.0
"""The same while the engine is paused, no change is under way and no arming is about to end."""

SERVING_FIRST_S = 0.25
"""At the start the other sources wait at most this long for the serving ones, if there is a subscriber."""

DRAWN_S = 0.05
"""The other sources then wait this long, so that a screen that has subscribed can draw the first endpoints."""

GAP_S = 0.1
"""Answers that come closer together than this share one view."""

FIRST_GAP_S = 0.02
"""The gap after the first answer of any source, and until the serving ones have answered: at the start the operator
waits for each answer."""

REST = 3.0
MAX_REST_S = 2.0
"""After a view that took long to make (of thousands of endpoints, say), the thread rests ``REST`` times as long, up to
``MAX_REST_S``."""


class Engine:
    """Everything about one context. ``start`` returns at once; ``stop`` gives changes under way time to finish.

    ``clock`` measures ages and durations, and dates what is shown; ``monotonic`` measures waits. ``factory`` gives the
    class of an adapter by kind and name. ``source`` makes each source.
    """

    def __init__(
        self,
        context: ContextConfig,
        journal: Journal,
        *,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = seconds_since_boot,
        factory: AdapterFactory = adapter_class,
        source: SourceFactory = PolledSource,
        timing: Timing | None = None,
    ) -> None:
        self.context = context
        self.journal = journal
        self._clock = clock = clock or Clock()
        self._monotonic = monotonic
        self._new_source = source
        self._adapters = Adapters(
            context, factory, clock, lambda *source: self._sources[source].nudge(), Forgotten(journal.path)
        )
        self.gate = Gate(context, clock)
        self._joiner = Joiner(context)
        self._shares = ShareWatch(context, clock)
        self._joining = threading.Lock()
        self._event = threading.Event()
        self._published = threading.Condition()
        self._stopping = threading.Event()
        self._paused = False
        self._visibility = Visibility()
        self._listeners: list[Callable[[View], None]] = []
        self.changes = ChangeManager(
            context, journal, self._adapters, self.gate.refusal, clock=clock, timing=timing, moved=self._moved
        )
        bounds = Bounds(lambda: self.changes.timing, Ages(clock), self.gate.refusal)
        self._recovery = Recovery(journal, context.name, lambda: self.changes.kinds, self._event.set, bounds)
        self._reopening = Reopening(journal, context.name, lambda: self.changes.kinds, self._reopened, self._event.set)
        self._defect: SourceStatus | None = None
        self._known_images: frozenset[AskedImage] = frozenset()
        self._sources: dict[tuple[str, str], Source[object]] = {}
        self._build_sources()
        self._auxiliary = AuxiliarySources(
            self._adapters,
            journal,
            source,
            clock=clock,
            view=lambda: self._view,
            changed=self._event.set,
            memory=self._remember,
        )
        self._view = first_view(context, clock)
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        for (kind, _), source in self._sources.items():
            if source_kind(kind).starts_first:
                source.start()
        self._thread.start()

    def stop(self, grace_s: float = 10.0) -> tuple[Run[Any], ...]:
        """Stop the engine. Changes under way get ``grace_s`` seconds. Returns the runs that are still without an
        outcome; the next start resolves them."""
        self.changes.end(grace_s)
        self._stopping.set()
        self._event.set()
        for source in (*self._sources.values(), *self._auxiliary.sources):
            source.stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2.0)
        self._adapters.close()
        return tuple(run for run in self.runs() if not run.done)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def view(self) -> View:
        """The newest view."""
        return self._view

    def subscribe(self, listener: Callable[[View], None]) -> Callable[[], None]:
        """Have ``listener`` called with each new view, on the engine's thread; it must return at once. Returns a
        function that ends this."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def wait_for(self, condition: Callable[[View], bool], timeout_s: float) -> View | None:
        """The first view that meets ``condition``, or ``None`` when none came in time."""
        deadline = self._monotonic() + timeout_s
        with self._published:
            while not condition(self._view):
                left = deadline - self._monotonic()
                if left <= 0 or not self._published.wait(left):
                    return self._view if condition(self._view) else None
            return self._view

    def focus(self, ref: EndpointRef | None) -> None:
        """Read the charts and the drift history of this endpoint; ``None`` ends that."""
        self._auxiliary.focus(ref)

    @property
    def chart_window_s(self) -> float:
        """How far back charts go."""
        return self._auxiliary.chart_window_s

    @chart_window_s.setter
    def chart_window_s(self, seconds: float) -> None:
        self._auxiliary.chart_window_s = seconds

    def refresh(self, name: str | None = None) -> None:
        """Poll all sources, or the one of that name, now."""
        for source in self._sources.values():
            if name in (None, source.name):
                source.refresh()

    def pause(self, paused: bool) -> None:
        """Stop polling, or go on. A change under way is observed all the same."""
        self._paused = paused
        for source in self._sources.values():
            source.pause(paused)
        self._auxiliary.pause(paused)
        self._event.set()

    def set_visibility(self, visibility: Visibility) -> None:
        """Set what is visible. Sources that are not visible are polled less often, as configured."""
        if visibility != self._visibility:
            self._visibility = visibility
            self._set_intervals()

    def _set_intervals(self) -> None:
        busy = any(not run.done for run in self.runs())
        visibility = Visibility() if busy else self._visibility
        sources: list[tuple[str, Source[Any]]] = [(CHARTS, self._auxiliary.charts)]
        sources += ((kind, source) for (kind, _), source in self._sources.items())
        for kind, source in sources:
            source.set_interval(interval_s(kind, source.usual_s, visibility, self.context.refresh))

    # ── what may be changed ─────────────────────────────────────────────────────────────────────────────────────

    def arm(self, seconds: float | None = None) -> None:
        """Allow changes for ``seconds`` (default: as configured), if the context can be armed. A read-write context
        that was disarmed, and is armed without ``seconds``, is read-write again without a time limit.

        Raises:
            Rejected: the context is read-only.
        """
        self.gate.arm(seconds)
        self._event.set()

    def disarm(self) -> None:
        """Make the context read-only until it is armed again. This works in a read-write context too."""
        self.gate.disarm()
        self._event.set()

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────

    def plan(
        self,
        ref: EndpointRef,
        change: Change,
        *,
        move_alias: bool = True,
        alias_back: AliasMove | None = None,
        unnamed: bool = False,
    ) -> Plan:
        """The plan of a change, against the endpoint as it is now. It reads the endpoint, so do not call it on the UI's
        thread. If the change undoes a plan, ``alias_back`` is that of the plan. ``unnamed``: the operator asked for the
        last good release and did not name it; where somebody has just gone back, the plan is blocked.

        Raises:
            BackendError: the endpoint is not known, or cannot be read.
        """
        view = self._look()
        return self.changes.plan(
            view, view.arming, ref, change, move_alias=move_alias, alias_back=alias_back, unnamed=unnamed
        )

    def execute(self, plan: Planned, *, reason: str, override: str = "") -> threading.Thread:
        """Carry a plan of any kind out on a thread of its own; its run is in every view from now on.
        ``override`` is the reason for going on although checks block, or "" for none.

        Raises:
            Rejected: the plan was carried out before, or the engine is stopping.
        """
        thread = self.changes.execute(plan, reason=reason, override=override, then=self.refresh)
        self._set_intervals()
        self._event.set()
        return thread

    def carry_out(self, plan: P, *, reason: str, override: str = "") -> Run[P]:
        """Carry a plan out, wait until it ends, and return its run. The run has no outcome if the program ended first.
        May block: not for the UI's thread.

        Raises:
            Rejected: as ``execute``.
        """
        self.execute(plan, reason=reason, override=override).join()
        run = self.run_of(plan)
        assert run is not None
        return run

    def runs(self) -> tuple[Run[Any], ...]:
        """All runs as they are now, whether or not a view shows them yet; the oldest first."""
        return self.changes.runs()

    def run_of(self, plan: Planned) -> Run[Any] | None:
        """The run of that plan as it is now, whether or not a view shows it yet."""
        return self.changes.run_of(plan)

    def _remember(self, endpoints: Iterable[Endpoint]) -> Mapping[str, Memory]:
        self.changes.memory.saw(endpoints)
        return self.changes.memory.read()

    def _moved(self, run: Run[Any]) -> None:
        self._event.set()
        if run.done:
            self._auxiliary.journal.refresh()
            self._set_intervals()

    def set_drill(self, name: str, running: bool) -> None:
        """Start or end a drill.

        Raises:
            BackendError: no rehearsal world is configured, or it refuses.
        """
        self._auxiliary.set_drill(name, running)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What became of the changes that had no outcome, and of those whose outcome was reopened, oldest first."""
        return shown(self._recovery.findings)

    @property
    def has_looked_back(self) -> bool:
        """Whether the changes that an earlier process left, or ended by a look, have been looked at once."""
        return self._recovery.attempted and self._reopening.has_looked

    def _reopened(self, finding: Finding) -> None:
        from shiftdeck.changes.run import Outcome

        assert finding.outcome is not None
        self._recovery.add(finding)
        self.changes.reopened(finding.entry.seq, Outcome(finding.outcome, finding.message))
        self._auxiliary.journal.refresh()
        self._event.set()

    def adapter(self, kind: str, name: str) -> Adapter:
        """The adapter behind a source; made on first use.

        Raises:
            LookupError: no such source is configured, or the engine has stopped.
        """
        return self._adapters.get(kind, name)

    # ── sources ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _build_sources(self) -> None:
        looked_up = bool(self.context.of_kind(IMAGES.name))
        for one in self.context.sources:
            self._sources[one.kind, one.name] = self._new_source(
                changed=self._serving_changed if looked_up and one.kind == SERVING.name else self._event.set,
                name=one.name,
                kind=one.kind,
                adapter=one.adapter,
                every_s=one.every_s,
                timeout_s=one.timeout_s,
                poll=self._adapters.poll(one, self._served),
                clock=self._clock,
            )

    def _serving_changed(self) -> None:
        """A serving system has answered: look up images that are new in its answer before the next turn."""
        images = self._asked_images()
        news, self._known_images = not self._known_images.issuperset(images), frozenset(images)
        if news:
            for (kind, _), source in self._sources.items():
                if kind == IMAGES.name:
                    source.nudge()
        self._event.set()

    def _asked_images(self) -> tuple[AskedImage, ...]:
        """The images that variants were asked to run, as the last good answers have them."""
        return asked_images(self._served())

    def _served(self) -> Iterable[Endpoint]:
        """The endpoints, as the last good answers have them."""
        served = (
            cast("tuple[Endpoint, ...]", source.snapshot().value or ())
            for (kind, _), source in self._sources.items()
            if kind == SERVING.name
        )
        return chain.from_iterable(served)

    # ── views ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _readings(self) -> Readings:
        tables: dict[str, dict[str, Snapshot[object]]] = {}
        for (kind, name), source in self._sources.items():
            tables.setdefault(kind, {})[name] = source.snapshot()
        return Readings(tables)

    def _join(self) -> FleetView:
        with self._joining:
            self._clock.follow()  # nowhere else, so that all ages of one view follow from the same wall clock
            try:
                return self._shares.extended(self._joiner.view(self._readings(), self._clock.wall()))
            except Exception:
                # The joiner has taken answers that it did not join, so the next join starts from nothing.
                self._joiner = Joiner(self.context)
                raise

    def _build_view(self) -> View:
        return replace(
            self._auxiliary.view(self._join(), self.gate.state()),
            number=self._view.number + 1,
            runs=self.runs(),
            unfinished=shown(self._recovery.unfinished),
            findings=self.findings,
            paused=self._paused,
            clock_jump=self._clock.jump,
        )

    def _look(self) -> View:
        """A view of this moment. Where a defect prevents one, the last view with nothing fresh in it: a screen that
        stands still must not look healthy, and the way back must stay open."""
        try:
            view = self._build_view()
        except Exception as error:  # noqa: BLE001 - one odd answer must not end the engine's thread
            now = self._clock.wall()
            status = self._defect or SourceStatus(
                "engine", "engine", "", SourceState.MALFORMED, self._view.at, now, TICK_S
            )
            words = f"no view can be made: {type(error).__name__}: {error}"
            self._defect = status = replace(status, error=words, hint="please report it")
            runs, sources = self.runs(), (*self._readings().statuses(), status)
            old = outdated(self._view, status, now)
            return replace(old, sources=sources, runs=runs, arming=self.gate.state(), paused=self._paused)
        self._defect = None
        return view

    def _tick_s(self) -> float:
        live = self.gate.state().until is not None or any(not run.done for run in self.runs())
        return PAUSED_TICK_S if self._paused and not live else TICK_S

    def _start_others(self, view: View, deadline: float) -> bool:
        """Start all other sources once those that start first have answered, or at the deadline; returns whether they
        were started. The first poll of an adapter imports its SDK, and concurrent imports share the interpreter's
        lock: endpoints come first, and the screen gets a moment to draw them."""
        if view.awaits_serving and self._monotonic() < deadline:
            return False
        if view.endpoints and self._listeners:
            self._stopping.wait(DRAWN_S)
        if self._stopping.is_set():
            return True
        for (kind, _), source in self._sources.items():
            if not source_kind(kind).starts_first:
                source.start()
        for auxiliary in self._auxiliary.sources:
            auxiliary.start()
        return True

    def _run(self) -> None:
        starting, all_asked = len(self._sources), False
        deadline = self._monotonic() + (SERVING_FIRST_S if self._listeners else 0.0)
        while not self._stopping.is_set():
            self._recovery.tend()
            if all_asked or self._view.awaits_serving:
                self._event.wait(self._tick_s() if all_asked else max(0.0, deadline - self._monotonic()))
            self._event.clear()
            began = self._monotonic()
            view = self._look()
            took = self._monotonic() - began
            with self._published:
                self._view = view
                self._published.notify_all()
            self._reopening.tend(view)
            for listener in list(self._listeners):
                with suppress(Exception):  # a listener that fails must not end the engine's thread
                    listener(view)
            all_asked = all_asked or self._start_others(view, deadline)
            starting, before = sum(one.state is SourceState.STARTING for one in view.sources), starting
            # Without a subscriber, the caller waits until all sources have answered.
            awaited = view.awaits_serving or (starting > 0 and not self._listeners)
            gap_s = FIRST_GAP_S if starting < before or awaited else GAP_S
            self._stopping.wait(max(gap_s, min(REST * took, MAX_REST_S)))
