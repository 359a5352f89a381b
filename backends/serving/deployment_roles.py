"""Which of several Deployments behind one Service is the stable one. Pure."""

from __future__ import annotations

from backends.platforms.kubernetes.objects import Object, annotations_of, created_of, labels_of, name_of, table
from backends.serving.workloads import wanted_of

ROLE_KEYS = ("shiftdeck.io/role", "track")


def stable_of(members: tuple[Object, ...]) -> str:
    """The Deployment that is marked as stable, else the only one not marked as canary, else the largest, else the
    oldest."""
    told = {name_of(one): told_role(one) for one in members}
    for role, wanted in (("stable", True), ("canary", False)):
        found = [name for name, said in told.items() if (said == role) is wanted]
        if len(found) == 1:
            return found[0]
    return name_of(max(members, key=lambda one: (wanted_of(one), -(created_of(one) or 0.0))))


def told_role(deployment: Object) -> str:
    for key in ROLE_KEYS:
        for told in (
            labels_of(deployment),
            annotations_of(deployment),
            labels_of(table(deployment, "spec", "template")),
        ):
            if isinstance(value := told.get(key), str):
                return value
    return "canary" if name_of(deployment).endswith("-canary") else ""
