"""The fleet: all sources joined into one immutable, numbered view. Pure.

What did not join — metrics of an endpoint that no serving system knows, say — is kept and shown as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from backends.contracts import Role
from ops.config import Access, Slo
from ops.drift import severity
from ops.health import Level, Reason, Verdict
from ops.sources import Snapshot, SourceState, SourceStatus

if TYPE_CHECKING:
    from backends.contracts import (
        Alert,
        DriftScore,
        Drill,
        Endpoint,
        EndpointRef,
        Gpu,
        Image,
        Measure,
        ModelVersion,
        Past,
        ScoreKey,
        Series,
        Variant,
        VariantMetrics,
    )
    from ops.journal import Entry
    from ops.runs import Run

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """What one metrics source answered: ``current`` over its window, ``recent`` over the short one that traffic shares
    are measured in."""

    current: tuple[VariantMetrics, ...]
    recent: tuple[VariantMetrics, ...]


@dataclass(frozen=True, slots=True)
class VariantView:
    """A variant with all that joined to it. ``mirrored`` are the metrics of the copies that a shadow got, ``image`` is
    what its container registry has under the name that it runs."""

    variant: Variant
    metrics: VariantMetrics | None = None
    mirrored: VariantMetrics | None = None
    version: ModelVersion | None = None
    drift: tuple[DriftScore, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    image: Image | None = None

    @property
    def name(self) -> str:
        return self.variant.name


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint with all that joined to it, judged. It is the same object in every view until something of it has
    changed. So ``source`` and ``metrics_source``, the statuses of its serving system and of what measures it, are
    *lasting* ones: while they are fresh they do not tell when they last answered. ``FleetView.newest`` does."""

    endpoint: Endpoint
    variants: tuple[VariantView, ...]
    verdict: Verdict
    slo: Slo
    source: SourceStatus
    metrics_source: SourceStatus | None = None
    alerts: tuple[Alert, ...] = ()
    drift: tuple[DriftScore, ...] = ()

    @property
    def ref(self) -> EndpointRef:
        return self.endpoint.ref

    def variant(self, name: str) -> VariantView | None:
        return next((view for view in self.variants if view.name == name), None)

    def in_role(self, role: Role) -> VariantView | None:
        return next((view for view in self.variants if view.variant.role is role), None)

    @property
    def telling(self) -> VariantView | None:
        """The variant whose figures stand for the endpoint in a table: the one condemned, else the canary that gets
        traffic, else stable."""
        condemned = self.verdict.condemned()
        for view in self.variants:
            if view.name in condemned:
                return view
        canary = self.in_role(Role.CANARY)
        if canary is not None and canary.metrics is not None and canary.metrics.samples:
            return canary
        return self.in_role(Role.STABLE) or (self.variants[0] if self.variants else None)

    @property
    def rps(self) -> float | None:
        """Live requests per second over all variants; ``None`` where none is known."""
        rates = [view.metrics.rps for view in self.variants if view.metrics and view.metrics.rps is not None]
        return sum(rates) if rates else None

    @property
    def worst_drift(self) -> DriftScore | None:
        """The score furthest past its threshold, or nearest to it; ``None`` where there is no score."""
        return worst_of(self.drift)


def worst_of(scores: Iterable[DriftScore]) -> DriftScore | None:
    """The score furthest past its own threshold, in whichever direction that is; ``None`` where there is no score. How
    right the answers are is another matter than drift, and does not count."""
    known = (score for score in scores if score.value is not None and score.delay_s is None)
    return max(known, key=severity, default=None)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done at a moment, for a chart's time axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Charts:
    """Series of the endpoint in focus, by variant name and measure, over the last ``window_s`` seconds."""

    ref: EndpointRef
    window_s: float
    at: float
    series: Mapping[tuple[str, Measure], Series] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the scores of the endpoint in focus were in the last ``window_s`` seconds: ``points`` by score, of those
    ``asked`` for; ``lacking`` says why there is nothing from a drift source, by its name."""

    ref: EndpointRef
    window_s: float
    at: float
    asked: frozenset[ScoreKey] = frozenset()
    points: Mapping[ScoreKey, Past] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arming:
    """What may be changed now. ``until`` is when a time-boxed arming ends (``None``: it does not)."""

    access: Access
    writable: bool
    until: float | None = None


@dataclass(frozen=True, slots=True)
class FleetView:
    """Everything, at one moment. ``number`` grows by one with each view; endpoints are worst first. ``registry_of``
    is the name of the source that a model is registered in."""

    number: int
    at: float
    context: str
    production: bool
    arming: Arming
    sources: tuple[SourceStatus, ...] = ()
    endpoints: tuple[EndpointView, ...] = ()
    versions: tuple[ModelVersion, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    drift: tuple[DriftScore, ...] = ()
    alerts: tuple[Alert, ...] = ()
    unjoined: tuple[str, ...] = ()
    charts: Charts | None = None
    runs: tuple[Run, ...] = ()
    journal: tuple[Entry, ...] = ()
    unfinished: tuple[Entry, ...] = ()
    drills: tuple[Drill, ...] = ()
    paused: bool = False
    registry_of: Mapping[str, str] = field(default_factory=dict)
    recalled: Recalled | None = None

    def endpoint(self, ref: EndpointRef) -> EndpointView | None:
        return next((view for view in self.endpoints if view.ref == ref), None)

    def source(self, name: str) -> SourceStatus | None:
        return next((status for status in self.sources if status.name == name), None)

    def newest(self, status: SourceStatus) -> SourceStatus:
        """The whole status of that source as it is in this view; ``status`` itself where it is not in it."""
        return next((one for one in self.sources if (one.kind, one.name) == (status.kind, status.name)), status)

    @property
    def loaded(self) -> bool:
        """Whether every source has answered or failed at least once."""
        return all(status.state is not SourceState.STARTING for status in self.sources)


@dataclass(frozen=True, slots=True)
class Readings:
    """The last good answers of all sources, by source name."""

    serving: Mapping[str, Snapshot[tuple[Endpoint, ...]]] = field(default_factory=dict)
    metrics: Mapping[str, Snapshot[MetricsReading]] = field(default_factory=dict)
    registries: Mapping[str, Snapshot[tuple[ModelVersion, ...]]] = field(default_factory=dict)
    accelerators: Mapping[str, Snapshot[tuple[Gpu, ...]]] = field(default_factory=dict)
    drift: Mapping[str, Snapshot[tuple[DriftScore, ...]]] = field(default_factory=dict)
    alerts: Mapping[str, Snapshot[tuple[Alert, ...]]] = field(default_factory=dict)
    images: Mapping[str, Snapshot[tuple[Image, ...]]] = field(default_factory=dict)

    def statuses(self) -> tuple[SourceStatus, ...]:
        return (
            *(snapshot.status for snapshot in self.registries.values()),
            *(snapshot.status for snapshot in self.serving.values()),
            *(snapshot.status for snapshot in self.metrics.values()),
            *(snapshot.status for snapshot in self.drift.values()),
            *(snapshot.status for snapshot in self.alerts.values()),
            *(snapshot.status for snapshot in self.accelerators.values()),
            *(snapshot.status for snapshot in self.images.values()),
        )


def fault(status: SourceStatus) -> Reason | None:
    """Why what a source told cannot be trusted now, or ``None`` where it can. A source that is off is well unless old
    data of it is still about."""
    if status.state is SourceState.OK or (status.state is SourceState.OFF and status.at is None):
        return None
    if status.state is SourceState.STARTING:
        return Reason(Level.NO_DATA, f"{status.name} not read yet")
    reference = status.at if status.at is not None else status.since
    return Reason(Level.NO_DATA, f"{status.name} {status.state}", since=reference)


def trouble(status: SourceStatus, now: float) -> str:
    """What is wrong with a source, in a few words ("gateway unreachable 2m"), or "" where all is well."""
    found = fault(status)
    return "" if found is None else found.words(now)


def outdated(view: FleetView, status: SourceStatus, now: float) -> FleetView:
    """The view again, for when no new one can be made: nothing in it counts as fresh, and nothing in it is green."""
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
