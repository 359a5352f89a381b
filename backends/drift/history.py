"""What each score was before, bounded in number however many scores there are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

SPAN_S = 3600.0
POINTS = 240
TOTAL = 600_000
"""Points kept of one score, and of all: with 2,500 scores an hour in steps of 15 s, with 20,000 in steps of 2
minutes."""


class History:
    """Values and their moments by key, an hour of them. Not thread-safe."""

    def __init__(self) -> None:
        self._points: dict[Hashable, tuple[tuple[float, ...], tuple[float, ...]]] = {}

    def add(self, key: Hashable, at: float, value: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The moments and values of that key, oldest first, this one last. One that comes too soon after its elder
        takes its place, and keeps the elder's moment: a crossing is never reported later than it was seen."""
        times, values = self._points.get(key, ((), ()))
        room = self.room
        if times and at < times[-1]:
            times, values = (), ()  # the clock was set back
        if times and at - times[-1] < SPAN_S / room:
            values = (*values[:-1], value)
        else:
            times, values = (*times, at), (*values, value)
        drop = max(len(times) - room, sum(one < at - SPAN_S for one in times[:2]))
        if drop > 0:
            times, values = times[drop:], values[drop:]
        self._points[key] = (times, values)
        return times, values

    def keep(self, keys: Iterable[Hashable]) -> None:
        """Forget all others."""
        kept = set(keys)
        for gone in self._points.keys() - kept:
            del self._points[gone]

    @property
    def room(self) -> int:
        """How many points each score may have."""
        return max(12, min(POINTS, TOTAL // max(1, len(self._points))))
