"""Adapters as the engine makes them, with the defaults of their settings filled in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from backends.contracts import Adapter, Wiring

A = TypeVar("A")


def made(
    cls: Callable[[Wiring], A], sources: Mapping[tuple[str, str], object] | None = None, /, **options: object
) -> A:
    """An adapter with these options; ``sources`` are what it may ask for by kind and name."""
    defaults = {setting.key: setting.default for setting in cast("type[Adapter]", cls).SETTINGS}

    def source(kind: str, name: str) -> Adapter:
        return cast("Adapter", (sources or {})[kind, name])

    return cls(Wiring("tested", {**defaults, "timeout": 3.0, **options}, source, time.time))
