"""Helpers of the laws: they compile and play changes, and check calls, messages and pure functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from unittest.mock import patch

from backends.conformance.changes import ROUNDING, tried
from backends.conformance.inputs import SECRET, Sample
from backends.conformance.purity import no_io, picture
from backends.contracts import (
    Call,
    Change,
    Diverged,
    Endpoint,
    Mirror,
    Pending,
    Progress,
    Role,
    Serving,
    Settled,
    Split,
)
from backends.errors import BackendError

DAY_S = 86_400.0


def methods(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


def every_change(sample: Sample) -> tuple[Change, ...]:
    return tuple(one for changes in tried(sample.endpoint, sample.changes).values() for one in changes)


def outcome(adapter: Serving, endpoint: Endpoint, change: Change) -> tuple[Call, ...] | BackendError:
    """The calls, or the error. Any exception outside ``backends.errors`` is raised."""
    try:
        return adapter.compile(endpoint, change)
    except BackendError as error:
        return error


def compiled(adapter: Serving, sample: Sample) -> Iterator[tuple[Change, tuple[Call, ...]]]:
    """The changes that compile and have an effect, with their calls."""
    for change in every_change(sample):
        calls = outcome(adapter, sample.endpoint, change)
        if not isinstance(calls, BackendError) and changes_something(sample.endpoint, change):
            yield change, calls


def played(sample: Sample, calls: tuple[Call, ...]) -> list[Endpoint]:
    """The states of the endpoint after the calls."""
    states = [script(calls) for script in (sample.taken, sample.done) if script is not None]
    return [one for one in states if one is not None]


def finished(adapter: Serving, sample: Sample) -> Iterator[tuple[Change, tuple[Call, ...], Endpoint]]:
    """The changes that compile, with their calls and the endpoint once they are in effect."""
    if sample.done is not None:
        for change, calls in compiled(adapter, sample):
            now = sample.done(calls)
            if now is not None:
                yield change, calls, now


def progress(adapter: Serving, before: Endpoint, now: Endpoint, change: Change) -> Progress:
    found = adapter.progress(before, now, change)
    assert isinstance(found, Settled | Pending | Diverged), f"{change}: {found!r} is no progress"
    if not isinstance(found, Settled):
        assert is_words(found.message), f"{change}: {found!r} does not say what it waits for, or where it went"
    return found


def pure(function: Callable[..., object], make: Callable[[], Serving], *given: object) -> None:
    """Check that ``function(adapter, *given)`` is pure: the same arguments give the same result, also with another
    adapter and on another day. It does no I/O and does not change its arguments."""
    adapter, other, before = make(), make(), picture(given)
    first = function(adapter, *given)
    with no_io():
        again = function(adapter, *given)
    with patch("time.time", lambda: DAY_S):
        later = function(other, *given)
    assert picture(given) == before, f"what was given was changed: {given}"
    assert _same(first, again), f"not the same the second time: {first} and {again}"
    assert _same(first, later), f"not the same on another day: {first} and {later}"


def _same(one: object, other: object) -> bool:
    if isinstance(one, BackendError) and isinstance(other, BackendError):
        return type(one) is type(other) and (one.message, one.hint) == (other.message, other.hint)
    return picture(one) == picture(other)


def complete(calls: tuple[Call, ...], endpoint: Endpoint, change: Change) -> None:
    """Check that each call has the fields that a plan shows and the journal keeps, and a guard against lost updates."""
    assert calls, f"{change} compiles to no call: refuse it"
    for call in calls:
        for name in ("method", "path", "summary", "command"):
            assert is_words(getattr(call, name)), f"{change}: {name} is {getattr(call, name)!r}"
        assert json.loads(json.dumps(call.body, allow_nan=False, default=dict)) == json.loads(
            json.dumps(_plain(call.body))
        )
        assert all(isinstance(one, str) for item in call.headers.items() for one in item), f"{change}: {call.headers}"
        assert SECRET not in f"{call!r} {json.dumps(call.body, default=dict)}", f"{change}: a secret is shown"
    if endpoint.revision:
        assert any(call.guard.strip() for call in calls), f"{change}: the endpoint has a revision, and no call a guard"


def _plain(value: object) -> object:
    """The value in JSON's own types; the keys of objects must be text."""
    if isinstance(value, Mapping):
        assert all(isinstance(key, str) for key in value), f"JSON has texts for keys: {value}"
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def is_words(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip()) and text.isprintable()


def about(change: Change, endpoint: Endpoint) -> object:
    """The part of an endpoint's state that a change affects. Two endpoints with the same part are equal for that
    change."""
    match change:
        case Split():
            return {one.name: (one.desired, one.observed) for one in endpoint.variants}
        case Mirror(variant):
            return [(one.name, one.mirror) for one in endpoint.variants if one.name == variant]
    return {one.name: (one.role, one.desired, one.observed) for one in endpoint.variants}


def changes_something(endpoint: Endpoint, change: Change) -> bool:
    """Whether a change asks for another state than the endpoint's desired state. Some systems also accept a change that
    does not."""
    match change:
        case Split(weights):
            live = [one for one in endpoint.variants if one.role is not Role.SHADOW]
            return any(not _close(one.desired, weights.get(one.name, 0.0)) for one in live)
        case Mirror(variant, percent):
            return any(not _close(one.mirror, percent) for one in endpoint.variants if one.name == variant)
    return True


def _close(one: float | None, other: float) -> bool:
    return one is not None and abs(one - other) <= ROUNDING
