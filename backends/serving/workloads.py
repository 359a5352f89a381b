"""Code for Deployments, Rollouts and Canaries: ReplicaSets as history, and the model of a pod template."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

from backends.contracts import ModelRef
from backends.images.reference import digest_in
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    created_of,
    dig,
    items,
    labels_of,
    owner_references,
    seconds_of,
    table,
    text,
    whole,
)

MODEL_KEYS = ("shiftdeck.io/model", "model-name", "model", "app.kubernetes.io/name")
VERSION_KEYS = ("shiftdeck.io/version", "model-version", "app.kubernetes.io/version", "version")
"""Annotations and labels of a pod template that name its model and version; the first one present counts."""


def by_owner(objects: Iterable[Object]) -> Mapping[str, list[Object]]:
    """Objects by the uid of the controller that owns them."""
    found: dict[str, list[Object]] = {}
    for one in objects:
        for owner in owner_references(one):
            if owner.controller and owner.uid:
                found.setdefault(owner.uid, []).append(one)
    return found


def image_of(template: Object) -> str | None:
    """The image of the first container, which serves the model by convention."""
    return text(template, "spec", "containers", 0, "image") or None


def resolved_in(revision: Object | None) -> tuple[str, ...]:
    """The digest of a Revision's first image, which Knative resolved when it made the Revision: all its pods run that
    digest."""
    digest = digest_in(text(revision, "status", "containerStatuses", 0, "imageDigest"))
    return (digest,) if digest else ()


def model_of(template: Object, *more: Object) -> ModelRef | None:
    """The model and version of a pod template: from its own annotations and labels, then from those of the objects in
    ``more``, else from the image's name and tag. ``None`` if the image has no tag: a digest is not a version.
    """
    image = image_of(template) or ""
    path, at, _ = image.partition("@")
    name, colon, tag = path.rpartition("/")[2].partition(":")
    model = _first(MODEL_KEYS, template, more) or name
    version = _first(VERSION_KEYS, template, more) or (tag if colon and (tag != "latest" or not at) else "")
    return ModelRef(model, version) if model and version else None


def _first(keys: tuple[str, ...], template: Object, more: tuple[Object, ...]) -> str:
    for one in (template, *more):
        tables = annotations_of(one), labels_of(one)
        for key in keys:
            for told in tables:
                if isinstance(value := told.get(key), str) and value:
                    return value
    return ""


def template_of(replica_set: Object, hash_label: str) -> dict[str, Any]:
    """The pod template without the hash label that the controller added."""
    template = copy.deepcopy(dict(table(replica_set, "spec", "template")))
    labels = dict(table(template, "metadata", "labels"))
    labels.pop(hash_label, None)
    template["metadata"] = {**table(template, "metadata"), "labels": labels}
    # The server sets the field to null, and would treat a null in the patch as a change.
    template["metadata"].pop("creationTimestamp", None)
    return template


def revision_number(replica_set: Object, annotation: str) -> int:
    """The revision number from the controller; 0 if it has none yet."""
    return whole(annotations_of(replica_set), annotation) or 0


def left_behind(sets: Mapping[str, Object], annotation: str) -> dict[str, str]:
    """The ReplicaSets that somebody went back from, each with the ReplicaSet that was gone back to, by name.

    Controllers number a ReplicaSet anew when its template is deployed again, so a number says when it was deployed
    last. Its first number, which the controller keeps as history, and its creation say when it was deployed first. A
    ReplicaSet was gone back from if one that was first deployed before it was deployed again after it.
    """
    order = sorted((revision_number(one, annotation), name) for name, one in sets.items())
    first = {name: _first_revision(one, annotation) for name, one in sets.items()}
    created = {name: created_of(one) for name, one in sets.items()}

    def before(one: str, other: str) -> bool:
        mine, theirs = created[one], created[other]
        return first[one] < first[other] or (mine is not None and theirs is not None and mine < theirs)

    found = {}
    for number, (revision, name) in enumerate(order):
        later = (other for _, other in order[number + 1 :] if before(other, name))
        if revision and (back_to := next(later, "")):
            found[name] = back_to
    return found


def _first_revision(replica_set: Object, annotation: str) -> int:
    history = text(annotations_of(replica_set), f"{annotation}-history")
    earlier = [int(part) for part in history.split(",") if part.isascii() and part.isdigit() and len(part) < 20]
    return min([*earlier, revision_number(replica_set, annotation)])


def progressed_at(thing: Object) -> float | None:
    """When the condition ``Progressing`` was written last, in Unix seconds: soon after the newest change of the
    template. ``None`` if there is no such condition."""
    conditions = (one for one in items(thing, "status", "conditions") if text(one, "type") == "Progressing")
    return next((seconds_of(dig(one, "lastUpdateTime")) for one in conditions), None)


def ready_of(thing: Object) -> int:
    """Ready replicas. The JSON has no such field if there are none."""
    return whole(thing, "status", "readyReplicas") or 0


def wanted_of(thing: Object) -> int:
    """The replicas in the spec; 1 if the spec has no number."""
    wanted = whole(thing, "spec", "replicas")
    return 1 if wanted is None else wanted


def ratio(counts: Mapping[str, int]) -> dict[str, float | None]:
    """Percent by name, in proportion to the counts; ``None`` for all if the sum is 0."""
    total = sum(counts.values())
    return {name: 100.0 * count / total if total else None for name, count in counts.items()}


def selects(selector: Object, labels: Object) -> bool:
    """Whether a plain selector matches; an empty selector matches nothing."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def label_selector(selector: Object) -> str:
    """A ``LabelSelector`` (``matchLabels`` and ``matchExpressions``) as a query parameter."""
    parts = [f"{key}={value}" for key, value in sorted(table(selector, "matchLabels").items())]
    for one in items(selector, "matchExpressions"):
        key, values = text(one, "key"), dig(one, "values")
        among = ",".join(str(value) for value in values) if isinstance(values, list) else ""
        match text(one, "operator"):
            case "In":
                parts.append(f"{key} in ({among})")
            case "NotIn":
                parts.append(f"{key} notin ({among})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(parts)


def short(number: float) -> str:
    """A percentage with one decimal, without a trailing ".0"."""
    return f"{number:.1f}".removesuffix(".0") if math.isfinite(number) else "?"
