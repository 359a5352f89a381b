"""Distributions: counts by bin or by category; and the conversion of two of them to the same bins. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Distribution:
    """``counts`` by bin, with the upper ``bounds`` of the bins in rising order, of which the last is infinite; or by
    ``categories``, which have no order.
    """

    counts: tuple[float, ...]
    bounds: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    total: float = field(init=False, compare=False)
    shares: tuple[float, ...] = field(init=False, compare=False)  # sum to 1; empty if all counts are 0

    def __post_init__(self) -> None:
        # Computed here, as a cached property would take a lock at each access: half of the cost of a score.
        total = sum(self.counts)
        object.__setattr__(self, "total", total)
        object.__setattr__(self, "shares", tuple([count / total for count in self.counts]) if total > 0 else ())

    @property
    def has_empty(self) -> bool:
        return not all(self.counts)


def alike(one: Distribution, other: Distribution) -> tuple[Distribution, Distribution] | None:
    """Both distributions in common bins: the categories of either, or the bounds of both.

    ``None`` if one is by category and the other by value. Also ``None`` if they have fewer than three bins in common,
    unless one of them has fewer than three bins and all of these are common.
    """
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
    """The same values in wider bins. Each of ``bounds`` must be a bound of the distribution."""
    counts: list[float] = []
    at, sum_ = 0, 0.0
    for bound, count in zip(one.bounds, one.counts, strict=True):
        sum_ += count
        if bound == bounds[at]:
            counts.append(sum_)
            at, sum_ = at + 1, 0.0
    return Distribution(tuple(counts), tuple(bounds))


def less(whole: Distribution, part: Distribution) -> Distribution:
    """``whole`` minus ``part``; both have the same bins."""
    counts = tuple(max(0.0, a - b) for a, b in zip(whole.counts, part.counts, strict=True))
    return Distribution(counts, whole.bounds, whole.categories)


def _by_category(one: Distribution, names: tuple[str, ...]) -> Distribution:
    counts = dict(zip(one.categories, one.counts, strict=True))
    return Distribution(tuple(counts.get(name, 0.0) for name in names), categories=names)
