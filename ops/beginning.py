"""The view before any source has been asked: what there is to show while the engine is still being imported."""

from __future__ import annotations

from ops.arming import Gate
from ops.config import ContextConfig
from ops.fleet import FleetView, Readings
from ops.sources import Snapshot, SourceState, SourceStatus


def first_view(context: ContextConfig, now: float) -> FleetView:
    """View number 0: all sources of the context are starting, and no endpoint is known. ``now`` in Unix seconds."""
    tables: dict[str, dict[str, Snapshot[object]]] = {}
    for one in context.sources:
        status = SourceStatus(one.name, one.kind, one.adapter, SourceState.STARTING, None, now, one.every_s)
        tables.setdefault(one.kind, {})[one.name] = Snapshot(None, status)
    readings = Readings(**tables)  # type: ignore[arg-type]  # there is no answer of any type yet
    arming = Gate(context, lambda: now).state()
    return FleetView(0, now, context.name, context.production, arming, sources=readings.statuses())
