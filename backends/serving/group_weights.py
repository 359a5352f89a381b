"""A split over several objects, each with a weight of its own, changed one after the other. Pure.

There is no call that changes all of them at once, so every state in between is live. What is looked for is the way
with the fewest calls, and among the orders of those the one in which members stray least from between their old and
their new share: mostly, who gains is raised first, and the others are lowered after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backends.errors import Rejected
from backends.serving.weights import EXACT, FINEST, proportional, shares

LARGEST = 1_000_000
"""KServe's and Gateway API's largest weight."""

LARGEST_SWING = 20.0
"""Percentage points that a member may stray, between two calls, from between its old and its new share."""


@dataclass(frozen=True, slots=True)
class Move:
    """One call: the weight of one member. ``then`` is percent by member once it is made."""

    name: str
    before: int
    after: int
    then: Mapping[str, float]


def moves(current: Mapping[str, int], percents: Mapping[str, float]) -> tuple[Move, ...]:
    """The calls that lead from the ``current`` weights to ``percents`` (of the same members, summing to 100), in order.

    Raises:
        Rejected: as ``weights.proportional`` does, or every way there leads far astray in between.
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
    """Fewest calls first, as long as nobody strays far."""
    swing, calls, _ = one
    return swing > LARGEST_SWING / 4, calls, swing


def _targets(current: Mapping[str, int], percents: Mapping[str, float]) -> Iterator[dict[str, int]]:
    """Weights that say ``percents``: those that keep one member's weight as it is, and those that keep the sum, or take
    a rounder one."""
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
        # The same scale ten or a hundred times finer: rounder sums may be far from where the weights are now.
        for finer in (10, 100):
            scaled = {name: weight * finer for name, weight in current.items()}
            if sum(scaled.values()) <= FINEST:
                yield proportional({name: percents.get(name, 0.0) for name in current}, scaled)


def _ordered(current: Mapping[str, int], target: Mapping[str, int]) -> tuple[Move, ...]:
    """Step by step whichever change strays least; of equal ones those that raise come first."""
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
        return 100.0  # nobody would get anything
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
