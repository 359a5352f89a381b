"""How good the line to the terminal is, and how often it is drawn on for that. Pure."""

from __future__ import annotations

from dataclasses import dataclass

SLOW_EVERY_S = 5.0
"""How often a slow line, or a terminal that nobody looks at, is given something new, unless a key is pressed."""

RUNNING_EVERY_S = 2.0
"""How often while a change is under way."""

PAUSED_EVERY_S = 60.0
"""The most that passes on a paused screen, on which only ages grow, from one drawing to the next."""

CHARTS_EVERY_S = 60.0
"""How often a chart is drawn on a slow line as long as it is of the same endpoint."""

SLOW_ANSWER_S, QUICK_ANSWER_S = 0.5, 0.2
"""A terminal answers a question after all that was written before it. So long, and the line is slow; so short, and it
is good. Between the two it stays what it was."""

IN_A_ROW = 2
"""Answers that have to agree."""


@dataclass(slots=True)
class Link:
    """The line. ``chosen`` is what the operator said of it, ``None`` where it is to be found out."""

    chosen: bool | None = None
    found: bool = False
    _contrary: int = 0

    @property
    def slow(self) -> bool:
        return self.found if self.chosen is None else self.chosen

    @property
    def charts_s(self) -> float:
        """How long a chart of the same endpoint is left as it is."""
        return CHARTS_EVERY_S if self.slow else 0.0

    def answered(self, took_s: float) -> None:
        """The terminal answered after so many seconds."""
        speaks = took_s > SLOW_ANSWER_S if not self.found else took_s < QUICK_ANSWER_S
        self._contrary = self._contrary + 1 if speaks else 0
        if self._contrary >= IN_A_ROW:
            self.found, self._contrary = not self.found, 0

    def toggle(self) -> None:
        """The operator knows better."""
        self.chosen = not self.slow

    def every_s(self, usual_s: float, *, watched: bool, running: bool, paused_s: float | None = None) -> float:
        """How long to wait from one view to the next. ``paused_s`` is how long nothing has been asked, ``None`` where
        something is: then ages are drawn when they have doubled."""
        if paused_s is not None:
            return max(usual_s, min(max(SLOW_EVERY_S, paused_s), PAUSED_EVERY_S))
        if not self.slow and watched:
            return usual_s
        return max(usual_s, RUNNING_EVERY_S if running else SLOW_EVERY_S)
