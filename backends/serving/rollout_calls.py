"""The calls that change an Argo Rollout: the JSON patches of its spec and its status. Pure.

They are those of the kubectl plugin; each tests the fields that it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from backends.contracts import Call
from backends.errors import Rejected
from backends.platforms.kubernetes.calls import add, expect, json_patch, remove
from backends.platforms.kubernetes.calls import replace as put
from backends.platforms.kubernetes.fences import fence_test
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.platforms.kubernetes.objects import dig, generation_of, key_of
from backends.serving.rollout_state import HASH_LABEL, ROLLOUT, RolloutState
from backends.serving.workloads import template_of


def advance(state: RolloutState) -> Iterator[Call]:
    """End the pause, or else the step, as ``kubectl argo rollouts promote`` does. Both are ended only after an
    inconclusive analysis, because there the pause alone would come back."""
    changes: list[dict[str, object]] = []
    words = []
    if state.pauses:
        changes.append(remove("/status/pauseConditions"))
        words.append(f"status.pauseConditions {', '.join(state.pauses)} → none")
    if not state.blue_green and (not state.pauses or state.inconclusive):
        changes.append(add("/status/currentStepIndex", state.index + 1))
        words.append(f"status.currentStepIndex {state.index} → {state.index + 1}")
    if state.inconclusive:
        changes.append(add("/status/controllerPause", False))
        words.append("status.controllerPause → false")
    if changes:
        yield of_status(state, changes, ", ".join(words), "promote")
    if state.held:
        yield _unhold(state, alone=not changes)


def promote_full(state: RolloutState) -> Iterator[Call]:
    """As ``kubectl argo rollouts promote --full``. The controller changes no replica count while ``spec.paused`` is
    set, so a promotion alone would hang."""
    summary = f"status.promoteFull → true: {state.current} becomes stable"
    yield of_status(state, [add("/status/promoteFull", True)], summary, "promote", "--full")
    if state.held:
        yield _unhold(state, alone=False)


def _unhold(state: RolloutState, *, alone: bool) -> Call:
    """End an operator's pause. After another call the status may have changed, so then this one tests only the
    spec."""
    return of_spec(state, [put("/spec/paused", False)], "spec.paused true → false", alone=alone)


def undo(state: RolloutState, revision: str) -> Call:
    target = state.hash_of_revision(revision)
    if not target:
        known = ", ".join(one for one, _ in state.history) or "none"
        raise Rejected(f"{state.name} has no revision {revision}: known are {known}")
    if target == state.current:
        raise Rejected(f"revision {revision} is what the spec asks for already")
    template = template_of(state.sets[target], HASH_LABEL)
    summary = f"spec.template {state.current} → {target} (revision {revision})"
    command = f"kubectl argo rollouts undo {state.name} -n {state.namespace} --to-revision={revision}"
    if state.workload is not None:
        _, name = key_of(state.workload)
        guards = {
            "/metadata/uid": dig(state.workload, "metadata", "uid"),
            "/metadata/generation": generation_of(state.workload),
        }
        tests = [*(expect(path, value) for path, value in guards.items()), fence_test(DEPLOYMENT, state.workload)]
        operations = [*tests, put("/spec/template", template)]
        call = json_patch(DEPLOYMENT, state.namespace, name, operations, revision="", summary=summary)
        return replace(call, guard=f"deployment generation {generation_of(state.workload)}", command=command)
    call = of_spec(state, [put("/spec/template", template)], summary)
    return replace(call, command=command)


def of_status(state: RolloutState, changes: Sequence[Mapping[str, object]], summary: str, *words: str) -> Call:
    tests = [*(expect(path, value) for path, value in state.matters().items()), fence_test(ROLLOUT, state.rollout)]
    call = json_patch(
        ROLLOUT, state.namespace, state.name, [*tests, *changes], revision="", summary=summary, subresource="status"
    )
    verb, *options = words
    command = " ".join(["kubectl argo rollouts", verb, state.name, "-n", state.namespace, *options])
    return replace(call, guard=state.token, command=command)


def of_spec(
    state: RolloutState, changes: Sequence[Mapping[str, object]], summary: str, verb: str = "", *, alone: bool = True
) -> Call:
    tests = [expect(path, value) for path, value in state.matters().items() if alone or path.startswith("/metadata/")]
    tests.append(fence_test(ROLLOUT, state.rollout))
    call = json_patch(ROLLOUT, state.namespace, state.name, [*tests, *changes], revision="", summary=summary)
    command = f"kubectl argo rollouts {verb} -n {state.namespace}" if verb else call.command
    return replace(call, guard=state.token if alone else f"generation {generation_of(state.rollout)}", command=command)
