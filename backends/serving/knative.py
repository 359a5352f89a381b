"""Knative Services: ``serving.knative.dev/v1``, traffic by revision. Services that KServe owns are not changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from backends.contracts import (
    Action,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    Pending,
    Phase,
    Progress,
    Promote,
    Release,
    Role,
    Rollback,
    Settled,
    Split,
    Variant,
    same_weight,
)
from backends.errors import Rejected, Unsupported
from backends.platforms.kubernetes.calls import add, expect
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    conditions,
    created_of,
    flag,
    generation_of,
    items,
    key_of,
    labels_of,
    name_of,
    number,
    owner_references,
    table,
    text,
    whole,
)
from backends.serving.kserve_facts import (
    INFERENCE_SERVICE,
    REVISION,
    checked,
    is_ready,
    observed_of,
    percents,
    release_id,
    release_weights,
    replicas_of,
    same,
)
from backends.serving.kubernetes import KubernetesServing, Objects, Part, System
from backends.serving.patches import guarded, token
from backends.serving.weights import apportion
from backends.serving.workloads import model_of, resolved_in

SERVICE = Kind("serving.knative.dev", "v1", "services", "Service")
ROLLOUT = "serving.knative.dev/rollout-duration"
OF_SERVICE = "serving.knative.dev/service"
TRAFFIC = "/spec/traffic"


class Knative(System):
    """Each Service is an endpoint. Its revisions are the variants; revisions without traffic are idle, and a rollback
    can use them."""

    name: ClassVar[str] = "knative"
    by_namespace: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]] = (SERVICE, REVISION)
    unless: ClassVar[tuple[Kind, ...]] = (INFERENCE_SERVICE,)  # the kserve adapter shows its Services

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        revisions: dict[tuple[str, str], list[Object]] = {}
        for one in objects.of(REVISION).values():
            revisions.setdefault((key_of(one)[0], text(labels_of(one), OF_SERVICE)), []).append(one)
        found = objects.of(SERVICE)
        return tuple(_explained(found[key], revisions.get(key, []), backend) for key in sorted(found))

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        service = Part(SERVICE, ref.scope, ref.name)
        return service, Part(REVISION, ref.scope, selector=f"{OF_SERVICE}={ref.name}")

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        return (_compiled(endpoint, change),)

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        return _progress(before, now, change)


class KnativeServing(KubernetesServing):
    """Serving through Knative Services."""

    system: ClassVar[System] = Knative()


def _explained(thing: Object, revisions: list[Object], backend: str) -> Endpoint:
    namespace, name = key_of(thing)
    # Knative routes ``latestRevision`` to the latest revision that became ready, not to the newest.
    newest = text(thing, "status", "latestCreatedRevisionName")
    latest = text(thing, "status", "latestReadyRevisionName") or newest
    desired = _desired(thing, latest)
    observed = _summed(items(thing, "status", "traffic"), latest) if items(thing, "status", "traffic") else None
    by_name = {name_of(one): one for one in sorted(revisions, key=_age, reverse=True)}
    names = dict.fromkeys((*desired, *(observed or {}), *by_name))
    stable = _stable(desired, observed, by_name)
    variants = tuple(
        _variant(
            one,
            by_name.get(one),
            stable,
            newest or latest,
            desired.get(one, 0.0),
            None if observed is None else observed.get(one, 0.0),
        )
        for one in names
    )
    arrived = observed is not None and same({one: observed.get(one, 0.0) for one in names}, desired)
    phase, message = _phase(thing, arrived)
    releases = _releases(desired, by_name, variants)
    return Endpoint(
        ref=EndpointRef(backend, namespace, name),
        variants=variants,
        phase=phase,
        message=message,
        releases=releases,
        revision=token(thing),
        owner=_kserve_owner(thing),
        actions=_actions(thing, variants, releases),
        native={
            "object": thing,
            "traffic": items(thing, "spec", "traffic"),
            "latest": latest,
            "desired": desired,
            "generation": generation_of(thing),
            "ready": is_ready(thing),
            "ramp": _ramp(thing),
        },
    )


def _desired(thing: Object, latest: str) -> dict[str, float]:
    """Percent by revision. A Service without ``traffic`` sends everything to its latest revision."""
    asked = items(thing, "spec", "traffic")
    if not asked:
        return {latest: 100.0} if latest else {}
    return _summed(asked, latest)


def _summed(entries: tuple[Object, ...], latest: str) -> dict[str, float]:
    """Percent by revision. One revision may be in several entries; an entry without a percentage is only a tag."""
    found: dict[str, float] = {}
    for one in entries:
        name = text(one, "revisionName") or (latest if flag(one, "latestRevision") else "")
        if name:
            found[name] = found.get(name, 0.0) + (number(one, "percent") or 0.0)
    return found


def _age(revision: Object) -> tuple[int, float, str]:
    generation = whole(labels_of(revision), "serving.knative.dev/configurationGeneration")
    return generation or 0, created_of(revision) or 0.0, name_of(revision)


def _stable(desired: Mapping[str, float], observed: Mapping[str, float] | None, by_name: Mapping[str, Object]) -> str:
    """The revision with the most traffic; of several with the same share, the oldest."""
    weights = {name: weight for name, weight in (desired or observed or {}).items() if weight}
    ages = list(by_name)  # newest first
    rank = {name: ages.index(name) if name in by_name else -1 for name in weights}
    return max(weights, key=lambda name: (weights[name], rank[name]), default="")


def _variant(
    name: str, revision: Object | None, stable: str, latest: str, desired: float, observed: float | None
) -> Variant:
    live = desired or observed
    role = Role.STABLE if name == stable else Role.CANARY if live or name == latest else Role.IDLE
    if revision is None:
        return Variant(name, role, desired=desired, observed=observed)
    ready, wanted, words = replicas_of(revision)
    pods = {"spec": table(revision, "spec"), "metadata": table(revision, "metadata")}
    return Variant(
        name=name,
        role=role,
        model=model_of(pods),
        image=text(revision, "spec", "containers", 0, "image") or None,
        ready=ready,
        wanted=wanted,
        desired=desired,
        observed=observed,
        message=words,
        running=resolved_in(revision),
    )


def _ramp(thing: Object) -> str:
    """How long Knative takes to move traffic to the latest revision; "" if it moves at once."""
    said = text(annotations_of(thing), ROLLOUT)
    return "" if said in ("", "0", "0s") else said


def _kserve_owner(thing: Object) -> str:
    owner = next((one for one in owner_references(thing) if one.kind == "InferenceService"), None)
    return f"KServe InferenceService {owner.name}" if owner is not None else ""


def _phase(thing: Object, arrived: bool) -> tuple[Phase, str]:
    ready = conditions(thing).get("Ready")
    if ready is None:
        return Phase.UNKNOWN, "Knative has not looked at it yet"
    words = ": ".join(part for part in (ready.reason, ready.message) if part)
    if ready.ok is False:
        return Phase.DEGRADED, words or "not ready"
    behind = whole(thing, "status", "observedGeneration") not in (None, generation_of(thing))
    if ready.ok is None or behind or not arrived:
        ramp = _ramp(thing)
        return Phase.PROGRESSING, f"ramping over {ramp}" if ramp and ready.ok is not None else words
    return Phase.STEADY, ""


def _releases(
    desired: Mapping[str, float], by_name: Mapping[str, Object], variants: tuple[Variant, ...]
) -> tuple[Release, ...]:
    """The current split and each ready revision with all traffic, newest first. The current split stands where its
    stable revision does: revisions that are newer than that are no way back. Revisions that Knative has deleted are not
    possible."""
    if not desired:
        return ()
    live = {name: weight for name, weight in desired.items() if weight}
    current = Release(release_id(live), live, current=True)
    ready = {one.name for one in variants if one.ready is None or one.ready > 0}
    order = list(by_name)
    stable = next((one.name for one in variants if one.role is Role.STABLE), "")
    newer = order[: order.index(stable)] if stable in order else []

    def alone(names: Iterable[str]) -> Iterator[Release]:
        for name in names:
            if {name: 100.0} != live and name in ready:
                image = text(by_name[name], "spec", "containers", 0, "image")
                yield Release(name, {name: 100.0}, at=created_of(by_name[name]), note=image.rpartition("/")[2])

    return *alone(newer), current, *alone(name for name in order if name not in newer)


def _actions(thing: Object, variants: tuple[Variant, ...], releases: tuple[Release, ...]) -> dict[Action, str | None]:
    every = (Action.SHIFT, Action.PROMOTE, Action.ROLLBACK)
    owner = _kserve_owner(thing)
    if owner:
        return dict.fromkeys(every, f"{owner} owns it and would overwrite the change: change that instead")
    if len(variants) < 2:
        return dict.fromkeys(every, "it has only one revision")
    back = any(not one.current for one in releases)
    return {Action.SHIFT: None, Action.PROMOTE: None, Action.ROLLBACK: None if back else "no other revision is ready"}


# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────


def _weights(endpoint: Endpoint, change: Change) -> dict[str, float]:
    match change:
        case Split(given):
            return checked(endpoint, given)
        case Promote(name):
            return checked(endpoint, {name: 100.0})
        case Rollback(id_):
            return release_weights(endpoint, id_)
    raise Unsupported("Knative has no steps")


def _compiled(endpoint: Endpoint, change: Change) -> Call:
    """Replace the whole list of targets, if it is still the list that was read. Entries with a tag stay, and so does a
    ``latestRevision`` entry."""
    weights = _weights(endpoint, change)
    asked = endpoint.native["desired"]
    assert isinstance(asked, dict)
    if same({name: asked.get(name, 0.0) for name in weights}, weights):
        raise Rejected(f"the split is {percents(asked)} already")
    for name, weight in weights.items():
        if abs(weight - round(weight)) > 1e-6:
            raise Rejected(f"{name} cannot get {weight:g} %: Knative takes whole percentages only")
    entries = _entries(endpoint, apportion(weights, 100), follow=isinstance(change, Promote))
    now = endpoint.native["traffic"]
    assert isinstance(now, tuple)
    checks = [expect(TRAFFIC, list(now))] if now else []
    moves = ", ".join(
        f"{name} {asked.get(name, 0.0):g} → {weight:g}"
        for name, weight in weights.items()
        if not same_weight(asked.get(name, 0.0), weight)
    )
    return guarded(SERVICE, table(endpoint.native, "object"), [*checks, add(TRAFFIC, entries)], f"traffic {moves}")


def _entries(endpoint: Endpoint, weights: Mapping[str, int], *, follow: bool) -> list[dict[str, object]]:
    """The new list of targets. With ``follow`` the latest revision is written as ``latestRevision``, so that later
    revisions are rolled out automatically."""
    latest = str(endpoint.native["latest"])
    now = endpoint.native["traffic"]
    assert isinstance(now, tuple)
    now = now or ({"latestRevision": True, "percent": 100},)
    given = _by_entry(now, weights, latest)
    entries: list[dict[str, object]] = []
    for one, percent in zip(now, given, strict=True):
        # The entry of the latest revision stays at 0: without it no later revision would be rolled out by itself, not
        # even after the way back.
        if percent or text(one, "tag") or flag(one, "latestRevision"):
            entries.append({**one, "percent": percent} if percent or "percent" in one else dict(one))
    names = {_named_by(one, latest) for one in now}
    for name, percent in weights.items():
        if name in names:
            continue
        if percent and name == latest and follow:
            entries.append({"latestRevision": True, "percent": percent})
        elif percent:
            entries.append({"revisionName": name, "latestRevision": False, "percent": percent})
    return entries


def _named_by(entry: Object, latest: str) -> str:
    return text(entry, "revisionName") or (latest if flag(entry, "latestRevision") else "")


def _by_entry(now: Sequence[Object], weights: Mapping[str, int], latest: str) -> list[int]:
    """The percentage of each entry. Several entries may name one revision: those with traffic share what it gets in
    their present proportion. If none has any, it goes to the entry of the latest revision, else to one without a
    tag."""
    found = [0] * len(now)
    for name, percent in weights.items():
        mine = [at for at, one in enumerate(now) if _named_by(one, latest) == name]
        live = {str(at): number(now[at], "percent") or 0.0 for at in mine}
        if sum(live.values()):
            total = sum(live.values())
            shares = {at: 100.0 * one / total for at, one in live.items()}
            for at, part in apportion(shares, percent).items():
                found[int(at)] = part
        elif mine:
            best = min(mine, key=lambda at: (not flag(now[at], "latestRevision"), bool(text(now[at], "tag")), at))
            found[best] = percent
    return found


def _progress(before: Endpoint, now: Endpoint, change: Change) -> Progress:
    target = _weights(before, change)
    asked = now.native["desired"]
    assert isinstance(asked, dict)
    if not same({name: asked.get(name, 0.0) for name in {*asked, *target}}, target):
        if now.native.get("generation") == before.native.get("generation"):
            return Pending("Knative's object is as it was before")
        return Diverged(f"the split asked for is now {percents(asked)}")
    observed = observed_of(now)
    if any(weight is None for weight in observed.values()) or not same(observed, target):
        ramp = str(now.native.get("ramp") or "")
        stuck = now.phase is Phase.DEGRADED
        why = now.message if stuck else f"ramping over {ramp}" if ramp else ""
        return Pending("; ".join(part for part in (why, f"Knative routes {percents(observed)}") if part), stalled=stuck)
    if not now.native.get("ready"):
        return Pending(
            now.message or "the traffic is there, but Ready is not True", stalled=now.phase is Phase.DEGRADED
        )
    return Settled(f"Knative routes {percents(observed)}")
