"""InferenceServices in Standard mode (formerly RawDeployment): Deployments, and ``spec.canary[]``. Pure.

``status.canaryStatuses[].trafficPercent`` only repeats the spec. The weights in effect are in the backends of the
HTTPRoute; without a route they are not known. A canary that is not ready has no entry in the route.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from backends.contracts import (
    Abort,
    Action,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    Forecast,
    Pending,
    Phase,
    Progress,
    Promote,
    Release,
    Role,
    Rollback,
    Settled,
    Split,
    Variant,
    same_weight,
)
from backends.errors import Rejected, Unsupported
from backends.platforms.kubernetes.calls import add, expect, pointer, remove, replace
from backends.platforms.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    flag,
    generation_of,
    items,
    key_of,
    number,
    table,
    text,
    whole,
)
from backends.serving.kserve_facts import (
    INFERENCE_SERVICE,
    MODE,
    checked,
    failure_of,
    is_ready,
    model_at,
    named,
    observed_of,
    percents,
    phase_of,
    release_id,
    release_weights,
    same,
    storage_uri,
)
from backends.serving.kubernetes import Objects, Part
from backends.serving.patches import guarded, token
from backends.serving.weights import shares, whole_percent
from backends.serving.workloads import image_of, ready_of, wanted_of

STABLE = "predictor"
"""The name of the stable variant if its predictor has no name."""

OF_STABLE = ("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling")
"""Fields that only the stable predictor may have, or that set its size. A promoted canary inherits them."""


def _canaries(thing: Object) -> tuple[Object, ...]:
    return items(thing, "spec", "canary")


def _stable_name(thing: Object) -> str:
    return text(thing, "spec", "predictor", "name") or STABLE


def _workload(thing: Object, predictor: Object) -> str:
    """The name of the Deployment and the Service of a predictor."""
    _, name = key_of(thing)
    own = text(predictor, "name")
    return f"{name}-{own}-predictor" if own else f"{name}-predictor"


def parts(thing: Object) -> tuple[Part, ...]:
    namespace, name = key_of(thing)
    predictors = (table(thing, "spec", "predictor"), *(table(one, "predictor") for one in _canaries(thing)))
    workloads = (Part(DEPLOYMENT, namespace, _workload(thing, one)) for one in predictors)
    return (Part(HTTP_ROUTE, namespace, name), *workloads)


def explain(thing: Object, objects: Objects, backend: str) -> Endpoint:
    namespace, name = key_of(thing)
    canaries = _canaries(thing)
    percent = {text(one, "predictor", "name"): number(one, "trafficPercent") or 0.0 for one in canaries}
    desired = {_stable_name(thing): 100.0 - sum(percent.values()), **percent}
    observed = _observed(thing, objects)
    stable = _variant(thing, table(thing, "spec", "predictor"), _stable_name(thing), Role.STABLE, objects)
    others = (
        _variant(thing, table(one, "predictor"), text(one, "predictor", "name"), Role.CANARY, objects)
        for one in canaries
    )
    variants = tuple(
        _with_weights(one, desired.get(one.name), observed.get(one.name, 0.0) if observed is not None else None)
        for one in (stable, *others)
    )
    # A predictor that the spec does not have any more may still get traffic, and its pods are about to go.
    variants += tuple(
        Variant(one, Role.CANDIDATE, desired=0.0, observed=share, message="not in the spec, but the route sends to it")
        for one, share in (observed or {}).items()
        if one not in desired and share
    )
    arrived = observed is None or same(observed, desired)
    phase, message = phase_of(thing, arrived=arrived)
    releases = _releases(desired, _stable_name(thing))
    return Endpoint(
        ref=EndpointRef(backend, namespace, name),
        variants=variants,
        phase=phase,
        message=message,
        releases=releases,
        revision=token(thing),
        actions=_actions(thing, desired, phase),
        native={
            "mode": "Standard",
            "object": thing,
            "stable": _stable_name(thing),
            "predictor": table(thing, "spec", "predictor"),
            "canary": canaries,
            "desired": desired,
            "generation": generation_of(thing),
            "ready": is_ready(thing),
            "waits": _not_ready_canaries(thing),
            "failure": failure_of(thing),
        },
    )


def _observed(thing: Object, objects: Objects) -> dict[str, float] | None:
    """Percent by variant in the route's rule with the most variants; ``None`` if there is no route."""
    namespace, name = key_of(thing)
    route = objects.of(HTTP_ROUTE).get((namespace, name))
    canaries = [table(one, "predictor") for one in _canaries(thing)]
    stable = table(thing, "spec", "predictor")
    if route is None:
        return None if canaries else ({_stable_name(thing): 100.0} if is_ready(thing) else None)
    names = {_workload(thing, one): text(one, "name") for one in canaries}
    names[_workload(thing, stable)] = _stable_name(thing)
    best: dict[str, float] = {}
    for rule in items(route, "spec", "rules"):
        weights: dict[str, int] = {}
        for one in items(rule, "backendRefs"):
            weight, backend = whole(one, "weight"), text(one, "name")
            called = names.get(backend) or _left(backend, name)
            if called:
                weights[called] = weights.get(called, 0) + (1 if weight is None else weight)
        if len(weights) > len(best):
            best = shares(weights)
    return best or None


def _left(backend: str, name: str) -> str:
    """The name of a predictor that the spec does not have any more, from its Service in the route; else ""."""
    own = backend.removeprefix(f"{name}-").removesuffix("predictor").removesuffix("-")
    return (own or STABLE) if backend.startswith(f"{name}-") and backend.endswith("predictor") else ""


def _variant(thing: Object, predictor: Object, name: str, role: Role, objects: Objects) -> Variant:
    namespace, _ = key_of(thing)
    deployment = objects.of(DEPLOYMENT).get((namespace, _workload(thing, predictor)))
    if deployment is not None:
        ready: int | None = ready_of(deployment)
        wanted: int | None = wanted_of(deployment)
        image = image_of(table(deployment, "spec", "template"))
    else:
        # A canary that is "ready" has at least one replica; the status does not say how many.
        status = next((one for one in items(thing, "status", "canaryStatuses") if text(one, "name") == name), None)
        ready = 0 if status is not None and not flag(status, "ready") else None
        wanted, image = None, text(predictor, "model", "image") or None
    labelled = {"metadata": {"labels": table(predictor, "labels"), "annotations": table(predictor, "annotations")}}
    message = failure_of(thing) if role is Role.STABLE else ""
    return Variant(name, role, model_at(storage_uri(predictor), labelled), image, ready, wanted, message=message)


def _with_weights(variant: Variant, desired: float | None, observed: float | None) -> Variant:
    return dataclasses.replace(variant, desired=desired, observed=observed)


def _not_ready_canaries(thing: Object) -> str:
    """The canaries that are not ready, in words, or ""."""
    waiting = [text(one, "name") for one in items(thing, "status", "canaryStatuses") if not flag(one, "ready")]
    return f"waiting for replicas of {', '.join(waiting)}" if waiting else ""


def _releases(desired: Mapping[str, float], stable: str) -> tuple[Release, ...]:
    """The current state, and all traffic to the stable variant: KServe keeps no history in this mode."""
    current = Release(release_id(desired), desired, current=True, good=True if desired[stable] == 100.0 else None)
    if desired[stable] == 100.0:
        return (current,)
    return current, Release(stable, {stable: 100.0}, good=True)


def _actions(thing: Object, desired: Mapping[str, float], phase: Phase) -> dict[Action, str | None]:
    every = (Action.SHIFT, Action.PROMOTE, Action.ROLLBACK, Action.ABORT)
    if phase is Phase.PAUSED:
        return dict.fromkeys(every, "it is stopped")
    if not _canaries(thing):
        annotated = text(annotations_of(thing), MODE)
        hint = "" if annotated == "Standard" else f", which takes the annotation {MODE}: Standard"
        none = dict.fromkeys(every, f"it has no canary{hint}")
        return {**none, Action.ROLLBACK: "KServe keeps no earlier version in Standard mode"}
    at_stable = desired[_stable_name(thing)] == 100.0
    return {
        Action.SHIFT: None,
        Action.PROMOTE: None,
        Action.ROLLBACK: f"{_stable_name(thing)} gets all the traffic already" if at_stable else None,
        Action.ABORT: None,
    }


# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────


def compile(endpoint: Endpoint, change: Change) -> tuple[Call, ...]:  # noqa: A001 - as the contract calls it
    """One JSON patch. It tests the name in each list entry before it changes that canary.

    Abort deletes all canaries, with their Deployments; a rollback leaves them running at 0 %.
    """
    canaries = _entries(endpoint)
    if isinstance(change, Promote) and change.variant not in _desired(endpoint):
        named(endpoint, change.variant)
        raise Rejected(f"{change.variant} is not in the spec any more: it cannot be promoted")
    if isinstance(change, Abort):
        names = ", ".join(text(one, "predictor", "name") for one in canaries)
        checks = [expect(_name_path(index), text(one, "predictor", "name")) for index, one in enumerate(canaries)]
        return (_patch(endpoint, [*checks, remove("/spec/canary")], f"canary {names} dropped"),)
    if isinstance(change, Promote) and change.variant != endpoint.native["stable"]:
        return (_promotion(endpoint, change.variant),)
    weights = _weights(endpoint, change)
    if left := [name for name, weight in weights.items() if weight and name not in _desired(endpoint)]:
        raise Rejected(f"{left[0]} is not in the spec any more: it cannot get traffic")
    if all(same_weight(weights[name], weight) for name, weight in _desired(endpoint).items()):
        raise Rejected(f"the split is {percents(_desired(endpoint))} already")
    operations: list[Mapping[str, object]] = []
    moves = []
    for index, one in enumerate(canaries):
        name = text(one, "predictor", "name")
        percent, was = whole_percent(name, weights.get(name, 0.0)), _desired(endpoint).get(name, 0.0)
        operations.append(expect(_name_path(index), name))
        if not same_weight(was, percent):
            operations.append(add(pointer("spec", "canary", index, "trafficPercent"), percent))
            moves.append(f"{name} {was:g} → {percent}")
    return (_patch(endpoint, operations, f"canary trafficPercent {', '.join(moves)}"),)


def _promotion(endpoint: Endpoint, name: str) -> Call:
    """Make the canary's predictor the stable one and remove the canary's entry. The predictor keeps its name, so that
    its pods keep running."""
    named(endpoint, name)
    canaries = _entries(endpoint)
    index = next(index for index, one in enumerate(canaries) if text(one, "predictor", "name") == name)
    stable: Mapping[str, Any] = table(endpoint.native, "predictor")
    inherited = {field: stable[field] for field in OF_STABLE if field in stable}
    predictor = {**table(canaries[index], "predictor"), **inherited}
    operations: list[Mapping[str, object]] = [expect(_name_path(index), name), replace("/spec/predictor", predictor)]
    others = [other for other in range(len(canaries)) if other != index]
    operations += [add(pointer("spec", "canary", other, "trafficPercent"), 0) for other in others]
    operations.append(remove(pointer("spec", "canary", index) if others else "/spec/canary"))
    return _patch(endpoint, operations, f"predictor {endpoint.native['stable']} → {name}, canary {name} dropped")


def _patch(endpoint: Endpoint, operations: list[Mapping[str, object]], summary: str) -> Call:
    return guarded(INFERENCE_SERVICE, table(endpoint.native, "object"), operations, summary)


def _entries(endpoint: Endpoint) -> tuple[Object, ...]:
    found = endpoint.native["canary"]
    assert isinstance(found, tuple)
    return found


def _desired(endpoint: Endpoint) -> dict[str, float]:
    found = endpoint.native["desired"]
    assert isinstance(found, dict)
    return found


def _name_path(index: int) -> str:
    return pointer("spec", "canary", index, "predictor", "name")


def _weights(endpoint: Endpoint, change: Change) -> dict[str, float]:
    match change:
        case Split(given):
            return checked(endpoint, given)
        case Promote(name):
            return checked(endpoint, {name: 100.0})
        case Rollback(id_):
            return release_weights(endpoint, id_)
        case Abort():
            return checked(endpoint, {str(endpoint.native["stable"]): 100.0})
    raise Unsupported("KServe has no steps in Standard mode")


def forecast(endpoint: Endpoint, change: Change) -> Forecast:
    """KServe keeps no history in this mode: a replaced or deleted predictor is gone until it is deployed again."""
    weights, stable = _weights(endpoint, change), str(endpoint.native["stable"])
    if isinstance(change, Abort):
        gone = ", ".join(text(one, "predictor", "name") for one in _entries(endpoint))
        return Forecast(weights, (f"{gone} is deleted with its pods: a rollback leaves it running at 0 %",), final=True)
    if isinstance(change, Promote) and change.variant != stable:
        words = f"{stable} is deleted with its pods: KServe keeps no earlier version in Standard mode"
        return Forecast(weights, (words,), final=True)
    return Forecast(weights)


def progress(before: Endpoint, now: Endpoint, change: Change) -> Progress:
    """Settled once the route has the weights and everything is ready; without a route, only metrics can confirm the
    weights."""
    target = _weights(before, change)
    if not same(dict(_desired(now)), target) or not _has_canaries_of(before, now, change):
        if now.native.get("generation") == before.native.get("generation"):
            return Pending("KServe's object is as it was before")
        return Diverged(f"the split asked for is now {percents(_desired(now))}")
    failure, waits = str(now.native.get("failure") or ""), str(now.native.get("waits") or "")
    observed = observed_of(now)
    if any(weight is None for weight in observed.values()):
        if waits or not now.native.get("ready"):
            return Pending(failure or waits or now.message or "not ready", stalled=bool(failure))
        return Settled("KServe took it; no HTTPRoute tells the weights in effect, so only the metrics can confirm them")
    if not same(observed, target):
        words = "; ".join(part for part in (failure, waits, f"the route has {percents(observed)}") if part)
        return Pending(words, stalled=bool(failure))
    if not now.native.get("ready"):
        return Pending(failure or now.message or "the route is there, but Ready is not True", stalled=bool(failure))
    return Settled(f"the route has {percents(observed)}")


def _has_canaries_of(before: Endpoint, now: Endpoint, change: Change) -> bool:
    """Whether the list of canaries is as the change leaves it."""
    match change:
        case Abort():
            return not _entries(now)
        case Promote(name) if name != before.native["stable"]:
            return bool(now.native["stable"] == name)
    return True
