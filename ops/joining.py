"""Joining what all sources answered into endpoints, and judging each. Pure; one pass over each answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from backends.contracts import (
    Alert,
    DriftScore,
    Endpoint,
    EndpointRef,
    Gpu,
    Image,
    ModelRef,
    ModelVersion,
    Role,
    Subject,
    VariantMetrics,
)
from ops.config import ContextConfig, Slo
from ops.fleet import Arming, EndpointView, FleetView, Readings, VariantView, trouble
from ops.health import Facts, judge
from ops.sources import SourceState, SourceStatus

V = TypeVar("V")

_Key = tuple[str, str]  # scope and name, as labels tell them
_Table = dict[_Key, dict[str, V]]  # what is known, by endpoint and then by variant


def fleet_view(context: ContextConfig, readings: Readings, arming: Arming, now: float) -> FleetView:
    """The part of a view that comes from the sources; its number is 0."""
    endpoints, unjoined = join(context, readings, now)
    registry_of = {
        version.ref.model: name for name, snapshot in readings.registries.items() for version in snapshot.value or ()
    }
    return FleetView(
        number=0,
        at=now,
        context=context.name,
        production=context.production,
        arming=arming,
        sources=readings.statuses(),
        endpoints=endpoints,
        versions=tuple(v for snapshot in readings.registries.values() for v in snapshot.value or ()),
        gpus=tuple(g for snapshot in readings.accelerators.values() for g in snapshot.value or ()),
        drift=tuple(s for snapshot in readings.drift.values() for s in snapshot.value or ()),
        alerts=tuple(a for snapshot in readings.alerts.values() for a in snapshot.value or ()),
        unjoined=unjoined,
        registry_of=registry_of,
    )


def join(context: ContextConfig, readings: Readings, now: float) -> tuple[tuple[EndpointView, ...], tuple[str, ...]]:
    """All endpoints, joined and judged, worst first; and what did not join, in words."""
    index = _Index.of(readings)
    views = [
        _endpoint_view(endpoint, snapshot.status, context, index, now)
        for snapshot in readings.serving.values()
        for endpoint in snapshot.value or ()
    ]
    views.sort(key=lambda view: (view.verdict.level.rank, view.ref.name, view.ref))
    return tuple(views), _strangers(views, index)


def _strangers(views: Sequence[EndpointView], index: _Index) -> tuple[str, ...]:
    """What was measured of endpoints and variants that no serving system knows."""
    known: dict[tuple[str, str], set[str]] = {}
    for view in views:
        names = {one.name for one in view.variants} | ({""} if len(view.variants) == 1 else set())
        for key in ((view.ref.scope, view.ref.name), ("", view.ref.name)):
            known.setdefault(key, set()).update(names)
    found = set()
    for what, table in (("metrics", index.metrics), ("copies", index.mirrored), ("GPUs", index.gpus)):
        for key, measured in table.items():
            if key not in known:
                found.add(f"{what} of {_place(*key)}")
                continue
            strange = measured.keys() - known[key]
            found.update(f"{what} of {_place(*key)} {name or '(no variant told)'}" for name in strange)
    for what, places in (("drift", index.drift), ("alerts", index.alerts)):
        found.update(f"{what} of {_place(*key)}" for key in places if key not in known)
    served = {one.variant.model for view in views for one in view.variants if one.variant.model is not None}
    served |= {replace(model, version="") for model in served}
    found.update(
        f"drift of model {model.model} {model.version}".rstrip() for model in index.model_drift.keys() - served
    )
    return tuple(sorted(found))


def _place(scope: str, name: str) -> str:
    return f"{scope}/{name}" if scope else name


@dataclass(frozen=True, slots=True)
class _Index:
    """Answers by what they are about, so that a join is a look-up and not a search. ``reporters`` are the sources whose
    metrics name an endpoint; ``elsewhere`` is the one to name where none does."""

    metrics: _Table[VariantMetrics]
    mirrored: _Table[VariantMetrics]
    recent: _Table[VariantMetrics]
    versions: dict[ModelRef, ModelVersion]
    drift: dict[_Key, list[DriftScore]]
    model_drift: dict[ModelRef, list[DriftScore]]
    gpus: _Table[list[Gpu]]
    alerts: dict[_Key, list[Alert]]
    images: dict[str, Image]
    reporters: dict[_Key, SourceStatus]
    elsewhere: SourceStatus | None

    @classmethod
    def of(cls, readings: Readings) -> _Index:
        metrics: _Table[VariantMetrics] = {}
        mirrored: _Table[VariantMetrics] = {}
        recent: _Table[VariantMetrics] = {}
        reporters: dict[_Key, SourceStatus] = {}
        for reading in readings.metrics.values():
            if reading.value is None:
                continue
            for one in reading.value.current:
                key = (one.subject.scope, one.subject.endpoint)
                (mirrored if one.mirrored else metrics).setdefault(key, {})[one.subject.variant] = one
                if key not in reporters or reporters[key].fresh:
                    reporters[key] = reading.status
            for one in reading.value.recent:
                if not one.mirrored:
                    recent.setdefault((one.subject.scope, one.subject.endpoint), {})[one.subject.variant] = one
        versions = {
            version.ref: version for snapshot in readings.registries.values() for version in snapshot.value or ()
        }
        drift: dict[_Key, list[DriftScore]] = {}
        model_drift: dict[ModelRef, list[DriftScore]] = {}
        for score in (score for snapshot in readings.drift.values() for score in snapshot.value or ()):
            if not score.subject.endpoint and score.model is not None:
                model_drift.setdefault(score.model, []).append(score)
                continue
            drift.setdefault((score.subject.scope, score.subject.endpoint), []).append(score)
        gpus: _Table[list[Gpu]] = {}
        for gpu in (gpu for snapshot in readings.accelerators.values() for gpu in snapshot.value or ()):
            if gpu.subject is not None:
                held = gpus.setdefault((gpu.subject.scope, gpu.subject.endpoint), {})
                held.setdefault(gpu.subject.variant, []).append(gpu)
        alerts: dict[_Key, list[Alert]] = {}
        for alert in (alert for snapshot in readings.alerts.values() for alert in snapshot.value or ()):
            if alert.subject is not None:
                alerts.setdefault((alert.subject.scope, alert.subject.endpoint), []).append(alert)
        images = {image.reference: image for snapshot in readings.images.values() for image in snapshot.value or ()}
        elsewhere = _most_to_blame(snapshot.status for snapshot in readings.metrics.values())
        return cls(metrics, mirrored, recent, versions, drift, model_drift, gpus, alerts, images, reporters, elsewhere)

    def metrics_status(self, ref: EndpointRef) -> SourceStatus | None:
        """The status of the source whose metrics an endpoint is judged by; ``None`` where no source is configured."""
        keys = ((ref.scope, ref.name), ("", ref.name))
        return next((self.reporters[key] for key in keys if key in self.reporters), self.elsewhere)


def _most_to_blame(statuses: Iterable[SourceStatus]) -> SourceStatus | None:
    """The source that an endpoint without metrics may be missing them from: one that fails, else one that answers."""
    order = {SourceState.OK: 1, SourceState.OFF: 2}
    return min(statuses, key=lambda status: order.get(status.state, 0), default=None)


def _about(table: Mapping[_Key, Mapping[str, V]], endpoint: Endpoint) -> Mapping[str, V]:
    """By variant, what is known of an endpoint: by labels with its scope, and by labels that tell no scope. Where the
    endpoint has a single variant, labels need not tell that either."""
    ref = endpoint.ref
    scoped, bare = table.get((ref.scope, ref.name)), table.get(("", ref.name))
    found = {**bare, **scoped} if scoped and bare else scoped or bare or {}
    if len(endpoint.variants) == 1 and "" in found:
        return {endpoint.variants[0].name: found[""], **found}
    return found


def shares_among(endpoint: Endpoint, recent: Iterable[VariantMetrics]) -> dict[str, float]:
    """Measured share in percent by variant, from the metrics of a whole fleet; empty where no live request of the
    endpoint was counted."""
    table: _Table[VariantMetrics] = {}
    for one in recent:
        if one.subject.endpoint == endpoint.ref.name and not one.mirrored:
            table.setdefault((one.subject.scope, one.subject.endpoint), {})[one.subject.variant] = one
    return _shares(endpoint, _about(table, endpoint))


def _shares(endpoint: Endpoint, recent: Mapping[str, VariantMetrics]) -> dict[str, float]:
    rates: dict[str, float] = {}
    for variant in endpoint.variants:
        found = recent.get(variant.name)
        if variant.role is not Role.SHADOW and found is not None and found.rps is not None:
            rates[variant.name] = found.rps
    total = sum(rates.values())
    return {name: 100.0 * rate / total for name, rate in rates.items()} if total > 0 else {}


def _endpoint_view(
    endpoint: Endpoint, status: SourceStatus, context: ContextConfig, index: _Index, now: float
) -> EndpointView:
    ref = endpoint.ref
    slo = context.slo.for_endpoint(ref)
    metrics_status = index.metrics_status(ref)
    blind = trouble(metrics_status, now) if metrics_status else ""
    measured = {} if blind else _shares(endpoint, _about(index.recent, endpoint))
    metrics, mirrored = _about(index.metrics, endpoint), _about(index.mirrored, endpoint)
    gpus = _about(index.gpus, endpoint)
    keys = dict.fromkeys(((ref.scope, ref.name), ("", ref.name)))
    told = (score for key in keys for score in index.drift.get(key, ()))
    drift = tuple(_by_objective(score, slo) for score in (*told, *_of_models(endpoint, index)))
    alone = "" if len(endpoint.variants) == 1 else None
    variants = tuple(
        VariantView(
            replace(variant, measured=measured.get(variant.name)),
            metrics.get(variant.name),
            mirrored.get(variant.name),
            index.versions.get(variant.model) if variant.model else None,
            tuple(score for score in drift if score.subject.variant in (variant.name, alone)),
            tuple(gpus.get(variant.name, ())),
            index.images.get(variant.image) if variant.image else None,
        )
        for variant in endpoint.variants
    )
    joined = replace(
        endpoint,
        variants=tuple(view.variant for view in variants),
        runbook=context.runbook_for(ref) or endpoint.runbook,
    )
    alerts = tuple(alert for key in keys for alert in index.alerts.get(key, ()))
    facts = Facts(
        endpoint=joined,
        metrics={view.name: view.metrics for view in variants if view.metrics is not None},
        drift=drift,
        alerts=alerts,
        gpus=tuple(gpu for view in variants for gpu in view.gpus),
        slo=slo,
        has_metrics=metrics_status is not None,
        blind=blind,
        unseen=trouble(status, now),
    )
    return EndpointView(joined, variants, judge(facts), slo, status, metrics_status, alerts, drift)


def _of_models(endpoint: Endpoint, index: _Index) -> Iterator[DriftScore]:
    """Scores whose labels name a model and no endpoint, as those of each variant that serves it."""
    if not index.model_drift:
        return
    ref = endpoint.ref
    for variant in endpoint.variants:
        if variant.model is None:
            continue
        subject = Subject(ref.name, variant.name, ref.scope)
        for model in (variant.model, replace(variant.model, version="")):
            for score in index.model_drift.get(model, ()):
                yield replace(score, subject=subject)


def _by_objective(score: DriftScore, slo: Slo) -> DriftScore:
    """PSI is the one method that an objective's number is meant for; other scores, and PSI where the objective was
    left at its default, keep the threshold of whoever scored them."""
    if score.method.lower() != "psi" or slo.drift == Slo().drift:
        return score
    nearer = score.watch * slo.drift / score.threshold if score.watch is not None else None
    return replace(score, threshold=slo.drift, watch=nearer)
