"""An adapter of another distribution, for a serving system that is imaginary: Acme keeps its splits in memory.

Acme takes a split at once, and it is in effect as of the next read.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

from backends.contracts import (
    Action,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    Pending,
    Phase,
    Probe,
    ProbeKind,
    Progress,
    Promote,
    Receipt,
    Role,
    Settled,
    Split,
    Variant,
    Wiring,
    action_of,
)
from backends.errors import Conflict, Rejected, Unsupported
from backends.options import Options, secret, texts

Weights = dict[str, float]


@dataclass(slots=True)
class Kept:
    """What Acme has of one endpoint."""

    asked: Weights
    routed: Weights
    version: int = 1


class AcmeOptions(Options):
    """What an Acme can be told."""

    endpoints = texts("the endpoints that Acme begins with", default=("churn",))
    token = secret("Acme's token")


class AcmeServing:
    """The endpoints of one Acme."""

    CONTRACT: ClassVar[int] = 1
    OPTIONS: ClassVar[type[Options]] = AcmeOptions

    def __init__(self, wiring: Wiring[AcmeOptions], kept: Mapping[str, Kept] | None = None) -> None:
        self._name = wiring.name
        names = wiring.options.endpoints
        self._kept = kept or {name: Kept({"v1": 90.0, "v2": 10.0}, {"v1": 90.0, "v2": 10.0}) for name in names}

    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(self.read(EndpointRef(self._name, "", name)) for name in self._kept)

    def read(self, ref: EndpointRef) -> Endpoint:
        kept = self._kept.get(ref.name)
        if kept is None:
            raise Rejected(f"Acme has no endpoint {ref.name}")
        found = explain(ref, kept)
        kept.routed = dict(kept.asked)
        return found

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        action = action_of(change)
        if action not in endpoint.actions:
            raise Unsupported(f"Acme knows no {action}")
        if (reason := endpoint.actions[action]) is not None:
            raise Rejected(f"{endpoint.ref.name} cannot {action} now: {reason}")
        weights = _wanted(endpoint, change)
        moves = [
            f"{one.name} {'?' if one.desired is None else f'{one.desired:g}'} → {weights[one.name]:g}"
            for one in endpoint.variants
        ]
        return (_put(endpoint, weights, ", ".join(moves)),)

    def fence(self, endpoint: Endpoint, lost: Call) -> Call | None:
        """The present weights once more: Acme then has another version than the one that the lost call names."""
        weights = {one.name: one.desired for one in endpoint.variants if one.desired is not None}
        return _put(endpoint, weights, f"a new version after {endpoint.revision}")

    def send(self, call: Call) -> Receipt:
        kept = self._kept[call.path.split("/")[2]]
        body = cast("Mapping[str, object]", call.body)
        if body["version"] != str(kept.version):
            raise Conflict(f"Acme is at version {kept.version} by now")
        kept.asked, kept.version = dict(cast("Weights", body["weights"])), kept.version + 1
        return Receipt(str(kept.version), "taken")

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        wanted = _wanted(before, change)
        if {one.name: one.desired for one in now.variants} != wanted:
            if now.revision == before.revision:
                return Pending("Acme does not show it yet")
            return Diverged("somebody asked for another split")
        if {one.name: one.observed for one in now.variants} != wanted:
            return Pending("Acme has not routed it yet")
        return Settled("Acme routes it")

    def probe(self) -> tuple[Probe, ...]:
        return (
            Probe(ProbeKind.REACH, True, "Acme is here"),
            Probe(ProbeKind.READ, True, f"{len(self._kept)} endpoints"),
            Probe(ProbeKind.WRITE, True, "splits may be changed"),
        )

    def close(self) -> None:
        """Nothing is kept open."""


def explain(ref: EndpointRef, kept: Kept) -> Endpoint:
    """One endpoint as it is now. Pure."""
    stable = max(kept.asked, key=lambda name: kept.asked[name])
    alone = None if len(kept.asked) > 1 else "there is one version only"
    return Endpoint(
        ref=ref,
        variants=tuple(
            Variant(
                name=name,
                role=Role.STABLE if name == stable else Role.CANARY if weight else Role.IDLE,
                desired=weight,
                observed=kept.routed[name],
            )
            for name, weight in kept.asked.items()
        ),
        phase=Phase.STEADY if kept.asked == kept.routed else Phase.PROGRESSING,
        revision=str(kept.version),
        actions={Action.SHIFT: alone, Action.PROMOTE: alone},
    )


def _put(endpoint: Endpoint, weights: Weights, summary: str) -> Call:
    path, body = f"/endpoints/{endpoint.ref.name}/weights", {"weights": weights, "version": endpoint.revision}
    return Call(
        method="PUT",
        path=path,
        body=body,
        guard=f"version {endpoint.revision}",
        summary=summary,
        command=shlex.join(["acme", "put", path, json.dumps(body)]),
    )


def _wanted(endpoint: Endpoint, change: Change) -> Weights:
    if not isinstance(change, Split | Promote):
        raise Unsupported(f"Acme knows no {action_of(change)}")
    asked = change.weights if isinstance(change, Split) else {change.variant: 100.0}
    for name, weight in asked.items():
        if endpoint.variant(name) is None:
            raise Rejected(f"{endpoint.ref.name} has no variant {name!r}")
        if not (math.isfinite(weight) and 0 <= weight <= 100):
            raise Rejected(f"the weight of {name} is {weight:g}: it must be between 0 and 100")
    if abs(math.fsum(asked.values()) - 100) > 0.01:
        raise Rejected(f"the weights sum to {math.fsum(asked.values()):g}, not to 100")
    wanted = {one.name: float(asked.get(one.name, 0.0)) for one in endpoint.variants}
    if wanted == {one.name: one.desired for one in endpoint.variants}:
        raise Rejected(f"{endpoint.ref.name} is so already")
    return wanted
