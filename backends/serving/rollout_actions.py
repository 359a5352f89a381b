"""Which actions an Argo Rollout allows now, and why it refuses the others. Pure."""

from __future__ import annotations

from backends.contracts import Action
from backends.platforms.kubernetes.objects import Object, table, text
from backends.platforms.kubernetes.owners import controller_of, deleted
from backends.serving.rollout_state import RolloutState

ACTIONS = (
    Action.PROMOTE,
    Action.ADVANCE,
    Action.PAUSE,
    Action.RESUME,
    Action.ABORT,
    Action.RETRY,
    Action.ROLLBACK,
)


def actions_of(state: RolloutState) -> dict[Action, str | None]:
    """As ``Endpoint.actions``. No action sets a weight: a rollout has steps."""
    if refused := deleted(state.rollout) or _written_by(state.rollout):
        return dict.fromkeys(ACTIONS, refused)
    nothing = (
        "" if state.under_way else f"nothing is being rolled out: {state.stable or state.current or '?'} is stable"
    )
    if not state.stable:
        nothing = "this is the first rollout: there is no stable version yet"
    aborted = "it was aborted: retry it, or roll back" if state.aborted and state.under_way else ""
    promoting = "it is being promoted in full" if state.promoting and state.under_way else ""
    forward = nothing or aborted or promoting or None
    done = state.under_way and not state.blue_green and bool(state.steps) and state.index >= len(state.steps)
    step = forward
    if step is None and done:
        step = "all steps are done, the last replicas are on their way"
    elif step is None and not state.blue_green and not state.steps:
        step = "it has no steps: promote it"
    elif step is None and state.blue_green and not (state.pauses or state.held):
        step = f"{state.current} is not up yet"
    return {
        Action.PROMOTE: forward,
        Action.ADVANCE: step,
        Action.PAUSE: forward or ("it is paused already" if state.held else None),
        Action.RESUME: None if state.held else _not_held(state),
        Action.ABORT: nothing or ("it was aborted already" if aborted else promoting or None),
        # On the stable version an abort that was left behind keeps the rollout degraded.
        Action.RETRY: None
        if aborted or (state.aborted and state.phase == "Degraded")
        else nothing or "it was not aborted",
        Action.ROLLBACK: _no_undo(state),
    }


def _written_by(rollout: Object) -> str:
    """Why no change is made here: another controller writes the Rollout and puts its own spec back; or ""."""
    owner = controller_of(rollout)
    return f"{owner} writes this Rollout: change it there" if owner else ""


def _not_held(state: RolloutState) -> str:
    if state.pauses and state.under_way:
        return "no operator paused it, its own step did: advance takes it on"
    return "it is not paused"


def _no_undo(state: RolloutState) -> str | None:
    workload = table(state.rollout, "spec", "workloadRef")
    if workload and state.workload is None:
        return f"its template comes from {text(workload, 'kind')} {text(workload, 'name')}, which cannot be read here"
    return None if len(state.history) > 1 else "there is no earlier ReplicaSet to go back to"
