"""The engine: adapters, sources and changes of one context, on threads of their own.

The user interface never waits for it and it never waits for the user interface: it publishes numbered views, of which
a reader takes the newest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from backends.contracts import Adapter, Change, Endpoint, EndpointRef
from backends.discovery import adapter_class
from shiftdeck.changes.access import Gate
from shiftdeck.changes.manager import ChangeManager
from shiftdeck.changes.recovery import Finding, Recovery
from shiftdeck.changes.run import Run
from shiftdeck.config.loader import ContextConfig
from shiftdeck.engine.auxiliary_sources import Asides
from shiftdeck.engine.initial_view import first_view
from shiftdeck.engine.view import View
from shiftdeck.fleet.joiner import Joiner
from shiftdeck.fleet.view import FleetView, outdated
from shiftdeck.journal.journal import Journal
from shiftdeck.sources.adapters import AdapterFactory, Adapters, Asked, images_of
from shiftdeck.sources.poll_interval import Attention, interval_s
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, Source, SourceState, SourceStatus

if TYPE_CHECKING:
    from shiftdeck.changes.executor import Timing
    from shiftdeck.changes.kind import P, Planned
    from shiftdeck.changes.plan import AliasMove, Plan

__all__ = ["LATER", "AdapterFactory", "Engine"]

LATER = (
    "shiftdeck.changes.planner",
    "shiftdeck.changes.dry_run",
    "shiftdeck.changes.advisory_lock",
    "shiftdeck.changes.kinds",
)
"""Modules that changes take and views do not: best imported when all sources have been read."""

TICK_S = 1.0
"""Ages grow and sources turn stale even when nothing answers, so a view is made at least this often."""

PAUSED_TICK_S = 5.0
"""While nothing is asked, and nothing is under way."""

SERVING_FIRST_S = 0.25
"""At most so long do the other sources wait for the serving ones at the start."""

DRAWN_S = 0.05
"""And so long for somebody to draw what these have answered."""

GAP_S = 0.1
"""Answers that come closer together than this share one view."""

FIRST_GAP_S = 0.02
"""After the first answer of a source, and before that of a serving one: at the start somebody waits for the next."""

REST = 3.0
MAX_REST_S = 2.0
"""After a view that took long to make, as of thousands of endpoints, the thread rests this many times as long."""


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
        self._adapters = Adapters(context, factory, clock, lambda *source: self._sources[source].nudge())
        self.gate = Gate(context, clock)
        self._joiner = Joiner(context)
        self._joining = threading.Lock()
        self._event = threading.Event()
        self._published = threading.Condition()
        self._stopping = threading.Event()
        self._paused = False
        self._attention = Attention()
        self._listeners: list[Callable[[View], None]] = []
        self.changes = ChangeManager(
            context, journal, self._adapters, self.gate.refusal, clock=clock, timing=timing, moved=self._moved
        )
        self._recovery = Recovery(journal, context.name, lambda: self.changes.kinds, self._event.set)
        self._defect: SourceStatus | None = None
        self._known_images: frozenset[Asked] = frozenset()
        self._sources: dict[tuple[str, str], Source[object]] = {}
        self._build_sources()
        self._asides = Asides(self._adapters, journal, clock=clock, view=lambda: self._view, changed=self._event.set)
        self._view = first_view(context, clock())
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        for (kind, _), source in self._sources.items():
            if kind == "serving":
                source.start()
        self._thread.start()

    def stop(self, grace_s: float = 10.0) -> tuple[Run[Any], ...]:
        """End. Changes under way get ``grace_s`` seconds; returns those that are still without an outcome, which the
        next start resolves."""
        self.changes.end(grace_s)
        self._stopping.set()
        self._event.set()
        for source in (*self._sources.values(), *self._asides.sources):
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
        deadline = time.monotonic() + timeout_s
        with self._published:
            while not condition(self._view):
                left = deadline - time.monotonic()
                if left <= 0 or not self._published.wait(left):
                    return self._view if condition(self._view) else None
            return self._view

    def focus(self, ref: EndpointRef | None) -> None:
        """Read the history of this endpoint too, for charts; ``None`` ends it."""
        self._asides.focus(ref)

    @property
    def chart_window_s(self) -> float:
        """How far back charts go."""
        return self._asides.chart_window_s

    @chart_window_s.setter
    def chart_window_s(self, seconds: float) -> None:
        self._asides.chart_window_s = seconds

    def refresh(self, name: str | None = None) -> None:
        """Ask all sources, or the one of that name, now."""
        for source in self._sources.values():
            if name in (None, source.name):
                source.refresh()

    def pause(self, paused: bool) -> None:
        """Stop asking all sources, or go on. A change under way is observed all the same."""
        self._paused = paused
        for source in self._sources.values():
            source.pause(paused)
        self._asides.pause(paused)
        self._event.set()

    def attend(self, attention: Attention) -> None:
        """What is looked at from now on: the rest is asked less often, as the configuration has it."""
        if attention != self._attention:
            self._attention = attention
            self._pace()

    def _pace(self) -> None:
        busy = any(not run.done for run in self.runs())
        attention = Attention() if busy else self._attention
        paced: list[tuple[str, Source[Any]]] = [("charts", self._asides.charts)]
        paced += ((kind, source) for (kind, _), source in self._sources.items())
        for kind, source in paced:
            source.pace(interval_s(kind, source.usual_s, attention, self.context.refresh))

    # ── what may be changed ─────────────────────────────────────────────────────────────────────────────────────

    def arm(self, seconds: float | None = None) -> None:
        """Allow changes for ``seconds`` (default: as configured), where the context can be armed. A read-write context
        that was disarmed is as it was again.

        Raises:
            Rejected: the context is read-only.
        """
        self.gate.arm(seconds)
        self._event.set()

    def disarm(self) -> None:
        """Back to read-only, also in a read-write context, until armed again."""
        self.gate.disarm()
        self._event.set()

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────

    def plan(
        self, ref: EndpointRef, change: Change, *, move_alias: bool = True, alias_back: AliasMove | None = None
    ) -> Plan:
        """Work a change out against the endpoint as it is now: reads it, so call this off the UI's thread. Where it
        undoes a plan, ``alias_back`` is that plan's.

        Raises:
            BackendError: the endpoint is not known, or cannot be read.
        """
        view = self._look()
        return self.changes.plan(view, view.arming, ref, change, move_alias=move_alias, alias_back=alias_back)

    def execute(self, plan: Planned, *, reason: str, override: str = "") -> threading.Thread:
        """Carry a plan of any kind out on a thread of its own; its run is in every view from now on.
        ``override`` is the reason for going on although checks block, or "" for none.

        Raises:
            Rejected: the plan was carried out before, or the engine is stopping.
        """
        thread = self.changes.execute(plan, reason=reason, override=override, then=self.refresh)
        self._pace()
        self._event.set()
        return thread

    def carry_out(self, plan: P, *, reason: str, override: str = "") -> Run[P]:
        """Carry a plan out and wait until it ends; returns its run, without an outcome where the program ended first.
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

    def _moved(self, run: Run[Any]) -> None:
        self._event.set()
        if run.done:
            self._asides.journal.refresh()
            self._pace()

    def set_drill(self, name: str, running: bool) -> None:
        """Start or end a drill.

        Raises:
            BackendError: no rehearsal world is configured, or it refuses.
        """
        self._asides.set_drill(name, running)

    def resolve_unfinished(self) -> tuple[Finding, ...]:
        """Resolve changes without an outcome as far as their endpoints can be read. Raises ``JournalError``."""
        return self._recovery.resolve()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What became of the changes that had no outcome, oldest first."""
        return self._recovery.findings

    def adapter(self, kind: str, name: str) -> Adapter:
        """The adapter behind a source; made on first use.

        Raises:
            LookupError: no such source is configured, or the engine has stopped.
        """
        return self._adapters.get(kind, name)

    # ── sources ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _build_sources(self) -> None:
        looked_up = bool(self.context.of_kind("images"))
        for one in self.context.sources:
            self._sources[one.kind, one.name] = Source(
                changed=self._served if looked_up and one.kind == "serving" else self._event.set,
                name=one.name,
                kind=one.kind,
                adapter=one.adapter,
                every_s=one.every_s,
                timeout_s=one.timeout_s,
                poll=self._adapters.question(one, self._images),
                clock=self._clock,
            )

    def _served(self) -> None:
        """A serving system has answered: images that nobody has looked up yet are not left until the next turn."""
        images = self._images()
        news, self._known_images = not self._known_images.issuperset(images), frozenset(images)
        if news:
            for (kind, _), source in self._sources.items():
                if kind == "images":
                    source.nudge()
        self._event.set()

    def _images(self) -> tuple[Asked, ...]:
        """The images that variants were asked to run, as the last good answers have them."""
        served = (
            cast("tuple[Endpoint, ...]", source.snapshot().value or ())
            for (kind, _), source in self._sources.items()
            if kind == "serving"
        )
        return images_of(chain.from_iterable(served))

    # ── views ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _readings(self) -> Readings:
        tables: dict[str, dict[str, Snapshot[object]]] = {}
        for (kind, name), source in self._sources.items():
            tables.setdefault(kind, {})[name] = source.snapshot()
        return Readings(**tables)  # type: ignore[arg-type]  # each kind's source holds that kind's answers

    def _join(self, now: float) -> FleetView:
        with self._joining:
            try:
                return self._joiner.view(self._readings(), now)
            except Exception:
                # It has taken answers that it did not join: the next one begins from nothing.
                self._joiner = Joiner(self.context)
                raise

    def _build_view(self) -> View:
        return replace(
            self._asides.into(self._join(self._clock()), self.gate.state()),
            number=self._view.number + 1,
            runs=self.runs(),
            unfinished=self._recovery.unfinished,
            paused=self._paused,
        )

    def _look(self) -> View:
        """A view of this very moment. Where a defect keeps it from being made, the last one, with nothing fresh in it:
        a screen that stands still must not look well, and the way back must stay open."""
        try:
            view = self._build_view()
        except Exception as error:  # noqa: BLE001 - one odd answer must not end the engine's thread
            now = self._clock()
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
        """All sources but the serving ones, once these have answered, or at the deadline. An adapter that is asked for
        the first time imports its SDK, and all that is imported at once shares the interpreter's lock: endpoints come
        first, and whoever draws them has it for a moment. Tells whether they were started."""
        if view.awaits_serving and time.monotonic() < deadline:
            return False
        if view.endpoints:
            self._stopping.wait(DRAWN_S)
        if self._stopping.is_set():
            return True
        for (kind, _), source in self._sources.items():
            if kind != "serving":
                source.start()
        for aside in self._asides.sources:
            aside.start()
        return True

    def _run(self) -> None:
        starting, all_asked = len(self._sources), False
        deadline = time.monotonic() + SERVING_FIRST_S
        while not self._stopping.is_set():
            self._recovery.tend()
            if all_asked or self._view.awaits_serving:
                self._event.wait(self._tick_s() if all_asked else max(0.0, deadline - time.monotonic()))
            self._event.clear()
            began = time.monotonic()
            view = self._look()
            took = time.monotonic() - began
            with self._published:
                self._view = view
                self._published.notify_all()
            for listener in list(self._listeners):
                with suppress(Exception):  # a screen that is gone must not take the engine with it
                    listener(view)
            all_asked = all_asked or self._start_others(view, deadline)
            starting, before = sum(one.state is SourceState.STARTING for one in view.sources), starting
            gap_s = FIRST_GAP_S if starting < before or view.awaits_serving else GAP_S
            self._stopping.wait(max(gap_s, min(REST * took, MAX_REST_S)))
