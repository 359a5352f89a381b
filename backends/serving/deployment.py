"""Plain Deployments (``apps/v1``): TorchServe, TF Serving, Triton, BentoML and FastAPI images, and all others.

One Deployment is an endpoint with its ReplicaSets as releases. Several behind one Service are a canary by replica ratio
(``backends.serving.deployment_pairs``). Not every Deployment serves a model: ``selector`` selects the ones that do. By
default these have the label ``shiftdeck.io/endpoint``, whose value is the endpoint's name, or "true".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from backends.contracts import (
    Action,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    Forecast,
    Pause,
    Pending,
    Progress,
    Promote,
    Resume,
    Rollback,
    Settled,
    Split,
    Unpin,
)
from backends.errors import Rejected, Unsupported
from backends.options import Options
from backends.options import text as line
from backends.platforms.kubernetes.calls import add, expect, json_patch, pointer, remove
from backends.platforms.kubernetes.calls import replace as put
from backends.platforms.kubernetes.fences import fence_test
from backends.platforms.kubernetes.kinds import DEPLOYMENT, REPLICA_SET, SERVICE
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    dig,
    generation_of,
    name_of,
    namespace_of,
    table,
    text,
    whole,
)
from backends.serving.autoscalers import HPA, bounds_of, original_of, own_bounds, pinned, shown
from backends.serving.deployment_pairs import (
    ENDPOINT_LABEL,
    Group,
    compile_split,
    compile_unpin,
    forecast_split,
    forecast_unpin,
    group_of,
    groups,
    pair,
    target_replicas,
    unpinned,
)
from backends.serving.deployment_revisions import CAUSE, HASH_LABEL, Revisions, alone, bare, waiting
from backends.serving.deployment_status import failing, pods_of, seen, standing, updated_of
from backends.serving.kserve_facts import INFERENCE_SERVICE
from backends.serving.kubernetes import Kind, KubernetesOptions, KubernetesServing, Need, Objects, Part, System
from backends.serving.rollout_state import ROLLOUT
from backends.serving.split import possible
from backends.serving.workloads import (
    by_owner,
    label_selector,
    ratio,
    ready_of,
    short,
    template_of,
    wanted_of,
)


class Deployments(System):
    """The serving system of plain Deployments."""

    name: ClassVar[str] = "deployment"
    by_namespace: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]] = (DEPLOYMENT, REPLICA_SET, SERVICE, HPA)
    selectors: ClassVar[Mapping[Kind, str]] = MappingProxyType({REPLICA_SET: HASH_LABEL})
    unless: ClassVar[tuple[Kind, ...]] = (INFERENCE_SERVICE, ROLLOUT)  # then these mostly serve the models

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        sets = by_owner(objects.of(REPLICA_SET).values())
        found = []
        for group in groups(objects.of(DEPLOYMENT), objects.of(SERVICE), objects.of(HPA), sets):
            if len(group.members) > 1:
                found.append(pair(group, backend))
            else:
                (deployment,) = group.members
                found.append(alone(Revisions.of(group, sets.get(text(deployment, "metadata", "uid"), [])), backend))
        return tuple(sorted(found, key=lambda endpoint: endpoint.ref))

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        near = (
            {key: one for key, one in objects.of(kind).items() if key[0] == ref.scope} for kind in (DEPLOYMENT, SERVICE)
        )
        group = next((one for one in groups(next(near), next(near), {}) if one.name == ref.name), None)
        if group is None:
            # A pair that lost a member has another name: its Service is still there, and is no endpoint.
            kind = SERVICE if (ref.scope, ref.name) in objects.of(SERVICE) else DEPLOYMENT
            return (Part(kind, ref.scope, ref.name),)
        parts = [Part(DEPLOYMENT, ref.scope, name_of(one)) for one in group.members]
        selectors = (label_selector(table(one, "spec", "selector")) for one in group.members)
        parts += [Part(REPLICA_SET, ref.scope, selector=selector) for selector in selectors if selector]
        return (*parts, Part(HPA, ref.scope))

    def needs(self, endpoint: Endpoint, action: Action) -> tuple[Need, ...]:
        patch = Need("patch", DEPLOYMENT)
        if action is Action.UNPIN:
            return (Need("patch", HPA),)
        if action in (Action.SHIFT, Action.PROMOTE):
            scaled = bool(group_of(endpoint).scalers)
            return (patch, Need("patch", HPA)) if scaled else (patch,)
        return (patch,)

    def target(self, endpoint: Endpoint) -> tuple[Kind, str, str]:
        return DEPLOYMENT, endpoint.ref.scope, name_of(group_of(endpoint).members[0])

    def written(self, endpoint: Endpoint) -> tuple[tuple[Kind, str, str], ...]:
        group = group_of(endpoint)
        return (
            *((DEPLOYMENT, group.namespace, name_of(one)) for one in group.members),
            *((HPA, group.namespace, name_of(one)) for one in group.scalers.values()),
        )

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        possible(endpoint, change, "a Deployment")
        match change:
            case Split() | Promote():
                return tuple(compile_split(endpoint, change))
            case Rollback(release):
                return (_undo(revisions_of(endpoint), release),)
            case Pause() | Resume():
                return (_pause(revisions_of(endpoint), paused=isinstance(change, Pause)),)
            case Unpin():
                return tuple(compile_unpin(endpoint))
        raise Unsupported(f"a Deployment knows no {type(change).__name__.lower()}")

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """As ``backends.contracts.Forecasts``."""
        possible(endpoint, change, "a Deployment")
        match change:
            case Split() | Promote():
                return forecast_split(endpoint, change)
            case Unpin():
                return forecast_unpin(endpoint)
            case Rollback(release):
                known = revisions_of(endpoint)
                target = known.hash_of(release)
                names = {one.name: 0.0 for one in endpoint.variants}
                return Forecast({**names, target: 100.0} if target else None)
            case Resume() if (new := waiting(revisions_of(endpoint))) is not None:
                weights = {one.name: 100.0 if one.name == new.name else 0.0 for one in endpoint.variants}
                return Forecast(weights, (f"rolls out {new.image or new.name} at once",), deploys=new)
        return Forecast(None)

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        match change:
            case Split() | Promote():
                return _split_progress(before, now, change)
            case Rollback(release):
                return _undo_progress(revisions_of(before), revisions_of(now), release)
            case Unpin():
                return _unpin_progress(group_of(before), group_of(now))
            case Pause() | Resume():
                return _pause_progress(revisions_of(before), revisions_of(now), paused=isinstance(change, Pause))
        raise Unsupported(f"a Deployment knows no {type(change).__name__.lower()}")


class DeploymentOptions(KubernetesOptions):
    """``KubernetesOptions`` with another default: only labelled Deployments are endpoints."""

    selector = line("label selector of the endpoints' objects", default=ENDPOINT_LABEL)


class DeploymentServing(KubernetesServing):
    """Serving through plain Deployments."""

    OPTIONS: ClassVar[type[Options]] = DeploymentOptions
    system: ClassVar[System] = Deployments()

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        return Deployments().forecast(endpoint, change)


def revisions_of(endpoint: Endpoint) -> Revisions:
    known = endpoint.native.get("revisions")
    if not isinstance(known, Revisions):
        raise Rejected(f"{endpoint.ref.name} is now a pair of Deployments")
    return known


# ── changing one Deployment ─────────────────────────────────────────────────────────────────────────────────────


def _undo(known: Revisions, revision: str) -> Call:
    """Set the template of an earlier ReplicaSet, as ``kubectl rollout undo`` does. The guard is a test of the template
    that was read, so that a change by an autoscaler is not a conflict."""
    deployment = known.deployment
    target = known.hash_of(revision)
    if not target:
        told = ", ".join(number for number, _ in known.history) or "none"
        raise Rejected(f"{name_of(deployment)} has no revision {revision}: known are {told}")
    if target == known.current:
        raise Rejected(f"revision {revision} is the current one")
    namespace, name = namespace_of(deployment), name_of(deployment)
    operations = [
        expect("/metadata/uid", dig(deployment, "metadata", "uid")),
        fence_test(DEPLOYMENT, deployment),
        expect("/spec/template", table(deployment, "spec", "template")),
        put("/spec/template", template_of(known.sets[target], HASH_LABEL)),
    ]
    cause, was = (text(annotations_of(one), CAUSE) for one in (known.sets[target], deployment))
    if cause:
        operations.append(add(pointer("metadata", "annotations", CAUSE), cause))
    elif was:
        operations.append(remove(pointer("metadata", "annotations", CAUSE)))
    summary = f"spec.template {known.current or '?'} → {target} (revision {revision})"
    if cause != was:
        summary += f", change-cause {was or 'none'} → {cause or 'none'}"
    call = json_patch(DEPLOYMENT, namespace, name, operations, revision="", summary=summary)
    command = f"kubectl rollout undo deployment/{name} -n {namespace} --to-revision={revision}"
    return replace(call, guard="spec.template as read", command=command)


def _pause(known: Revisions, *, paused: bool) -> Call:
    deployment = known.deployment
    namespace, name = namespace_of(deployment), name_of(deployment)
    operations = [
        expect("/metadata/uid", dig(deployment, "metadata", "uid")),
        fence_test(DEPLOYMENT, deployment),
        expect("/spec/template", table(deployment, "spec", "template")),
        expect("/spec/paused", dig(deployment, "spec", "paused")),
        add("/spec/paused", True) if paused else remove("/spec/paused"),
    ]
    new = None if paused else waiting(known)
    rolls_out = f": rolls out {new.image or new.name}" if new is not None else ""
    summary = "spec.paused → true" if paused else f"spec.paused true → false{rolls_out}"
    call = json_patch(DEPLOYMENT, namespace, name, operations, revision="", summary=summary)
    command = f"kubectl rollout {'pause' if paused else 'resume'} deployment/{name} -n {namespace}"
    return replace(call, guard="spec.template and spec.paused as read", command=command)


# ── progress ────────────────────────────────────────────────────────────────────────────────────────────────────


def _undo_progress(before: Revisions, now: Revisions, revision: str) -> Progress:
    wanted = template_of(before.sets[before.hash_of(revision)], HASH_LABEL)
    asked = bare(table(now.deployment, "spec", "template"))
    if asked != wanted:
        if generation_of(now.deployment) == generation_of(before.deployment):
            return Pending("the API server does not show it yet")
        return Diverged("the template is another one again")
    if not seen(now.deployment):
        return Pending("the controller has not seen it yet")
    if now.done:
        return Settled(f"all {wanted_of(now.deployment)} pods are of {now.current or revision}")
    updated = whole(now.deployment, "status", "updatedReplicas") or 0
    words = f"{updated} of {wanted_of(now.deployment)} pods are of {now.current or 'it'}"
    if why := failing(now.deployment):
        return Pending(f"{words}: {why}", stalled=True)
    return Pending(words)


def _pause_progress(before: Revisions, now: Revisions, *, paused: bool) -> Progress:
    if now.paused is not paused:
        if generation_of(now.deployment) == generation_of(before.deployment):
            return Pending("the API server does not show it yet")
        return Diverged("it is not paused any more" if paused else "it is paused again")
    if not seen(now.deployment):
        return Pending("the controller has not seen it yet")
    return Settled("paused" if paused else "it goes on")


def _unpin_progress(before: Group, now: Group) -> Progress:
    for name, scaler in pinned(before.scalers).items():
        there = now.scalers.get(name)
        if there is None:
            return Diverged(f"{name_of(scaler)} is gone")
        if original_of(there) is not None and bounds_of(there) == bounds_of(scaler):
            return Pending(f"{name_of(scaler)} has {shown(bounds_of(scaler))} yet")
        if bounds_of(there) != own_bounds(scaler):
            return Diverged(f"{name_of(scaler)} has {shown(bounds_of(there))} now")
    told = ", ".join(f"{name_of(one)} {shown(own_bounds(one))}" for one in pinned(before.scalers).values())
    return Settled(f"the autoscalers have their own bounds: {told}")


def _split_progress(before: Endpoint, now: Endpoint, change: Split | Promote) -> Progress:
    target = target_replicas(before, change)
    members = {name_of(one): one for one in group_of(now).members}
    if gone := target.keys() - members.keys():
        return Diverged(f"{', '.join(sorted(gone))} is gone")
    scaled, old = group_of(before).scalers, {name_of(one): wanted_of(one) for one in group_of(before).members}
    for name, wanted in target.items():
        asked = wanted_of(members[name])
        # An autoscaler needs time to set the replicas, and may go above its lower bound: another number is no
        # divergence.
        if asked != wanted and not (name in scaled and wanted) and asked != old[name]:
            return Diverged(f"{name} is asked for {asked} replicas now, not for {wanted}")
    behind = [
        f"{name}: "
        + (standing(members[name]) if wanted_of(members[name]) == wanted else f"not asked for {wanted} replicas yet")
        for name, wanted in target.items()
        if not (
            _unpinned(members[name], wanted, old[name], scaled[name], group_of(now).scalers.get(name))
            if name in scaled and name in unpinned(change)
            else _arrived(members[name], wanted, free=name in scaled and wanted == sum(target.values()))
        )
    ]
    if behind:
        why = "; ".join(words for one in members.values() if (words := failing(one)))
        return Pending("; ".join([*behind, why] if why else behind), stalled=bool(why))
    shares = ratio({name: ready_of(one) for name, one in members.items()})
    return Settled("ready pods: " + ", ".join(f"{name} {short(share or 0.0)} %" for name, share in shares.items()))


def _unpinned(deployment: Object, wanted: int, old: int, before: Object, now: Object | None) -> bool:
    """Whether an autoscaler has its own bounds again, and the replicas are those of the split, or what it has made of
    them since."""
    asked = wanted_of(deployment)
    moved = asked == wanted or asked != old
    own = now is not None and original_of(now) is None and bounds_of(now) == own_bounds(before)
    return own and moved and _arrived(deployment, asked, free=False)


def _arrived(deployment: Object, wanted: int, *, free: bool) -> bool:
    ready, asked, updated = ready_of(deployment), wanted_of(deployment), updated_of(deployment)
    if free:
        return seen(deployment) and asked >= wanted and min(ready, updated) >= wanted
    return seen(deployment) and asked == wanted == ready == updated == pods_of(deployment)
