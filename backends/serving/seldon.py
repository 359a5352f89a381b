"""Seldon Core v1: ``SeldonDeployment`` (``machinelearning.seldon.io/v1``).

Predictors have whole percentages that sum to 100. A predictor with ``shadow`` gets copies instead: the percentage in
its ``traffic``, or *all* requests if that is 0. So a shadow is stopped by removing ``shadow``. The state does not say
to which generation it belongs, nor what the proxies do: only metrics confirm a change. Written for 1.18.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from backends.contracts import (
    Call,
    Change,
    Endpoint,
    EndpointRef,
    Pending,
    Phase,
    Progress,
    Role,
    Settled,
    Variant,
)
from backends.errors import Rejected
from backends.platforms.kubernetes.calls import add, expect
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.platforms.kubernetes.objects import (
    Object,
    flag,
    items,
    key_of,
    labels_of,
    namespace_of,
    number,
    table,
    text,
    whole,
)
from backends.serving.backing import declared, model_of_uri
from backends.serving.kubernetes import Kind, Objects
from backends.serving.patches import compiled, token
from backends.serving.split import arrived, roles, split_actions
from backends.serving.stable_label import StableLabelServing, StableLabelSystem
from backends.serving.weights import shares, whole_percent
from backends.serving.workloads import ready_of, selects, wanted_of

SELDON_DEPLOYMENT = Kind("machinelearning.seldon.io", "v1", "seldondeployments", "SeldonDeployment")

STATES = {"Available": Phase.STEADY, "Creating": Phase.PROGRESSING, "Failed": Phase.FAILED}


class SeldonSystem(StableLabelSystem):
    """``stable_key`` is the annotation or label that names the stable predictor."""

    name = "seldon"
    kinds: ClassVar[tuple[Kind, ...]] = (SELDON_DEPLOYMENT, DEPLOYMENT)
    by_namespace: ClassVar[bool] = True

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        found = sorted(objects.of(SELDON_DEPLOYMENT).items())
        return tuple(_deployment(objects, backend, one, self._stable_key) for _, one in found)

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        thing = table(endpoint.native, "object")
        return compiled(
            SELDON_DEPLOYMENT,
            "a SeldonDeployment",
            endpoint,
            change,
            lambda weights: _traffic(thing, weights),
            lambda mirror: _shadow(thing, mirror.variant, whole_percent(mirror.variant, mirror.percent)),
        )

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        return follow(before, now, change, "available")


def follow(before: Endpoint, now: Endpoint, change: Change, well: str) -> Progress:
    """The progress of a change in Seldon, v1 or v2; ``well`` is Seldon's own word for the good state."""
    if (not_there := arrived(before, now, change)) is not None:
        return not_there
    if now.phase is Phase.STEADY:
        return Settled(f"Seldon says that it is {well}; it does not tell when its proxies follow, only metrics confirm")
    return Pending(now.message or "Seldon has not taken it up yet", stalled=now.phase is Phase.FAILED)


def _deployment(objects: Objects, backend: str, thing: Object, stable_key: str) -> Endpoint:
    namespace, name = key_of(thing)
    every = items(thing, "spec", "predictors")
    predictors = tuple({text(one, "name"): one for one in every}.values())
    live = [one for one in predictors if not flag(one, "shadow")]
    traffic = {text(one, "name"): whole(one, "traffic") or 0 for one in live}
    alone = len(live) == 1  # Istio and Ambassador send everything to a single predictor, whatever its number
    weights = dict.fromkeys(traffic, 100.0) if alone else shares(traffic)
    of_variant = roles(weights, declared(thing, stable_key))
    phase, message = _state(thing)
    variants = []
    for one in predictors:
        called = text(one, "name")
        ready, wanted = _replicas(objects, thing, called)
        variants.append(
            Variant(
                name=called,
                role=of_variant.get(called, Role.SHADOW),
                model=model_of_uri(text(one, "graph", "modelUri")),
                image=text(one, "componentSpecs", 0, "spec", "containers", 0, "image") or None,
                ready=ready,
                wanted=wanted,
                desired=weights.get(called),
                mirror=None if called in weights else number(one, "traffic") or 100.0,
            )
        )
    sums = sum(traffic.values())
    odd = f"the traffic sums to {sums}, not to 100" if not alone and sums != 100 else ""
    reason = "there is one predictor only" if len(predictors) < 2 else None
    if len(predictors) < len(every):
        reason = "several predictors have the same name: change it by hand"
    return Endpoint(
        ref=EndpointRef(backend, namespace, name),
        variants=tuple(variants),
        phase=phase,
        message="; ".join(part for part in (message, odd) if part),
        revision=token(thing),
        actions=split_actions(variants, reason),
        native={"object": thing},
    )


def _state(thing: Object) -> tuple[Phase, str]:
    state = text(thing, "status", "state")
    phase = STATES.get(state, Phase.UNKNOWN)
    return phase, "" if phase is Phase.STEADY else text(thing, "status", "description") or state.lower()


def _replicas(objects: Objects, thing: Object, predictor: str) -> tuple[int | None, int | None]:
    """Ready and wanted replicas of the Deployments that Seldon labels with the deployment and the predictor. Without
    such Deployments, the counts in the status are used, by name (``DEPLOYMENT-PREDICTOR-…``)."""
    namespace, name = key_of(thing)
    labels = {"seldon-deployment-id": name, "seldon-predictor": predictor}
    own = [
        one
        for one in objects.of(DEPLOYMENT).values()
        if namespace_of(one) == namespace
        and (selects(labels, labels_of(one)) or selects(labels, labels_of(table(one, "spec", "template"))))
    ]
    if own:
        return sum(ready_of(one) for one in own), sum(wanted_of(one) for one in own)
    told = table(thing, "status", "deploymentStatus")
    # A predictor "v7" is not the one of "NAME-v7-b-0-model": the longest name that fits owns the Deployment.
    names = [text(one, "name") for one in items(thing, "spec", "predictors")]
    counted = [one for called, one in told.items() if _owner(called, name, names) == predictor]
    if not counted:
        return None, None
    ready = sum(whole(one, "availableReplicas") or 0 for one in counted)
    return ready, sum(whole(one, "replicas") or 0 for one in counted)


def _owner(deployment: str, name: str, predictors: Iterable[str]) -> str:
    """The predictor of a Deployment by its name, "" if it is of none."""
    return max((one for one in predictors if deployment.startswith(f"{name}-{one}-")), key=len, default="")


def _traffic(thing: Object, split: Mapping[str, float]) -> tuple[list[dict[str, object]], str]:
    """The operations of a split, and their summary. Seldon's webhook accepts only whole percentages that sum to 100."""
    after = {name: whole_percent(name, percent) for name, percent in split.items()}
    operations: list[dict[str, object]] = []
    moves = []
    for at, one in enumerate(items(thing, "spec", "predictors")):
        name, before = text(one, "name"), whole(one, "traffic") or 0
        if name in after and after[name] != before:
            operations.append(expect(f"/spec/predictors/{at}/name", name))
            operations.append(add(f"/spec/predictors/{at}/traffic", after[name]))
            moves.append(f"{name} {before} → {after[name]}")
    return operations, "traffic " + ", ".join(moves)


def _shadow(thing: Object, name: str, percent: int) -> list[dict[str, object]]:
    predictors = items(thing, "spec", "predictors")
    other = [text(one, "name") for one in predictors if flag(one, "shadow") and text(one, "name") != name]
    if percent and other:
        raise Rejected(f"{other[0]} is the shadow already, and Seldon mirrors to one only: stop that first")
    if len([one for one in predictors if not flag(one, "shadow") and text(one, "name") != name]) == 0:
        raise Rejected(f"{name} is the only predictor that answers")
    at = next(number_ for number_, one in enumerate(predictors) if text(one, "name") == name)
    place = f"/spec/predictors/{at}"
    changed = [add(f"{place}/shadow", percent > 0), add(f"{place}/traffic", percent)]
    return [expect(f"{place}/name", name), *changed]


class SeldonServing(StableLabelServing):
    """SeldonDeployments of a cluster."""

    system = SeldonSystem()
