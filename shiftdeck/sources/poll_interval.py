"""How often each source is polled, by what is visible. Pure.

A source that no visible pane shows is polled less often, and so is every source while the terminal does not have the
focus. The kinds that verdicts rest on most (serving systems, metrics, alerts) are slowed for the second reason only.
Nothing is slowed while a change is under way or a screen is open that leads to one.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from shiftdeck.config.loader import RefreshConfig
from shiftdeck.source_kinds.table import source_kind

CHARTS = "charts"
"""The auxiliary source of the charts. It is no kind of the configuration, and rests when hidden."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """What is visible: ``shown`` are the kinds of sources that visible panes show (``None``: all of them), ``focused``
    is whether the terminal has the focus."""

    shown: Set[str] | None = None
    focused: bool = True


def rests_when_hidden(kind: str) -> bool:
    """Whether sources of that kind are polled less often while no visible pane shows them.

    Raises:
        UnknownKind: there is no such kind.
    """
    return kind == CHARTS or source_kind(kind).rests_when_hidden


def interval_s(kind: str, every_s: float, visibility: Visibility, refresh: RefreshConfig) -> float:
    """Seconds between two polls of a source whose usual interval is ``every_s``: at most ``refresh.slowest_s``, and
    never less than ``every_s``.

    Raises:
        UnknownKind: there is no such kind.
    """
    factor = 1.0
    if rests_when_hidden(kind) and visibility.shown is not None and kind not in visibility.shown:
        factor = refresh.hidden
    if not visibility.focused:
        factor = max(factor, refresh.unfocused)
    return max(every_s, min(every_s * factor, refresh.slowest_s))
