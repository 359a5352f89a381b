"""How often each source is asked, by who looks. Pure.

What no visible pane shows need not be read as often, and a terminal that somebody has turned away from can wait. What
verdicts rest on most, the serving systems, metrics and alerts, is slowed for the second reason only; and nothing is
while a change is under way or a screen is open that leads to one.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from shiftdeck.config.loader import RefreshConfig

PANE_ONLY = frozenset({"registries", "accelerators", "drift", "charts"})
"""Kinds that are read less often where nothing on the screen shows them."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What is looked at: ``shown`` are the kinds of sources that visible panes show, ``None`` for all of them."""

    shown: Set[str] | None = None
    focused: bool = True


def interval_s(kind: str, every_s: float, attention: Attention, refresh: RefreshConfig) -> float:
    """Seconds between two questions to a source that is otherwise asked every ``every_s``: at most
    ``refresh.slowest_s``, and never less than ``every_s``."""
    factor = 1.0
    if kind in PANE_ONLY and attention.shown is not None and kind not in attention.shown:
        factor = refresh.hidden
    if not attention.focused:
        factor = max(factor, refresh.unfocused)
    return max(every_s, min(every_s * factor, refresh.slowest_s))
