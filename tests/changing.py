"""Kinds of change that work on what a test hands in, and plans carried out by them on the calling thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from backends.contracts import Adapter, Endpoint, EndpointRef, Serving
from shiftdeck.changes.executor import Executor, Ports
from shiftdeck.changes.kind import ChangeKind, Planned
from shiftdeck.changes.recovery import Bounds
from shiftdeck.changes.run import Outcome
from shiftdeck.changes.silence import SilenceAlerts
from shiftdeck.changes.time_known import Ages
from shiftdeck.changes.timing import Timing
from shiftdeck.changes.traffic import Traffic
from shiftdeck.common.clock import Clock
from shiftdeck.journal.journal import Journal

SHORT = Timing(poll_s=0.005, read_back_s=0.02, lost_s=0.05)


def long_after() -> Bounds:
    """The bounds of a recovery an hour later: no call can be on its way any more."""
    real = Clock()
    return Bounds(ages=Ages(Clock(lambda: real.wall() + 3600.0, lambda: real.elapsed() + 3600.0)))


class Reading:
    """A serving system that can be read, and no more."""

    def __init__(self, read: Callable[[EndpointRef], Endpoint]) -> None:
        self.read = read


def readable(read: Callable[[EndpointRef], Endpoint]) -> Traffic:
    """Changes of traffic of what can only be read, as recovery does."""
    system = cast("Serving", Reading(read))
    return Traffic(lambda ref: system, dict, lambda endpoint: None, Timing())


def silences_of(adapter: object) -> SilenceAlerts:
    """Silences of that one adapter, whatever its source is called."""
    return SilenceAlerts(lambda source: cast("Adapter", adapter))


def carry_out(
    plan: Planned, kind: ChangeKind[Any], journal: Journal, *, refusal: str = "", reason: str = "known"
) -> tuple[Outcome, int | None]:
    """The outcome, and the journal's number of the intent."""
    ports = Ports(journal, Clock(), threading.Event(), SHORT, refusal=lambda: refusal)
    run = Executor[Any](plan, kind, ports, lambda run: None, reason=reason).carry_out()
    assert run.outcome is not None
    return run.outcome, run.seq
