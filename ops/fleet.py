"""The fleet: all sources joined into one immutable, numbered view. Pure.

What did not join — metrics of an endpoint that no serving system knows, say — is kept and shown as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from backends.contracts import (
    Alert,
    DriftScore,
    Drill,
    Endpoint,
    EndpointRef,
    Gpu,
    Measure,
    ModelRef,
    ModelVersion,
    Role,
    Series,
    Subject,
    Variant,
    VariantMetrics,
)
from ops.config import Access, ContextConfig, Slo
from ops.durations import age as age_text
from ops.health import Facts, Verdict, judge
from ops.journal import Entry
from ops.runs import Run
from ops.sources import Snapshot, SourceState, SourceStatus

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """What one metrics source answered: ``current`` over its window, ``recent`` over the short one that traffic shares
    are measured in."""

    current: tuple[VariantMetrics, ...]
    recent: tuple[VariantMetrics, ...]


@dataclass(frozen=True, slots=True)
class VariantView:
    """A variant with all that joined to it. ``mirrored`` are the metrics of the copies that a shadow got."""

    variant: Variant
    metrics: VariantMetrics | None = None
    mirrored: VariantMetrics | None = None
    version: ModelVersion | None = None
    drift: tuple[DriftScore, ...] = ()
    gpus: tuple[Gpu, ...] = ()

    @property
    def name(self) -> str:
        return self.variant.name


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint with all that joined to it, judged. ``source`` is the status of its serving system."""

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
        """The score furthest past its threshold; ``None`` where there is no score."""
        scored = [score for score in self.drift if score.value is not None]
        return max(scored, key=lambda score: (bool(score.crossed), score.value or 0.0), default=None)


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
class Arming:
    """What may be changed now. ``until`` is when a time-boxed arming ends (``None``: it does not)."""

    access: Access
    writable: bool
    until: float | None = None


@dataclass(frozen=True, slots=True)
class FleetView:
    """Everything, at one moment. ``number`` grows by one with each view; endpoints are worst first."""

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

    def endpoint(self, ref: EndpointRef) -> EndpointView | None:
        return next((view for view in self.endpoints if view.ref == ref), None)

    def source(self, name: str) -> SourceStatus | None:
        return next((status for status in self.sources if status.name == name), None)

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

    def statuses(self) -> tuple[SourceStatus, ...]:
        return (
            *(snapshot.status for snapshot in self.registries.values()),
            *(snapshot.status for snapshot in self.serving.values()),
            *(snapshot.status for snapshot in self.metrics.values()),
            *(snapshot.status for snapshot in self.drift.values()),
            *(snapshot.status for snapshot in self.alerts.values()),
            *(snapshot.status for snapshot in self.accelerators.values()),
        )


def trouble(status: SourceStatus, now: float) -> str:
    """What is wrong with a source, in a few words ("gateway unreachable 2m"), or "" where all is well."""
    if status.state in (SourceState.OK, SourceState.OFF):
        return ""
    if status.state is SourceState.STARTING:
        return f"{status.name} not read yet"
    reference = status.at if status.at is not None else status.since
    return f"{status.name} {status.state} {age_text(max(0.0, now - reference))}"


def join(context: ContextConfig, readings: Readings, now: float) -> tuple[tuple[EndpointView, ...], tuple[str, ...]]:
    """All endpoints, joined and judged, worst first; and what did not join, in words."""
    index = _Index.of(readings)
    views = [
        _endpoint_view(endpoint, snapshot.status, context, index, now)
        for snapshot in readings.serving.values()
        for endpoint in snapshot.value or ()
    ]
    views.sort(key=lambda view: (view.verdict.level.rank, view.ref.name, view.ref))
    known = {(view.ref.scope, view.ref.name) for view in views} | {("", view.ref.name) for view in views}
    strangers = {
        f"metrics of {subject.scope}/{subject.endpoint}"
        for subject in index.metrics
        if (subject.scope, subject.endpoint) not in known
    }
    return tuple(views), tuple(sorted(strangers))


@dataclass(frozen=True, slots=True)
class _Index:
    """Answers by what they are about, so that a join is a look-up and not a search."""

    metrics: dict[Subject, VariantMetrics]
    mirrored: dict[Subject, VariantMetrics]
    recent: dict[Subject, VariantMetrics]
    versions: dict[ModelRef, ModelVersion]
    drift: dict[tuple[str, str], list[DriftScore]]
    gpus: dict[Subject, list[Gpu]]
    alerts: dict[tuple[str, str], list[Alert]]
    metrics_status: SourceStatus | None

    @classmethod
    def of(cls, readings: Readings) -> _Index:
        metrics: dict[Subject, VariantMetrics] = {}
        mirrored: dict[Subject, VariantMetrics] = {}
        recent: dict[Subject, VariantMetrics] = {}
        for reading in readings.metrics.values():
            if reading.value is None:
                continue
            for one in reading.value.current:
                (mirrored if one.mirrored else metrics)[one.subject] = one
            recent.update({one.subject: one for one in reading.value.recent if not one.mirrored})
        versions = {
            version.ref: version for snapshot in readings.registries.values() for version in snapshot.value or ()
        }
        drift: dict[tuple[str, str], list[DriftScore]] = {}
        for score in (score for snapshot in readings.drift.values() for score in snapshot.value or ()):
            drift.setdefault((score.subject.scope, score.subject.endpoint), []).append(score)
        gpus: dict[Subject, list[Gpu]] = {}
        for gpu in (gpu for snapshot in readings.accelerators.values() for gpu in snapshot.value or ()):
            if gpu.subject is not None:
                gpus.setdefault(gpu.subject, []).append(gpu)
        alerts: dict[tuple[str, str], list[Alert]] = {}
        for alert in (alert for snapshot in readings.alerts.values() for alert in snapshot.value or ()):
            if alert.subject is not None:
                alerts.setdefault((alert.subject.scope, alert.subject.endpoint), []).append(alert)
        statuses = [snapshot.status for snapshot in readings.metrics.values()]
        worst = next((status for status in statuses if not status.fresh), statuses[0] if statuses else None)
        return cls(metrics, mirrored, recent, versions, drift, gpus, alerts, worst)


def _by_scope(ref: EndpointRef, variant: str) -> tuple[Subject, Subject]:
    """The subjects under which a variant may be known: with its scope, and where no label tells the scope."""
    return Subject(ref.name, variant, ref.scope), Subject(ref.name, variant, "")


def _look_up(table: Mapping[Subject, V], ref: EndpointRef, variant: str) -> V | None:
    return next((table[subject] for subject in _by_scope(ref, variant) if subject in table), None)


def shares(endpoint: Endpoint, recent: Mapping[Subject, VariantMetrics]) -> dict[str, float]:
    """Measured share in percent by variant; empty where no live request was counted."""
    rates: dict[str, float] = {}
    for variant in endpoint.variants:
        found = _look_up(recent, endpoint.ref, variant.name)
        if variant.role is not Role.SHADOW and found is not None and found.rps is not None:
            rates[variant.name] = found.rps
    total = sum(rates.values())
    return {name: 100.0 * rate / total for name, rate in rates.items()} if total > 0 else {}


def _endpoint_view(
    endpoint: Endpoint, status: SourceStatus, context: ContextConfig, index: _Index, now: float
) -> EndpointView:
    ref = endpoint.ref
    slo = context.slo.for_endpoint(ref)
    blind = trouble(index.metrics_status, now) if index.metrics_status else ""
    measured = {} if blind else shares(endpoint, index.recent)
    drift = tuple(score for key in ((ref.scope, ref.name), ("", ref.name)) for score in index.drift.get(key, ()))
    variants = tuple(
        VariantView(
            replace(variant, measured=measured.get(variant.name)),
            _look_up(index.metrics, ref, variant.name),
            _look_up(index.mirrored, ref, variant.name),
            index.versions.get(variant.model) if variant.model else None,
            tuple(score for score in drift if score.subject.variant == variant.name),
            tuple(_look_up(index.gpus, ref, variant.name) or ()),
        )
        for variant in endpoint.variants
    )
    joined = replace(endpoint, variants=tuple(view.variant for view in variants))
    alerts = tuple(index.alerts.get((ref.scope, ref.name), ())) + tuple(index.alerts.get(("", ref.name), ()))
    facts = Facts(
        endpoint=joined,
        metrics={view.name: view.metrics for view in variants if view.metrics is not None},
        drift=drift,
        alerts=alerts,
        gpus=tuple(gpu for view in variants for gpu in view.gpus),
        slo=slo,
        has_metrics=index.metrics_status is not None,
        blind=blind,
        unseen=trouble(status, now),
    )
    return EndpointView(joined, variants, judge(facts), slo, status, index.metrics_status, alerts, drift)
