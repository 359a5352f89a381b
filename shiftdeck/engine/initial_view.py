"""The view before any source is polled, shown while the engine is still being imported."""

from __future__ import annotations

from shiftdeck.changes.access import Gate
from shiftdeck.common.clock import Clock
from shiftdeck.config.loader import ContextConfig
from shiftdeck.engine.view import View
from shiftdeck.source_kinds.table import KINDS
from shiftdeck.sources.source import SourceState, SourceStatus


def first_view(context: ContextConfig, clock: Clock) -> View:
    """View number 0: every source of the context is starting, and no endpoint is known."""
    now = clock.wall()
    starting = (
        SourceStatus(one.name, one.kind, one.adapter, SourceState.STARTING, None, now, one.every_s)
        for kind in KINDS
        for one in context.of_kind(kind)
    )
    arming = Gate(context, clock).state()
    return View(0, now, context.name, context.production, arming=arming, sources=tuple(starting))
