"""The order and the filter of the endpoints that are shown. Pure."""

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
"""Other words for a column that people type."""


def sort_named(word: str) -> str:
    """The column that a word names: by the column's name, the beginning of that name, or an alias.

    Raises:
        ValueError: it names none.
    """
    wanted = ALIASES.get(word.lower(), word.lower())
    found = [name for name in SORTS if name.startswith(wanted)] if wanted else []
    if not found:
        raise ValueError(f"no column {word!r}: sort by {', '.join(SORTS)}")
    return found[0]


def next_sort(name: str) -> str:
    """The column after that one, in a circle."""
    return SORTS[(SORTS.index(name) + 1) % len(SORTS)]


LEVEL, REF = attrgetter("verdict.level"), attrgetter("endpoint.ref")

T = TypeVar("T")


class CachedByEndpoint(Generic[T]):
    """Caches a value worked out of each endpoint. Most endpoints of a large fleet are the same objects from view to
    view."""

    def __init__(self, work: Callable[[EndpointView], T]) -> None:
        self._work = work
        self._found: dict[int, T] = {}
        self._endpoints: Sequence[EndpointView] = ()
        """The endpoints of the cache. They are kept so that no other object can get the id of one of them."""

    def of(self, endpoints: Sequence[EndpointView]) -> list[T]:
        """The value of each endpoint, in their order."""
        ids = list(map(id, endpoints))
        known = list(map(self._found.get, ids))
        found = [self._work(endpoints[at]) if one is None else one for at, one in enumerate(known)]
        self._found, self._endpoints = dict(zip(ids, found, strict=True)), endpoints
        return found


class EndpointSorter:
    """Sorts and filters the endpoints of one view after another, at the cost of what changed."""

    def __init__(self) -> None:
        self._keys = {name: CachedByEndpoint(_key(measure)) for name, measure in MEASURES.items()}
        self._words = CachedByEndpoint(search_text)
        self._refs: Sequence[EndpointRef] = ()
        self._by_name: Sequence[int] = ()

    def ordered(self, endpoints: Sequence[EndpointView], sort: str) -> Sequence[EndpointView]:
        """Worst or largest first, unknown values last, equal ones by name. The order by health is that of the view."""
        if sort == "health":
            return endpoints
        places = self._named(endpoints)
        if sort != "name":
            places = sorted(places, key=self._keys[sort].of(endpoints).__getitem__)
        return [endpoints[at] for at in places]

    def _named(self, endpoints: Sequence[EndpointView]) -> Sequence[int]:
        """The places of the endpoints, by name. They are the same as long as the refs and their order are."""
        refs = list(map(REF, endpoints))
        if not identical(refs, self._refs):
            self._refs = refs
            self._by_name = sorted(range(len(refs)), key=[(ref.name, ref) for ref in refs].__getitem__)
        return self._by_name

    def filtered(self, narrowed: Filter, endpoints: Sequence[EndpointView]) -> Sequence[EndpointView]:
        """The endpoints that the filter keeps, in their order."""
        if narrowed.pattern is None:
            return endpoints
        search, inverted = narrowed.pattern.search, narrowed.inverted
        words = self._words.of(endpoints)
        return [view for view, one in zip(endpoints, words, strict=True) if (search(one) is None) is inverted]


def _load(view: EndpointView) -> float | None:
    return view.rps


def _p95(view: EndpointView) -> float | None:
    shown_variant = view.shown_variant
    return shown_variant.metrics.p95 if shown_variant and shown_variant.metrics else None


def _errors(view: EndpointView) -> float | None:
    shown_variant = view.shown_variant
    return shown_variant.metrics.error_ratio if shown_variant and shown_variant.metrics else None


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
    """A case-insensitive regular expression over the words of an endpoint; a leading ``!`` inverts it."""

    text: str = ""
    pattern: re.Pattern[str] | None = None
    inverted: bool = False

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Raises:
        ValueError: it is no regular expression; the message says where the error is.
        """
        inverted = text.startswith("!")
        body = text[1:] if inverted else text
        if not body:
            return cls(text)
        try:
            return cls(text, re.compile(body, re.IGNORECASE), inverted)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None


def search_text(view: EndpointView) -> str:
    """The words that a filter searches: the ref, the verdict, and each variant with its role and model."""
    words = [f"{one.name} {one.variant.role} {one.variant.model or ''}" for one in view.variants]
    return " ".join([str(view.ref), view.verdict.level, *words])


def counts(endpoints: Iterable[EndpointView]) -> Mapping[Level, int]:
    """How many endpoints there are of each level."""
    return Counter(map(LEVEL, endpoints))
