"""Code for both modes of an InferenceService: names, conditions, models, percentages. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from backends.contracts import WEIGHT_TOLERANCE, Endpoint, ModelRef, Phase, Release, Variant, same_weight
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import (
    Condition,
    Object,
    annotations_of,
    conditions,
    labels_of,
    table,
    text,
    whole,
)
from backends.serving.workloads import MODEL_KEYS, VERSION_KEYS

INFERENCE_SERVICE = Kind("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService")
REVISION = Kind("serving.knative.dev", "v1", "revisions", "Revision")
OF_SERVICE = "serving.kserve.io/inferenceservice"
"""The label that KServe sets on all objects that it creates for an InferenceService."""

MODE = "serving.kserve.io/deploymentMode"
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"

_VERSION = re.compile(r"v?\d[\w.\-]*", re.IGNORECASE)


def mode_of(thing: Object) -> str:
    """ "Knative", "Standard" or "ModelMesh"; older versions of KServe have other names for the first two."""
    said = text(thing, "status", "deploymentMode") or text(annotations_of(thing), MODE)
    told = {"Serverless": "Knative", "RawDeployment": "Standard"}.get(said, said)
    if told:
        return told
    return "Knative" if text(thing, "status", "components", "predictor", "latestCreatedRevision") else "Standard"


def storage_uri(predictor: Object) -> str:
    """The URI of a predictor's model: ``model.storageUri``, or ``storageUri`` of an older per-framework field."""
    uri = text(predictor, "model", "storageUri") or text(predictor, "storageUri")
    return uri or next((found for one in predictor.values() if (found := text(one, "storageUri"))), "")


def model_at(uri: str, *labelled: Object) -> ModelRef | None:
    """The model and version from the labels or annotations of ``labelled``, else from the URI: the last two parts of
    its path, if the last is a version (``s3://models/churn/7``, ``models:/churn/7``)."""
    found = dict.fromkeys(("model", "version"), "")
    for name, keys in (("model", MODEL_KEYS), ("version", VERSION_KEYS)):
        values = (told.get(key) for one in labelled for key in keys for told in (annotations_of(one), labels_of(one)))
        found[name] = next((value for value in values if isinstance(value, str) and value), "")
    parts = [part for part in uri.partition(":")[2].split("/") if part]
    at_path = len(parts) >= 2 and _VERSION.fullmatch(parts[-1])
    if at_path and not found["version"]:
        found["version"] = parts[-1]
        found["model"] = parts[-2]
    if found["version"] and not found["model"] and parts:
        found["model"] = parts[-1]
    return ModelRef(found["model"], found["version"]) if found["model"] and found["version"] else None


def failure_of(thing: Object) -> str:
    """KServe's message about a model that does not load ("ModelLoadFailed: no such bucket"), else ""."""
    if text(thing, "status", "modelStatus", "transitionStatus") not in ("BlockedByFailedLoad", "InvalidSpec"):
        return ""
    info = table(thing, "status", "modelStatus", "lastFailureInfo")
    said = ": ".join(part for part in (text(info, "reason"), text(info, "message")) if part)
    return said or text(thing, "status", "modelStatus", "transitionStatus")


def phase_of(thing: Object, *, arrived: bool) -> tuple[Phase, str]:
    """The phase and a message. ``arrived`` is whether the observed traffic is the desired one.

    ``status.observedGeneration`` is copied from the child object, so it says nothing about this object's generation.
    """
    told = conditions(thing)
    if not table(thing, "status"):
        return Phase.UNKNOWN, "KServe has not looked at it yet"
    if (stopped := told.get("Stopped")) and stopped.ok:
        return Phase.PAUSED, "stopped"
    if failure := failure_of(thing):
        return Phase.FAILED, failure
    ready = told.get("Ready")
    if ready is None:
        return Phase.UNKNOWN, "KServe does not say whether it is ready"
    if ready.ok is False:
        return Phase.DEGRADED, _why(ready, told)
    moving = text(thing, "status", "modelStatus", "transitionStatus") == "InProgress"
    if ready.ok is None or moving or not arrived:
        return Phase.PROGRESSING, "" if ready.ok else _why(ready, told)
    return Phase.STEADY, ""


def _why(ready: Condition, told: Mapping[str, Condition]) -> str:
    """The message of the condition ``ready``, else of the first other condition that is not true."""
    for one in (ready, *(other for other in told.values() if other.ok is not True)):
        words = ": ".join(part for part in (one.reason, one.message) if part)
        if words:
            return words
    return "not ready"


def is_ready(thing: Object) -> bool:
    ready = conditions(thing).get("Ready")
    return ready is not None and ready.ok is True


def same(weights: Mapping[str, float | None], target: Mapping[str, float]) -> bool:
    """Whether the weights are the target's; a variant that the target does not name must have 0."""
    if {name for name, weight in target.items() if weight} - set(weights):
        return False
    return all(same_weight(weight or 0.0, target.get(name, 0.0)) for name, weight in weights.items())


def observed_of(endpoint: Endpoint) -> dict[str, float | None]:
    return {variant.name: variant.observed for variant in endpoint.variants}


def named(endpoint: Endpoint, name: str) -> Variant:
    """The variant of that name. Raises ``Rejected`` if there is none."""
    variant = endpoint.variant(name)
    if variant is None:
        known = ", ".join(one.name for one in endpoint.variants)
        raise Rejected(f"{endpoint.ref.name} has no variant {name!r}: known are {known}")
    return variant


def checked(endpoint: Endpoint, weights: Mapping[str, float]) -> dict[str, float]:
    """The weights of all variants. Raises ``Rejected`` if they name an unknown variant or do not add up to 100."""
    for name, weight in weights.items():
        named(endpoint, name)
        if not 0 <= weight <= 100:
            raise Rejected(f"the weight of {name} is {weight:g}: it must be between 0 and 100")
    total = sum(weights.values())
    if abs(total - 100.0) > WEIGHT_TOLERANCE:
        raise Rejected(f"the weights add up to {total:g}, not to 100")
    return {variant.name: weights.get(variant.name, 0.0) for variant in endpoint.variants}


def replicas_of(revision: Object) -> tuple[int | None, int | None, str]:
    """The ready and the wanted replicas of a Revision, and a message. A Revision that was ready once keeps Ready=True
    while its pods crash: it is scaled to zero only if no replica is wanted."""
    actual, wanted = whole(revision, "status", "actualReplicas"), whole(revision, "status", "desiredReplicas")
    told = conditions(revision)
    ready, active = told.get("Ready"), told.get("Active")
    if ready is None or ready.ok is not True:
        words = ": ".join(part for part in (ready.reason, ready.message) if part) if ready is not None else ""
        return actual or 0, wanted, words
    if actual:
        return actual, wanted, ""
    idle = active is not None and active.ok is False and active.reason == "NoTraffic"
    if wanted == 0 or (idle and not wanted):
        return None, None, "scaled to zero"
    if wanted is None:
        return None, None, "its replicas are not told"
    starting = active is not None and active.ok is None
    return 0, wanted, f"starting: {active.reason}" if active is not None and starting and active.reason else ""


def release_id(weights: Mapping[str, float]) -> str:
    """The id of a release is its split, because KServe keeps no numbered history: "rev-2" or "rev-2=10,rev-1=90"."""
    live = {name: weight for name, weight in weights.items() if weight > 0}
    if len(live) == 1:
        return next(iter(live))
    return ",".join(f"{name}={weight:g}" for name, weight in live.items())


def release_weights(endpoint: Endpoint, id_: str) -> dict[str, float]:
    """The weights in an id of ``release_id``, also if it is no longer among the releases.

    Raises:
        Rejected: the id has another form, or names variants that no longer exist.
    """
    release: Release | None = next((one for one in endpoint.releases if one.id == id_), None)
    if release is not None:
        return checked(endpoint, release.weights)
    weights: dict[str, float] = {}
    for part in id_.split(","):
        name, equals, weight = part.partition("=")
        try:
            weights[name] = float(weight) if equals else 100.0
        except ValueError:
            break
    else:
        return checked(endpoint, weights)
    known = ", ".join(one.id for one in endpoint.releases) or "none"
    raise Rejected(f"{endpoint.ref.name} has no release {id_!r}: known are {known}")


def percents(weights: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'?' if weight is None else f'{weight:g}'} %" for name, weight in weights.items())
