"""The Deployments behind a Service, found by its selector: their replicas, image and model. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from backends.contracts import ModelRef
from backends.platforms.kubernetes.kinds import DEPLOYMENT, SERVICE
from backends.platforms.kubernetes.objects import Object, annotations_of, labels_of, namespace_of, table, text, texts
from backends.serving.deployment_status import image_that_serves, model_that_serves
from backends.serving.kubernetes import Objects
from backends.serving.workloads import ready_of, selects, wanted_of


class Backing(NamedTuple):
    """``ready`` of ``wanted`` replicas; ``None`` if no workload was found."""

    ready: int | None = None
    wanted: int | None = None
    image: str | None = None
    model: ModelRef | None = None


class Backings:
    """The backings of a cluster's Services. Deployments are indexed by the labels of their pods, because a cluster may
    have thousands of both. Made again for each reading of the cluster."""

    def __init__(self, objects: Objects) -> None:
        self._services = objects.of(SERVICE)
        self._by_label: dict[tuple[str, str, object], list[Object]] = {}
        for one in objects.of(DEPLOYMENT).values():
            for label in labels_of(table(one, "spec", "template")).items():
                self._by_label.setdefault((namespace_of(one), *label), []).append(one)

    def of_service(self, namespace: str, name: str) -> Backing:
        """The backing of the Service of that name. The backing of a Service without a selector is not known."""
        service = self._services.get((namespace, name))
        if service is None:
            return Backing()
        return self.of_selector(namespace, texts(service, "spec", "selector"), service)

    def of_subset(self, namespace: str, name: str, labels: Mapping[str, Any]) -> Backing:
        """The backing of a subset: the Service's pods that also have these labels."""
        service = self._services.get((namespace, name))
        return self.of_selector(namespace, {**texts(service, "spec", "selector"), **labels})

    def of_selector(self, namespace: str, selector: Mapping[str, Any], *more: Object) -> Backing:
        """The Deployments in that namespace whose pods have those labels, taken together. The model comes from their
        pod template, else from the Deployment, else from the objects in ``more``. It is not known while a roll-out
        replaces the pods, nor if several Deployments with pods have different ones."""
        rarest: list[Object] = min(
            (self._by_label.get((namespace, *label), []) for label in selector.items()), key=len, default=[]
        )
        behind = [one for one in rarest if selects(selector, labels_of(table(one, "spec", "template")))]
        if not behind:
            return Backing()
        with_pods = [one for one in behind if wanted_of(one) or ready_of(one)] or behind
        models = {model_that_serves(one, (), *more) for one in with_pods}
        images = {image_that_serves(one, ()) for one in with_pods}
        return Backing(
            sum(ready_of(one) for one in behind),
            sum(wanted_of(one) for one in behind),
            images.pop() if len(images) == 1 else None,
            models.pop() if len(models) == 1 else None,
        )


STABLE_KEY = "shiftdeck.io/stable"
"""The annotation or label that names the stable variant, for kinds of objects without such a field."""


def declared(thing: Object, key: str) -> str:
    """The value of the annotation with that key, else of the label with that key."""
    return text(annotations_of(thing), key) or text(labels_of(thing), key)


def model_of_uri(uri: str) -> ModelRef | None:
    """The last two parts of a model's URI, if they look like a name and a version: ``…/iris/v7``, ``…/iris/12``."""
    *_, name, version = ["", "", *uri.rstrip("/").split("/")]
    digits = version.removeprefix("v")
    return ModelRef(name, version) if name and digits.replace(".", "").isdigit() else None
