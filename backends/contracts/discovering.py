"""Adapters that can find a system to connect to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Discovered:
    """A system that an adapter found. ``words`` describes it. ``table`` holds the source's settings as written in the
    configuration file (no secrets), or is ``None`` if there is nothing to write there."""

    words: str
    table: Mapping[str, object] | None = None


@runtime_checkable
class Discovers(Protocol):
    """An adapter *class* that can find a system to connect to, for ``shiftdeck init``."""

    @classmethod
    def discover(cls, env: Mapping[str, str]) -> Discovered | None:
        """Look for a system, within a few seconds. Only addresses that ``env`` or this machine's own configuration
        names are tried; ``None`` if there is no such address. Changes nothing.

        Raises:
            BackendError: the system that is named there does not answer.
        """
        ...
