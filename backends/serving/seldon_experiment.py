"""Seldon Core v2: ``Experiment`` (``mlops.seldon.io/v1alpha1``).

Candidates have proportional weights, and one mirror has a whole percentage. The operator ignores its scheduler's
messages about an older generation, but writes no ``observedGeneration``: so "ready" may still be about the state before
a change. What the proxies do is not reported: only metrics confirm a change. Written for 2.10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from backends.contracts import (
    Action,
    Call,
    Change,
    Endpoint,
    EndpointRef,
    Phase,
    Progress,
    Role,
    Variant,
)
from backends.errors import Rejected
from backends.platforms.kubernetes.calls import add, expect
from backends.platforms.kubernetes.objects import (
    Condition,
    Object,
    conditions,
    generation_of,
    items,
    key_of,
    number,
    table,
    text,
    whole,
)
from backends.serving.backing import declared, model_of_uri
from backends.serving.kubernetes import Kind, Objects
from backends.serving.patches import compiled, token
from backends.serving.seldon import follow
from backends.serving.split import can, roles
from backends.serving.stable_label import StableLabelServing, StableLabelSystem
from backends.serving.weights import proportional, shares, whole_percent

EXPERIMENT = Kind("mlops.seldon.io", "v1alpha1", "experiments", "Experiment")
MODEL = Kind("mlops.seldon.io", "v1alpha1", "models", "Model")


class ExperimentSystem(StableLabelSystem):
    """``stable_key`` is the annotation or label that names the stable candidate if the spec has no ``default``."""

    name = "seldon2"
    kinds: ClassVar[tuple[Kind, ...]] = (EXPERIMENT, MODEL)
    by_namespace: ClassVar[bool] = True

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        return tuple(
            _experiment(objects, EndpointRef(backend, *key_of(one)), one, self._stable_key)
            for _, one in sorted(objects.of(EXPERIMENT).items())
        )

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        thing = table(endpoint.native, "object")
        return compiled(
            EXPERIMENT,
            "an Experiment",
            endpoint,
            change,
            lambda weights: _candidates(thing, weights),
            lambda mirror: _mirror(thing, mirror.variant, whole_percent(mirror.variant, mirror.percent)),
        )

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        return follow(before, now, change, "ready")


def _experiment(objects: Objects, ref: EndpointRef, thing: Object, stable_key: str) -> Endpoint:
    candidates = {text(one, "name"): whole(one, "weight") or 0 for one in items(thing, "spec", "candidates")}
    weights = shares(candidates)
    stable = text(thing, "spec", "default") or declared(thing, stable_key)
    of_variant = roles(weights, stable)
    mirror = text(thing, "spec", "mirror", "name")
    percent = number(thing, "spec", "mirror", "percent") or 0.0
    phase, message = _readiness(thing)
    variants = []
    for name in dict.fromkeys([*candidates, *([mirror] if mirror else [])]):
        model = objects.of(MODEL).get((ref.scope, name), {})
        shadow = name not in candidates
        variants.append(
            Variant(
                name=name,
                role=Role.SHADOW if shadow else of_variant[name],
                model=model_of_uri(text(model, "spec", "storageUri")),
                ready=whole(model, "status", "availableReplicas") if model else None,
                wanted=(whole(model, "spec", "replicas") or 1) if model else None,
                desired=weights.get(name),
                mirror=percent if name == mirror else None,
            )
        )
    reason = "there is one candidate only" if len(candidates) < 2 else None
    if len(candidates) < len(items(thing, "spec", "candidates")):
        reason = "several candidates have the same name: change it by hand"
    mirror_reason = None if mirror else "the experiment names no mirror"
    return Endpoint(
        ref=ref,
        variants=tuple(variants),
        phase=phase,
        message=message,
        revision=token(thing),
        actions={**can(reason, Action.SHIFT, Action.PROMOTE), Action.MIRROR: mirror_reason},
        native={"object": thing},
    )


def _readiness(thing: Object) -> tuple[Phase, str]:
    said: Mapping[str, Condition] = conditions(thing)
    ready = said.get("ExperimentReady")
    seen, generation = whole(thing, "status", "observedGeneration"), generation_of(thing)
    if ready is None:
        return Phase.UNKNOWN, "Seldon says nothing of it yet"
    if seen is not None and generation is not None and seen < generation:
        return Phase.PROGRESSING, f"Seldon has seen generation {seen} of {generation}"
    if ready.ok:
        return Phase.STEADY, ""
    no = [one for kind in ("CandidatesReady", "MirrorReady") if (one := said.get(kind)) is not None and one.ok is False]
    words = "; ".join(one.message or one.reason or f"{one.type} is False" for one in (no or [ready]))
    return (Phase.DEGRADED if ready.ok is False else Phase.PROGRESSING), words


def _candidates(thing: Object, split: Mapping[str, float]) -> tuple[list[dict[str, object]], str]:
    candidates = items(thing, "spec", "candidates")
    current = {text(one, "name"): whole(one, "weight") or 0 for one in candidates}
    after = proportional(split, current)
    operations: list[dict[str, object]] = []
    for at, one in enumerate(candidates):
        name = text(one, "name")
        if after[name] != current[name]:
            operations.append(expect(f"/spec/candidates/{at}/name", name))
            operations.append(add(f"/spec/candidates/{at}/weight", after[name]))
    moves = [f"{name} {current[name]} → {after[name]}" for name in current if after[name] != current[name]]
    return operations, "weight " + ", ".join(moves)


def _mirror(thing: Object, name: str, percent: int) -> list[dict[str, object]]:
    if text(thing, "spec", "mirror", "name") != name:
        raise Rejected(f"the mirror of this experiment is {text(thing, 'spec', 'mirror', 'name')}, not {name}")
    return [expect("/spec/mirror/name", name), add("/spec/mirror/percent", percent)]


class ExperimentServing(StableLabelServing):
    """Experiments of a cluster."""

    system = ExperimentSystem()
