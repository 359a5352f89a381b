"""The gateway's JSON of an endpoint's traffic."""

from __future__ import annotations

from collections.abc import Mapping

from backends.lab.traffic import ReleaseRecord, Traffic
from backends.lab.world import VariantSpec


def traffic_view(traffic: Traffic) -> Mapping[str, object]:
    """The whole traffic object. Weights and mirror are in percent, times in Unix seconds."""
    phase, message = traffic.state()
    spec = traffic.spec
    return {
        "scope": spec.scope,
        "name": spec.name,
        "generation": traffic.generation,
        "phase": phase,
        "message": message,
        "stable": traffic.stable,
        "mode": spec.mode.value,
        "runbook": f"https://runbooks.example.com/{spec.name}",
        "variants": [_variant(traffic, variant) for variant in spec.variants],
        "releases": [_release(release, current=n == 0) for n, release in enumerate(traffic.releases)],
    }


def _variant(traffic: Traffic, variant: VariantSpec) -> Mapping[str, object]:
    replicas = traffic.replicas[variant.name]
    return {
        "name": variant.name,
        "role": traffic.role(variant.name),
        "model": traffic.spec.model,
        "version": variant.version,
        "image": f"registry.example.com/{traffic.spec.model}:{variant.version}",
        "replicas": {"wanted": replicas.wanted, "ready": replicas.ready},
        "weight": {"desired": traffic.desired[variant.name], "observed": traffic.observed[variant.name]},
        "mirror": traffic.mirror[variant.name],
    }


def _release(release: ReleaseRecord, *, current: bool) -> Mapping[str, object]:
    return {
        "id": release.id,
        "at": release.at,
        "by": release.by,
        "reason": release.reason,
        "weights": release.weights,
        "stable": release.stable,
        "good": release.good,
        "current": current,
    }
