"""The auxiliary sources: polled beside the sources of the configuration, and in no list of sources.

They are the charts and the drift history of the endpoint in focus, the drills of a rehearsal world, and the newest
entries of the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from backends.contracts import Drill, Endpoint, EndpointRef, Metrics, Rehearsal
from backends.errors import Rejected
from shiftdeck.changes.access import Arming
from shiftdeck.common.clock import Clock
from shiftdeck.engine.view import View, view_of
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.fleet.view import FleetView
from shiftdeck.history.charts import CHART_WINDOWS_S, Charts, read_charts, still_good
from shiftdeck.history.drift_history import DriftHistory, DriftHistoryReader
from shiftdeck.journal.journal import Entry, Journal
from shiftdeck.source_kinds.table import DRIFT, METRICS, SERVING
from shiftdeck.sources.adapters import Adapters
from shiftdeck.sources.incremental import kept
from shiftdeck.sources.poll_interval import CHARTS
from shiftdeck.sources.protocol import Source, SourceFactory
from shiftdeck.sources.text_gate import shown

if TYPE_CHECKING:
    from shiftdeck.changes.release_memory import Memory

T = TypeVar("T")

JOURNAL_TAIL = 50
TIMEOUT_S = 10.0
KIND = "auxiliary"


class AuxiliarySources:
    """Makes and reads the auxiliary sources. ``view`` returns the newest view, ``changed`` is called when one of them
    has answered, ``source`` makes each of them. ``memory`` takes the endpoints as they are now,
    and reads what is remembered of their releases."""

    def __init__(
        self,
        adapters: Adapters,
        journal: Journal,
        source: SourceFactory,
        *,
        clock: Clock,
        view: Callable[[], View],
        changed: Callable[[], None],
        memory: Callable[[Iterable[Endpoint]], Mapping[str, Memory]] = lambda _: {},
    ) -> None:
        self._adapters = adapters
        self._journal = journal
        self._clock = clock
        self._newest_view = view
        self._drift_reader = DriftHistoryReader(lambda: adapters.named(DRIFT.name), clock.wall)
        self._focus: EndpointRef | None = None
        self._chart_window_s = CHART_WINDOWS_S[0]
        self._tail: tuple[Entry, ...] = ()
        self._stamp: object = None
        self._read_memory = memory
        self._memory: Mapping[str, Memory] = {}

        def made(name: str, every_s: float, poll: Callable[[], T]) -> Source[T]:
            return source(
                name=name,
                kind=KIND,
                adapter="",
                every_s=every_s,
                timeout_s=TIMEOUT_S,
                poll=poll,
                clock=clock,
                changed=changed,
            )

        self.charts = made(CHARTS, 2.0, self._read_charts)
        self.drills = made("drills", 2.0, self._read_drills)
        self.journal = made("journal", 1.0, self._read_journal)
        self.drift_history = made("drift history", 3.0, self._read_drift_history)
        self.sources: tuple[Source[Any], ...] = (self.charts, self.drills, self.journal, self.drift_history)

    def pause(self, paused: bool) -> None:
        """Stop polling, or go on. The journal is a file of this machine and is read all the same."""
        for source in (self.charts, self.drills, self.drift_history):
            source.pause(paused)

    def focus(self, ref: EndpointRef | None) -> None:
        """Read the charts and the drift history of that endpoint; ``None``: of none."""
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
        self.drift_history.refresh()

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

    def view(self, fleet: FleetView, arming: Arming) -> View:
        """The view of a fleet with the answers of all auxiliary sources."""
        history = self.drift_history.snapshot().value
        return replace(
            view_of(self._drift_reader.extended(fleet, history), arming),
            drift_history=history,
            charts=self.charts.snapshot().value,
            drills=self.drills.snapshot().value or (),
            journal=self.journal.snapshot().value or (),
            memory=self._memory,
        )

    def _focused(self) -> EndpointView | None:
        return self._newest_view().endpoint(self._focus) if self._focus is not None else None

    def _read_charts(self) -> Charts | None:
        view = self._focused()
        source = view.metrics_source if view is not None else None
        if view is None or source is None:
            return None
        window_s, now = self._chart_window_s, self._clock.wall()
        last = self.charts.snapshot().value
        if last is not None and still_good(last, view, window_s, now):
            return last
        metrics = cast("Metrics", self._adapters.get(METRICS.name, source.name))
        return read_charts(metrics, view, window_s, now)

    def _read_drift_history(self) -> DriftHistory | None:
        return self._drift_reader.read(self._focused(), self._chart_window_s)

    def _rehearsals(self) -> Iterator[Rehearsal]:
        return (adapter for adapter in self._adapters.of_kind(SERVING.name) if isinstance(adapter, Rehearsal))

    def _read_drills(self) -> tuple[Drill, ...]:
        found = tuple(drill for rehearsal in self._rehearsals() for drill in rehearsal.drills())
        return kept(self.drills.snapshot().value, found)

    def _read_journal(self) -> tuple[Entry, ...]:
        stamp = self._journal.stamp()
        self._memory = self._read_memory(one.endpoint for one in self._newest_view().endpoints)
        if stamp != self._stamp:
            self._tail = shown(self._journal.tail(JOURNAL_TAIL))
            self._stamp = stamp
        return self._tail
