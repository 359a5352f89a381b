"""Quantiles from a histogram's bins."""

from __future__ import annotations

import math
from collections.abc import Sequence


def quantile(q: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """The ``q``-quantile (0 ≤ q ≤ 1) of the counts; ``None`` if all counts are 0, or if it lies beyond the highest
    finite bound, which is then a lower bound and no value (``Histogram.around`` gives it).

    ``counts[i]`` is the number in (``bounds[i-1]``, ``bounds[i]``], not cumulative; the last bound is ``inf``. Within a
    bin the computation is that of Prometheus' ``histogram_quantile``
    (https://prometheus.io/docs/prometheus/latest/querying/functions/): linear. The lowest bin begins at 0 if its bound
    is positive; otherwise a quantile in it equals that bound.
    """
    total = math.fsum(counts)
    if total <= 0 or len(bounds) < 2:
        return None
    rank = q * total
    before = 0.0
    for index, count in enumerate(counts[:-1]):
        if count > 0 and before + count >= rank:
            return _within(index, (rank - before) / count, bounds)
        before += count
    return None


def capped(q: float, bounds: Sequence[float], counts: Sequence[float]) -> tuple[float | None, bool]:
    """As ``quantile``, for a chart: beyond the highest finite bound, that bound, and that it is a lower bound only."""
    found = quantile(q, bounds, counts)
    if found is not None or len(bounds) < 2 or math.fsum(counts) <= 0:
        return found, False
    return bounds[-2], True


def _within(index: int, share: float, bounds: Sequence[float]) -> float:
    upper = bounds[index]
    if index == 0 and upper <= 0:
        return upper
    lower = bounds[index - 1] if index else 0.0
    return lower + (upper - lower) * min(max(share, 0.0), 1.0)
