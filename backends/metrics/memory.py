"""Remembers which subjects were measured, so that one that is measured no longer is told and not left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backends.contracts import Subject

KEPT_S = 24 * 3600.0
"""A subject that was not measured for so long is not told any more."""


class Memory:
    """The subjects that were measured, each with the time of its last data in Unix seconds. Not thread-safe."""

    def __init__(self) -> None:
        self._last: dict[Subject, float] = {}
        self._alive: frozenset[Subject] = frozenset()

    def note(self, alive: Iterable[Subject], now: float) -> None:
        """These are measured now."""
        self._alive = frozenset(alive)
        self._last.update(dict.fromkeys(self._alive, now))
        for subject in [one for one, at in self._last.items() if at < now - KEPT_S]:
            del self._last[subject]

    def recall(self, past: Mapping[Subject, float]) -> None:
        """These were measured before this memory began."""
        for subject, at in past.items():
            self._last[subject] = max(at, self._last.get(subject, at))

    def vanished(self) -> Mapping[Subject, float]:
        """The subjects that are measured no longer, with the time of their last data."""
        return {subject: at for subject, at in sorted(self._last.items()) if subject not in self._alive}
