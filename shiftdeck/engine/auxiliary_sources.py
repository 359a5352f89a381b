"""What is asked beside the sources of the configuration, and shown in no list of them: the charts and the past of the
endpoint in focus, the drills of a rehearsal world, the end of the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar, cast

from backends.contracts import Drill, EndpointRef, Metrics, Rehearsal
from backends.errors import Rejected
from shiftdeck.changes.access import Arming
from shiftdeck.engine.view import View, view_of
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.fleet.view import FleetView
from shiftdeck.history.charts import CHART_WINDOWS_S, Charts, read_charts, still_good
from shiftdeck.history.drift_history import Recall, Recalled
from shiftdeck.journal.journal import Entry, Journal
from shiftdeck.sources.adapters import Adapters
from shiftdeck.sources.incremental import kept
from shiftdeck.sources.source import Source

T = TypeVar("T")

JOURNAL_TAIL = 50
TIMEOUT_S = 10.0


class Asides:
    """Each is a source of its own. ``view`` gives the newest view, ``changed`` is called when one has answered."""

    def __init__(
        self,
        adapters: Adapters,
        journal: Journal,
        *,
        clock: Callable[[], float],
        view: Callable[[], View],
        changed: Callable[[], None],
    ) -> None:
        self._adapters = adapters
        self._written = journal
        self._clock = clock
        self._view = view
        self._recall = Recall(lambda: adapters.named("drift"), clock)
        self._focus: EndpointRef | None = None
        self._chart_window_s = CHART_WINDOWS_S[0]
        self._tail: tuple[Entry, ...] = ()
        self._stamp: object = None

        def asked(name: str, every_s: float, poll: Callable[[], T]) -> Source[T]:
            return Source(
                name=name,
                kind="hidden",
                adapter="",
                every_s=every_s,
                timeout_s=TIMEOUT_S,
                poll=poll,
                clock=clock,
                changed=changed,
            )

        self.charts = asked("charts", 2.0, self._read_charts)
        self.drills = asked("drills", 2.0, self._read_drills)
        self.journal = asked("journal", 1.0, self._read_journal)
        self.past = asked("past", 3.0, self._read_past)
        self.sources: tuple[Source[Any], ...] = (self.charts, self.drills, self.journal, self.past)

    def pause(self, paused: bool) -> None:
        """The journal is on this machine: it is read all the same."""
        for source in (self.charts, self.drills, self.past):
            source.pause(paused)

    def focus(self, ref: EndpointRef | None) -> None:
        """Whose charts and past are read; ``None``: nobody's."""
        if ref != self._focus:
            self._focus = ref
            self._refresh()

    @property
    def chart_window_s(self) -> float:
        """How far back charts go."""
        return self._chart_window_s

    @chart_window_s.setter
    def chart_window_s(self, seconds: float) -> None:
        if seconds != self._chart_window_s:
            self._chart_window_s = seconds
            self._refresh()

    def _refresh(self) -> None:
        self.charts.refresh()
        self.past.refresh()

    def set_drill(self, name: str, running: bool) -> None:
        """Start or end a drill.

        Raises:
            BackendError: no rehearsal world is configured, or it refuses.
        """
        for rehearsal in self._rehearsals():
            rehearsal.set_drill(name, running)
            self.drills.refresh()
            return
        raise Rejected("drills are for the lab only", hint="shiftdeck demo")

    def into(self, fleet: FleetView, arming: Arming) -> View:
        """The view of a fleet with all that they have answered."""
        past = self.past.snapshot().value
        return replace(
            view_of(self._recall.into(fleet, past), arming),
            recalled=past,
            charts=self.charts.snapshot().value,
            drills=self.drills.snapshot().value or (),
            journal=self.journal.snapshot().value or (),
        )

    def _focused(self) -> EndpointView | None:
        return self._view().endpoint(self._focus) if self._focus is not None else None

    def _read_charts(self) -> Charts | None:
        view = self._focused()
        source = view.metrics_source if view is not None else None
        if view is None or source is None:
            return None
        window_s, now = self._chart_window_s, self._clock()
        last = self.charts.snapshot().value
        if last is not None and still_good(last, view, window_s, now):
            return last
        metrics = cast("Metrics", self._adapters.get("metrics", source.name))
        return read_charts(metrics, view, window_s, now)

    def _read_past(self) -> Recalled | None:
        return self._recall.read(self._focused(), self._chart_window_s)

    def _rehearsals(self) -> Iterator[Rehearsal]:
        return (adapter for adapter in self._adapters.of_kind("serving") if isinstance(adapter, Rehearsal))

    def _read_drills(self) -> tuple[Drill, ...]:
        found = tuple(drill for rehearsal in self._rehearsals() for drill in rehearsal.drills())
        return kept(self.drills.snapshot().value, found)

    def _read_journal(self) -> tuple[Entry, ...]:
        stamp = self._written.stamp()
        if stamp != self._stamp:
            self._tail = self._written.tail(JOURNAL_TAIL)
            self._stamp = stamp
        return self._tail
