"""Adapters by name, through the entry-point group ``shiftdeck.backends``.

Ours are registered there like anybody's, as ``KIND.ADAPTER`` (``serving.lab``): a distribution that adds an entry
point adds an adapter. Names cost no import; an adapter's module is imported when it is asked for.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from backends.contracts import Adapter

GROUP = "shiftdeck.backends"

KINDS = ("registries", "serving", "metrics", "accelerators", "drift", "alerts", "images")


@cache
def _points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # with all that it brings, as costly as many adapters

    return {point.name: point for point in entry_points(group=GROUP)}


def adapter_names(kind: str) -> tuple[str, ...]:
    """The names of the adapters of that kind, in alphabetical order, without importing any."""
    prefix = f"{kind}."
    return tuple(sorted(name.removeprefix(prefix) for name in _points() if name.startswith(prefix)))


def adapter_class(kind: str, name: str) -> type[Adapter]:
    """The class of that adapter; imports its module, but not yet its SDK.

    Raises:
        LookupError: there is no such adapter; the message names those that there are.
    """
    point = _points().get(f"{kind}.{name}")
    if point is None:
        known = ", ".join(adapter_names(kind)) or "none installed"
        raise LookupError(f"no adapter {name!r} for {kind}: known are {known}")
    return cast("type[Adapter]", point.load())
