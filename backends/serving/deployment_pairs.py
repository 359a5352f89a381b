"""Canaries by replica ratio: several Deployments behind one Service, with traffic in proportion to their ready pods.
Pure.

Clients with long-lived connections, gRPC above all, make the real share differ. An autoscaler would reset the replicas,
so its bounds are set instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from backends.contracts import Action, Call, Endpoint, EndpointRef, Forecast, Phase, Promote, Role, Split, Variant
from backends.errors import Rejected
from backends.platforms.kubernetes.calls import expect, json_patch, replace
from backends.platforms.kubernetes.fences import fence_test
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.platforms.kubernetes.objects import (
    Object,
    dig,
    flag,
    labels_of,
    name_of,
    namespace_of,
    owner_references,
    table,
    text,
    texts,
)
from backends.platforms.kubernetes.owners import deleted
from backends.serving.autoscalers import (
    bounds_of,
    broken,
    original_of,
    outdated_note,
    own_bounds,
    pin,
    pinned,
    scaled_elsewhere,
    shown,
    unpin,
    within_pins,
)
from backends.serving.deployment_roles import stable_of, told_role
from backends.serving.deployment_status import (
    failing,
    image_that_serves,
    model_that_serves,
    pods_of,
    rolled_out,
    seen,
    standing,
    updated_of,
)
from backends.serving.split import percents, split_of
from backends.serving.weights import apportion
from backends.serving.workloads import ratio, ready_of, selects, short, wanted_of

ENDPOINT_LABEL = "shiftdeck.io/endpoint"
TOLERANCE = 1.0
"""Percentage points by which the share of whole pods may differ from the requested share."""

NOTHING_RUNS = "all of them are scaled to zero"
LEAST_AT_ONCE = 0.5
"""The fraction of all pods that must be ready as soon as a split is sent; the others may still be starting."""


@dataclass(frozen=True, slots=True)
class Group:
    """The Deployments of one endpoint: one, or several behind one Service. ``scalers`` are the autoscalers, ``sets``
    the ReplicaSets, by Deployment name. ``contested`` are the Deployments that several autoscalers scale."""

    name: str
    namespace: str
    members: tuple[Object, ...]
    scalers: Mapping[str, Object]
    sets: Mapping[str, Sequence[Object]] = field(default_factory=dict)
    contested: tuple[str, ...] = ()


def groups(
    deployments: Mapping[tuple[str, str], Object],
    services: Mapping[tuple[str, str], Object],
    scalers: Mapping[tuple[str, str], Object],
    sets: Mapping[str, Sequence[Object]] = MappingProxyType({}),
) -> Iterator[Group]:
    """Every endpoint that is made of Deployments. Deployments that a controller owns are left out: the controller sets
    them. ``sets`` are the ReplicaSets by the uid of their Deployment."""
    free = {
        key: one for key, one in deployments.items() if not any(owner.controller for owner in owner_references(one))
    }
    owners: dict[tuple[str, str], Object] = {}
    rivals: set[tuple[str, str]] = set()
    for key, one in sorted(scalers.items()):
        if text(one, "spec", "scaleTargetRef", "kind") == "Deployment":
            target = key[0], text(one, "spec", "scaleTargetRef", "name")
            rivals |= {target} if target in owners else set()
            owners.setdefault(target, one)
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
            {key[1]: sets.get(text(free[key], "metadata", "uid"), ()) for key in keys},
            tuple(key[1] for key in keys if key in rivals),
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
    wanted = asked_of(group)
    desired, observed = ratio(wanted), ratio({name_of(one): ready_of(one) for one in group.members})
    stable = stable_of(group.members)
    live = [name for name, count in wanted.items() if count and name != stable]
    variants = []
    for one in sorted(group.members, key=lambda one: name_of(one) != stable):
        name = name_of(one)
        sets = group.sets.get(name, ())
        quiet = not wanted[name] and not observed[name]
        role = (
            Role.STABLE if name == stable else Role.IDLE if quiet else Role.CANARY if len(live) < 2 else Role.CANDIDATE
        )
        variants.append(
            Variant(
                name=name,
                role=role,
                model=model_that_serves(one, sets),
                image=image_that_serves(one, sets),
                ready=ready_of(one),
                wanted=wanted[name],
                desired=desired[name],
                observed=observed[name],
                message=_bounds_words(group.scalers.get(name)),
                trouble=failing(one),
            )
        )
    total = sum(wanted.values())
    refusals = (
        deleted(*group.members, *group.scalers.values()),
        scaled_elsewhere(group.scalers),
        _contested(group),
        "" if total else NOTHING_RUNS,
    )
    none = next((why for why in refusals if why), None)
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
            Action.UNPIN: unpin_refusal(group),
        },
        native={"group": group},
    )


def _contested(group: Group) -> str:
    return f"several autoscalers scale {', '.join(group.contested)}: delete all but one" if group.contested else ""


def asked_of(group: Group) -> dict[str, int]:
    """The replicas that each Deployment is asked for, by name."""
    return within_pins({name_of(one): wanted_of(one) for one in group.members}, group.scalers)


def _phase(group: Group) -> Phase:
    if any(failing(one) for one in group.members):
        return Phase.DEGRADED
    behind = [one for one in group.members if not rolled_out(one)]
    if any(flag(one, "spec", "paused") and seen(one) and updated_of(one) < pods_of(one) for one in behind):
        return Phase.PAUSED
    return Phase.PROGRESSING if behind else Phase.STEADY


def _message(group: Group, total: int) -> str:
    words = [f"{name_of(one)}: {why}" for one in group.members if (why := failing(one))]
    words += [f"{name_of(one)}: {standing(one)}" for one in group.members if not failing(one) and not rolled_out(one)]
    words += [one for scaler in group.scalers.values() if (one := broken(scaler))]
    words += [one for one in (deleted(*group.members), _contested(group)) if one]
    return "; ".join([*words, f"shares by ready pods, in steps of {short(100.0 / total)} %"] if total else words)


def _token(group: Group) -> str:
    words = []
    for one in sorted(group.members, key=name_of):
        scaler = group.scalers.get(name_of(one))
        bounds = f"[{'-'.join(map(str, bounds_of(scaler)))}]" if scaler is not None else ""
        words.append(f"{name_of(one)}={wanted_of(one)}{bounds}")
    return " ".join(words)


def _bounds_words(scaler: Object | None) -> str:
    if scaler is None:
        return ""
    own = original_of(scaler)
    was = f", pinned by a split; its own bounds are {shown(own)}" if own else ""
    return f"autoscaled {shown(bounds_of(scaler))}{was}"


def unpin_refusal(group: Group) -> str | None:
    """Why no autoscaler of the group can be unpinned, or ``None``."""
    if not group.scalers:
        return "it has no autoscaler"
    if owned := scaled_elsewhere(pinned(group.scalers)):
        return owned
    return None if pinned(group.scalers) else "no autoscaler of it is pinned by a split"


# ── changing a pair ─────────────────────────────────────────────────────────────────────────────────────────────


def target_replicas(endpoint: Endpoint, change: Split | Promote) -> dict[str, int]:
    """The replicas of each Deployment for a split; the total stays the same.

    Raises:
        Rejected: whole pods cannot give these shares, or too few pods would be ready at once.
    """
    group = group_of(endpoint)
    weights = split_of(endpoint, change)
    total = sum(asked_of(group).values())
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
        unpins = scaler is not None and name in unpinned(change)
        if scaler is not None and unpins and original_of(scaler) is not None:
            yield unpin(scaler)
        elif scaler is not None and not unpins and wanted > 0:
            yield pin(scaler, wanted, free=everything)
        # An autoscaler does not scale a Deployment from or to 0 replicas: that takes a call of its own. One that is not
        # pinned goes on from the replicas that it finds.
        if wanted != now and (scaler is None or unpins or 0 in (now, wanted)):
            yield _replicas_call(members[name], wanted)


def unpinned(change: Split | Promote) -> frozenset[str]:
    """The Deployments whose autoscalers get their own bounds back with a split."""
    return frozenset(change.unpin) if isinstance(change, Split) else frozenset()


def compile_unpin(endpoint: Endpoint) -> Iterator[Call]:
    return map(unpin, pinned(group_of(endpoint).scalers).values())


def forecast_unpin(endpoint: Endpoint) -> Forecast:
    """The shares follow the load from then on, so no weights are known."""
    group = group_of(endpoint)
    asleep = {name_of(one) for one in group.members if not wanted_of(one)}
    cautions = [
        f"{name_of(one)} does nothing while {name} has 0 replicas"
        if name in asleep
        else f"{name_of(one)} scales {name} by its load again, {shown(own_bounds(one))}: the shares follow"
        for name, one in pinned(group.scalers).items()
    ]
    return Forecast(None, tuple(cautions), final=True)


def forecast_split(endpoint: Endpoint, change: Split | Promote) -> Forecast:
    group, target = group_of(endpoint), target_replicas(endpoint, change)
    total = sum(target.values())
    cautions = []
    for name, scaler in group.scalers.items():
        own = own_bounds(scaler)
        if name in unpinned(change):
            cautions.append(f"{name_of(scaler)} scales {name} by its load again, {shown(own)}")
        elif target[name] == total:
            cautions.append(f"{name_of(scaler)} scales {name} from {total} up; its lower bound was {own[0]}")
        elif target[name]:
            held = f"{name_of(scaler)} is pinned at {target[name]} (it was {shown(own)})"
            cautions.append(f"{held}: nothing scales while the split lasts")
        elif original_of(scaler):
            cautions.append(f"{name_of(scaler)} stays pinned, and does nothing while {name} has 0 replicas")
        if note := outdated_note(scaler):
            cautions.append(note)
    at_once = sum(min(ready_of(one), target[name_of(one)]) for one in group.members)
    if at_once < total:
        cautions.append(f"{at_once} of {total} pods are ready at once, the others have to start")
    told = ", ".join(name_of(one) for one in group.members if told_role(one))
    stable = endpoint.in_role(Role.STABLE)
    if isinstance(change, Promote) and told and stable is not None and stable.name != change.variant:
        cautions.append(f"{stable.name} stays the stable one by name or label: {told} tell their roles")
    weights = {name: 100.0 * count / total for name, count in target.items()}
    return Forecast(weights, tuple(cautions), _way_back(endpoint, group))


def _way_back(endpoint: Endpoint, group: Group) -> Split | None:
    """The split as it is, where it gives the autoscalers that are not pinned now their bounds back; ``None`` if the
    split alone is the way back."""
    free = tuple(sorted(group.scalers.keys() - pinned(group.scalers).keys()))
    before = {one.name: one.desired for one in endpoint.variants}
    if not free or None in before.values():
        return None
    return Split({name: weight or 0.0 for name, weight in before.items()}, unpin=free)


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


def _replaced(call: Call, guard: str, command: str) -> Call:
    return Call(call.method, call.path, call.body, call.headers, guard, call.summary, command)
