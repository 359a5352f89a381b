"""Adapters that look for what they could talk to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Discovered:
    """What an adapter found where this machine points to. ``words`` say what; ``table`` holds the source's settings as
    the configuration file has them (no secrets), and is ``None`` where there is nothing to write down."""

    words: str
    table: Mapping[str, object] | None = None


@runtime_checkable
class Discovers(Protocol):
    """An adapter *class* that can look for what it could talk to, for ``shiftdeck init``."""

    @classmethod
    def discover(cls, env: Mapping[str, str]) -> Discovered | None:
        """Look, with a deadline of a few seconds, only where ``env`` and this machine's own configuration point;
        ``None`` where there is nothing to say. Changes nothing.

        Raises:
            BackendError: what was named there does not answer.
        """
        ...
