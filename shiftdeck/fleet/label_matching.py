"""What an answer is about, as its labels tell it: which endpoint, model and variant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from backends.contracts import Alert, DriftScore, Endpoint, EndpointRef, Gpu, ModelRef, Role, VariantMetrics

V = TypeVar("V")

Key = tuple[str, str]
"""Scope and name, as labels tell them."""


def keys_of(ref: EndpointRef) -> tuple[Key, ...]:
    """What labels may call an endpoint: by its scope and name, or by its name alone where they tell no scope."""
    return ((ref.scope, ref.name), ("", ref.name)) if ref.scope else (("", ref.name),)


def models_of(endpoint: Endpoint) -> set[ModelRef]:
    """The models that it serves, with and without their versions."""
    served = {one.model for one in endpoint.variants if one.model is not None}
    return served | {ModelRef(model.model, "") for model in served}


def measured_at(one: VariantMetrics) -> Key:
    """The endpoint that was measured."""
    return one.subject.scope, one.subject.endpoint


def told_at(one: Gpu | Alert) -> Key | None:
    """The endpoint that a GPU serves or an alert is about, where that is told."""
    return None if one.subject is None else (one.subject.scope, one.subject.endpoint)


def drifted_at(score: DriftScore) -> Key | None:
    """The endpoint that was scored; ``None`` where the score is of a model, wherever that is served."""
    return None if model_drifted(score) is not None else (score.subject.scope, score.subject.endpoint)


def model_drifted(score: DriftScore) -> ModelRef | None:
    """The model, of a score whose labels name no endpoint."""
    return None if score.subject.endpoint else score.model


def by_variant(told: Iterable[VariantMetrics], endpoint: Endpoint) -> Mapping[str, VariantMetrics]:
    """What was measured of one endpoint, by variant name; of two that name the same, the last."""
    return of_single({one.subject.variant: one for one in told}, endpoint)


def of_single(found: Mapping[str, V], endpoint: Endpoint) -> Mapping[str, V]:
    """Where an endpoint has a single variant, labels need not tell which."""
    if len(endpoint.variants) == 1 and "" in found:
        return {endpoint.variants[0].name: found[""], **found}
    return found


def shares_among(endpoint: Endpoint, recent: Iterable[VariantMetrics]) -> dict[str, float]:
    """Measured share in percent by variant, from the metrics of a whole fleet; empty where no live request of the
    endpoint was counted."""
    live = [one for one in recent if one.subject.endpoint == endpoint.ref.name and not one.mirrored]
    told = (one for key in reversed(keys_of(endpoint.ref)) for one in live if measured_at(one) == key)
    return shares(endpoint, by_variant(told, endpoint))


def shares(endpoint: Endpoint, recent: Mapping[str, VariantMetrics]) -> dict[str, float]:
    """As ``shares_among``, from what was measured of this endpoint. Copies that a shadow gets are no share."""
    rates: dict[str, float] = {}
    for variant in endpoint.variants:
        found = recent.get(variant.name)
        if variant.role is not Role.SHADOW and found is not None and found.rps is not None:
            rates[variant.name] = found.rps
    total = sum(rates.values())
    return {name: 100.0 * rate / total for name, rate in rates.items()} if total > 0 else {}
