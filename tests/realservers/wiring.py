"""Adapters as the engine makes them, with the defaults of their settings filled in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from backends.contracts import Adapter, Wiring

A = TypeVar("A")


def made(
    cls: Callable[[Wiring[Any]], A],
    sources: Mapping[tuple[str, str], object] | None = None,
    /,
    **options: object,
) -> A:
    """An adapter with these options, ``timeout`` among them; ``sources`` are what it may ask for by kind and name."""

    def source(kind: str, name: str) -> Adapter:
        return cast("Adapter", (sources or {})[kind, name])

    return cls(Wiring("tested", told(cls, 3.0, **options), source, time.time))


def told(cls: object, timeout_s: float, /, **options: object) -> Any:
    """The options of that adapter's class; ``timeout`` may be among them."""
    given = cast("float", options.pop("timeout", timeout_s))
    return cast("type[Adapter]", cls).OPTIONS(given, **options)
