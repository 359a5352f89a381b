"""Which endpoints are shown, and in what order. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from ops.drift import severity
from ops.verdicts import Level

if TYPE_CHECKING:
    from ops.endpoint_views import EndpointView

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


LEVEL = attrgetter("verdict.level")

T = TypeVar("T")


class Known(Generic[T]):
    """What was worked out of each endpoint, as long as it is the same: most of a large fleet is, from view to view."""

    def __init__(self, work: Callable[[EndpointView], T]) -> None:
        self._work = work
        self._found: dict[int, tuple[EndpointView, T]] = {}

    def of(self, endpoints: Iterable[EndpointView]) -> list[T]:
        """For each of them, in their order."""
        old, found, work = self._found.get, [], self._work
        for view in endpoints:
            one = old(id(view))
            found.append(one if one is not None else (view, work(view)))
        self._found = {id(one[0]): one for one in found}
        return [value for _, value in found]


class Orders:
    """Puts the endpoints of one view after another in order, and filters them."""

    def __init__(self) -> None:
        self._keys: dict[str, Known[SortKey]] = {name: Known(_key(measure)) for name, measure in MEASURES.items()}
        self._words = Known(haystack)

    def ordered(self, endpoints: Sequence[EndpointView], sort: str) -> Sequence[EndpointView]:
        """Worst or largest first, what is not known last, equal ones by name. By health is the order of the view."""
        if sort == "health":
            return endpoints
        if sort == "name":
            return sorted(endpoints, key=lambda view: (view.ref.name, view.ref))
        keys = self._keys[sort].of(endpoints)
        return [endpoints[at] for at in sorted(range(len(keys)), key=keys.__getitem__)]

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


SortKey = tuple[bool, float, str]

MEASURES: Mapping[str, Callable[[EndpointView], float | None]] = MappingProxyType(
    {"load": _load, "p95": _p95, "errors": _errors, "drift": _drift}
)


def _key(measure: Callable[[EndpointView], float | None]) -> Callable[[EndpointView], SortKey]:
    def key(view: EndpointView) -> SortKey:
        value = measure(view)
        return value is None, -(value or 0.0), view.ref.name

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
