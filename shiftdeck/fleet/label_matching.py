"""Which endpoint, model and variant the labels of an answer name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from backends.contracts import Endpoint, EndpointRef, ModelRef, Role, VariantMetrics
from shiftdeck.source_kinds.join_keys import Key, metrics_key

V = TypeVar("V")


def keys_of(ref: EndpointRef) -> tuple[Key, ...]:
    """The keys that labels may name an endpoint by: its scope and name, or its name alone where they have no scope."""
    return ((ref.scope, ref.name), ("", ref.name)) if ref.scope else (("", ref.name),)


def models_of(endpoint: Endpoint) -> set[ModelRef]:
    """The models that an endpoint serves, each with and without its version."""
    served = {one.model for one in endpoint.variants if one.model is not None}
    return served | {ModelRef(model.model, "") for model in served}


def by_variant(told: Iterable[VariantMetrics], endpoint: Endpoint) -> Mapping[str, VariantMetrics]:
    """The metrics of one endpoint by variant name; of two with one name, the last counts."""
    return of_single({one.subject.variant: one for one in told}, endpoint)


def of_single(found: Mapping[str, V], endpoint: Endpoint) -> Mapping[str, V]:
    """``found`` with the items without a variant name given to the variant of an endpoint that has only one."""
    if len(endpoint.variants) == 1 and "" in found:
        return {endpoint.variants[0].name: found[""], **found}
    return found


def shares_among(endpoint: Endpoint, recent: Iterable[VariantMetrics]) -> dict[str, float]:
    """Measured share in percent by variant, from the metrics of a whole fleet. Empty where no live request of the
    endpoint was counted."""
    live = [one for one in recent if one.subject.endpoint == endpoint.ref.name and not one.mirrored]
    told = (one for key in reversed(keys_of(endpoint.ref)) for one in live if metrics_key(one) == key)
    return shares(endpoint, by_variant(told, endpoint))


def shares(endpoint: Endpoint, recent: Mapping[str, VariantMetrics]) -> dict[str, float]:
    """As ``shares_among``, from the metrics of this endpoint by variant. Requests copied to a shadow have no share.
    Where a variant is measured and its rate is not known, no share is: those of the others would be too large."""
    rates: dict[str, float] = {}
    for variant in endpoint.variants:
        found = recent.get(variant.name)
        if variant.role is Role.SHADOW or found is None:
            continue
        if found.rps is None:
            return {}
        rates[variant.name] = found.rps
    total = sum(rates.values())
    return {name: 100.0 * rate / total for name, rate in rates.items()} if total > 0 else {}
