"""A split over several objects, each with a weight of its own, changed one after the other. Pure.

No call changes all objects at once, so traffic follows every state in between. The fewest calls are preferred. Among
their orders, the best is the one in which each member's share stays closest to the range between its old and its new
share: mostly, members that gain are raised first, and the others are lowered afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backends.errors import Rejected
from backends.serving.weights import EXACT, FINEST, proportional, shares

LARGEST = 1_000_000
"""KServe's and Gateway API's largest weight."""

LARGEST_SWING = 20.0
"""Percentage points by which a member's share may leave the range between its old and new share, between two calls."""


@dataclass(frozen=True, slots=True)
class Move:
    """One call: the new weight of one member. ``then`` is percent by member after the call."""

    name: str
    before: int
    after: int
    then: Mapping[str, float]


def moves(current: Mapping[str, int], percents: Mapping[str, float]) -> tuple[Move, ...]:
    """The calls that lead from the ``current`` weights to ``percents`` (of the same members, summing to 100), in order.

    Raises:
        Rejected: as ``weights.proportional`` does, or every order of calls swings more than ``LARGEST_SWING`` in
            between.
    """
    ways = [_ordered(current, target) for target in _targets(current, percents)]
    swing, _, way = min(((_swing(current, way), len(way), way) for way in ways), key=_preference)
    if swing > LARGEST_SWING:
        numbers = ":".join(str(weight) for weight in current.values())
        raise Rejected(
            f"the weights {numbers} cannot become these shares one call after the other without a swing of "
            f"{swing:.0f} percentage points in between: take a split that keeps their sum, {sum(current.values())}"
        )
    return way


def _preference(one: tuple[float, int, tuple[Move, ...]]) -> tuple[bool, int, float]:
    """The sort key of a way: the fewest calls first, if the swing is small."""
    swing, calls, _ = one
    return swing > LARGEST_SWING / 4, calls, swing


def _targets(current: Mapping[str, int], percents: Mapping[str, float]) -> Iterator[dict[str, int]]:
    """Weights that give ``percents``: some keep one member's weight, others keep the sum, or have a rounder sum."""
    for anchor, weight in current.items():
        share = percents.get(anchor, 0.0)
        if not (weight and share):
            continue
        exact = {name: weight * percents.get(name, 0.0) / share for name in current}
        whole = {name: round(value) for name, value in exact.items()}
        if all(abs(exact[name] - whole[name]) <= EXACT * max(1.0, exact[name]) for name in current) and (
            max(whole.values()) <= LARGEST
        ):
            yield whole
    yield proportional({name: percents.get(name, 0.0) for name in current}, current)
    if (total := sum(current.values())) and 0 < total < FINEST:
        # The same scale ten or a hundred times finer, because rounder sums may be far from the present weights.
        for finer in (10, 100):
            scaled = {name: weight * finer for name, weight in current.items()}
            if sum(scaled.values()) <= FINEST:
                yield proportional({name: percents.get(name, 0.0) for name in current}, scaled)


def _ordered(current: Mapping[str, int], target: Mapping[str, int]) -> tuple[Move, ...]:
    """The calls to ``target`` in order. Each step is the change with the smallest swing; of equals, a raise."""
    now = dict(current)
    left = [name for name in current if current[name] != target[name]]
    old, new = shares(current), shares(target)
    found = []
    while left:
        name = min(left, key=lambda one: (_stray({**now, one: target[one]}, old, new), target[one] < current[one]))
        left.remove(name)
        now[name] = target[name]
        found.append(Move(name, current[name], target[name], shares(now)))
    return tuple(found)


def _stray(weights: Mapping[str, int], old: Mapping[str, float], new: Mapping[str, float]) -> float:
    if not any(weights.values()):
        return 100.0  # no member would get traffic
    return round(
        max(
            max(min(old[name], new[name]) - share, share - max(old[name], new[name]), 0.0)
            for name, share in shares(weights).items()
        ),
        6,
    )


def _swing(current: Mapping[str, int], way: tuple[Move, ...]) -> float:
    if not way:
        return 0.0
    old, new = shares(current), way[-1].then
    return max(
        max(min(old[name], new[name]) - share, share - max(old[name], new[name]), 0.0)
        if any(move.then.values())
        else 100.0
        for move in way
        for name, share in move.then.items()
    )
