"""Changes to try on an endpoint: sensible changes for each action, and random changes from hypothesis. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from backends.contracts import (
    Abort,
    Action,
    Advance,
    Change,
    Endpoint,
    Mirror,
    Pause,
    Promote,
    Release,
    Resume,
    Retry,
    Role,
    Rollback,
    Split,
    Unpin,
    action_of,
)

PERCENTS = (25.0, 10.0, 50.0, 75.0, 0.0, 100.0)
NOBODY = "no-such-variant"
WHOLE = 100.0
ROUNDING = 0.02
"""Percentage points by which a sum may miss 100: adapters accept 0.01, and adding floats rounds."""


def tried(endpoint: Endpoint, more: Sequence[Change] = ()) -> dict[Action, tuple[Change, ...]]:
    """Changes for every action that an operator might try on this endpoint."""
    made = [*more, *_splits(endpoint)]
    made += [Promote(one.name) for one in endpoint.variants]
    made += [Mirror(one.name, percent) for one in endpoint.variants for percent in (10.0, 0.0, 100.0)]
    made += [Rollback(one.id) for one in endpoint.releases]
    made += [Advance(), Advance(full=True), Pause(), Resume(), Abort(), Retry(), Unpin()]
    return {action: tuple(one for one in made if action_of(one) is action) for action in Action}


def _splits(endpoint: Endpoint) -> Iterator[Split]:
    """Each variant at each percentage. The rest goes to one other variant, or is divided equally among all others."""
    names = [one.name for one in endpoint.variants if one.role is not Role.SHADOW] or [
        one.name for one in endpoint.variants
    ]
    for name in names:
        others = [other for other in names if other != name]
        for percent in PERCENTS if others else (WHOLE,):
            for other in others:
                yield Split({**dict.fromkeys(names, 0.0), name: percent, other: WHOLE - percent})
            if len(others) != 1:
                yield Split({name: percent, **{other: (WHOLE - percent) / len(others) for other in others}})


def nonsense(endpoint: Endpoint) -> tuple[Change, ...]:
    """Changes that every system must refuse for this endpoint."""
    names = [one.name for one in endpoint.variants]
    known = dict.fromkeys(names, 0.0)
    first = names[0] if names else NOBODY
    return (
        Promote(NOBODY),
        Rollback("no-such-release"),
        Mirror(NOBODY, 10.0),
        *(Mirror(first, percent) for percent in (-1.0, 101.0, float("nan"), float("inf"))),
        Split({}),
        Split(known),
        Split({NOBODY: WHOLE}),
        Split({**known, first: 50.0, NOBODY: 50.0}),
        *(Split({**known, first: percent}) for percent in (99.0, 101.0, -1.0, float("nan"), float("inf"))),
        Split({**known, first: 150.0, (names[1] if len(names) > 1 else NOBODY): -50.0}),
    )


def any_change(endpoint: Endpoint) -> st.SearchStrategy[Change]:
    """Changes with random numbers, of variants that exist and of one that does not."""
    names = st.sampled_from([*(one.name for one in endpoint.variants), NOBODY])
    percents = st.sampled_from([0.0, 1.0, 33.3, 50.0, 99.99, 100.0]) | st.floats() | st.floats(0, WHOLE)
    splits = st.dictionaries(names, percents, max_size=4).map(Split)
    return splits | st.builds(_completed, splits, names) | st.builds(Mirror, names, percents)


def _completed(split: Split, name: str) -> Split:
    """The split with the rest of 100 given to ``name``: random weights hardly ever sum to 100."""
    rest = WHOLE - sum(weight for other, weight in split.weights.items() if other != name)
    return Split({**split.weights, name: rest})


def makes_sense(endpoint: Endpoint, change: Change) -> bool:
    """Whether a change names variants and releases of the endpoint, with percentages that sum to 100."""
    names = {one.name for one in endpoint.variants}
    match change:
        case Split(weights):
            fits = all(0 <= weight <= WHOLE for weight in weights.values())
            return weights.keys() <= names and fits and abs(sum(weights.values()) - WHOLE) <= ROUNDING
        case Mirror(variant, percent):
            return variant in names and 0 <= percent <= WHOLE
        case Promote(variant):
            return variant in names
        case Rollback(release):
            return release in {one.id for one in endpoint.releases}
    return True


def offered_again(before: Endpoint, change: Change, now: Endpoint) -> tuple[str, ...]:
    """The releases of ``now`` that are the one that a rollback left, and to which a second rollback could lead: older
    than the current one, and not marked as bad. A release is known by what it gives traffic to, not by its id: systems
    number releases anew."""
    target = next((one for one in before.releases if isinstance(change, Rollback) and one.id == change.release), None)
    left = next((one for one in before.releases if one.current), None)
    older = now.releases[next((at for at, one in enumerate(now.releases) if one.current), 0) + 1 :]
    if target is None or left is None or before.releases.index(target) < before.releases.index(left):
        return ()
    return tuple(one.id for one in older if one.good is not False and _served(one) == _served(left))


def _served(release: Release) -> Mapping[str, float]:
    return {name: weight for name, weight in release.weights.items() if weight > 0}


# ── endpoints with unknown numbers ──────────────────────────────────────────────────────────────────────────────

NUMBERS = ("desired", "observed", "ready", "wanted")


def blanked(endpoint: Endpoint, unknown: Mapping[str, frozenset[str]] | None = None) -> Endpoint:
    """The endpoint with unknown numbers: the fields that ``unknown`` names by variant, else all of ``NUMBERS``.
    ``mirror`` is not among these, because there ``None`` can also mean that nothing is mirrored."""
    variants = []
    for one in endpoint.variants:
        names = NUMBERS if unknown is None else unknown.get(one.name, ())
        variants.append(replace(one, **dict.fromkeys(names)))  # type: ignore[arg-type]  # all of them may be None
    return replace(endpoint, variants=tuple(variants))


def partly_known(endpoint: Endpoint) -> st.SearchStrategy[Endpoint]:
    """The endpoint with any of its variants' numbers unknown."""
    fields = st.frozensets(st.sampled_from((*NUMBERS, "mirror")))
    each = st.fixed_dictionaries({one.name: fields for one in endpoint.variants})
    return each.map(lambda unknown: blanked(endpoint, unknown))


def without(endpoint: Endpoint, names: frozenset[str]) -> Endpoint:
    """The endpoint without these variants."""
    return replace(endpoint, variants=tuple(one for one in endpoint.variants if one.name not in names))


def targets(change: Change) -> frozenset[str]:
    """The variants that a change gives traffic to."""
    match change:
        case Split(weights):
            return frozenset(name for name, weight in weights.items() if weight > 0)
        case Promote(variant):
            return frozenset({variant})
        case Mirror(variant, percent) if percent > 0:
            return frozenset({variant})
    return frozenset()
