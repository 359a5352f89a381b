"""Counts by bin or by category, and two of them brought to the same bins. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Distribution:
    """``counts`` by bin, with the bins' upper ``bounds`` (rising, the last one infinite), or by the ``categories`` of
    those names, which have no order."""

    counts: tuple[float, ...]
    bounds: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    total: float = field(init=False, compare=False)
    shares: tuple[float, ...] = field(init=False, compare=False)  # sum to 1; nothing where nothing was counted

    def __post_init__(self) -> None:
        # At once, and not when first asked for: a cached property takes a lock each time, half of what a score costs.
        total = sum(self.counts)
        object.__setattr__(self, "total", total)
        object.__setattr__(self, "shares", tuple([count / total for count in self.counts]) if total > 0 else ())

    @property
    def has_empty(self) -> bool:
        return not all(self.counts)


def alike(one: Distribution, other: Distribution) -> tuple[Distribution, Distribution] | None:
    """Both in the bins that they share: categories that either has, or the bounds that both have. ``None`` where one is
    by category and the other by value, or where fewer than three bins are shared (or than either has)."""
    if one.bounds == other.bounds and one.categories == other.categories:
        return one, other
    if bool(one.categories) is not bool(other.categories):
        return None
    if one.categories:
        names = tuple(sorted({*one.categories, *other.categories}))
        return _by_category(one, names), _by_category(other, names)
    known = set(other.bounds)
    bounds = tuple(bound for bound in one.bounds if bound in known)
    if len(bounds) < min(3, len(one.bounds), len(other.bounds)) or not math.isinf(bounds[-1]):
        return None
    return coarser(one, bounds), coarser(other, bounds)


def coarser(one: Distribution, bounds: Sequence[float]) -> Distribution:
    """The same values in wider bins; each of ``bounds`` must be one of its own."""
    counts: list[float] = []
    at, sum_ = 0, 0.0
    for bound, count in zip(one.bounds, one.counts, strict=True):
        sum_ += count
        if bound == bounds[at]:
            counts.append(sum_)
            at, sum_ = at + 1, 0.0
    return Distribution(tuple(counts), tuple(bounds))


def less(whole: Distribution, part: Distribution) -> Distribution:
    """What is in ``whole`` and not in ``part``, both in the same bins."""
    counts = tuple(max(0.0, a - b) for a, b in zip(whole.counts, part.counts, strict=True))
    return Distribution(counts, whole.bounds, whole.categories)


def _by_category(one: Distribution, names: tuple[str, ...]) -> Distribution:
    counts = dict(zip(one.categories, one.counts, strict=True))
    return Distribution(tuple(counts.get(name, 0.0) for name in names), categories=names)
