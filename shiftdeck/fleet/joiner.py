"""Joins the answers of all sources into endpoints, and judges each endpoint.

Most answers are equal to those of the last join, so the joiner is incremental. An endpoint is joined and judged again
only where an object that it is made of is another object than before, or where the state of a source that it rests on
has changed. The result does not depend on the time: ages are worked out when they are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from backends.contracts import Subject
from shiftdeck.config.loader import ContextConfig, Slo
from shiftdeck.fleet.endpoint import EndpointView, VariantView
from shiftdeck.fleet.label_matching import by_variant, keys_of, models_of, of_single, shares
from shiftdeck.fleet.silent_sources import Silent, silent_sources
from shiftdeck.fleet.vanished import Vanished
from shiftdeck.fleet.view import FleetView, fault
from shiftdeck.health.judge import Facts, judge
from shiftdeck.source_kinds.join_keys import Key
from shiftdeck.source_kinds.table import (
    ACCELERATORS,
    ALERTS,
    DRIFT,
    IMAGES,
    METRICS,
    REGISTRIES,
    SERVING,
    SourceKind,
)
from shiftdeck.sources.incremental import Tables, changed, identical
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceState, SourceStatus, lasting

if TYPE_CHECKING:
    from backends.contracts import (
        Alert,
        DriftScore,
        Endpoint,
        EndpointRef,
        Gpu,
        Image,
        ModelRef,
        ModelVersion,
        Variant,
        VariantMetrics,
    )
    from shiftdeck.health.verdict import Reason

T = TypeVar("T")


class Joiner:
    """Joins the answers of one context's sources. Not thread-safe. ``joined`` counts the endpoints joined so far.

    A *place* is the position of an endpoint among all endpoints of all serving sources.
    """

    def __init__(self, context: ContextConfig) -> None:
        self._context = context
        self._metrics: Tables[Key, VariantMetrics] = Tables(*METRICS.joined_by)
        self._recent: Tables[Key, VariantMetrics] = Tables(*METRICS.joined_by)
        self._vanished = Vanished()
        self._gpus: Tables[Key, Gpu] = Tables(*ACCELERATORS.joined_by)
        self._alerts: Tables[Key, Alert] = Tables(*ALERTS.joined_by)
        endpoint_key, model_key = DRIFT.joined_by
        self._drift: Tables[Key, DriftScore] = Tables(endpoint_key)
        self._model_drift: Tables[ModelRef, DriftScore] = Tables(model_key)
        self._versions: Tables[ModelRef, ModelVersion] = Tables(*REGISTRIES.joined_by)
        self._images: Tables[str, Image] = Tables(*IMAGES.joined_by)
        self._statuses: Mapping[tuple[str, str], SourceStatus] = {}
        self._silent: tuple[Silent, ...] = ()
        self._served: Mapping[str, tuple[Endpoint, ...]] = {}
        self._endpoints: tuple[Endpoint, ...] = ()
        self._source_of: tuple[str, ...] = ()
        self._views: dict[int, EndpointView] = {}
        self._ranks: dict[int, tuple[int, str, EndpointRef, int]] = {}
        self._places: dict[Key, list[int]] = {}
        self._order: list[int] = []
        self._ordered: tuple[EndpointView, ...] = ()
        self._unjoined_of: dict[Key, frozenset[str]] = {}
        self._unjoined_models: frozenset[str] = frozenset()
        self._unjoined: tuple[str, ...] = ()
        self._flat: dict[str, tuple[tuple[object, ...], tuple[object, ...]]] = {}
        self._versioned: tuple[ModelVersion, ...] = ()
        self._registry_of: Mapping[str, str] = {}
        self.joined = 0

    def view(self, readings: Readings, now: float) -> FleetView:
        """The fleet; its number is 0. What has not changed since the last view is the same object in both."""
        endpoints, unjoined = self.join(readings)
        versions = self._all(REGISTRIES, readings)
        if versions is not self._versioned:
            self._versioned = versions
            self._registry_of = {
                version.ref.model: name for name, one in readings.of(REGISTRIES).items() for version in one.value or ()
            }
        return FleetView(
            number=0,
            at=now,
            context=self._context.name,
            production=self._context.production,
            sources=tuple(self._vanished.remarked(one, self._named) for one in readings.statuses()),
            endpoints=endpoints,
            versions=versions,
            gpus=self._all(ACCELERATORS, readings),
            drift=self._all(DRIFT, readings),
            alerts=self._all(ALERTS, readings),
            unjoined=unjoined,
            registry_of=self._registry_of,
        )

    def join(self, readings: Readings) -> tuple[tuple[EndpointView, ...], tuple[str, ...]]:
        """All endpoints, joined and judged, worst first; and what did not join, in words."""
        keys, models = self._take(readings)
        places, moved = self._serve(_values(readings.of(SERVING)))
        statuses = {
            (kind, name): lasting(snapshot.status)
            for kind, snapshots in readings.by_kind.items()
            for name, snapshot in snapshots.items()
        }
        if statuses != self._statuses:
            self._statuses = statuses
            self._silent = silent_sources(statuses.values())
            places = set(range(len(self._endpoints)))
        places.update(place for key in keys for place in self._places.get(key, ()))
        if models:
            places.update(at for at, one in enumerate(self._endpoints) if not models.isdisjoint(models_of(one)))
        if images := self._images.renew(_values(readings.of(IMAGES))):
            places.update(
                at for at, one in enumerate(self._endpoints) if any(each.image in images for each in one.variants)
            )
        for at in places:
            keys.update(keys_of(self._endpoints[at].ref))
        if places or moved:
            self._renew(places, moved=moved)
        if moved:
            keys = set[Key]().union(self._unjoined_of, self._places, *(table.keys() for table in self._by_endpoint))
        self._find_unjoined(keys, models=bool(models or places or moved))
        return self._ordered, self._unjoined

    @property
    def _by_endpoint(self) -> tuple[Tables[Key, Any], ...]:
        """The indexes whose keys name endpoints."""
        return self._metrics, self._gpus, self._drift, self._alerts

    # ── taking answers ──────────────────────────────────────────────────────────────────────────────────────────

    def _all(self, kind: SourceKind[tuple[T, ...]], readings: Readings) -> tuple[T, ...]:
        """The answers of all sources of a kind in one tuple, which is the same object as long as its items are."""
        parts = tuple(one.value or () for one in readings.of(kind).values())
        before, flat = self._flat.get(kind.name, ((None,), ()))
        if not identical(before, parts):
            found = tuple(chain.from_iterable(parts))
            flat = flat if identical(flat, found) else found
            self._flat[kind.name] = parts, flat
        return flat  # type: ignore[return-value]  # kept by kind, which tells the type

    def _take(self, readings: Readings) -> tuple[set[Key], set[ModelRef]]:
        """Take the answers of all sources but the serving ones and images; returns the keys and the models whose items
        changed."""
        measured = {name: one.value for name, one in readings.of(METRICS).items()}
        keys = self._metrics.renew({name: one.current if one else () for name, one in measured.items()})
        keys |= self._vanished.renew(measured)
        keys |= self._recent.renew({name: one.recent if one else () for name, one in measured.items()})
        keys |= self._gpus.renew(_values(readings.of(ACCELERATORS)))
        keys |= self._alerts.renew(_values(readings.of(ALERTS)))
        keys |= self._drift.renew(_values(readings.of(DRIFT)))
        models = self._model_drift.renew(_values(readings.of(DRIFT)))
        return keys, models | self._versions.renew(_values(readings.of(REGISTRIES)))

    def _serve(self, serving: Mapping[str, tuple[Endpoint, ...]]) -> tuple[set[int], bool]:
        """Take the endpoints; returns the places of those that changed, and whether any endpoint is at another place
        than before."""
        served, self._served = self._served, serving
        if identical(tuple(served.values()), tuple(serving.values())):
            return set(), False
        before, self._endpoints = self._endpoints, tuple(chain.from_iterable(serving.values()))
        if [(name, len(one)) for name, one in served.items()] == [(name, len(one)) for name, one in serving.items()]:
            places = changed(before, self._endpoints)
            if all(before[at].ref == self._endpoints[at].ref for at in places):
                return set(places), False
        self._source_of = tuple(name for name, found in serving.items() for _ in found)
        known = {id(endpoint): self._views[at] for at, endpoint in enumerate(before)}
        self._views, self._ranks, self._places = {}, {}, {}
        for at, endpoint in enumerate(self._endpoints):
            for key in keys_of(endpoint.ref):
                self._places.setdefault(key, []).append(at)
            view = known.get(id(endpoint))
            if view is not None:
                self._put(at, view)
        return {at for at in range(len(self._endpoints)) if at not in self._views}, True

    def _named(self, key: Key) -> list[Endpoint]:
        """The endpoints that a scope and a name may mean."""
        return [self._endpoints[at] for at in self._places.get(key, ())]

    # ── joining ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _renew(self, places: Iterable[int], *, moved: bool) -> None:
        """Join the endpoints at those places again, and sort all endpoints where a rank changed."""
        if moved:
            self._order = list(range(len(self._endpoints)))
        resort = moved
        for at in places:
            rank = self._ranks.get(at)
            self._put(at, self._joined(self._endpoints[at], self._statuses[SERVING.name, self._source_of[at]]))
            resort = resort or rank != self._ranks[at]
        if resort:
            self._order.sort(key=self._ranks.__getitem__)
        self._ordered = tuple(map(self._views.__getitem__, self._order))

    def _put(self, at: int, view: EndpointView) -> None:
        self._views[at] = view
        # The place makes the order total: a source may list one ref twice.
        self._ranks[at] = (view.verdict.level.rank, view.ref.name, view.ref, at)

    def _joined(self, endpoint: Endpoint, status: SourceStatus) -> EndpointView:
        self.joined += 1
        ref = endpoint.ref
        keys = keys_of(ref)
        slo = self._context.slo.for_endpoint(ref)
        metrics_status = self._metrics_status(keys)
        metrics_fault = fault(metrics_status) if metrics_status else None
        about = self._metrics.about_any(keys)
        live = by_variant((one for one in about if not one.mirrored), endpoint)
        dark = self._vanished.dark(endpoint, keys, live, self._statuses) if metrics_fault is None else None
        if dark is not None:
            metrics_status, metrics_fault = dark
        copies = by_variant((one for one in about if one.mirrored), endpoint)
        recent = by_variant((one for one in self._recent.about_any(keys) if not one.mirrored), endpoint)
        measured = {} if metrics_fault else shares(endpoint, recent)
        gpus = self._held(keys, endpoint)
        told = (score for key in keys for score in self._drift.about(key))
        drift = tuple([_by_objective(score, slo) for score in (*told, *self._of_models(endpoint))])
        alone = "" if len(endpoint.variants) == 1 else None
        variants = tuple(
            VariantView(
                _running(variant, measured.get(variant.name), self._image(variant.image), ref),
                live.get(variant.name),
                copies.get(variant.name),
                self._version(variant.model),
                tuple(score for score in drift if score.subject.variant in (variant.name, alone)),
                gpus.get(variant.name, ()),
                self._image(variant.image),
            )
            for variant in endpoint.variants
        )
        joined = replace(
            endpoint,
            variants=tuple([view.variant for view in variants]),
            runbook=self._context.runbook_for(ref) or endpoint.runbook,
        )
        alerts = tuple(alert for key in keys for alert in self._alerts.about(key))
        facts = Facts(
            endpoint=joined,
            metrics={view.name: view.metrics for view in variants if view.metrics is not None},
            drift=drift,
            alerts=alerts,
            gpus=tuple(dict.fromkeys(gpu for view in variants for gpu in view.gpus)),
            slo=slo,
            has_metrics=metrics_status is not None,
            metrics_fault=metrics_fault,
            endpoint_fault=fault(status),
            unknown=self._unknown(keys, endpoint),
            kept={one.status.name: one.status.at for one in self._silent if one.status.at is not None},
        )
        counted = sum(recent[name].samples for name in measured)
        return EndpointView(joined, variants, judge(facts), slo, status, metrics_status, alerts, drift, counted)

    def _metrics_status(self, keys: tuple[Key, ...]) -> SourceStatus | None:
        """The status of the source whose metrics an endpoint is judged by; ``None`` where no source is configured. Of
        several sources that measure it, one that cannot be trusted counts."""
        for key in keys:
            told = [self._statuses[METRICS.name, name] for name in self._metrics.sources_about(key)]
            if told:
                return next((status for status in told if not status.fresh), told[-1])
        return _most_to_blame(status for (kind, _), status in self._statuses.items() if kind == METRICS.name)

    def _unknown(self, keys: tuple[Key, ...], endpoint: Endpoint) -> tuple[Reason, ...]:
        """The silent sources that the verdict on an endpoint rests on."""
        if not self._silent:
            return ()
        models = models_of(endpoint)
        told = {
            DRIFT.name: [*map(self._drift.sources_about, keys), *map(self._model_drift.sources_about, models)],
            ACCELERATORS.name: [*map(self._gpus.sources_about, keys)],
            REGISTRIES.name: [*map(self._versions.sources_about, models)],
        }
        return tuple(one.reason for one in self._silent if one.concerns(endpoint, told.get(one.status.kind, ())))

    def _held(self, keys: tuple[Key, ...], endpoint: Endpoint) -> Mapping[str, tuple[Gpu, ...]]:
        """The GPUs that each variant holds, by variant name."""
        found: dict[str, tuple[Gpu, ...]] = {}
        for key in reversed(keys):
            of_key: dict[str, tuple[Gpu, ...]] = {}
            for gpu in self._gpus.about(key):
                for variant in dict.fromkeys(one.variant for one in gpu.subjects if (one.scope, one.endpoint) == key):
                    of_key[variant] = (*of_key.get(variant, ()), gpu)
            found |= of_key
        return of_single(found, endpoint)

    def _version(self, model: ModelRef | None) -> ModelVersion | None:
        found = self._versions.about(model) if model is not None else ()
        return found[-1] if found else None

    def _image(self, reference: str | None) -> Image | None:
        found = self._images.about(reference) if reference else ()
        return found[-1] if found else None

    def _of_models(self, endpoint: Endpoint) -> Iterator[DriftScore]:
        """Scores whose labels name a model and no endpoint, as scores of each variant that serves the model."""
        if not self._model_drift.filled:
            return
        ref = endpoint.ref
        for variant in endpoint.variants:
            if variant.model is None:
                continue
            subject = Subject(ref.name, variant.name, ref.scope)
            for model in (variant.model, replace(variant.model, version="")):
                for score in self._model_drift.about(model):
                    yield replace(score, subject=subject)

    # ── what did not join ───────────────────────────────────────────────────────────────────────────────────────

    def _find_unjoined(self, keys: Iterable[Key], *, models: bool) -> None:
        """Look again which answers about these keys, and about models if ``models``, belong to no endpoint."""
        news = False
        for key in keys:
            found = frozenset(self._unjoined_about(key))
            if found != self._unjoined_of.get(key, frozenset()):
                news = True
                self._unjoined_of[key] = found
                if not found:
                    del self._unjoined_of[key]
        if models:
            unserved = self._unserved_models()
            news = news or unserved != self._unjoined_models
            self._unjoined_models = unserved
        if news:
            self._unjoined = tuple(sorted(self._unjoined_models.union(*self._unjoined_of.values())))

    def _unjoined_about(self, key: Key) -> Iterator[str]:
        """Answers about an endpoint, or about variants of it, that no serving system knows; in words."""
        measured, held = self._metrics.about(key), self._gpus.about(key)
        drift, alerts = self._drift.about(key), self._alerts.about(key)
        if not (measured or held or drift or alerts):
            return
        place = f"{key[0]}/{key[1]}" if key[0] else key[1]
        known: set[str] | None = None
        for at in self._places.get(key, ()):
            known = known or set()
            variants = self._endpoints[at].variants
            known.update(one.name for one in variants)
            if len(variants) == 1:
                known.add("")
        for what, names in (
            ("metrics", {one.subject.variant for one in measured if not one.mirrored}),
            ("copies", {one.subject.variant for one in measured if one.mirrored}),
            ("GPUs", {who.variant for one in held for who in one.subjects if (who.scope, who.endpoint) == key}),
        ):
            if known is None and names:
                yield f"{what} of {place}"
            elif known is not None:
                yield from (f"{what} of {place} {name or '(no variant told)'}" for name in names - known)
        if known is None:
            yield from (f"{what} of {place}" for what, told in (("drift", drift), ("alerts", alerts)) if told)

    def _unserved_models(self) -> frozenset[str]:
        """Drift of models that no endpoint serves, in words."""
        if not self._model_drift.filled:
            return frozenset()
        unserved = self._model_drift.keys() - {model for endpoint in self._endpoints for model in models_of(endpoint)}
        return frozenset(f"drift of model {model.model} {model.version}".rstrip() for model in unserved)


def _values(snapshots: Mapping[str, Snapshot[tuple[T, ...]]]) -> dict[str, tuple[T, ...]]:
    return {name: snapshot.value or () for name, snapshot in snapshots.items()}


# ── one endpoint ────────────────────────────────────────────────────────────────────────────────────────────────


def _most_to_blame(statuses: Iterable[SourceStatus]) -> SourceStatus | None:
    """The source to blame for an endpoint without metrics: one that fails, else one that answers."""
    order = {SourceState.OK: 1, SourceState.OFF: 2}
    return min(statuses, key=lambda status: order.get(status.state, 0), default=None)


def _running(variant: Variant, share: float | None, image: Image | None, ref: EndpointRef) -> Variant:
    """The variant with its measured share, and with the digests that its replicas run where its own system does not
    report them."""
    variant = variant if variant.measured == share else replace(variant, measured=share)
    running = image.running.get((ref.backend, ref.scope), ()) if image is not None and not variant.running else ()
    return replace(variant, running=running) if running else variant


def _by_objective(score: DriftScore, slo: Slo) -> DriftScore:
    """The score with the objective's threshold. An objective's number is meant for PSI only: scores of other methods,
    and PSI where the objective was left at its default, keep the threshold of their source."""
    if score.method.lower() != "psi" or slo.drift == Slo().drift:
        return score
    nearer = score.watch * slo.drift / score.threshold if score.watch is not None else None
    return replace(score, threshold=slo.drift, watch=nearer)
