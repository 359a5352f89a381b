"""What the status of a Deployment and its ReplicaSets say: whether its controller has seen the spec, whether a roll-out
is complete, and which template the pods have. Pure.

A status counts only for the generation that it names: that of an older spec says nothing of this one, and a newer one
than the object's own was made up.
"""

from __future__ import annotations

from collections.abc import Sequence

from backends.contracts import ModelRef
from backends.platforms.kubernetes.objects import (
    Object,
    flag,
    generation_of,
    items,
    table,
    text,
    whole,
)
from backends.serving.workloads import image_of, model_of, ready_of, wanted_of


def seen(deployment: Object) -> bool:
    """Whether the controller has seen this spec, and no other."""
    generation = generation_of(deployment)
    return generation is None or whole(deployment, "status", "observedGeneration") == generation


def failing(deployment: Object) -> str:
    """The controller's reason why the Deployment makes no progress, or ""; also "" if it speaks of another spec. That
    pods cannot be made is the cause, and comes before the deadline that passed because of it."""
    if not seen(deployment):
        return ""
    told = items(deployment, "status", "conditions")
    causes = [one for one in told if text(one, "type") == "ReplicaFailure" and text(one, "status") == "True"]
    causes += [
        one for one in told if text(one, "type") == "Progressing" and text(one, "reason") == "ProgressDeadlineExceeded"
    ]
    return "; ".join(_sentence(one) or text(one, "reason") or text(one, "type") for one in causes)


def _sentence(condition: Object) -> str:
    """The message without its full stop: other words follow it."""
    return text(condition, "message").rstrip(". ")


def updated_of(deployment: Object) -> int:
    """Pods of the newest template. The JSON has no such field if there are none."""
    return whole(deployment, "status", "updatedReplicas") or 0


def pods_of(deployment: Object) -> int:
    """Pods of all templates."""
    return whole(deployment, "status", "replicas") or 0


def rolled_out(deployment: Object) -> bool:
    """Whether all pods that are wanted are there, are ready, and have the newest template, and no other is left."""
    counts = {wanted_of(deployment), updated_of(deployment), pods_of(deployment), ready_of(deployment)}
    return seen(deployment) and len(counts) == 1


def standing(deployment: Object) -> str:
    """How far the pods are, in words: those that are ready, and those of another template or too many."""
    wanted, ready, updated, pods = (count(deployment) for count in (wanted_of, ready_of, updated_of, pods_of))
    if not seen(deployment):
        return f"{ready} of {wanted} ready; the controller has not seen the newest spec yet"
    words = [f"{ready} of {wanted} ready"]
    if updated < min(pods, wanted):
        words.append(f"{updated} of {wanted} of the newest revision")
    if pods > wanted:
        words.append(f"{pods - wanted} too many yet")
    if flag(deployment, "spec", "paused") and updated < pods:
        words.append("its roll-out is paused")
    return ", ".join(words)


def serving_templates(deployment: Object, sets: Sequence[Object]) -> tuple[Object, ...]:
    """The pod templates of the pods that are ready, which a roll-out leaves behind the Deployment's own until they are
    replaced. If no pod is ready: the Deployment's own, which is the one that starts. Empty: not known."""
    own = table(deployment, "spec", "template")
    ready = [table(one, "spec", "template") for one in sets if ready_of(one)]
    if ready or not ready_of(deployment):
        return tuple(ready) or (own,)
    return (own,) if seen(deployment) and updated_of(deployment) >= pods_of(deployment) else ()


def model_that_serves(deployment: Object, sets: Sequence[Object], *more: Object) -> ModelRef | None:
    """The model and version of the ready pods; ``None`` if they are of several, or if it is not known."""
    own = table(deployment, "spec", "template")
    found = {
        # The Deployment's own labels describe its own template only.
        model_of(one, deployment, *more) if _same_image(one, own) else model_of(one, *more)
        for one in serving_templates(deployment, sets)
    }
    return found.pop() if len(found) == 1 else None


def image_that_serves(deployment: Object, sets: Sequence[Object]) -> str | None:
    """The image of the ready pods; ``None`` if they have several, or if it is not known."""
    found = {image_of(one) for one in serving_templates(deployment, sets)}
    return found.pop() if len(found) == 1 else None


def _same_image(one: Object, own: Object) -> bool:
    return image_of(one) == image_of(own)
