"""The increase of counters by category in a window, from the totals of a metrics source."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

Key = tuple[str, ...]
Totals = Mapping[Key, Mapping[str, float]]  # by counter, and then by category

POINTS = 60


class Counting:
    """Snapshots of counters over ``span_s`` seconds, at most ``POINTS`` of them. Not thread-safe.

    A total below its predecessor means that the counter was reset, and counts from 0, as in Prometheus' ``increase``.
    """

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._raw: dict[Key, dict[str, float]] = {}
        self._grown: dict[Key, dict[str, float]] = {}
        self._kept: list[tuple[float, dict[Key, dict[str, float]]]] = []

    def add(self, at: float, totals: Totals) -> None:
        """Add the current totals of the counters."""
        if self._kept and at < self._kept[-1][0]:
            self._kept.clear()  # the clock was set back
        first = not self._kept
        for key, counts in totals.items():
            raw, grown = self._raw.setdefault(key, {}), self._grown.setdefault(key, {})
            for name, value in counts.items():
                # The increase before the first snapshot is unknown. A counter that appears later began at 0.
                before = raw.get(name, value if first else 0.0)
                grown[name] = grown.get(name, 0.0) + (value - before if value >= before else value)
                raw[name] = value
        if len(self._kept) > 1 and at - self._kept[-2][0] < self._span_s / POINTS:
            self._kept.pop()
        self._kept.append((at, {key: dict(counts) for key, counts in self._grown.items()}))
        while len(self._kept) > 2 and self._kept[1][0] <= at - self._span_s:
            del self._kept[0]

    def window(self, begin_s: float, end_s: float = 0.0) -> Totals:
        """The counts from ``begin_s`` to ``end_s`` seconds before the newest snapshot, as far as they were observed."""
        if not self._kept:
            return {}
        newest = self._kept[-1][0]
        old, new = self._before(newest - begin_s), self._before(newest - end_s)
        return {
            key: {name: count - old.get(key, {}).get(name, 0.0) for name, count in counts.items()}
            for key, counts in new.items()
        }

    def _before(self, at: float) -> Mapping[Key, Mapping[str, float]]:
        index = bisect_right(self._kept, at, key=lambda one: one[0]) - 1
        return self._kept[max(0, index)][1]
