"""What one view costs as the fleet grows, by how much of it has changed; and what many of them leave behind."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil

from shiftdeck.changes.access import Arming
from shiftdeck.config.loader import Access
from shiftdeck.engine.view import View, view_of
from shiftdeck.fleet.joiner import Joiner
from shiftdeck.fleet.sorting import SORTS, EndpointSorter, Filter
from shiftdeck.source_kinds.answers import MetricsReading
from shiftdeck.sources.adapters import kept_reading
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceStatus
from tests.bench.groups import Run
from tests.bench.table import Row, middle
from tests.bench.world import World
from tests.fakes import fake_context
from tests.unit.builders import status

SIZES = (10, 100, 1000, 10_000)
SHARES = (1.0, 0.01, 0.0)
ARMING = Arming(Access.READ_ONLY, writable=False)
WINDOW_S = 60.0
FRAME_MS = 1000.0 / 60


class Rounds:
    """The answers of a fleet's sources, round after round, as a source hands them on."""

    def __init__(self, count: int, *, share: float = 0.0, beat: float = 3600.0) -> None:
        self._world = World(count, share, beat)
        self._last: object = None
        self._number = 0
        self.drift = self._world.scores()
        self.joiner = Joiner(fake_context())

    def readings(self, share: float) -> Readings:
        """The next answers: so large a part of the endpoints (at least one, unless it is 0) behaves differently."""
        self._number += 1
        found = self._world.metrics(WINDOW_S)
        many = round(share * len(self._world.endpoints)) or (1 if share else 0)
        touched = {endpoint.ref.name for endpoint in self._world.endpoints[:many]}
        now = tuple(
            replace(one, at=one.at + self._number, samples=one.samples + self._number % 2)
            if one.subject.endpoint in touched
            else replace(one, at=one.at + self._number)
            for one in found
        )
        self._last = reading = kept_reading(self._last, MetricsReading(now, now))
        assert isinstance(reading, MetricsReading)
        at = time.time()
        return Readings(
            {
                "serving": {"lab": Snapshot(self._world.endpoints, self._status("lab", "serving", at))},
                "metrics": {"prometheus": Snapshot(reading, self._status("prometheus", "metrics", at))},
                "drift": {"psi": Snapshot(self.drift, self._status("psi", "drift", at))},
            }
        )

    def _status(self, name: str, kind: str, at: float) -> SourceStatus:
        return replace(status(name, kind=kind), at=at, latency_s=0.01 * (self._number % 3))

    def view(self, share: float) -> View:
        """The view of the next answers."""
        return view_of(self.joiner.view(self.readings(share), time.time()), ARMING)

    def view_ms(self, share: float) -> float:
        """Milliseconds of processor time for the next view."""
        readings = self.readings(share)
        began = time.process_time()
        self.joiner.view(readings, time.time())
        return (time.process_time() - began) * 1000.0


def measure(run: Run) -> Iterator[Row]:
    yield from _views(run)
    yield from _arranging(run)
    yield from _growth(run)


def _views(run: Run) -> Iterator[Row]:
    """Against what it costs to join one endpoint of ten: a view that changes nothing costs less than that, and any
    other as much for each endpoint that changed."""
    one: float | None = None
    for count in SIZES[: run.times(4, 3)]:
        rounds = Rounds(count)
        rounds.view_ms(1.0)
        gc.collect()
        for share in SHARES:
            rounds.view_ms(share)
            before = rounds.joiner.joined
            times = run.times(20 if count < SIZES[-1] else 7, 5)
            took = middle([rounds.view_ms(share) for _ in range(times)])
            joined = (rounds.joiner.joined - before) // times
            one = took / count if one is None else one
            what = f"a view of {count:,} endpoints, {share:.0%} changed"
            named = f"joining {joined:,}" if joined else "joining 1"
            yield Row(what, took, "ms", 2.0 if joined else 1.0, one * max(1, joined), named, f"{joined:,} joined")


def _arranging(run: Run) -> Iterator[Row]:
    """The table's order and filter after a view of which one endpoint in a hundred has changed, against a frame."""
    count = SIZES[-1]
    rounds, sorter, narrowed = Rounds(count), EndpointSorter(), Filter.parse("model-.*7")
    rounds.view(1.0)
    for sort in SORTS:
        took = []
        gc.collect()  # as the app does where nobody waits
        for _ in range(run.times(20, 5)):
            endpoints = rounds.view(0.01).endpoints
            began = time.process_time()
            sorter.filtered(narrowed, sorter.ordered(endpoints, sort))
            took.append((time.process_time() - began) * 1000.0)
        yield Row(f"sorting by {sort} and filtering {count:,}", middle(took), "ms", 1.0, FRAME_MS, "a frame")


def _growth(run: Run) -> Iterator[Row]:
    """Memory that refreshes leave behind, in this process: a fleet of ten, of which one changes each time."""
    refreshes = run.times(100_000, 5_000)
    rounds = Rounds(SIZES[0])
    process = psutil.Process()
    for _ in range(2_000):
        rounds.view_ms(0.1)
    gc.collect()
    before = process.memory_info().rss
    for _ in range(refreshes):
        rounds.view_ms(0.1)
    gc.collect()
    grown = max(0.0, (process.memory_info().rss - before) / 1e6)
    yield Row(f"memory grown by {refreshes:,} views", grown, "MB", 2.0)
