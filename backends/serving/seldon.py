"""Seldon Core: v1 ``SeldonDeployment`` and v2 ``Experiment``. Both may be in one cluster, and in one source.

v1 (``machinelearning.seldon.io/v1``): predictors with whole percentages that sum to 100; a predictor with ``shadow``
gets copies instead, as many percent as its ``traffic`` says, and *all* of them where that is 0, so a shadow is stopped
by taking ``shadow`` away. Its state does not tell which generation it is of.

v2 (``mlops.seldon.io/v1alpha1``): candidates with proportional weights, one mirror with a whole percentage. The
operator ignores what its scheduler says of an older generation, but writes no ``observedGeneration``: a "ready" may be
that of before.

Written against Seldon Core 1.18 and 2.10. Neither tells what its proxies do: only metrics confirm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from backends.contracts import (
    ACTION_OF,
    Action,
    Call,
    Change,
    Endpoint,
    EndpointRef,
    Mirror,
    ModelRef,
    Pending,
    Phase,
    Progress,
    Promote,
    Role,
    Settled,
    Split,
    Variant,
    Wiring,
)
from backends.errors import Rejected, Unsupported
from backends.platforms.kubernetes.calls import add, expect
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.platforms.kubernetes.objects import (
    Condition,
    Object,
    conditions,
    flag,
    generation_of,
    items,
    key_of,
    labels_of,
    namespace_of,
    number,
    table,
    text,
    whole,
)
from backends.serving.backing import declared
from backends.serving.gateway import CHANGES, STABLE_SETTING
from backends.serving.kubernetes import SETTINGS, Kind, KubernetesServing, Need, Objects, Part, System
from backends.serving.steering import STABLE_KEY, arrived, can, guarded, mirror_of, possible, roles, split_of, token
from backends.serving.weights import proportional, shares, whole_percent
from backends.serving.workloads import ready_of, selects, wanted_of

SELDON_DEPLOYMENT = Kind("machinelearning.seldon.io", "v1", "seldondeployments", "SeldonDeployment")
EXPERIMENT = Kind("mlops.seldon.io", "v1alpha1", "experiments", "Experiment")
MODEL = Kind("mlops.seldon.io", "v1alpha1", "models", "Model")

STATES = {"Available": Phase.STEADY, "Creating": Phase.PROGRESSING, "Failed": Phase.FAILED}

UNTOLD = "Seldon does not tell when its proxies follow, only metrics confirm"


class SeldonSystem(System):
    """``stable_key`` is the annotation or label that names the stable predictor or candidate."""

    name = "seldon"
    kinds: ClassVar[tuple[Kind, ...]] = (SELDON_DEPLOYMENT, EXPERIMENT, MODEL, DEPLOYMENT)

    def __init__(self, stable_key: str = STABLE_KEY) -> None:
        self._stable_key = stable_key

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        """SeldonDeployments and Experiments by name. An Experiment that shares its name and namespace with a
        SeldonDeployment is called ``NAME.experiment``."""
        old, new = objects.of(SELDON_DEPLOYMENT), objects.of(EXPERIMENT)
        found = [_deployment(objects, backend, one, self._stable_key) for _, one in sorted(old.items())]
        for key, one in sorted(new.items()):
            name = f"{key[1]}.experiment" if key in old else key[1]
            found.append(_experiment(objects, EndpointRef(backend, key[0], name), one, self._stable_key))
        return tuple(sorted(found, key=lambda endpoint: endpoint.ref))

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        kind = self.target(endpoint)[0]
        possible(endpoint, change, f"a {kind.kind}")
        thing = table(endpoint.native, "object")
        if isinstance(change, Split | Promote):
            split = split_of(endpoint, change)
            operations, summary = (_traffic if kind is SELDON_DEPLOYMENT else _candidates)(thing, split)
        elif isinstance(change, Mirror):
            variant = mirror_of(endpoint, change)
            percent = whole_percent(change.variant, change.percent)
            operations = (_shadow if kind is SELDON_DEPLOYMENT else _mirror)(thing, change.variant, percent)
            summary = f"mirror {change.variant} {variant.mirror or 0:g} % → {percent} %"
        else:
            raise Unsupported(f"a {kind.kind} knows no {ACTION_OF[type(change)].value}")
        return (guarded(kind, thing, operations, summary),)

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        if (not_there := arrived(before, now, change)) is not None:
            return not_there
        if now.phase is Phase.STEADY:
            return Settled(f"Seldon says that it is {'available' if _is_v1(now) else 'ready'}; {UNTOLD}")
        return Pending(now.message or "Seldon has not taken it up yet", stalled=now.phase is Phase.FAILED)

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        plain = ref.name.removesuffix(".experiment")
        both = (Part(SELDON_DEPLOYMENT, ref.scope, ref.name), Part(EXPERIMENT, ref.scope, ref.name))
        if plain != ref.name and (ref.scope, plain) in objects.of(EXPERIMENT):
            return Part(EXPERIMENT, ref.scope, plain), Part(SELDON_DEPLOYMENT, ref.scope, plain)
        return both[:1] if (ref.scope, ref.name) in objects.of(SELDON_DEPLOYMENT) else both[1:]

    def needs(self, endpoint: Endpoint, action: Action) -> tuple[Need, ...]:
        return (Need("patch", self.target(endpoint)[0]),)

    def target(self, endpoint: Endpoint) -> tuple[Kind, str, str]:
        kind = SELDON_DEPLOYMENT if _is_v1(endpoint) else EXPERIMENT
        return kind, endpoint.ref.scope, key_of(endpoint.native["object"])[1]


def _is_v1(endpoint: Endpoint) -> bool:
    return endpoint.native["kind"] is SELDON_DEPLOYMENT


# ── v1 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _deployment(objects: Objects, backend: str, thing: Object, stable_key: str) -> Endpoint:
    namespace, name = key_of(thing)
    predictors = items(thing, "spec", "predictors")
    live = [one for one in predictors if not flag(one, "shadow")]
    traffic = {text(one, "name"): whole(one, "traffic") or 0 for one in live}
    alone = len(live) == 1  # Istio and Ambassador send everything to a single one, whatever its number
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
                model=_uri_model(text(one, "graph", "modelUri")),
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
    return Endpoint(
        ref=EndpointRef(backend, namespace, name),
        variants=tuple(variants),
        phase=phase,
        message="; ".join(part for part in (message, odd) if part),
        revision=token(thing),
        actions=can(reason, *CHANGES),
        native={"object": thing, "kind": SELDON_DEPLOYMENT},
    )


def _state(thing: Object) -> tuple[Phase, str]:
    state = text(thing, "status", "state")
    phase = STATES.get(state, Phase.UNKNOWN)
    return phase, "" if phase is Phase.STEADY else text(thing, "status", "description") or state.lower()


def _replicas(objects: Objects, thing: Object, predictor: str) -> tuple[int | None, int | None]:
    """Ready and wanted, of the Deployments that Seldon labels with the deployment and the predictor, else as the status
    counts those whose names (``DEPLOYMENT-PREDICTOR-…``) hold the predictor's."""
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
    counted = [one for called, one in told.items() if called.startswith(f"{name}-{predictor}-")]
    if not counted:
        return None, None
    ready = sum(whole(one, "availableReplicas") or 0 for one in counted)
    return ready, sum(whole(one, "replicas") or 0 for one in counted)


def _traffic(thing: Object, split: Mapping[str, float]) -> tuple[list[dict[str, object]], str]:
    """Seldon's webhook takes whole percentages that sum to 100."""
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


def _uri_model(uri: str) -> ModelRef | None:
    """The last two parts of a model's URI, where they look like a name and a version: ``…/iris/v7``, ``…/iris/12``."""
    *_, name, version = ["", "", *uri.rstrip("/").split("/")]
    digits = version.removeprefix("v")
    return ModelRef(name, version) if name and digits.replace(".", "").isdigit() else None


# ── v2 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


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
                model=_uri_model(text(model, "spec", "storageUri")),
                ready=whole(model, "status", "availableReplicas") if model else None,
                wanted=(whole(model, "spec", "replicas") or 1) if model else None,
                desired=weights.get(name),
                mirror=percent if name == mirror else None,
            )
        )
    reason = "there is one candidate only" if len(candidates) < 2 else None
    mirror_reason = None if mirror else "the experiment names no mirror"
    return Endpoint(
        ref=ref,
        variants=tuple(variants),
        phase=phase,
        message=message,
        revision=token(thing),
        actions={**can(reason, Action.SHIFT, Action.PROMOTE), Action.MIRROR: mirror_reason},
        native={"object": thing, "kind": EXPERIMENT},
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


class SeldonServing(KubernetesServing):
    """SeldonDeployments and Experiments of a cluster."""

    SETTINGS = (*SETTINGS, STABLE_SETTING)
    system = SeldonSystem()

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self.system = SeldonSystem(str(wiring.options.get("stable") or STABLE_KEY))  # type: ignore[misc]  # its own
