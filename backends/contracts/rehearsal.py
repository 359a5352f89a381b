"""Adapters of simulated systems that can play faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Drill:
    """A fault that a simulated system can play. ``since`` is when it was started, if it is ``running``."""

    name: str
    summary: str
    running: bool = False
    since: float | None = None


@runtime_checkable
class Rehearsal(Protocol):
    """An adapter of a simulated system that can play faults on demand (the lab). The app offers drills if a source has
    this interface."""

    def drills(self) -> tuple[Drill, ...]: ...

    def set_drill(self, name: str, running: bool) -> None:
        """Start or end a drill. Raises ``Rejected`` if there is no drill of that name."""
        ...
