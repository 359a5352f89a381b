"""Which endpoints are shown, and in what order. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ops.drift import severity
from ops.fleet import EndpointView
from ops.health import Level

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


def ordered(endpoints: Sequence[EndpointView], sort: str) -> Sequence[EndpointView]:
    """Worst or largest first, what is not known last, equal ones by name. By health is the order of the view."""
    if sort == "health":
        return endpoints
    if sort == "name":
        return sorted(endpoints, key=lambda view: (view.ref.name, view.ref))
    measure = {"load": _load, "p95": _p95, "errors": _errors, "drift": _drift}[sort]

    def key(view: EndpointView) -> tuple[bool, float, str]:
        value = measure(view)
        return value is None, -(value or 0.0), view.ref.name

    return sorted(endpoints, key=key)


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

    def keep(self, views: Iterable[EndpointView]) -> Sequence[EndpointView]:
        """Those that match."""
        if self.pattern is None:
            return views if isinstance(views, Sequence) else tuple(views)
        search, inverted = self.pattern.search, self.inverted
        return [view for view in views if (search(haystack(view)) is None) is inverted]


def haystack(view: EndpointView) -> str:
    """What a filter looks at: the ref, the verdict, and each variant with its role and model."""
    words = [f"{one.name} {one.variant.role} {one.variant.model or ''}" for one in view.variants]
    return " ".join([str(view.ref), view.verdict.level, *words])


def counts(endpoints: Iterable[EndpointView]) -> dict[Level, int]:
    """How many endpoints there are of each level."""
    found = dict.fromkeys(Level, 0)
    for view in endpoints:
        found[view.verdict.level] += 1
    return found
