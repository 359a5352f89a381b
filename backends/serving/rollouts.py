"""Argo Rollouts (``argoproj.io/v1alpha1``): canaries by steps, and blue/green.

No call sets a weight: a rollout can go to its next step, to its end, or back. The calls are the same as those of the
kubectl plugin, as JSON patches that test the fields that each depends on. Versions before 0.10, which had no status
subresource, are not supported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from operator import is_
from types import MappingProxyType
from typing import ClassVar

from backends.contracts import (
    Abort,
    Action,
    Advance,
    Call,
    Change,
    Endpoint,
    EndpointRef,
    Forecast,
    Pause,
    Phase,
    Progress,
    Promote,
    Release,
    Resume,
    Retry,
    Role,
    Rollback,
    Variant,
)
from backends.errors import Rejected
from backends.platforms.kubernetes.calls import add
from backends.platforms.kubernetes.calls import replace as put
from backends.platforms.kubernetes.kinds import DEPLOYMENT, REPLICA_SET
from backends.platforms.kubernetes.objects import (
    Object,
    created_of,
    key_of,
    table,
    text,
    whole,
)
from backends.platforms.kubernetes.owners import deleted
from backends.serving.kubernetes import Kind, KubernetesServing, Need, Objects, Part, System
from backends.serving.rollout_actions import actions_of
from backends.serving.rollout_calls import advance, of_spec, of_status, promote_full, undo
from backends.serving.rollout_forecast import forecast
from backends.serving.rollout_progress import progress
from backends.serving.rollout_state import (
    ANALYSIS_RUN,
    HASH_LABEL,
    ROLLOUT,
    RolloutState,
    hash_of,
    version_note,
)
from backends.serving.split import possible
from backends.serving.workloads import (
    by_owner,
    image_of,
    label_selector,
    model_of,
    ready_of,
    wanted_of,
)

MOST_KNOWN = 20_000
"""How many explained endpoints are kept in memory."""

PHASES = {
    "Healthy": Phase.STEADY,
    "Progressing": Phase.PROGRESSING,
    "Paused": Phase.PAUSED,
    "Degraded": Phase.DEGRADED,
}


class Rollouts(System):
    """A Rollout is an endpoint. Its ReplicaSets are the variants, named by pod hash; their revisions are the
    releases."""

    name: ClassVar[str] = "rollouts"
    by_namespace: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]] = (ROLLOUT, REPLICA_SET, ANALYSIS_RUN, DEPLOYMENT)
    selectors: ClassVar[Mapping[Kind, str]] = MappingProxyType({REPLICA_SET: HASH_LABEL})

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[tuple[Object | None, ...], Endpoint]] = {}

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        sets, runs = by_owner(objects.of(REPLICA_SET).values()), by_owner(objects.of(ANALYSIS_RUN).values())
        deployments = objects.of(DEPLOYMENT)
        found = []
        for key, rollout in sorted(objects.of(ROLLOUT).items()):
            uid = text(rollout, "metadata", "uid")
            workload = table(rollout, "spec", "workloadRef")
            of_kind = text(workload, "kind") in ("", "Deployment")
            deployment = deployments.get((key[0], text(workload, "name"))) if workload and of_kind else None
            found.append(self._explained(rollout, sets.get(uid, []), runs.get(uid, []), deployment, backend))
        return tuple(found)

    def _explained(
        self, rollout: Object, sets: list[Object], runs: list[Object], workload: Object | None, backend: str
    ) -> Endpoint:
        """The endpoint of a Rollout. If all its objects are the same as before, so is the result: of thousands of
        Rollouts, few change at a time."""
        made_of = (rollout, *sets, *runs, workload)
        key = (backend, *key_of(rollout))
        known = self._known.get(key)
        if known is not None and len(known[0]) == len(made_of) and all(map(is_, known[0], made_of)):
            return known[1]
        state = RolloutState(
            rollout,
            {hash_of(one): one for one in sets if hash_of(one)},
            {key_of(one)[1]: one for one in runs},
            workload,
        )
        endpoint = _endpoint(state, backend)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[key] = (made_of, endpoint)
        return endpoint

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        parts = [Part(ROLLOUT, ref.scope, ref.name)]
        rollout = objects.of(ROLLOUT).get((ref.scope, ref.name), {})
        if selector := label_selector(table(rollout, "spec", "selector")):
            parts.append(Part(REPLICA_SET, ref.scope, selector=selector))
        if run := text(rollout, "status", "canary", "currentStepAnalysisRunStatus", "name"):
            parts.append(Part(ANALYSIS_RUN, ref.scope, run))
        if (workload := text(rollout, "spec", "workloadRef", "name")) and text(
            rollout, "spec", "workloadRef", "kind"
        ) == "Deployment":
            parts.append(Part(DEPLOYMENT, ref.scope, workload))
        return tuple(parts)

    def needs(self, endpoint: Endpoint, action: Action) -> tuple[Need, ...]:
        state = state_of(endpoint)
        spec, status = Need("patch", ROLLOUT), Need("patch", ROLLOUT, "status")
        match action:
            case Action.ROLLBACK:
                return (Need("patch", DEPLOYMENT),) if table(state.rollout, "spec", "workloadRef") else (spec,)
            case Action.PAUSE | Action.RESUME:
                return (spec,)
            case Action.ADVANCE | Action.PROMOTE:
                return (status, spec) if state.held else (status,)
        return (status,)

    def written(self, endpoint: Endpoint) -> tuple[tuple[Kind, str, str], ...]:
        workload = state_of(endpoint).workload
        return self.target(endpoint), *(((DEPLOYMENT, *key_of(workload)),) if workload is not None else ())

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        possible(endpoint, change, "Argo Rollouts")
        state = state_of(endpoint)
        match change:
            case Advance(full=True):
                return tuple(promote_full(state))
            case Advance():
                return tuple(advance(state))
            case Promote(variant):
                if variant != state.current:
                    raise Rejected(f"only {state.current}, which is being rolled out, can be promoted")
                return tuple(promote_full(state))
            case Pause():
                return (of_spec(state, [add("/spec/paused", True)], "spec.paused → true", f"pause {state.name}"),)
            case Resume():
                return (of_spec(state, [put("/spec/paused", False)], "spec.paused true → false"),)
            case Abort():
                return (of_status(state, [add("/status/abort", True)], "status.abort → true", "abort"),)
            case Retry():
                return (of_status(state, [put("/status/abort", False)], "status.abort true → false", "retry rollout"),)
            case Rollback(release):
                return (undo(state, release),)
        raise Rejected(f"Argo Rollouts knows no {type(change).__name__.lower()}")

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """As ``backends.contracts.Forecasts``."""
        return _forecast(endpoint, change)

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        return progress(state_of(before), state_of(now), change)


class RolloutsServing(KubernetesServing):
    """Serving through Argo Rollouts."""

    system: ClassVar[System] = Rollouts()

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        return _forecast(endpoint, change)


def _forecast(endpoint: Endpoint, change: Change) -> Forecast:
    """The forecast, with the version that a step brings forward: after an abort its variant is idle."""
    state = state_of(endpoint)
    found = forecast(state, change)
    if isinstance(change, Advance | Resume | Retry) and state.under_way:
        return replace(found, deploys=endpoint.variant(state.current))
    return found


def state_of(endpoint: Endpoint) -> RolloutState:
    state = endpoint.native["state"]
    assert isinstance(state, RolloutState)
    return state


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _endpoint(state: RolloutState, backend: str) -> Endpoint:
    return Endpoint(
        ref=EndpointRef(backend, state.namespace, state.name),
        variants=tuple(_variants(state)),
        phase=_phase(state),
        message=_message(state),
        releases=tuple(_releases(state)),
        revision=state.token,
        actions=actions_of(state),
        native={"state": state},
    )


def _variants(state: RolloutState) -> Iterator[Variant]:
    desired, observed = state.desired(), state.observed()
    for pod_hash in state.live:
        is_stable = pod_hash == (state.stable or state.current)
        idle = state.aborted and not observed.get(pod_hash)
        role = Role.STABLE if is_stable else Role.IDLE if idle else Role.CANARY
        mirror = None if is_stable else state.mirrored
        yield _variant(state, pod_hash, role, desired.get(pod_hash), observed.get(pod_hash), mirror)
    told = table(state.rollout, "status", "canary", "weights").get("additional")
    for one in told if isinstance(told, list) else ():
        if (name := text(one, "podTemplateHash") or text(one, "serviceName")) and name not in state.live:
            weight = (whole(one, "weight") or 0) * 100.0 / state.full_weight
            yield _variant(state, name, Role.CANDIDATE, None, weight, None)
    if not state.under_way and (earlier := _earlier(state)):
        # The previous version is shown so that it can be chosen as the last good release.
        yield _variant(state, earlier, Role.IDLE, 0.0, 0.0, None)


def _earlier(state: RolloutState) -> str:
    """The pod hash of the newest earlier revision whose ReplicaSet still exists, and that was not left if there is
    such a one."""
    order = [pod_hash for _, pod_hash in state.history]
    at = order.index(state.current) if state.current in order else len(order)
    earlier = order[at + 1 :]
    return next((one for one in earlier if one not in state.left), earlier[0] if earlier else "")


def _variant(
    state: RolloutState,
    pod_hash: str,
    role: Role,
    desired: float | None,
    observed: float | None,
    mirror: float | None,
) -> Variant:
    one = state.sets.get(pod_hash, {})
    template = table(one, "spec", "template")
    return Variant(
        name=pod_hash,
        role=role,
        model=model_of(template, one, state.rollout) if one else None,
        image=image_of(template),
        ready=ready_of(one) if one else None,
        wanted=wanted_of(one) if one else None,
        desired=desired,
        observed=observed,
        mirror=mirror,
        message=f"revision {revision}" if (revision := state.revision_of_hash(pod_hash)) else "",
        trouble=state.stuck if pod_hash == state.current else "",
    )


def _releases(state: RolloutState) -> Iterator[Release]:
    for revision, pod_hash in state.history:
        one = state.sets[pod_hash]
        template = table(one, "spec", "template")
        why = state.left.get(pod_hash, "")
        image = image_of(template)
        yield Release(
            id=revision,
            weights={pod_hash: 100.0},
            at=created_of(one),
            note=version_note(one, image),
            current=pod_hash == state.current,
            good=False if why else True if pod_hash == state.stable else None,
            why=why,
            image=image,
            returned_at=state.returned_at if pod_hash == state.current else None,
        )


def _phase(state: RolloutState) -> Phase:
    if not state.seen:
        return Phase.PROGRESSING
    return PHASES.get(state.phase, Phase.UNKNOWN)


def _message(state: RolloutState) -> str:
    """The message for the operator: the consequence of an abort first, then the step, then the controller's own
    message."""
    if gone := deleted(state.rollout):
        return gone
    if not state.seen:
        return "the controller has not seen the newest spec yet"
    told = text(state.rollout, "status", "message")
    if state.aborted and state.under_way:
        return "; ".join(one for one in (_after_abort(state), state.failed_analysis or told) if one)
    words = []
    if state.under_way and not state.blue_green:
        words.append(state.place)
    if state.promoting and state.under_way:
        words.append("being promoted in full")
    if state.held:
        words.append("paused by an operator")
    if state.inconclusive:
        words.append("the analysis was inconclusive")
    elif "BlueGreenPause" in state.pauses:
        words.append(f"{state.current} is up and waits for its promotion")
    if running := state.running_analysis:
        words.append(f"{running} is running")
    if state.phase == "Degraded" and told:
        words.append(told)
    return "; ".join(word for word in words if word)


def _after_abort(state: RolloutState) -> str:
    back = state.revision_of_hash(state.stable)
    undo = f": roll back to revision {back} to prevent that" if back else ""
    return f"aborted, but the spec still asks for {state.current}: the next sync will deploy it again{undo}"
