"""KServe's LLMInferenceService (``serving.kserve.io/v1alpha2``, KServe 0.20 and newer): groups that share traffic.

Each member is an object of its own with ``spec.router.route.{group,weight}``; the weights are proportional. A new split
may take several calls, one object after the other (``group_weights``). Each call is guarded by that object's
``generation`` and by the weight that was read. The ``resourceVersion`` is no guard: when one member changes, KServe
writes the group into the status of all members, which changes it.

Every member has an HTTPRoute with the whole split, and the gateway follows the route of the oldest member. So the
observed weights are those in the oldest member's status, and a change has settled once the status of every member has
them. Members that are stopped or not ready are left out of the routes; members with different model names form groups
of their own.
https://kserve.github.io/website/docs/next/model-serving/generative-inference/llmisvc/canary-rollout
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

from backends.contracts import (
    Action,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    ModelRef,
    Pending,
    Phase,
    Progress,
    Promote,
    Role,
    Settled,
    Split,
    Variant,
    same_weight,
)
from backends.errors import Rejected, Unsupported
from backends.platforms.kubernetes.calls import add, expect
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    conditions,
    created_of,
    dig,
    flag,
    generation_of,
    items,
    key_of,
    name_of,
    table,
    text,
    whole,
)
from backends.platforms.kubernetes.store import OWNER
from backends.serving.backing import STABLE_KEY, declared
from backends.serving.group_weights import Move, moves
from backends.serving.kubernetes import Kind, KubernetesServing, Objects, Part, System
from backends.serving.patches import guarded
from backends.serving.split import can, percents, possible, roles, split_of
from backends.serving.weights import shares
from backends.serving.workloads import model_of

LLM = Kind("serving.kserve.io", "v1alpha2", "llminferenceservices", "LLMInferenceService")
STOP = "serving.kserve.io/stop"
ALONE = ".service"
"""The suffix of a service without a group, if a group has the same name."""


@dataclass(frozen=True, slots=True)
class Member:
    """One object of a group. ``told`` is percent by member in the object's status, or ``None`` if the status has none.
    ``behind`` says why the status is out of date, or is empty. ``wrong`` is the message of a failed condition, or
    empty."""

    name: str
    weight: int
    generation: int | None
    created: float
    stopped: bool
    told: Mapping[str, float] | None
    behind: str
    wrong: str
    thing: Object = field(compare=False, repr=False)


class LLMInferenceSystem(System):
    name = "llminference"
    kinds: ClassVar[tuple[Kind, ...]] = (LLM,)
    by_namespace: ClassVar[bool] = True

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        """Groups under the group's name, and services without a group under their own name."""
        groups: dict[tuple[str, str], list[Object]] = {}
        alone = []
        for (namespace, _), thing in sorted(objects.of(LLM).items()):
            if group := text(thing, "spec", "router", "route", "group"):
                groups.setdefault((namespace, group), []).append(thing)
            else:
                alone.append(thing)
        found = [_group(EndpointRef(backend, *key), things) for key, things in groups.items()]
        for thing in alone:
            namespace, name = key_of(thing)
            called = f"{name}{ALONE}" if (namespace, name) in groups else name
            found.append(_single(EndpointRef(backend, namespace, called), thing))
        return tuple(sorted(found, key=lambda endpoint: endpoint.ref))

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        possible(endpoint, change, "an LLMInferenceService")
        if not isinstance(change, Split | Promote):
            raise Unsupported("an LLMInferenceService group knows only its weights")
        members = _members(endpoint)
        way = _moves_for(endpoint, change)
        for move in way:
            if members[move.name].stopped and move.after > 0:
                raise Rejected(f"{move.name} is stopped: start it before it gets traffic")
        return tuple(_call(endpoint, members[move.name], move, last=move is way[-1]) for move in way)

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        if not isinstance(change, Split | Promote):
            raise Unsupported("an LLMInferenceService group knows only its weights")
        was, members, way = _members(before), _members(now), _moves_for(before, change)
        wanted = {name: member.weight for name, member in was.items()} | {move.name: move.after for move in way}
        if members.keys() != was.keys():
            gone, came = was.keys() - members.keys(), members.keys() - was.keys()
            return Diverged("the group has changed: " + ", ".join([*(f"{n} is gone" for n in gone), *sorted(came)]))
        other = [name for name, one in members.items() if one.weight not in (wanted[name], was[name].weight)]
        if other:
            return Diverged("somebody else set " + ", ".join(f"{name} to {members[name].weight}" for name in other))
        missing = [move for move in way if members[move.name].weight != move.after]
        if missing:
            left = ", ".join(f"{move.name} is at {move.before}, not at {move.after}" for move in missing)
            if any(members[move.name].generation != was[move.name].generation for move in missing):
                return Diverged(f"changed by somebody else, or put back: {left}")
            return Pending(f"{len(way) - len(missing)} of {len(way)} weights are written: {left}")
        return _route_progress(members)

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        return (Part(LLM, ref.scope),)

    def target(self, endpoint: Endpoint) -> tuple[Kind, str, str]:
        return LLM, endpoint.ref.scope, next(iter(_members(endpoint)))


def _members(endpoint: Endpoint) -> dict[str, Member]:
    return {member.name: member for member in cast("Sequence[Member]", endpoint.native["members"])}


def _moves_for(endpoint: Endpoint, change: Split | Promote) -> tuple[Move, ...]:
    """The calls for the members that are not stopped: a stopped member gets no traffic, whatever its weight is."""
    wanted = split_of(endpoint, change)
    current = {name: one.weight for name, one in _members(endpoint).items() if not one.stopped or wanted.get(name)}
    return moves(current, {name: wanted.get(name, 0.0) for name in current})


def _call(endpoint: Endpoint, member: Member, move: Move, *, last: bool) -> Call:
    then = "" if last else f" (then {percents({name: round(share, 1) for name, share in move.then.items()})})"
    operations = [
        expect("/spec/router/route/group", endpoint.native["group"]),
        expect("/spec/router/route/weight", move.before),
        add("/spec/router/route/weight", move.after),
    ]
    return guarded(LLM, member.thing, operations, f"weight of {move.name} {move.before} → {move.after}{then}")


def _route_progress(members: Mapping[str, Member]) -> Progress:
    """Whether the route of every member has the split: the gateway follows the route of the oldest member."""
    asked = shares(_live(members))
    late = []
    for member in members.values():
        if member.stopped:
            continue
        if member.behind or member.told is None:
            late.append(member.behind or f"{member.name} does not tell of the group yet")
        elif not all(same_weight(member.told.get(name, 0.0), share) for name, share in asked.items()):
            late.append(f"the route of {member.name} still splits {percents(member.told)}")
    if late:
        return Pending("; ".join(late), stalled=any(member.wrong for member in members.values()))
    return Settled(f"the routes of all {len(members)} members have it; that requests follow, only metrics show")


def _live(members: Mapping[str, Member]) -> dict[str, int]:
    return {name: one.weight for name, one in members.items() if not one.stopped}


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _group(ref: EndpointRef, things: Sequence[Object]) -> Endpoint:
    members = {name_of(thing): _member(thing) for thing in things}
    asked = shares(_live(members))
    oldest = min(
        (one for one in members.values() if not one.stopped), key=lambda one: (one.created, one.name), default=None
    )
    told = oldest.told if oldest is not None else None
    stable = next((name_of(one) for one in things if declared(one, STABLE_KEY) in ("true", name_of(one))), "")
    of_variant = roles(asked, stable)
    variants = tuple(
        Variant(
            name=name_of(thing),
            role=of_variant.get(name_of(thing), Role.IDLE),
            model=_model(thing),
            image=text(thing, "spec", "template", "containers", 0, "image") or None,
            ready=_ready(thing),
            wanted=_wanted(thing),
            desired=asked.get(name_of(thing), 0.0),
            observed=None if told is None else told.get(name_of(thing), 0.0),
            message="stopped" if members[name_of(thing)].stopped else members[name_of(thing)].wrong,
        )
        for thing in things
    )
    phase, message = _phase(members.values())
    return Endpoint(
        ref=ref,
        variants=variants,
        phase=phase,
        message=message,
        revision=" ".join(f"{name}@{one.generation}" for name, one in members.items()),
        owner=next((owner for thing in things if (owner := text(thing, OWNER))), ""),
        actions=can(_obstacle(things), Action.SHIFT, Action.PROMOTE),
        native={"members": tuple(members.values()), "group": ref.name},
    )


def _single(ref: EndpointRef, thing: Object) -> Endpoint:
    member = _member(thing)
    variant = Variant(
        name=member.name,
        role=Role.STABLE,
        model=_model(thing),
        image=text(thing, "spec", "template", "containers", 0, "image") or None,
        ready=_ready(thing),
        wanted=_wanted(thing),
        desired=100.0,
        observed=None if member.behind or member.stopped else 100.0,
        message="stopped" if member.stopped else "",
    )
    phase, message = _phase([member])
    reason = "it is in no group (spec.router.route.group), so there is no other member to share with"
    return Endpoint(
        ref=ref,
        variants=(variant,),
        phase=phase,
        message=message,
        revision=f"{member.name}@{member.generation}",
        actions=can(reason, Action.SHIFT, Action.PROMOTE),
        native={"members": (member,), "group": ""},
    )


def _member(thing: Object) -> Member:
    name, generation = name_of(thing), generation_of(thing)
    seen = whole(thing, "status", "observedGeneration")
    behind = (
        "" if seen is not None and seen == (generation or 0) else f"{name} is at generation {seen or 0} of {generation}"
    )
    listed = items(thing, "status", "router", "group", "members")
    told = {text(one, "name"): whole(one, "weight") or 0 for one in listed if not flag(one, "stopped")}
    said = conditions(thing)
    wrong = ""
    for kind, bad in (("GroupReady", False), ("GroupDegraded", True), ("Ready", False)):
        if not wrong and (one := said.get(kind)) is not None and one.ok is bad:
            wrong = f"{name}: {kind} is {one.ok}: {one.message or one.reason}"
    return Member(
        name=name,
        weight=whole(thing, "spec", "router", "route", "weight") or 0,
        generation=generation,
        created=created_of(thing) or 0.0,
        stopped=text(annotations_of(thing), STOP) == "true",
        told=shares(told) if listed else None,
        behind=behind,
        wrong=wrong,
        thing=thing,
    )


def _phase(members: Iterable[Member]) -> tuple[Phase, str]:
    live = [member for member in members if not member.stopped]
    if not live:
        return Phase.PAUSED, "stopped"
    if wrong := [member.wrong for member in live if member.wrong]:
        return Phase.DEGRADED, "; ".join(wrong)
    if behind := [member.behind for member in live if member.behind]:
        return Phase.PROGRESSING, "; ".join(behind)
    return Phase.STEADY, ""


def _obstacle(things: Sequence[Object]) -> str | None:
    """Why the weights cannot be changed, or ``None``."""
    if len(things) < 2:
        return "there is one member only"
    for thing in things:
        name, router = name_of(thing), table(thing, "spec", "router")
        if dig(router, "ingress") is not None:
            return f"{name} is behind an Ingress, which has no weights"
        if items(router, "route", "http", "refs"):
            return f"{name} has an HTTPRoute of its own (spec.router.route.http.refs): change that one"
        if whole(router, "route", "weight") is None:
            return f"{name} has a group but no weight"
        if dig(thing, "metadata", "deletionTimestamp") is not None:
            return f"{name} is being deleted"
    models = {_served(thing) for thing in things}
    if len(models) > 1:
        return f"the members serve different models ({', '.join(sorted(models))}) and cannot share traffic"
    return None


def _served(thing: Object) -> str:
    """The model names of a member, which KServe compares: the resolved names in the status, else the name in the
    spec."""
    resolved = {text(model, "name") for one in items(thing, "status", "addresses") for model in items(one, "models")}
    return ", ".join(sorted(resolved)) or text(thing, "spec", "model", "name") or name_of(thing)


def _model(thing: Object) -> ModelRef | None:
    """The model from the usual labels and annotations, else from the URI with its revision
    (``hf://org/name:revision``)."""
    if (said := model_of(thing)) is not None:
        return said
    path, colon, revision = text(thing, "spec", "model", "uri").partition("://")[2].rpartition(":")
    name = text(thing, "spec", "model", "name") or path
    return ModelRef(name, revision) if colon and name and revision else None


def _ready(thing: Object) -> int | None:
    """Ready replicas of the primary workload. The JSON has no such field if there are none; without a workload they are
    unknown."""
    workload = table(thing, "status", "workloads", "primary")
    return (whole(workload, "readyReplicas") or 0) if workload else None


def _wanted(thing: Object) -> int | None:
    if table(thing, "spec", "scaling"):
        return None
    said = whole(thing, "spec", "replicas")
    return 1 if said is None else said


class LLMInferenceServing(KubernetesServing):
    """LLMInferenceServices of a cluster."""

    system = LLMInferenceSystem()
