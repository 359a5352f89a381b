"""A run: a change under way, and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

from shiftdeck.changes.plan import Plan
from shiftdeck.changes.planned import P
from shiftdeck.common.clock import time_of_day

if TYPE_CHECKING:
    from backends.contracts import Endpoint


class Stage(StrEnum):
    """The stages of a change, from its intent to its outcome."""

    RECORDING = "recording the intent"
    SENDING = "sending"
    OBSERVING = "waiting for the control plane"
    MEASURING = "waiting for the metrics"
    DONE = "done"


class OutcomeKind(StrEnum):
    """How a change ended. Each kind has its exit code on the command line."""

    SETTLED = "settled"
    REFUSED = "refused"
    CONFLICT = "conflict"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"  # a change back began before its outcome was known


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a change ended. ``confirmed`` says whether the metrics agree with the control plane; ``None``: not known.

    ``read_at`` is when the system was read for this outcome, in Unix seconds. ``by_look`` is true if the outcome rests
    on what the system showed, and not on its answer: it is reopened if the system later shows what was asked for.
    """

    kind: OutcomeKind
    message: str
    confirmed: bool | None = None
    changed: tuple[str, ...] = ()
    read_at: float | None = None
    by_look: bool = False

    @property
    def when_read(self) -> str:
        """ "; read at 03:14:22Z", or "" if the system was not read for this outcome."""
        return "" if self.read_at is None else f"; read at {time_of_day(self.read_at)}"


@dataclass(frozen=True, slots=True)
class Run(Generic[P]):
    """The state of one change. ``now`` is the endpoint as last read, ``shares`` the measured percent by variant.

    ``started`` and ``updated`` are in elapsed seconds while the change is carried out; the runs of an engine are dated
    in Unix seconds, by the wall clock as it is now. ``seq`` is the journal's number of the intent. ``stalled`` means
    that there was no progress for ``Timing.stall_s``, or that the system says so. ``sent`` counts the calls that were
    sent.
    """

    plan: P
    stage: Stage
    started: float
    updated: float
    message: str = ""
    now: Endpoint | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    seq: int | None = None
    stalled: bool = False
    sent: int = 0
    reason: str = ""
    outcome: Outcome | None = None

    @property
    def done(self) -> bool:
        return self.outcome is not None

    @property
    def part_way(self) -> bool:
        """Whether the run ended with some of its calls sent and some not."""
        return self.done and 0 < self.sent < len(self.plan.steps)


TrafficRun: TypeAlias = Run[Plan]
"""A change of an endpoint's traffic."""


def traffic_runs(runs: Iterable[Run[Any]]) -> tuple[TrafficRun, ...]:
    """The runs that change an endpoint's traffic."""
    return tuple(cast("TrafficRun", run) for run in runs if isinstance(run.plan, Plan))
