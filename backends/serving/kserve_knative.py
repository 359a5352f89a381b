"""InferenceServices in Knative mode: two revisions, and one number, ``canaryTrafficPercent``. Pure.

The latest ready revision gets that percentage, and ``latestRolledoutRevision`` gets the rest. Without the number the
latest revision gets all traffic. Once a revision has had all traffic, KServe counts it as rolled out; a lower number
then gives traffic to ``previousRolledoutRevision`` again. That takes two reconciles: in the first, both entries of the
split name the same revision. If no revision was rolled out before, the number is ignored. (KServe,
``ksvc_reconciler.go`` and ``PropagateStatus``.)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backends.contracts import (
    Action,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    Forecast,
    ModelRef,
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
from backends.platforms.kubernetes.calls import add, remove
from backends.platforms.kubernetes.objects import (
    Object,
    annotations_of,
    generation_of,
    items,
    key_of,
    number,
    table,
    text,
    whole,
)
from backends.serving.kserve_facts import (
    INFERENCE_SERVICE,
    REVISION,
    SOURCE,
    checked,
    failure_of,
    is_ready,
    model_at,
    observed_of,
    percents,
    phase_of,
    release_id,
    release_weights,
    replicas_of,
    same,
    storage_uri,
)
from backends.serving.kubernetes import Objects, Part
from backends.serving.patches import guarded, token
from backends.serving.weights import whole_percent
from backends.serving.workloads import resolved_in

UNSET = "unset"
EMPTY: Mapping[tuple[str, str], Object] = MappingProxyType({})
FIELD = "/spec/predictor/canaryTrafficPercent"


class _State:
    """The revisions of one InferenceService, and their desired and observed traffic."""

    def __init__(self, thing: Object, revisions: Mapping[tuple[str, str], Object] = EMPTY) -> None:
        predictor = table(thing, "status", "components", "predictor")
        self.created = text(predictor, "latestCreatedRevision") or text(predictor, "latestReadyRevision")
        self.ready = text(predictor, "latestReadyRevision")
        self.rolled = text(predictor, "latestRolledoutRevision")
        self.previous = text(predictor, "previousRolledoutRevision")
        self.percent = whole(thing, "spec", "predictor", "canaryTrafficPercent")
        self.observed: dict[str, float] = {}
        for one in items(predictor, "traffic"):
            name, percent = text(one, "revisionName"), number(one, "percent")
            if name and percent is not None:  # one revision may come twice: as the latest, and tagged "prev"
                self.observed[name] = self.observed.get(name, 0.0) + percent
        self.told = bool(items(predictor, "traffic"))
        # Knative deletes old Revisions. If the latest is known, one that is not known is gone.
        namespace, _ = key_of(thing)
        known = (namespace, self.created) in revisions
        self.gone = frozenset(
            name for name in (self.rolled, self.previous) if known and name and (namespace, name) not in revisions
        )

    @property
    def other(self) -> str:
        """The only other revision, besides the latest, that can get traffic, or ""."""
        if self.rolled and self.rolled != self.created:
            return self.rolled
        return self.previous if self.rolled and self.previous != self.created else ""

    @property
    def desired(self) -> dict[str, float]:
        if not self.created:
            return {}
        if self.percent is None or not self.other:
            return {self.created: 100.0}
        return {self.created: float(self.percent), self.other: 100.0 - self.percent}

    @property
    def names(self) -> tuple[str, ...]:
        """All revisions that have or can get traffic, the stable one first."""
        names = dict.fromkeys((self.rolled or self.created, self.created, self.previous, *self.observed))
        return tuple(name for name in names if name)

    def role(self, name: str) -> Role:
        if name == (self.rolled or self.created):
            return Role.STABLE
        return Role.CANARY if name == self.created or self.observed.get(name) else Role.IDLE


def parts(thing: Object) -> tuple[Part, ...]:
    namespace, _ = key_of(thing)
    return tuple(Part(REVISION, namespace, name) for name in _State(thing).names)


def explain(thing: Object, objects: Objects, backend: str) -> Endpoint:
    state = _State(thing, objects.of(REVISION))
    namespace, name = key_of(thing)
    desired = state.desired
    variants = tuple(_variant(one, state, thing, objects) for one in state.names)
    arrived = state.told and same({one: state.observed.get(one, 0.0) for one in state.names}, desired)
    phase, message = phase_of(thing, arrived=arrived)
    releases = _releases(state)
    return Endpoint(
        ref=EndpointRef(backend, namespace, name),
        variants=variants,
        phase=phase,
        message=message or _left_over(state),
        releases=releases,
        revision=token(thing),
        actions=_actions(state, releases, phase),
        native={
            "mode": "Knative",
            "object": thing,
            "latest": state.created,
            "other": state.other,
            "percent": state.percent,
            "generation": generation_of(thing),
            "ready": is_ready(thing),
            "failure": failure_of(thing),
        },
    )


def _left_over(state: _State) -> str:
    alone = state.percent is not None and state.percent < 100 and max(state.desired.values(), default=0.0) == 100.0
    return f"canaryTrafficPercent {state.percent} is left over: the next version starts at it" if alone else ""


def _variant(name: str, state: _State, thing: Object, objects: Objects) -> Variant:
    namespace, _ = key_of(thing)
    revision = objects.of(REVISION).get((namespace, name))
    ready, wanted, message = _replicas(name, state, revision)
    if name == state.created and (failure := failure_of(thing)):
        message = failure
    if name in state.gone:
        message = "its Revision is gone"
    container = table(revision, "spec", "containers", 0)
    return Variant(
        name=name,
        role=state.role(name),
        model=_model(name, state, thing, revision),
        image=text(container, "image") or None,
        ready=ready,
        wanted=wanted,
        desired=state.desired.get(name, 0.0),
        observed=state.observed.get(name, 0.0) if state.told else None,
        message=message,
        running=resolved_in(revision),
    )


def _replicas(name: str, state: _State, revision: Object | None) -> tuple[int | None, int | None, str]:
    """Ready replicas, wanted replicas, and a message. A revision that is scaled to zero still answers, after a cold
    start; its number of replicas is unknown, which is not 0."""
    if revision is None:
        return (0 if name == state.created and name != state.ready else None), None, ""
    return replicas_of(revision)


def _model(name: str, state: _State, thing: Object, revision: Object | None) -> ModelRef | None:
    """The model from the revision itself; the InferenceService's spec has only the model of the latest revision."""
    if revision is not None:
        return model_at(text(annotations_of(revision), SOURCE), revision)
    if name == state.created:
        return model_at(storage_uri(table(thing, "spec", "predictor")), thing)
    return None


def _releases(state: _State) -> tuple[Release, ...]:
    """The current state, and the one revision to go back to: KServe has no others."""
    desired = state.desired
    if not desired:
        return ()
    if state.other in state.gone:
        return (Release(release_id(desired), desired, current=True, good=None),)
    split = desired.get(state.created, 0.0) < 100.0 and state.other
    # The revision that was rolled out before the present one may be what somebody went back from.
    vouched = True if state.other == state.rolled else None
    back = Release(state.other, {state.other: 100.0}, good=vouched) if state.other else None
    if split and desired[state.created] == 0.0:
        ahead = Release(state.created, {state.created: 100.0}, good=False, why="was rolled back from")
        return ahead, Release(state.other, desired, current=True, good=True)
    done = not split and state.created == state.rolled
    current = Release(release_id(desired), desired, current=True, good=True if done else None)
    return (current,) if back is None else (current, back)


def _actions(state: _State, releases: tuple[Release, ...], phase: Phase) -> dict[Action, str | None]:
    if not state.created:
        return dict.fromkeys((Action.SHIFT, Action.PROMOTE, Action.ROLLBACK), "it has no revision yet")
    if phase is Phase.PAUSED:
        return dict.fromkeys((Action.SHIFT, Action.PROMOTE, Action.ROLLBACK), "it is stopped")
    if state.other in state.gone:
        words = f"Knative has deleted the Revision {state.other}: it cannot get traffic"
        only = None if state.desired.get(state.created) != 100.0 else words
        return {Action.SHIFT: words, Action.PROMOTE: only, Action.ROLLBACK: words}
    alone = None if state.other else f"{state.created} is the only revision that KServe can send traffic to"
    all_here = state.desired.get(state.created) == 100.0 and state.rolled == state.created
    back = next((one for one in releases if not one.current), None)
    return {
        Action.SHIFT: alone,
        Action.PROMOTE: f"{state.created} is rolled out" if all_here else None,
        Action.ROLLBACK: None if back else "no other revision was rolled out before",
    }


# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────


def percent_for(endpoint: Endpoint, change: Change) -> int | None:
    """The value of ``canaryTrafficPercent`` for a change; ``None`` to remove it.

    Raises:
        Rejected: the change needs a third revision, or a fraction of a percent.
        Unsupported: KServe has no such change in Knative mode.
    """
    latest, other = str(endpoint.native["latest"]), str(endpoint.native["other"])
    weights: dict[str, float]
    match change:
        case Split(given):
            weights = checked(endpoint, given)
        case Promote(name):
            weights = checked(endpoint, {name: 100.0})
        case Rollback(id_):
            weights = release_weights(endpoint, id_)
        case _:
            raise Unsupported("KServe has no steps in Knative mode")
    beyond = [name for name, weight in weights.items() if weight > 0 and name not in (latest, other)]
    if beyond:
        only = f"{latest} and {other}" if other else latest
        raise Rejected(f"{beyond[0]} cannot get traffic: KServe splits between {only} only")
    percent = whole_percent(latest, weights.get(latest, 0.0))
    if percent == 100 and not isinstance(change, Split):
        return None  # a number that stays would be the start of the next version's rollout
    return percent


def forecast(endpoint: Endpoint, change: Change) -> Forecast:
    return Forecast(_target(endpoint, percent_for(endpoint, change)))


def _target(endpoint: Endpoint, percent: int | None) -> dict[str, float]:
    """Percent by revision, once ``canaryTrafficPercent`` is ``percent`` and KServe has reconciled."""
    latest, other = str(endpoint.native["latest"]), str(endpoint.native["other"])
    target = {latest: 100.0 if percent is None else float(percent)}
    if other:
        target[other] = 100.0 - target[latest]
    return target


def compile(endpoint: Endpoint, change: Change) -> tuple[Call, ...]:  # noqa: A001 - as the contract calls it
    percent = percent_for(endpoint, change)
    before = endpoint.native["percent"]
    if percent == before:
        raise Rejected(f"canaryTrafficPercent is {_percent_or_unset(before)} already")
    after = _target(endpoint, percent)
    moves = ", ".join(
        f"{variant.name} {_number_or_unknown(variant.desired)} → {after.get(variant.name, 0.0):g}"
        for variant in endpoint.variants
        if not same_weight(variant.desired, after.get(variant.name, 0.0))
    )
    summary = f"canaryTrafficPercent {_percent_or_unset(before)} → {_percent_or_unset(percent)}" + (
        f" ({moves})" if moves else ""
    )
    operation = remove(FIELD) if percent is None else add(FIELD, percent)
    return (guarded(INFERENCE_SERVICE, table(endpoint.native, "object"), [operation], summary),)


def progress(before: Endpoint, now: Endpoint, change: Change) -> Progress:
    """Settled once the observed traffic is the target, so not after the first of the two reconciles of a rollback."""
    wanted = percent_for(before, change)
    target = _target(before, wanted)
    if now.native.get("percent") != wanted:
        if now.native.get("generation") == before.native.get("generation"):
            return Pending("KServe's object is as it was before")
        return Diverged(f"canaryTrafficPercent is now {_percent_or_unset(now.native.get('percent'))}")
    if now.native.get("latest") != before.native["latest"]:
        return Diverged(f"a new revision came: {now.native.get('latest')}")
    observed = observed_of(now)
    failure = str(now.native.get("failure") or "")
    if any(variant.observed is None for variant in now.variants) or not same(observed, target):
        words = f"Knative routes {percents(observed)}"
        return Pending(f"{failure}; {words}" if failure else words, stalled=bool(failure))
    if not now.native.get("ready"):
        return Pending(now.message or "the traffic is there, but Ready is not True", stalled=bool(failure))
    return Settled(f"Knative routes {percents(observed)}")


def _number_or_unknown(weight: float | None) -> str:
    return "?" if weight is None else f"{weight:g}"


def _percent_or_unset(percent: object) -> str:
    return UNSET if percent is None else str(percent)
