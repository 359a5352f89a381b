"""Which endpoints are shown, and in what order. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from shiftdeck.health.drift import severity
from shiftdeck.health.verdict import Level
from shiftdeck.sources.incremental import identical

if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from shiftdeck.fleet.endpoint import EndpointView

SORTS = ("health", "name", "load", "p95", "errors", "drift")

ALIASES: Mapping[str, str] = MappingProxyType({"err": "errors", "rps": "load", "latency": "p95", "level": "health"})
"""Other words that people type for a column."""


def sort_named(word: str) -> str:
    """The column that a word means: its name, a beginning of it, or another word for it.

    Raises:
        ValueError: it means none.
    """
    wanted = ALIASES.get(word.lower(), word.lower())
    found = [name for name in SORTS if name.startswith(wanted)] if wanted else []
    if not found:
        raise ValueError(f"no column {word!r}: sort by {', '.join(SORTS)}")
    return found[0]


def next_sort(name: str) -> str:
    """The column after that one."""
    return SORTS[(SORTS.index(name) + 1) % len(SORTS)]


LEVEL, REF = attrgetter("verdict.level"), attrgetter("endpoint.ref")

T = TypeVar("T")


class Known(Generic[T]):
    """What was worked out of each endpoint, as long as it is the same: most of a large fleet is, from view to view."""

    def __init__(self, work: Callable[[EndpointView], T]) -> None:
        self._work = work
        self._found: dict[int, T] = {}
        self._endpoints: Sequence[EndpointView] = ()
        """Those that it was worked out of. As long as they are kept, no other object has the id of one."""

    def of(self, endpoints: Sequence[EndpointView]) -> list[T]:
        """For each of them, in their order."""
        ids = list(map(id, endpoints))
        known = list(map(self._found.get, ids))
        found = [self._work(endpoints[at]) if one is None else one for at, one in enumerate(known)]
        self._found, self._endpoints = dict(zip(ids, found, strict=True)), endpoints
        return found


class Orders:
    """Puts the endpoints of one view after another in order, and filters them."""

    def __init__(self) -> None:
        self._keys = {name: Known(_key(measure)) for name, measure in MEASURES.items()}
        self._words = Known(haystack)
        self._refs: Sequence[EndpointRef] = ()
        self._by_name: Sequence[int] = ()

    def ordered(self, endpoints: Sequence[EndpointView], sort: str) -> Sequence[EndpointView]:
        """Worst or largest first, what is not known last, equal ones by name. By health is the order of the view."""
        if sort == "health":
            return endpoints
        places = self._named(endpoints)
        if sort != "name":
            places = sorted(places, key=self._keys[sort].of(endpoints).__getitem__)
        return [endpoints[at] for at in places]

    def _named(self, endpoints: Sequence[EndpointView]) -> Sequence[int]:
        """The places of the endpoints, by name. As long as the same stand in the same places, so do these."""
        refs = list(map(REF, endpoints))
        if not identical(refs, self._refs):
            self._refs = refs
            self._by_name = sorted(range(len(refs)), key=[(ref.name, ref) for ref in refs].__getitem__)
        return self._by_name

    def kept(self, kept: Filter, endpoints: Sequence[EndpointView]) -> Sequence[EndpointView]:
        """Those that the filter keeps, in their order."""
        if kept.pattern is None:
            return endpoints
        search, inverted = kept.pattern.search, kept.inverted
        words = self._words.of(endpoints)
        return [view for view, one in zip(endpoints, words, strict=True) if (search(one) is None) is inverted]


def _load(view: EndpointView) -> float | None:
    return view.rps


def _p95(view: EndpointView) -> float | None:
    telling = view.telling
    return telling.metrics.p95 if telling and telling.metrics else None


def _errors(view: EndpointView) -> float | None:
    telling = view.telling
    return telling.metrics.error_ratio if telling and telling.metrics else None


def _drift(view: EndpointView) -> float | None:
    worst = view.worst_drift
    return None if worst is None else severity(worst)


MEASURES: Mapping[str, Callable[[EndpointView], float | None]] = MappingProxyType(
    {"load": _load, "p95": _p95, "errors": _errors, "drift": _drift}
)


def _key(measure: Callable[[EndpointView], float | None]) -> Callable[[EndpointView], float]:
    def key(view: EndpointView) -> float:
        value = measure(view)
        return math.inf if value is None else -value

    return key


@dataclass(frozen=True, slots=True)
class Filter:
    """A regular expression, case-insensitive, over what an endpoint is known by; a leading ``!`` inverts it."""

    text: str = ""
    pattern: re.Pattern[str] | None = None
    inverted: bool = False

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Raises:
        ValueError: it is no regular expression; the message says where it goes wrong.
        """
        inverted = text.startswith("!")
        body = text[1:] if inverted else text
        if not body:
            return cls(text)
        try:
            return cls(text, re.compile(body, re.IGNORECASE), inverted)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None


def haystack(view: EndpointView) -> str:
    """What a filter looks at: the ref, the verdict, and each variant with its role and model."""
    words = [f"{one.name} {one.variant.role} {one.variant.model or ''}" for one in view.variants]
    return " ".join([str(view.ref), view.verdict.level, *words])


def counts(endpoints: Iterable[EndpointView]) -> Mapping[Level, int]:
    """How many endpoints there are of each level."""
    return Counter(map(LEVEL, endpoints))
