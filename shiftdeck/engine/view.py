"""The view: the fleet and the program's own state at one moment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from shiftdeck.changes.access import Arming
from shiftdeck.fleet.view import FleetView

if TYPE_CHECKING:
    from backends.contracts import Drill
    from shiftdeck.changes.recovery import Finding
    from shiftdeck.changes.release_memory import Memory
    from shiftdeck.changes.run import Run
    from shiftdeck.common.clock import Jump
    from shiftdeck.history.charts import Charts
    from shiftdeck.history.drift_history import DriftHistory
    from shiftdeck.journal.journal import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class View(FleetView):
    """What a screen shows. ``unfinished`` are the changes without an outcome that an earlier run of the program left.
    ``findings`` say what is known of them, and which outcomes were reopened. ``memory`` is what the journal remembers
    of releases, by endpoint. ``paused`` is whether polling is paused.
    ``clock_jump`` is a jump of the wall clock in the last hour.
    ``drift_history`` is that of the endpoint in focus."""

    arming: Arming
    charts: Charts | None = None
    runs: tuple[Run[Any], ...] = ()
    journal: tuple[Entry, ...] = ()
    unfinished: tuple[Entry, ...] = ()
    findings: tuple[Finding, ...] = ()
    memory: Mapping[str, Memory] = field(default_factory=dict)
    drills: tuple[Drill, ...] = ()
    paused: bool = False
    clock_jump: Jump | None = None
    drift_history: DriftHistory | None = None


_OF_FLEET = tuple(one.name for one in fields(FleetView))


def view_of(fleet: FleetView, arming: Arming) -> View:
    """The view of a fleet. Of the program's own state it has the arming only."""
    return View(**{name: getattr(fleet, name) for name in _OF_FLEET}, arming=arming)
