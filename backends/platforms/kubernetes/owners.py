"""Whether a GitOps controller manages an object, and would revert a change.

Argo CD marks its objects with the annotation ``argocd.argoproj.io/tracking-id``, or with the label
``app.kubernetes.io/instance``. Other tools set that label too, so it counts only if Argo CD is one of the object's
field managers. Flux marks its objects with the labels ``kustomize.toolkit.fluxcd.io/name`` or
``helm.toolkit.fluxcd.io/name``, and their ``/namespace``.
"""

from __future__ import annotations

from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    dig,
    items,
    labels_of,
    name_of,
    owner_references,
    text,
)

TRACKING = "argocd.argoproj.io/tracking-id"
INSTANCE = "app.kubernetes.io/instance"
FLUX = (("kustomize.toolkit.fluxcd.io", "Kustomization"), ("helm.toolkit.fluxcd.io", "HelmRelease"))


def gitops_owner(thing: Object) -> str:
    """The controller that would revert a change: "Argo CD application shop", "Flux Kustomization flux-system/apps", or
    "".

    ``thing`` is the object as the server sent it, with its ``managedFields``.
    """
    tracking = text(annotations_of(thing), TRACKING)
    if tracking:
        return f"Argo CD application {tracking.partition(':')[0]}"
    labels = labels_of(thing)
    for domain, kind in FLUX:
        name = text(labels, f"{domain}/name")
        if name:
            namespace = text(labels, f"{domain}/namespace")
            return f"Flux {kind} " + (f"{namespace}/{name}" if namespace else name)
    instance = text(labels, INSTANCE)
    if instance and any(text(one, "manager").startswith("argocd") for one in items(thing, "metadata", "managedFields")):
        return f"Argo CD application {instance}"
    return ""


def controller_of(thing: Object) -> str:
    """The object whose controller writes this one ("ScaledObject sentiment"), or ""."""
    return next((f"{one.kind} {one.name}" for one in owner_references(thing) if one.controller), "")


def deleted(*things: Object) -> str:
    """Why no change is made: one of these objects is being deleted, and only waits for its finalizers; or ""."""
    gone = [name_of(one) for one in things if dig(one, "metadata", "deletionTimestamp") is not None]
    return f"{', '.join(gone)} is being deleted" if gone else ""
