"""The fleet: the answers of all sources, joined into one immutable, numbered view. Pure.

Answers that belong to no endpoint (metrics of one that no serving system knows, say) are kept and shown as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from shiftdeck.health.verdict import Level, Reason, Verdict
from shiftdeck.source_kinds.table import SERVING
from shiftdeck.sources.source import SourceState, SourceStatus

if TYPE_CHECKING:
    from backends.contracts import Alert, DriftScore, EndpointRef, Gpu, ModelVersion
    from shiftdeck.fleet.endpoint import EndpointView


@dataclass(frozen=True, slots=True)
class FleetView:
    """The answers of all sources at one moment. ``number`` grows by one with each view. Endpoints are worst first.
    ``unjoined`` says, in words, which answers belong to no endpoint. ``registry_of`` is the name of the source that a
    model is registered in."""

    number: int
    at: float
    context: str
    production: bool
    sources: tuple[SourceStatus, ...] = ()
    endpoints: tuple[EndpointView, ...] = ()
    versions: tuple[ModelVersion, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    drift: tuple[DriftScore, ...] = ()
    alerts: tuple[Alert, ...] = ()
    unjoined: tuple[str, ...] = ()
    registry_of: Mapping[str, str] = field(default_factory=dict)

    def endpoint(self, ref: EndpointRef) -> EndpointView | None:
        return next((view for view in self.endpoints if view.ref == ref), None)

    def source(self, name: str) -> SourceStatus | None:
        return next((status for status in self.sources if status.name == name), None)

    def newest(self, status: SourceStatus) -> SourceStatus:
        """The whole status of that source in this view; ``status`` itself where the view does not have the source, or
        where the source answers and has no data of this one endpoint."""
        found = next((one for one in self.sources if (one.kind, one.name) == (status.kind, status.name)), status)
        return status if found.fresh and not status.fresh else found

    @property
    def loaded(self) -> bool:
        """Whether every source has answered or failed at least once."""
        return all(status.state is not SourceState.STARTING for status in self.sources)

    @property
    def awaits_serving(self) -> bool:
        """Whether a serving system has yet to answer or fail for the first time."""
        return any(one.kind == SERVING.name and one.state is SourceState.STARTING for one in self.sources)


F = TypeVar("F", bound=FleetView)


def fault(status: SourceStatus) -> Reason | None:
    """Why the data of a source cannot be trusted now; ``None`` where it can. A source that is off is no fault unless
    old data of it is still shown."""
    if status.state is SourceState.OK or (status.state is SourceState.OFF and status.at is None):
        return None
    if status.state is SourceState.STARTING:
        return Reason(Level.NO_DATA, f"{status.name} not read yet")
    reference = status.at if status.at is not None else status.since
    return Reason(Level.NO_DATA, f"{status.name} {status.state}", since=reference)


def trouble(status: SourceStatus, now: float) -> str:
    """What is wrong with a source, in a few words ("gateway unreachable 2m"), or "" where nothing is."""
    found = fault(status)
    return "" if found is None else found.words(now)


def outdated(view: F, status: SourceStatus, now: float) -> F:
    """The view again, for when no new one can be made: nothing in it is fresh, and no verdict in it is OK."""
    reason = fault(status) or Reason(Level.NO_DATA, status.name)

    def dimmed(one: EndpointView) -> EndpointView:
        reasons = [*(kept for kept in one.verdict.reasons if kept.level is not Level.NO_DATA), reason]
        verdict = Verdict(min((kept.level for kept in reasons), key=lambda level: level.rank), tuple(reasons))
        return replace(one, verdict=verdict, source=status)

    sources = tuple(kept for kept in view.sources if kept.kind != status.kind)
    return replace(
        view,
        number=view.number + 1,
        at=now,
        sources=(*sources, status),
        endpoints=tuple(dimmed(one) for one in view.endpoints),
    )
