"""A bounded memory of counters: the increase of each between two moments, also across resets."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

RECENT = 240  # snapshots kept at full resolution
THIN_S = 15.0  # seconds between older snapshots
MAX_BYTES = 32 * 1024 * 1024
COMPACT_EVERY = 256  # appends between two searches for columns that are not in use any more
FALLS, FALLS_WITHIN = 3, 8  # so many falls within so many scrapes are no restarts
GAP_S = 45.0  # an outage is a pause between snapshots longer than this and than three usual pauses


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All counters at one moment, by column, without counters that appeared later.

    Each value is the value that the counter would have without any reset since it was first seen.
    """

    at: float
    values: array[float]


def increase(old: Snapshot, new: Snapshot, columns: Iterable[int]) -> float:
    """The sum of these counters' increases from ``old`` to ``new``. A counter that is not in ``old`` began at 0."""
    before, after = old.values, new.values
    known_before, known_after = len(before), len(after)
    total = 0.0
    for column in columns:
        if column < known_after:
            total += after[column] - (before[column] if column < known_before else 0.0)
    return total


class Ring:
    """Snapshots of counters over time, bounded in number, age and bytes. Not thread-safe.

    The newest ``RECENT`` snapshots are all kept. Older ones are kept at least ``THIN_S`` apart, up to ``retention_s``.
    If all take more than ``max_bytes``, the oldest are dropped. With 2,000 counters an hour takes about 8 MB. A value
    below its predecessor means that the counter was reset, and counts from 0, as in Prometheus' ``increase``. A counter
    that appears after the first snapshot counts from 0 too, because the target did not have it in the scrape before.
    """

    def __init__(self, retention_s: float, *, max_bytes: int = MAX_BYTES) -> None:
        self.retention_s = retention_s
        self._max_bytes = max_bytes
        self._snapshots: list[Snapshot] = []
        self._columns: dict[str, int] = {}
        self._raw: list[float] = []
        self._seen: list[float] = []
        self._falls: dict[str, tuple[int, ...]] = {}
        self._appends = 0

    def __len__(self) -> int:
        return len(self._snapshots)

    @property
    def newest(self) -> Snapshot | None:
        return self._snapshots[-1] if self._snapshots else None

    @property
    def oldest(self) -> Snapshot | None:
        return self._snapshots[0] if self._snapshots else None

    def column(self, key: str) -> int | None:
        """The column of the counter in a snapshot. It is valid until the next ``append``."""
        return self._columns.get(key)

    def seen_at(self, column: int) -> float:
        """The time of the last scrape that had the counter."""
        return self._seen[column]

    @property
    def unsteady(self) -> frozenset[str]:
        """The counters that fall again and again: the target answers with another worker's count each time, so that
        what they grew by is not known."""
        first = self._appends - FALLS_WITHIN
        return frozenset(key for key, falls in self._falls.items() if len(falls) == FALLS and falls[0] >= first)

    def append(self, at: float, values: Mapping[str, float]) -> frozenset[str]:
        """Add one scrape. If the clock was set back, all earlier snapshots are dropped.

        Returns the keys of the counters that were dropped, as no scrape had them for ``retention_s``.
        """
        newest = self.newest
        if newest is not None and at < newest.at:
            self._snapshots.clear()
            newest = None
        if newest is not None and at == newest.at:
            self._snapshots.pop()
        self._snapshots.append(Snapshot(at, self._adjusted(at, values, newest)))
        self._thin(at)
        self._appends += 1
        return self._compact(at) if self._appends % COMPACT_EVERY == 0 else frozenset()

    def amend(self, values: Mapping[str, float]) -> None:
        """Add counters to the newest snapshot that were in its scrape but were not wanted then."""
        newest = self._snapshots.pop()
        self._snapshots.append(Snapshot(newest.at, self._adjusted(newest.at, values, newest)))

    def base(self, window_s: float, since: float = -math.inf) -> Snapshot | None:
        """The snapshot to compare the newest one with, for the last ``window_s`` seconds; ``None`` if there is none.

        It is the youngest snapshot that is at least ``window_s`` older than the newest, or the oldest snapshot. If an
        outage makes that span much longer than the window, it is the oldest snapshot within the window. Snapshots
        before ``since`` do not count.
        """
        first = bisect_left(self._snapshots, since, key=_at)
        if first >= len(self._snapshots) - 1:
            return None
        last = self._snapshots[-1].at
        index = max(first, bisect_right(self._snapshots, last - window_s, key=_at) - 1)
        if last - self._snapshots[index].at > max(2 * window_s, self.gap_s):
            index += 1
        return self._snapshots[index] if index < len(self._snapshots) - 1 else None

    @property
    def gap_s(self) -> float:
        """The pause between two snapshots above which it is an outage."""
        recent = [snapshot.at for snapshot in self._snapshots[-20:]]
        if len(recent) < 2:
            return GAP_S
        from statistics import median  # here: the import takes 4 ms (fractions, decimal), which a first scrape saves

        return max(GAP_S, 3 * median(later - earlier for earlier, later in pairwise(recent)))

    def around(self, start: float, end: float, since: float = -math.inf) -> tuple[Snapshot, Snapshot] | None:
        """The two snapshots that enclose (``start``, ``end``] most closely, or that come nearest to it.

        ``None`` if that time was not observed: it is before the first snapshot, after the last, or in an outage.
        """
        if not self._snapshots:
            return None
        first = bisect_left(self._snapshots, since, key=_at)
        left = max(first, bisect_right(self._snapshots, start, key=_at) - 1)
        right = min(len(self._snapshots) - 1, bisect_left(self._snapshots, end, key=_at))
        if right <= left or self._snapshots[right].at <= start or self._snapshots[left].at >= end:
            return None
        stretch: Sequence[Snapshot] = self._snapshots[left : right + 1]
        gap = self.gap_s
        if any(later.at - earlier.at > gap for earlier, later in pairwise(stretch)):
            return None
        return stretch[0], stretch[-1]

    def _adjusted(self, at: float, values: Mapping[str, float], newest: Snapshot | None) -> array[float]:
        # If the clock was set back, the snapshots are gone but the columns stay. Then the last values are in ``_raw``.
        adjusted = array("d", newest.values) if newest is not None else array("d", self._raw)
        for key, value in values.items():
            column = self._columns.get(key)
            if column is None or column >= len(adjusted):
                column = self._columns.setdefault(key, len(adjusted))
                adjusted.append(value)
                self._raw.append(value)
                self._seen.append(at)
                continue
            before = self._raw[column]
            if value < before:
                self._falls[key] = (*self._falls.get(key, ()), self._appends)[-FALLS:]
            adjusted[column] += value - before if value >= before else value
            self._raw[column] = value
            self._seen[column] = at
        return adjusted

    def _thin(self, at: float) -> None:
        """Drop snapshots that are older than ``retention_s``, closer than ``THIN_S`` to their predecessor and no longer
        recent, or above ``max_bytes``.
        """
        border = len(self._snapshots) - RECENT - 1
        if border >= 1 and self._snapshots[border].at - self._snapshots[border - 1].at < THIN_S:
            del self._snapshots[border]
        old = bisect_left(self._snapshots, at - self.retention_s, key=_at)
        if old:
            del self._snapshots[: min(old, len(self._snapshots) - 1)]
        width = max(1, len(self._snapshots[-1].values) * self._snapshots[-1].values.itemsize)
        over = len(self._snapshots) - max(2, self._max_bytes // width)
        if over > 0:
            del self._snapshots[:over]

    def _compact(self, at: float) -> frozenset[str]:
        dead = {key for key, column in self._columns.items() if self._seen[column] < at - self.retention_s}
        if not dead:
            return frozenset()
        kept = [(key, column) for key, column in self._columns.items() if key not in dead]
        kept.sort(key=lambda pair: pair[1])
        columns = [column for _, column in kept]
        self._snapshots = [
            Snapshot(one.at, array("d", [one.values[column] for column in columns if column < len(one.values)]))
            for one in self._snapshots
        ]
        self._raw = [self._raw[column] for column in columns]
        self._seen = [self._seen[column] for column in columns]
        self._columns = {key: index for index, (key, _) in enumerate(kept)}
        self._falls = {key: falls for key, falls in self._falls.items() if key not in dead}
        return frozenset(dead)


def _at(snapshot: Snapshot) -> float:
    return snapshot.at
