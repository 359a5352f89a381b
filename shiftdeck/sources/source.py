"""The state of a source, and the last good answer with its status. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class SourceState(StrEnum):
    """How far a source's data can be trusted."""

    STARTING = "starting"
    OK = "ok"
    STALE = "stale"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The state of a source at one moment.

    ``at`` is when the data that is shown was received; it is when the data was asked for where the answer was overdue,
    and ``None`` where there is no data yet. ``since`` is when the present state began. Both are in Unix seconds by the
    wall clock as it is now: after a jump of it, they have jumped too. ``error`` and ``hint`` say what
    is wrong and what to do. ``latency_s`` is how long the last good answer took. ``every_s`` is the present poll
    interval. ``usual_s`` is the interval while the source is visible (``None``: the same). ``remarks`` say what the
    last good answer lacks: items that were dropped, and why.
    """

    name: str
    kind: str
    adapter: str
    state: SourceState
    at: float | None
    since: float
    every_s: float
    error: str = ""
    hint: str = ""
    latency_s: float | None = None
    usual_s: float | None = None
    remarks: tuple[str, ...] = ()

    def age_s(self, now: float) -> float | None:
        """How old the data is, or ``None`` where there is none."""
        return None if self.at is None else max(0.0, now - self.at)

    @property
    def fresh(self) -> bool:
        """Whether a decision may rest on the data."""
        return self.state is SourceState.OK


def lasting(status: SourceStatus) -> SourceStatus:
    """The status without the fields that every answer changes: two lasting statuses differ only where the state does.
    ``at`` is kept where the data is not fresh, because it does not change there."""
    at = None if status.fresh else status.at
    return replace(status, at=at, error="", hint="", latency_s=None, every_s=0.0, usual_s=None, remarks=())


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """The last good value, or ``None``, with the status of its source."""

    value: T | None
    status: SourceStatus
