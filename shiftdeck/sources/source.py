"""A source: its state, the last good answer with its age, and what the engine asks of it.

The engine knows sources by the ``Source`` protocol only. Its usual sources poll an adapter (``polled_source``); others,
such as scripted ones or those of a recording, are handed in by a ``SourceFactory``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

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
    and ``None`` where there is no data yet. ``since`` is when the present state began. ``error`` and ``hint`` say what
    is wrong and what to do. ``latency_s`` is how long the last good answer took. ``every_s`` is the present poll
    interval. ``usual_s`` is the interval while the source is visible (``None``: the same).
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
    return replace(status, at=at, error="", hint="", latency_s=None, every_s=0.0, usual_s=None)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """The last good value, or ``None``, with the status of its source."""

    value: T | None
    status: SourceStatus


class Source(Protocol[T]):
    """What the engine asks of a source. Every method returns at once and may be called from any thread."""

    @property
    def name(self) -> str: ...

    @property
    def usual_s(self) -> float:
        """The poll interval while the source is visible, in seconds."""
        ...

    def start(self) -> None:
        """Begin to ask. Called once."""
        ...

    def stop(self) -> None:
        """Ask no more."""
        ...

    def refresh(self) -> None:
        """Ask now."""
        ...

    def nudge(self) -> None:
        """The backend has something new: ask soon."""
        ...

    def pause(self, paused: bool) -> None:
        """Stop asking, or go on."""
        ...

    def set_interval(self, every_s: float) -> None:
        """Ask every ``every_s`` seconds from now on."""
        ...

    def snapshot(self) -> Snapshot[T]:
        """The last good value and the status as of now."""
        ...


class SourceFactory(Protocol):
    """Makes a source. ``poll`` asks the adapter once, ``clock`` returns Unix seconds, and ``changed`` is to be called
    when a snapshot differs from the one before; it returns at once. A source that has its answers from elsewhere, as
    from a recording, leaves ``poll`` alone."""

    def __call__(
        self,
        *,
        name: str,
        kind: str,
        adapter: str,
        every_s: float,
        timeout_s: float,
        poll: Callable[[], Any],
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> Source[Any]: ...
