"""What a line that is typed can do: go back to earlier lines, and be completed as far as that is clear. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def common(lines: Sequence[str]) -> str:
    """What all of them begin with."""
    if not lines:
        return ""
    shortest, longest = min(lines), max(lines)
    length = next((i for i, char in enumerate(shortest) if char != longest[i]), len(shortest))
    return shortest[:length]


class History:
    """Lines that were typed before; ``back`` and ``on`` move through those that begin like what is typed now."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._at: int | None = None
        self._typed = ""

    def add(self, line: str) -> None:
        """Keep a line, once; forget where one was looking."""
        if line in self.lines:
            self.lines.remove(line)
        if line:
            self.lines.append(line)
        self._at = None

    def back(self, typed: str) -> str:
        """The line before."""
        if self._at is None:
            self._at, self._typed = len(self.lines), typed
        found = [i for i in range(self._at) if self.lines[i].startswith(self._typed)]
        if found:
            self._at = found[-1]
            return self.lines[self._at]
        return typed

    def on(self, typed: str) -> str:
        """The line after, and at the end what was being typed."""
        if self._at is None:
            return typed
        found = [i for i in range(self._at + 1, len(self.lines)) if self.lines[i].startswith(self._typed)]
        if found:
            self._at = found[0]
            return self.lines[self._at]
        self._at = None
        return self._typed
