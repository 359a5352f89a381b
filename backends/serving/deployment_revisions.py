"""One Deployment as an endpoint: its ReplicaSets are its releases. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from backends.contracts import Action, Endpoint, EndpointRef, Phase, Release, Role, Variant
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    created_of,
    flag,
    labels_of,
    name_of,
    namespace_of,
    table,
    text,
    whole,
)
from backends.platforms.kubernetes.owners import deleted
from backends.serving.deployment_pairs import Group, unpin_refusal
from backends.serving.deployment_status import failing, seen
from backends.serving.workloads import (
    image_of,
    left_behind,
    model_of,
    progressed_at,
    ratio,
    ready_of,
    revision_number,
    template_of,
    wanted_of,
)

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
ACTIONS = (Action.SHIFT, Action.PROMOTE, Action.UNPIN, Action.ROLLBACK, Action.PAUSE, Action.RESUME)
ALONE = "it is one Deployment: a canary is a second one behind the same Service"


@dataclass(frozen=True)
class Revisions:
    """A Deployment and its ReplicaSets by pod hash."""

    group: Group
    sets: Mapping[str, Object]

    @classmethod
    def of(cls, group: Group, replica_sets: list[Object]) -> Revisions:
        named = {text(labels_of(one), HASH_LABEL): one for one in replica_sets}
        return cls(group, {name: one for name, one in named.items() if name})

    @property
    def deployment(self) -> Object:
        return self.group.members[0]

    @cached_property
    def history(self) -> tuple[tuple[str, str], ...]:
        """(revision, pod hash), newest first."""
        found = sorted(((revision_number(one, REVISION), name) for name, one in self.sets.items()), reverse=True)
        return tuple((str(number), name) for number, name in found if number)

    @cached_property
    def current(self) -> str:
        """The pod hash of the ReplicaSet with the Deployment's own template; "" before the controller has made it."""
        template = bare(table(self.deployment, "spec", "template"))
        same = [name for _, name in self.history if template_of(self.sets[name], HASH_LABEL) == template]
        told = text(annotations_of(self.deployment), REVISION)
        return same[0] if same else self.hash_of(told) if seen(self.deployment) else ""

    @cached_property
    def left(self) -> Mapping[str, str]:
        """The pod hashes that somebody went back from, each with the one that was gone back to."""
        return left_behind(self.sets, REVISION)

    @property
    def returned_at(self) -> float | None:
        """When somebody went back to the current template, as ``progressed_at`` tells; ``None`` if nobody did."""
        return progressed_at(self.deployment) if self.current in self.left.values() else None

    def revision_of(self, name: str) -> str:
        return next((number for number, one in self.history if one == name), "?")

    def hash_of(self, revision: str) -> str:
        return next((name for number, name in self.history if number == revision), "")

    @property
    def paused(self) -> bool:
        return flag(self.deployment, "spec", "paused")

    @property
    def done(self) -> bool:
        """Whether every pod has the current template and is available, and no old pod is left (as ``kubectl rollout
        status``)."""
        wanted = wanted_of(self.deployment)
        status = table(self.deployment, "status")
        updated, available = whole(status, "updatedReplicas") or 0, whole(status, "availableReplicas") or 0
        return seen(self.deployment) and updated == wanted and (whole(status, "replicas") or 0) == wanted <= available

    @property
    def token(self) -> str:
        template = json.dumps(table(self.deployment, "spec", "template"), sort_keys=True)
        words = f"revision {text(annotations_of(self.deployment), REVISION) or '?'}"
        return f"{words} {zlib.crc32(template.encode()):08x}" + " paused" * self.paused


def bare(template: Object) -> dict[str, object]:
    """A pod template in the form that ``template_of`` gives for ReplicaSets, so that both can be compared."""
    return template_of({"spec": {"template": template}}, HASH_LABEL)


def alone(known: Revisions, backend: str) -> Endpoint:
    """The endpoint that consists of one Deployment."""
    deployment = known.deployment
    return Endpoint(
        ref=EndpointRef(backend, namespace_of(deployment), known.group.name),
        variants=tuple(_variants(known)),
        phase=_phase(known),
        message=_message(known),
        releases=tuple(_releases(known)),
        revision=known.token,
        actions=_actions(known),
        native={"group": known.group, "revisions": known},
    )


def _variants(known: Revisions) -> Iterator[Variant]:
    """The current ReplicaSet and all others with pods. If there are no others, also the previous one, as the target of
    a rollback."""
    if not known.sets:
        template = table(known.deployment, "spec", "template")
        yield Variant(
            name=name_of(known.deployment),
            role=Role.STABLE,
            model=model_of(template, known.deployment),
            image=image_of(template),
            ready=ready_of(known.deployment),
            wanted=wanted_of(known.deployment),
            desired=100.0,
            observed=100.0 if ready_of(known.deployment) else None,
        )
        return
    order = [name for _, name in known.history]
    pods = [
        name for name in order if name == known.current or ready_of(known.sets[name]) or wanted_of(known.sets[name])
    ]
    observed = ratio({name: ready_of(known.sets[name]) for name in pods})
    old = [name for name in pods if name != known.current]
    stable = max(old, key=lambda name: ready_of(known.sets[name]), default=known.current)
    for name in sorted(pods, key=lambda name: name != stable):
        role = Role.STABLE if name == stable else Role.CANARY if name == known.current else Role.CANDIDATE
        yield _variant(known, name, role, 100.0 if name == known.current else 0.0, observed[name])
    others = [name for name in order if name not in pods]
    earlier = next((name for name in others if name not in known.left), others[0] if others else "")
    if not old and earlier:
        yield _variant(known, earlier, Role.IDLE, 0.0, 0.0)


def waiting(known: Revisions) -> Variant | None:
    """The version that a paused Deployment rolls out once it goes on; ``None`` if its pods are of its template already.
    A template that was changed since the pause has no ReplicaSet yet, and so no pod hash."""
    template, current = table(known.deployment, "spec", "template"), known.current
    if not known.paused or not known.sets or (known.done and _is_of(known, current, template)):
        return None
    if _is_of(known, current, template):
        return next((one for one in _variants(known) if one.name == current), None)
    image = image_of(template)
    return Variant(
        name=(image or "").rpartition("/")[2] or "the new template",
        role=Role.CANARY,
        model=model_of(template, known.deployment),
        image=image,
        ready=0,
        wanted=0,
        desired=100.0,
        observed=0.0,
    )


def _is_of(known: Revisions, name: str, template: Object) -> bool:
    return name in known.sets and template_of(known.sets[name], HASH_LABEL) == bare(template)


def _variant(known: Revisions, name: str, role: Role, desired: float, observed: float | None) -> Variant:
    one = known.sets[name]
    template = table(one, "spec", "template")
    number = revision_number(one, REVISION)
    return Variant(
        name=name,
        role=role,
        model=model_of(template, known.deployment) if name == known.current else model_of(template),
        image=image_of(template),
        ready=ready_of(one),
        wanted=wanted_of(one),
        desired=desired,
        observed=observed,
        message=f"revision {number}",
        trouble=failing(known.deployment) if name == known.current else "",
    )


def _releases(known: Revisions) -> Iterator[Release]:
    for revision, name in known.history:
        one = known.sets[name]
        current = name == known.current
        stuck = current and bool(failing(known.deployment))
        image = image_of(table(one, "spec", "template")) or ""
        why = "did not become ready" if stuck else ""
        if not current and (back_to := known.left.get(name)):
            why = f"was rolled back from, to revision {known.revision_of(back_to)}"
        yield Release(
            id=revision,
            weights={name: 100.0},
            at=created_of(one),
            note=text(annotations_of(one), CAUSE) or image.rpartition("/")[2],
            current=current,
            good=False if why else True if current and known.done else None,
            why=why,
            image=image or None,
            returned_at=known.returned_at if current else None,
        )


def _phase(known: Revisions) -> Phase:
    if failing(known.deployment):
        return Phase.DEGRADED
    if known.done:
        return Phase.STEADY
    return Phase.PAUSED if known.paused else Phase.PROGRESSING


def _message(known: Revisions) -> str:
    waits = waiting(known)
    held = f"{waits.image or waits.name} waits to be rolled out" if waits else "changes of its template wait"
    words = [deleted(known.deployment), failing(known.deployment), f"paused: {held}" if known.paused else ""]
    if not seen(known.deployment):
        words.append("the controller has not seen the newest spec yet")
    elif not known.done:
        updated = whole(known.deployment, "status", "updatedReplicas") or 0
        words.append(f"{updated} of {wanted_of(known.deployment)} pods are of the newest revision")
    return "; ".join(word for word in words if word)


def _actions(known: Revisions) -> dict[Action, str | None]:
    if gone := deleted(known.deployment):
        return dict.fromkeys(ACTIONS, gone)
    if known.paused:
        undo: str | None = "it is paused: resume it first"
    elif len(known.history) < 2:
        undo = "there is no earlier ReplicaSet to go back to"
    else:
        undo = None
    return {
        Action.SHIFT: ALONE,
        Action.PROMOTE: ALONE,
        Action.UNPIN: unpin_refusal(known.group),
        Action.ROLLBACK: undo,
        Action.PAUSE: "it is paused already" if known.paused else "nothing is being rolled out" if known.done else None,
        Action.RESUME: None if known.paused else "it is not paused",
    }
