"""What the engine asks of a source.

The engine knows sources by the ``Source`` protocol only. Its usual sources poll an adapter (``polled_source``); others,
such as scripted ones or those of a recording, are handed in by a ``SourceFactory``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from shiftdeck.common.clock import Clock
from shiftdeck.sources.source import Snapshot

T = TypeVar("T")


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
    """Makes a source. ``poll`` asks the adapter once, ``clock`` dates what is shown, and ``changed`` is to be called
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
        clock: Clock,
        changed: Callable[[], None],
    ) -> Source[Any]: ...
