"""The forecast of a change of an Argo Rollout: at which step it will hold next, and which checks it skips. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from backends.contracts import Abort, Advance, Change, Forecast, Promote, Resume, Retry, Rollback
from backends.errors import Rejected
from backends.platforms.kubernetes.objects import dig, table
from backends.serving.rollout_state import RolloutState, kind_of, step_words
from backends.serving.workloads import short


def forecast(state: RolloutState, change: Change) -> Forecast:
    """The weights at the step where the rollout holds next, the cautions, and the way back from a promotion."""
    match change:
        case Promote() | Advance(full=True):
            undo = Rollback(back) if (back := state.revision_of_hash(state.stable)) else None
            return Forecast(_all_to(state, state.current), tuple(_skipped(state)), undo)
        case Advance():
            return Forecast(_after_advance(state), tuple(_skipped_by_one(state)))
        case Resume():
            return Forecast(state.desired() if state.holding and state.pauses else _after_resume(state))
        case Abort():
            back = state.revision_of_hash(state.stable)
            offer = f": roll back to revision {back} afterwards" if back else ""
            caution = f"the spec goes on asking for {state.current}: the next sync will deploy it again{offer}"
            return Forecast(_all_to(state, state.stable), (caution,))
        case Retry():
            return Forecast(None, (f"begins again at step 1 of {len(state.steps)}",) if state.steps else ())
        case Rollback(revision):
            return _after_undo(state, revision)
    return Forecast(state.desired())


def _all_to(state: RolloutState, pod_hash: str) -> dict[str, float]:
    return {one: 100.0 if one == pod_hash else 0.0 for one in dict.fromkeys((*state.live, pod_hash))}


def _split(state: RolloutState, canary: str, weight: float) -> dict[str, float]:
    return {**dict.fromkeys(state.live, 0.0), state.stable: 100.0 - weight, canary: weight}


def _after_advance(state: RolloutState) -> dict[str, float]:
    if state.blue_green:
        return _all_to(state, state.current)
    return _split(state, state.current, state.weight_at(state.next_hold(state.index + 1)))


def _after_resume(state: RolloutState) -> dict[str, float] | None:
    if state.blue_green:
        return None
    return _split(state, state.current, state.weight_at(state.next_hold(state.index)))


def _after_undo(state: RolloutState, revision: str) -> Forecast:
    target = state.hash_of_revision(revision)
    if not target:
        raise Rejected(f"{state.name} has no revision {revision}")
    at_once = _all_to(state, target)
    if target == state.stable or state.skips_steps(revision):
        return Forecast(at_once)
    if state.blue_green:
        manual = dig(state.rollout, "spec", "strategy", "blueGreen", "autoPromotionEnabled") is False
        if manual:
            caution = f"brings {target} up beside {state.active}, and waits for its promotion"
            return Forecast({**dict.fromkeys(state.live, 0.0), target: 0.0, state.active: 100.0}, (caution,))
        return Forecast(at_once)
    if not state.steps:
        return Forecast(at_once)
    hold = state.next_hold(0)
    if hold == len(state.steps):
        return Forecast(at_once)
    weight = state.weight_at(hold)
    caution = (
        f"a rollout of its own through {len(state.steps)} steps: it stays at {short(weight)} % "
        f"(step {hold + 1}, {step_words(state.steps[hold])}) until it is advanced, or promoted in full"
    )
    return Forecast(_split(state, target, weight), (caution,))


def _skipped(state: RolloutState) -> Iterator[str]:
    """Cautions about the steps that a full promotion skips."""
    if running := state.running_analysis:
        yield f"skips {state.place}, while {running} is running"
    left = [step for step in state.steps[state.index + bool(running) :] if kind_of(step) in ("analysis", "experiment")]
    if left and not state.blue_green:
        yield f"skips {len(left)} of the steps that judge it: {', '.join(step_words(step) for step in left)}"
    if state.blue_green and table(state.rollout, "spec", "strategy", "blueGreen").get("prePromotionAnalysis"):
        yield "skips the analysis before the promotion"


def _skipped_by_one(state: RolloutState) -> Iterator[str]:
    if state.inconclusive:
        yield f"goes past {state.place}, which was inconclusive"
    elif not state.pauses and kind_of(state.step) in ("analysis", "experiment"):
        yield f"skips {state.place}" + (f", while {running} is running" if (running := state.running_analysis) else "")
    elif not state.pauses and kind_of(state.step) == "setWeight":
        yield f"skips {state.place}, before it is in effect"
