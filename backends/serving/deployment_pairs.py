"""Canaries by replica ratio: several Deployments behind one Service, with traffic in proportion to their ready pods.
Pure.

Clients with long-lived connections, gRPC above all, make the real share differ. An autoscaler would reset the replicas,
so its bounds are set instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backends.contracts import Action, Call, Endpoint, EndpointRef, Forecast, Phase, Promote, Role, Split, Variant
from backends.errors import Rejected
from backends.platforms.kubernetes.calls import add, expect, json_patch, pointer, replace
from backends.platforms.kubernetes.fences import fence_test
from backends.platforms.kubernetes.kinds import DEPLOYMENT, Kind
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    created_of,
    dig,
    generation_of,
    items,
    labels_of,
    name_of,
    namespace_of,
    owner_references,
    table,
    text,
    texts,
    whole,
)
from backends.serving.split import percents, split_of
from backends.serving.weights import apportion
from backends.serving.workloads import image_of, model_of, ratio, ready_of, selects, short, wanted_of

HPA = Kind("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
"""The first version of the kind: every server has it, and all versions have the same fields for the bounds."""

ENDPOINT_LABEL = "shiftdeck.io/endpoint"
ROLE_KEYS = ("shiftdeck.io/role", "track")
BOUNDS = "shiftdeck.io/bounds"
"""The annotation on an autoscaler with the bounds that it had before a split pinned it."""

TOLERANCE = 1.0
"""Percentage points by which the share of whole pods may differ from the requested share."""

LEAST_AT_ONCE = 0.5
"""The fraction of all pods that must be ready as soon as a split is sent; the others may still be starting."""


@dataclass(frozen=True, slots=True)
class Group:
    """The Deployments of one endpoint: one, or several behind one Service. ``scalers`` are the autoscalers by
    Deployment name."""

    name: str
    namespace: str
    members: tuple[Object, ...]
    scalers: Mapping[str, Object]


def groups(
    deployments: Mapping[tuple[str, str], Object],
    services: Mapping[tuple[str, str], Object],
    scalers: Mapping[tuple[str, str], Object],
) -> Iterator[Group]:
    """Every endpoint that is made of Deployments. Deployments that a controller owns are left out: the controller sets
    them."""
    free = {
        key: one for key, one in deployments.items() if not any(owner.controller for owner in owner_references(one))
    }
    owners = {
        (key[0], text(one, "spec", "scaleTargetRef", "name")): one
        for key, one in scalers.items()
        if text(one, "spec", "scaleTargetRef", "kind") == "Deployment"
    }
    taken: set[tuple[str, str]] = set()
    found = []
    for (namespace, service), members in _services_with_several(free, services):
        rest = [key for key in members if key not in taken]
        if len(rest) > 1:
            taken.update(rest)
            labels = {text(labels_of(free[key]), ENDPOINT_LABEL) for key in rest}
            label = labels.pop() if len(labels) == 1 else ""
            found.append((namespace, _named(label) or service, rest))
    found += [
        (key[0], _named(text(labels_of(one), ENDPOINT_LABEL)), [key]) for key, one in free.items() if key not in taken
    ]
    names = Counter((namespace, name) for namespace, name, _ in found)
    for namespace, name, keys in found:
        # The same label on two Deployments without a common Service does not make them one endpoint: no traffic is
        # split between them.
        yield Group(
            name if name and names[namespace, name] == 1 else keys[0][1],
            namespace,
            tuple(free[key] for key in keys),
            {key[1]: owners[key] for key in keys if key in owners},
        )


def _named(label: str) -> str:
    return "" if label.lower() in ("", "true", "yes") else label


def _services_with_several(
    deployments: Mapping[tuple[str, str], Object], services: Mapping[tuple[str, str], Object]
) -> list[tuple[tuple[str, str], list[tuple[str, str]]]]:
    """Services with more than one Deployment behind them; Services with the most Deployments come first."""
    by_label: dict[tuple[str, str, object], list[tuple[str, str]]] = {}
    for key, one in deployments.items():
        for label, value in labels_of(table(one, "spec", "template")).items():
            by_label.setdefault((key[0], label, value), []).append(key)
    found = []
    for key, service in sorted(services.items()):
        selector = texts(service, "spec", "selector")
        first = next(iter(selector.items()), None)
        among = by_label.get((key[0], *first), []) if first else []
        members = [one for one in among if selects(selector, labels_of(table(deployments[one], "spec", "template")))]
        if len(members) > 1:
            found.append((key, sorted(members)))
    return sorted(found, key=lambda one: -len(one[1]))


# ── reading a pair ──────────────────────────────────────────────────────────────────────────────────────────────


def pair(group: Group, backend: str) -> Endpoint:
    """Several Deployments as one endpoint; the desired split is the ratio of ``spec.replicas``."""
    wanted = {name_of(one): wanted_of(one) for one in group.members}
    desired, observed = ratio(wanted), ratio({name_of(one): ready_of(one) for one in group.members})
    stable = _stable(group.members)
    live = [name for name, count in wanted.items() if count and name != stable]
    variants = []
    for one in sorted(group.members, key=lambda one: name_of(one) != stable):
        name = name_of(one)
        template = table(one, "spec", "template")
        quiet = not wanted[name] and not observed[name]
        role = (
            Role.STABLE if name == stable else Role.IDLE if quiet else Role.CANARY if len(live) < 2 else Role.CANDIDATE
        )
        variants.append(
            Variant(
                name=name,
                role=role,
                model=model_of(template, one),
                image=image_of(template),
                ready=ready_of(one),
                wanted=wanted[name],
                desired=desired[name],
                observed=observed[name],
                message=_bounds_words(group.scalers.get(name)),
            )
        )
    total = sum(wanted.values())
    none = None if total else "all of them are scaled to zero"
    return Endpoint(
        ref=EndpointRef(backend, group.namespace, group.name),
        variants=tuple(variants),
        phase=_phase(group),
        message=_message(group, total),
        revision=_token(group),
        actions={
            Action.SHIFT: none,
            Action.PROMOTE: none,
            Action.ROLLBACK: "a replica ratio keeps no history: shift back",
        },
        native={"group": group},
    )


def _stable(members: tuple[Object, ...]) -> str:
    """The Deployment that is marked as stable, else the only one not marked as canary, else the largest, else the
    oldest."""
    told = {name_of(one): _told_role(one) for one in members}
    for role, wanted in (("stable", True), ("canary", False)):
        found = [name for name, said in told.items() if (said == role) is wanted]
        if len(found) == 1:
            return found[0]
    return name_of(max(members, key=lambda one: (wanted_of(one), -(created_of(one) or 0.0))))


def _told_role(deployment: Object) -> str:
    for key in ROLE_KEYS:
        for told in (
            labels_of(deployment),
            annotations_of(deployment),
            labels_of(table(deployment, "spec", "template")),
        ):
            if isinstance(value := told.get(key), str):
                return value
    return "canary" if name_of(deployment).endswith("-canary") else ""


def _phase(group: Group) -> Phase:
    if any(failing(one) for one in group.members):
        return Phase.DEGRADED
    settled = all(seen(one) and ready_of(one) == wanted_of(one) for one in group.members)
    return Phase.STEADY if settled else Phase.PROGRESSING


def _message(group: Group, total: int) -> str:
    words = [f"{name_of(one)}: {why}" for one in group.members if (why := failing(one))]
    return "; ".join([*words, f"shares by ready pods, in steps of {short(100.0 / total)} %"] if total else words)


def failing(deployment: Object) -> str:
    """The controller's reason why the Deployment makes no progress, or ""."""
    for one in items(deployment, "status", "conditions"):
        if text(one, "type") == "Progressing" and text(one, "reason") == "ProgressDeadlineExceeded":
            return text(one, "message") or "ProgressDeadlineExceeded"
        if text(one, "type") == "ReplicaFailure" and text(one, "status") == "True":
            return text(one, "message") or "ReplicaFailure"
    return ""


def seen(deployment: Object) -> bool:
    """Whether the controller has seen this spec."""
    generation = generation_of(deployment)
    return generation is None or (whole(deployment, "status", "observedGeneration") or 0) >= generation


def _token(group: Group) -> str:
    words = []
    for one in sorted(group.members, key=name_of):
        bounds = _bounds(group.scalers.get(name_of(one)))
        words.append(f"{name_of(one)}={wanted_of(one)}" + (f"[{bounds[0]}-{bounds[1]}]" if bounds else ""))
    return " ".join(words)


def _bounds(scaler: Object | None) -> tuple[int, int] | None:
    if scaler is None:
        return None
    least = whole(scaler, "spec", "minReplicas")
    return 1 if least is None else least, whole(scaler, "spec", "maxReplicas") or 1


def _bounds_words(scaler: Object | None) -> str:
    bounds = _bounds(scaler)
    return f"autoscaled {bounds[0]}–{bounds[1]}" if bounds else ""


# ── changing a pair ─────────────────────────────────────────────────────────────────────────────────────────────


def target_replicas(endpoint: Endpoint, change: Split | Promote) -> dict[str, int]:
    """The replicas of each Deployment for a split; the total stays the same.

    Raises:
        Rejected: whole pods cannot give these shares, or too few pods would be ready at once.
    """
    group = group_of(endpoint)
    weights = split_of(endpoint, change)
    total = sum(wanted_of(one) for one in group.members)
    target = apportion(weights, total)
    off = [name for name, weight in weights.items() if abs(100.0 * target[name] / total - weight) > TOLERANCE]
    if off:
        nearest = percents({name: round(100.0 * count / total, 1) for name, count in target.items()})
        raise Rejected(
            f"{total} pods cannot be split like that: a share moves in steps of {short(100.0 / total)} %",
            hint=f"the nearest is {nearest}",
        )
    at_once = sum(min(ready_of(one), target[name_of(one)]) for one in group.members)
    if at_once < LEAST_AT_ONCE * total:
        raise Rejected(
            f"only {at_once} of {total} pods would be ready at once, while the others start",
            hint="shift in smaller steps",
        )
    return target


def compile_split(endpoint: Endpoint, change: Split | Promote) -> Iterator[Call]:
    """The calls of a split. Deployments that grow come first, so that the capacity is never too small."""
    group, target = group_of(endpoint), target_replicas(endpoint, change)
    members = {name_of(one): one for one in group.members}
    order = sorted(target, key=lambda name: wanted_of(members[name]) - target[name])
    everything = max(target.values()) == sum(target.values())
    for name in order:
        now, wanted, scaler = wanted_of(members[name]), target[name], group.scalers.get(name)
        if scaler is not None and wanted > 0:
            yield _scaler_call(scaler, wanted, free=everything)
        # An autoscaler does not scale a Deployment from or to 0 replicas: that takes a call of its own.
        if wanted != now and (scaler is None or 0 in (now, wanted)):
            yield _replicas_call(members[name], wanted)


def forecast_split(endpoint: Endpoint, change: Split | Promote) -> Forecast:
    group, target = group_of(endpoint), target_replicas(endpoint, change)
    total = sum(target.values())
    cautions = []
    for name, scaler in group.scalers.items():
        least, most = _original(scaler)
        if target[name] == total:
            cautions.append(f"{name_of(scaler)} scales {name} from {total} up; its lower bound was {least}")
        elif target[name]:
            pinned = f"{name_of(scaler)} is pinned at {target[name]} (it was {least}–{most})"
            cautions.append(f"{pinned}: nothing scales while the split lasts")
    at_once = sum(min(ready_of(one), target[name_of(one)]) for one in group.members)
    if at_once < total:
        cautions.append(f"{at_once} of {total} pods are ready at once, the others have to start")
    return Forecast({name: 100.0 * count / total for name, count in target.items()}, tuple(cautions))


def group_of(endpoint: Endpoint) -> Group:
    group = endpoint.native["group"]
    assert isinstance(group, Group)
    return group


def _replicas_call(deployment: Object, wanted: int) -> Call:
    namespace, name, now = namespace_of(deployment), name_of(deployment), wanted_of(deployment)
    operations = [
        expect("/metadata/uid", dig(deployment, "metadata", "uid")),
        fence_test(DEPLOYMENT, deployment),
        expect("/spec/replicas", now),
        replace("/spec/replicas", wanted),
    ]
    summary = f"{name} spec.replicas {now} → {wanted}"
    call = json_patch(DEPLOYMENT, namespace, name, operations, revision="", summary=summary)
    command = f"kubectl scale deployment {name} -n {namespace} --current-replicas={now} --replicas={wanted}"
    return _replaced(call, f"spec.replicas {now}", command)


def _scaler_call(scaler: Object, wanted: int, *, free: bool) -> Call:
    """Pin an autoscaler at ``wanted`` pods; with ``free`` it may scale from there up to its original upper bound."""
    namespace, name = namespace_of(scaler), name_of(scaler)
    bounds, original = _bounds(scaler), _original(scaler)
    assert bounds is not None
    most = max(wanted, original[1]) if free else wanted
    kept = f"{original[0]}-{original[1]}"
    keep = (
        add(pointer("metadata", "annotations", BOUNDS), kept)
        if dig(scaler, "metadata", "annotations") is not None
        else add("/metadata/annotations", {BOUNDS: kept})
    )
    operations = [
        expect("/metadata/uid", dig(scaler, "metadata", "uid")),
        fence_test(HPA, scaler),  # also keeps the annotations that came since, where there were none
        expect("/spec/minReplicas", dig(scaler, "spec", "minReplicas")),
        expect("/spec/maxReplicas", dig(scaler, "spec", "maxReplicas")),
        keep,
        add("/spec/minReplicas", wanted),
        replace("/spec/maxReplicas", most),
    ]
    summary = f"{name} minReplicas {bounds[0]} → {wanted}, maxReplicas {bounds[1]} → {most}"
    call = json_patch(HPA, namespace, name, operations, revision="", summary=summary)
    return _replaced(call, f"bounds {bounds[0]}–{bounds[1]}", call.command)


def _original(scaler: Object) -> tuple[int, int]:
    """The bounds that the autoscaler had before it was pinned."""
    first, _, last = text(annotations_of(scaler), BOUNDS).partition("-")
    least, most = whole(first), whole(last)
    if least is not None and most is not None:
        return least, most
    bounds = _bounds(scaler)
    assert bounds is not None
    return bounds


def _replaced(call: Call, guard: str, command: str) -> Call:
    return Call(call.method, call.path, call.body, call.headers, guard, call.summary, command)
