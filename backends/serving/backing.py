"""What stands behind a Service: the Deployments that its selector finds, their replicas, image and model. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from backends.contracts import ModelRef
from backends.platforms.kubernetes.kinds import DEPLOYMENT, SERVICE
from backends.platforms.kubernetes.objects import Object, annotations_of, labels_of, namespace_of, table, text
from backends.serving.kubernetes import Objects
from backends.serving.workloads import image_of, model_of, ready_of, selects, wanted_of


class Backing(NamedTuple):
    """``ready`` of ``wanted`` replicas; ``None`` where no workload was found."""

    ready: int | None = None
    wanted: int | None = None
    image: str | None = None
    model: ModelRef | None = None


def of_service(objects: Objects, namespace: str, name: str) -> Backing:
    """What the Service of that name sends requests to. A Service without a selector is backed by nothing known."""
    service = objects.of(SERVICE).get((namespace, name))
    if service is None:
        return Backing()
    return of_selector(objects, namespace, table(service, "spec", "selector"), service)


def of_selector(objects: Objects, namespace: str, selector: Mapping[str, Any], *more: Object) -> Backing:
    """The Deployments in that namespace whose pods carry those labels, taken together. What their templates do not
    tell of the model, the Deployment or one of ``more`` may."""
    behind = [
        one
        for one in objects.of(DEPLOYMENT).values()
        if namespace_of(one) == namespace and selects(selector, labels_of(table(one, "spec", "template")))
    ]
    if not behind:
        return Backing()
    template = table(behind[0], "spec", "template")
    return Backing(
        sum(ready_of(one) for one in behind),
        sum(wanted_of(one) for one in behind),
        image_of(template),
        model_of(template, behind[0], *more),
    )


def declared(thing: Object, key: str) -> str:
    """What an annotation, else a label, of that key says."""
    return text(annotations_of(thing), key) or text(labels_of(thing), key)


def model_of_uri(uri: str) -> ModelRef | None:
    """The last two parts of a model's URI, where they look like a name and a version: ``…/iris/v7``, ``…/iris/12``."""
    *_, name, version = ["", "", *uri.rstrip("/").split("/")]
    digits = version.removeprefix("v")
    return ModelRef(name, version) if name and digits.replace(".", "").isdigit() else None
