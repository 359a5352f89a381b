"""The progress of a change of an Argo Rollout, from its state before the change and its state now. Pure."""

from __future__ import annotations

from backends.contracts import (
    WEIGHT_TOLERANCE,
    Abort,
    Advance,
    Change,
    Diverged,
    Pause,
    Pending,
    Progress,
    Promote,
    Resume,
    Retry,
    Rollback,
    Settled,
)
from backends.errors import Unsupported
from backends.platforms.kubernetes.objects import conditions, text
from backends.serving.rollout_state import RolloutState, kind_of, step_words
from backends.serving.workloads import short

NOT_YET = "the controller has not seen it yet"
UNVERIFIED = "the load balancer has not confirmed the weights"


def progress(before: RolloutState, now: RolloutState, change: Change) -> Progress:
    """Settled once the controller reports the change as done; diverged if the rollout is in another state."""
    match change:
        case Rollback(revision):
            return _undone(before, now, revision)
        case Promote() | Advance(full=True):
            return _promoted(before, now)
        case Advance():
            return _advanced(before, now)
        case Pause() | Resume():
            return _paused(before, now, wanted=isinstance(change, Pause))
        case Abort():
            return _aborted(before, now)
        case Retry():
            return _retried(before, now)
    raise Unsupported(f"Argo Rollouts knows no {type(change).__name__.lower()}")


def _elsewhere(before: RolloutState, now: RolloutState) -> Diverged | None:
    """Whether the version was replaced, or its rollout aborted, in the meantime."""
    if now.current != before.current:
        return Diverged(f"the rollout is now of {now.current or '?'}, not of {before.current}")
    if now.aborted and not before.aborted and now.under_way:
        why = now.failed_analysis or text(now.rollout, "status", "message")
        return Diverged("it was aborted" + (f": {why}" if why else ""))
    return None


def _promoted(before: RolloutState, now: RolloutState) -> Progress:
    if elsewhere := _elsewhere(before, now):
        return elsewhere
    if now.stable != before.current:
        waits = "replicas of the new version" if now.promoting else NOT_YET
        return _pending(now, f"{before.current} is not stable yet: waiting for {waits}" if now.promoting else waits)
    if now.unverified:
        return _pending(now, f"{now.current} is stable; {UNVERIFIED}")
    weight = now.observed().get(now.current)
    if weight is not None and weight < 100.0 - WEIGHT_TOLERANCE and now.routed:
        return _pending(now, f"{now.current} is stable and gets {short(weight)} %")
    return Settled(f"{now.current} is stable")


def _advanced(before: RolloutState, now: RolloutState) -> Progress:
    if elsewhere := _elsewhere(before, now):
        return elsewhere
    if now.stable == before.current and now.unverified:
        return _pending(now, f"all steps are done; {UNVERIFIED}")
    if now.stable == before.current:
        return Settled(f"all steps are done: {now.current} is stable")
    if now.blue_green:
        return _pending(now, f"{now.current} is not active yet" if not now.pauses else NOT_YET)
    if now.index <= before.index:
        return _pending(now, NOT_YET if now.pauses else f"leaving {now.place}")
    if not now.holding:
        return _pending(now, now.place)
    if kind_of(now.step) == "pause" and not (now.pauses or now.held):
        return _pending(now, now.place)
    return _at_weight(now)


def _at_weight(now: RolloutState) -> Progress:
    """The progress at a step that holds: whether the router has the weight of the step. Without a router the replicas
    give the weight only roughly, and the controller has already waited for them."""
    desired, observed = now.desired().get(now.current), now.observed().get(now.current)
    if now.routed and (observed is None or desired is None or abs(observed - desired) > WEIGHT_TOLERANCE):
        if now.unverified:
            return _pending(now, f"{now.place}; {UNVERIFIED}")
        got = "?" if observed is None else short(observed)
        return _pending(now, f"{now.place}; the router reports {got} % of {short(desired or 0.0)} %")
    return Settled(f"at {now.place}" + (f", {short(observed)} %" if observed is not None else ""))


def _paused(before: RolloutState, now: RolloutState, *, wanted: bool) -> Progress:
    if now.held is not wanted:
        if now.matters()["/metadata/generation"] == before.matters()["/metadata/generation"]:
            return Pending("the API server does not show it yet")
        return Diverged("it is not paused any more" if wanted else "it is paused again")
    if not now.seen:
        return _pending(now, NOT_YET)
    return Settled("paused" + (f" at {now.place}" if now.place else "") if wanted else now.place or "it goes on")


def _aborted(before: RolloutState, now: RolloutState) -> Progress:
    if now.current != before.current:
        return Diverged(f"the rollout is now of {now.current or '?'}, not of {before.current}")
    if now.stable == before.current:
        return Diverged(f"{now.stable} became stable before the abort reached it")
    if not now.aborted:
        return _pending(now, NOT_YET)
    weight = now.observed().get(now.current)
    if now.phase != "Degraded" or weight is None or weight > WEIGHT_TOLERANCE:
        got = "" if weight is None else f": {now.current} still gets {short(weight)} %"
        got = f": {UNVERIFIED}" if now.unverified else got
        return _pending(now, f"traffic goes back to {now.stable}{got}", stuck=False)
    back = now.revision_of_hash(now.stable)
    undo = f"; roll back to revision {back} to prevent that" if back else ""
    return Settled(
        f"all traffic is on {now.stable}, but the spec still asks for {now.current}: "
        f"the next sync will deploy it again{undo}"
    )


def _retried(before: RolloutState, now: RolloutState) -> Progress:
    if now.current != before.current:
        return Diverged(f"the rollout is now of {now.current or '?'}, not of {before.current}")
    if now.aborted or now.phase == "Degraded":
        return _pending(now, NOT_YET, stuck=False)
    return Settled("begun again" + (f", {now.place}" if now.place else ""))


def _undone(before: RolloutState, now: RolloutState, revision: str) -> Progress:
    target = before.hash_of_revision(revision)
    if now.current == before.current:
        if (
            now.matters()["/metadata/generation"] == before.matters()["/metadata/generation"]
            and before.workload is None
        ):
            return Pending("the API server does not show it yet")
        return _pending(now, NOT_YET, stuck=False)
    if now.current != target:
        return Diverged(f"the rollout is now of {now.current or '?'}, not of {target}")
    if now.aborted:
        return _elsewhere(now, now) or Diverged("it was aborted")
    if now.stable == target:
        weight = now.observed().get(target)
        if weight is None or weight < 100.0 - WEIGHT_TOLERANCE:
            return _pending(now, f"{target} gets {'?' if weight is None else short(weight)} %")
        return Settled(f"{target} is stable and gets all the traffic")
    if "BlueGreenPause" in now.pauses:
        return Settled(f"{target} is up and waits for its promotion; {now.active} still gets the traffic")
    if not now.holding or now.blue_green:
        return _pending(now, f"{target}: {now.place}" if now.place else f"{target} is being rolled out")
    arrived = _at_weight(now)
    if isinstance(arrived, Settled):
        kind = step_words(now.step)
        return Settled(f"{target} {arrived.message}: it waits there ({kind}); advance it, or promote it in full")
    return arrived


def _pending(now: RolloutState, words: str, *, stuck: bool = True) -> Pending:
    """``stuck``: if the rollout is degraded, the change will not complete by itself."""
    progressing = conditions(now.rollout).get("Progressing")
    if stuck and now.phase == "Degraded":
        why = text(now.rollout, "status", "message") or (progressing.message if progressing else "")
        return Pending(f"{words}; degraded" + (f": {why}" if why else ""), stalled=True)
    return Pending(words)
