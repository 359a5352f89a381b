"""Adapters whose world can play faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Drill:
    """A fault that a rehearsal world can play. ``running`` since ``since``, or not."""

    name: str
    summary: str
    running: bool = False
    since: float | None = None


@runtime_checkable
class Rehearsal(Protocol):
    """An adapter whose world can play faults on demand (the lab's). The app offers drills where one has this."""

    def drills(self) -> tuple[Drill, ...]: ...

    def set_drill(self, name: str, running: bool) -> None:
        """Start or end one. Raises ``Rejected`` where there is none of that name."""
        ...
