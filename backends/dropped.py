"""Counts what a reader had to drop, by reason, for the remarks of a source."""

from __future__ import annotations

from dataclasses import dataclass, field

SHOWN = 80  # characters of a foreign text quoted in a message
REASONS = 8  # remarks of one answer


@dataclass(slots=True)
class Dropped:
    """Items of one answer that were dropped. Not thread-safe."""

    _reasons: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, reason: str, example: str, count: int = 1) -> None:
        """Note ``count`` items that were dropped for a reason ("series twice"). ``example`` names the first of them."""
        known, first = self._reasons.get(reason, (0, example))
        self._reasons[reason] = known + count, first

    @property
    def first(self) -> tuple[str, str]:
        """The first reason, with its example; empty texts if nothing was dropped."""
        return next(((reason, example) for reason, (_, example) in self._reasons.items()), ("", ""))

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def remarks(self) -> tuple[str, ...]:
        """One sentence for each reason, with the number of items and the first of them."""
        told = [
            f"dropped: {reason} ({count:,}, first {example})" if count > 1 else f"dropped: {reason} ({example})"
            for reason, (count, example) in self._reasons.items()
        ]
        more = len(told) - REASONS
        return (*told[:REASONS], *([f"dropped for {more} more reasons"] if more > 0 else []))


def shown(text: str) -> str:
    """A text from outside, without unprintable characters and at most ``SHOWN`` characters long."""
    clean = "".join(char if char.isprintable() else "�" for char in text[: SHOWN + 1])
    return clean if len(clean) <= SHOWN else clean[:SHOWN] + "…"
