"""The speed of the link to the terminal, and the intervals between drawings that follow from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

SLOW_EVERY_S = 5.0
"""Seconds between two drawings on a slow link, or on a terminal without the focus, unless a key is pressed."""

RUNNING_EVERY_S = 2.0
"""The same while a change is under way."""

PAUSED_EVERY_S = 60.0
"""The longest time between two drawings of a paused screen, on which only ages grow."""

CHARTS_EVERY_S = 60.0
"""Seconds between two drawings of a chart of the same endpoint on a slow link."""

SLOW_ANSWER_S, QUICK_ANSWER_S = 0.5, 0.2
"""A terminal answers a query after it has read everything written before. A link whose answer takes longer than
``SLOW_ANSWER_S`` is slow, one that answers sooner than ``QUICK_ANSWER_S`` is fast. In between it stays as it was."""

IN_A_ROW = 2
"""How many answers in a row have to agree before the judgement of the link changes."""


@dataclass(slots=True)
class Link:
    """The link. ``chosen`` is whether the operator says that it is slow; ``None``: it is measured."""

    chosen: bool | None = None
    found: bool = False
    _contrary: int = 0

    @property
    def slow(self) -> bool:
        return self.found if self.chosen is None else self.chosen

    @property
    def charts_s(self) -> float:
        """The time between two drawings of a chart of the same endpoint, in seconds."""
        return CHARTS_EVERY_S if self.slow else 0.0

    def answered(self, took_s: float) -> None:
        """Record that the terminal answered after ``took_s`` seconds."""
        speaks = took_s > SLOW_ANSWER_S if not self.found else took_s < QUICK_ANSWER_S
        self._contrary = self._contrary + 1 if speaks else 0
        if self._contrary >= IN_A_ROW:
            self.found, self._contrary = not self.found, 0

    def toggle(self) -> None:
        """Override the present judgement by its opposite, as the operator's choice."""
        self.chosen = not self.slow

    def every_s(self, usual_s: float, *, watched: bool, running: bool, paused_s: float | None = None) -> float:
        """Seconds to wait from one view to the next. ``paused_s`` is how long the refresh has been paused; ``None``: it
        is not paused. A paused screen is drawn again when its ages have doubled."""
        if paused_s is not None:
            return max(usual_s, min(max(SLOW_EVERY_S, paused_s), PAUSED_EVERY_S))
        if not self.slow and watched:
            return usual_s
        return max(usual_s, RUNNING_EVERY_S if running else SLOW_EVERY_S)
