"""Editing of a typed line: the history of earlier lines, and completion as far as it is unambiguous. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def common(lines: Sequence[str]) -> str:
    """The longest common beginning of the lines."""
    if not lines:
        return ""
    shortest, longest = min(lines), max(lines)
    length = next((i for i, char in enumerate(shortest) if char != longest[i]), len(shortest))
    return shortest[:length]


class History:
    """The lines that were typed before. ``back`` and ``on`` move through the lines that begin with the typed text."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._at: int | None = None
        self._typed = ""

    def add(self, line: str) -> None:
        """Add a line, without a duplicate, and reset the position in the history."""
        if line in self.lines:
            self.lines.remove(line)
        if line:
            self.lines.append(line)
        self._at = None

    def back(self, typed: str) -> str:
        """The previous line."""
        if self._at is None:
            self._at, self._typed = len(self.lines), typed
        found = [i for i in range(self._at) if self.lines[i].startswith(self._typed)]
        if found:
            self._at = found[-1]
            return self.lines[self._at]
        return typed

    def on(self, typed: str) -> str:
        """The next line, and after the last one the typed text."""
        if self._at is None:
            return typed
        found = [i for i in range(self._at + 1, len(self.lines)) if self.lines[i].startswith(self._typed)]
        if found:
            self._at = found[0]
            return self.lines[self._at]
        self._at = None
        return self._typed
