"""Views for tests: what sources answered, joined from nothing."""

from __future__ import annotations

from shiftdeck.changes.access import Arming
from shiftdeck.config.loader import ContextConfig
from shiftdeck.engine.view import View, view_of
from shiftdeck.fleet.joiner import Joiner
from shiftdeck.sources.readings import Readings


def fleet_view(context: ContextConfig, readings: Readings, arming: Arming, now: float) -> View:
    """The view of those answers; its number is 0."""
    return view_of(Joiner(context).view(readings, now), arming)
