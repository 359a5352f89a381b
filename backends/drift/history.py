"""Past values of scores. The total number of values is bounded for any number of scores."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

SPAN_S = 3600.0
POINTS = 240
TOTAL = 600_000
"""``POINTS`` is the limit for one score, ``TOTAL`` for all. For 2,500 scores this gives an hour in steps of 15 s;
for 20,000 scores, in steps of 2 minutes."""


class History:
    """Values and their times by key, for one hour. Not thread-safe."""

    def __init__(self) -> None:
        self._points: dict[Hashable, tuple[tuple[float, ...], tuple[float, ...]]] = {}

    def add(self, key: Hashable, at: float, value: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Add a value; returns the times and values of the key, oldest first.

        A value that comes too soon after its predecessor replaces it, but keeps the predecessor's time. So the time at
        which a value crossed a threshold is never later than it was seen.
        """
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
        """Drop all other keys."""
        kept = set(keys)
        for gone in self._points.keys() - kept:
            del self._points[gone]

    @property
    def room(self) -> int:
        """The maximum number of points for each score."""
        return max(12, min(POINTS, TOTAL // max(1, len(self._points))))
