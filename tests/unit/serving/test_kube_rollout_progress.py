"""Argo Rollouts: what the operator is told while a change is on its way, and before it is made."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import (
    Abort,
    Action,
    Advance,
    Change,
    Diverged,
    Pending,
    Progress,
    Promote,
    Resume,
    Retry,
    Rollback,
    Settled,
)
from tests.unit.kube_rollouts import ABORTED, HISTORY, NEW, OLD, OLDER, RUNNING, STABLE, SYSTEM, read, weights

UNROUTED: dict[str, Any] = {"trafficRouting": {}}
DONE: dict[str, Any] = {**STABLE, "currentPodHash": NEW, "stableRS": NEW, "canary": {}}
NOT_SHOWN = Pending("the API server does not show it yet")
NOT_SEEN = Pending("the controller has not seen it yet")


def router(old: int, new: int) -> dict[str, Any]:
    """What the router does once the new version is the stable one."""
    return {
        "weights": {
            "canary": {"weight": old, "podTemplateHash": OLD},
            "stable": {"weight": new, "podTemplateHash": NEW},
        }
    }


@pytest.mark.parametrize(
    ("change", "now", "expected"),
    [
        pytest.param(Advance(), {}, NOT_SEEN, id="not seen"),
        pytest.param(
            Advance(), {"pauseConditions": None}, Pending("leaving step 2 of 6: pause until advanced"), id="leaving"
        ),
        pytest.param(
            Advance(),
            {"currentStepIndex": 2, "pauseConditions": None, "phase": "Progressing"},
            Pending("step 3 of 6: weight 25 %"),
            id="at a step that does not hold",
        ),
        pytest.param(
            Advance(),
            {**RUNNING, "canary": weights(10, 90)},
            Pending("step 4 of 6: analysis success-rate; the router reports 10 % of 25 %"),
            id="the router is behind",
        ),
        pytest.param(
            Advance(),
            {**RUNNING, "canary": {}},
            Pending("step 4 of 6: analysis success-rate; the router reports ? % of 25 %"),
            id="the router tells nothing",
        ),
        pytest.param(
            Advance(),
            {"currentStepIndex": 5, "pauseConditions": None, "phase": "Progressing", "canary": weights(50, 50)},
            Pending("step 6 of 6: pause 10m"),
            id="at a pause that has not begun",
        ),
        pytest.param(Advance(), RUNNING, Settled("at step 4 of 6: analysis success-rate, 25 %"), id="there"),
        pytest.param(Advance(), DONE, Settled(f"all steps are done: {NEW} is stable"), id="to the end"),
        pytest.param(
            Advance(),
            ABORTED,
            Diverged("it was aborted: RolloutAborted: Rollout aborted update to revision 5"),
            id="aborted meanwhile",
        ),
        pytest.param(
            Advance(), {"currentPodHash": "9c9c9"}, Diverged(f"the rollout is now of 9c9c9, not of {NEW}"), id="pushed"
        ),
        pytest.param(Promote(NEW), {}, NOT_SEEN, id="promotion not seen"),
        pytest.param(
            Promote(NEW),
            {"promoteFull": True},
            Pending(f"{NEW} is not stable yet: waiting for replicas of the new version"),
            id="promoting",
        ),
        pytest.param(Promote(NEW), DONE, Settled(f"{NEW} is stable"), id="promoted"),
        pytest.param(
            Promote(NEW), {**DONE, "canary": router(60, 40)}, Pending(f"{NEW} is stable and gets 40 %"), id="routing"
        ),
        pytest.param(Abort(), {}, NOT_SEEN, id="abort not seen"),
        pytest.param(
            Abort(),
            {**ABORTED, "phase": "Progressing", "canary": weights(10, 90)},
            Pending(f"traffic goes back to {OLD}: {NEW} still gets 10 %"),
            id="going back",
        ),
        pytest.param(
            Abort(),
            {**ABORTED, "phase": None},
            Pending(f"traffic goes back to {OLD}: {NEW} still gets 0 %"),
            id="aborted, and no phase is told",
        ),
        pytest.param(
            Abort(), {**ABORTED, "canary": {}}, Pending(f"traffic goes back to {OLD}"), id="aborted, no weight is told"
        ),
        pytest.param(Abort(), DONE, Diverged(f"{NEW} became stable before the abort reached it"), id="too late"),
        pytest.param(
            Abort(), {"currentPodHash": None}, Diverged(f"the rollout is now of ?, not of {NEW}"), id="of nothing"
        ),
        pytest.param(Rollback("4"), {}, NOT_SHOWN, id="undo not shown"),
        pytest.param(Rollback("4"), STABLE, Settled(f"{OLD} is stable and gets all the traffic"), id="undone"),
        pytest.param(
            Rollback("4"),
            {**STABLE, "canary": {"weights": {"stable": {"weight": 40}}}},
            Pending(f"{OLD} gets 40 %"),
            id="undone, the router is behind",
        ),
        pytest.param(
            Rollback("4"),
            {**STABLE, "canary": {"weights": {"stable": {"weight": 100, "podTemplateHash": NEW}}}},
            Pending(f"{OLD} gets ? %"),
            id="undone, the router tells nothing of it",
        ),
        pytest.param(
            Rollback("4"),
            {"currentPodHash": "9c9c9"},
            Diverged(f"the rollout is now of 9c9c9, not of {OLD}"),
            id="other",
        ),
    ],
)
def test_what_is_told_on_the_way(change: Change, now: dict[str, Any], expected: Progress) -> None:
    assert SYSTEM.progress(read(), read(now), change) == expected


def test_an_undo_that_the_controller_has_not_seen_is_told_from_one_that_is_not_shown() -> None:
    assert SYSTEM.progress(read(), read(generation=6), Rollback("4")) == NOT_SEEN


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"currentStepIndex": 0, "pauseConditions": None}, f"{OLDER}: step 1 of 6: weight 10 %"),
        (
            {"currentStepIndex": 3, "pauseConditions": None},
            "step 4 of 6: analysis success-rate; the router reports 10 % of 25 %",
        ),
    ],
)
def test_an_undo_that_takes_its_steps_tells_at_which_it_is(status: dict[str, Any], words: str) -> None:
    told = {
        "canary": {"weight": 10, "podTemplateHash": OLDER},
        "stable": {"weight": 90, "podTemplateHash": OLD},
    }
    under_way = {"currentPodHash": OLDER, "stableRS": OLD, "phase": "Progressing", "canary": {"weights": told}}
    found = SYSTEM.progress(read(STABLE, sets=HISTORY), read({**under_way, **status}, sets=HISTORY), Rollback("3"))
    assert found == Pending(words)


def test_without_a_router_the_pods_give_the_weight_only_roughly() -> None:
    """Two of nine pods are 22 %, at a step of 25 %."""
    sets = {OLD: {"revision": 4, "replicas": 7}, NEW: {"revision": 5, "replicas": 2}}
    now = read({**RUNNING, "canary": {}}, canary=UNROUTED, sets=sets)
    found = SYSTEM.progress(read(canary=UNROUTED, sets=sets), now, Advance())
    assert found == Settled("at step 4 of 6: analysis success-rate, 22.2 %")


def test_a_resumed_rollout_says_where_it_goes_on() -> None:
    held = read(spec={"paused": True})
    found = SYSTEM.progress(held, read(RUNNING, generation=6), Resume())
    assert found == Settled("step 4 of 6: analysis success-rate")


def test_a_retry_tells_where_it_has_begun_again() -> None:
    again = {**RUNNING, "currentStepIndex": 0, "canary": weights(0, 100), "abort": False}
    assert SYSTEM.progress(read(ABORTED), read(again), Retry()) == Settled("begun again, step 1 of 6: weight 10 %")


# ── beforehand ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_while_it_is_promoted_in_full_nothing_takes_it_further() -> None:
    actions = read({"promoteFull": True}).actions
    for action in (Action.PROMOTE, Action.ADVANCE, Action.PAUSE, Action.ABORT):
        assert actions[action] == "it is being promoted in full", action
    assert actions[Action.ROLLBACK] is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, "no operator paused it, its own step did: advance takes it on"),
        (RUNNING, "it is not paused"),
        (STABLE, "it is not paused"),
    ],
)
def test_only_what_an_operator_paused_can_be_resumed(status: dict[str, Any], reason: str) -> None:
    assert read(status).actions[Action.RESUME] == reason
    assert read(status, spec={"paused": True}).actions[Action.RESUME] is None


def test_a_rollout_whose_newest_version_is_not_told_still_names_the_stable_one() -> None:
    assert read({"currentPodHash": None}).actions[Action.ABORT] == f"nothing is being rolled out: {OLD} is stable"


def test_a_weight_that_is_not_in_effect_yet_is_skipped_by_name() -> None:
    at_weight = read({"currentStepIndex": 2, "pauseConditions": None})
    assert SYSTEM.forecast(at_weight, Advance()).cautions == ("skips step 3 of 6: weight 25 %, before it is in effect",)
    assert SYSTEM.forecast(read(), Advance()).cautions == (), "a pause is there to be ended"
    timed = read({"currentStepIndex": 5, "pauseConditions": None})
    assert SYSTEM.forecast(timed, Advance()).cautions == ()


@pytest.mark.parametrize(
    ("automatic", "weights", "cautions"),
    [
        (False, {OLD: 100.0, OLDER: 0.0}, (f"brings {OLDER} up beside {OLD}, and waits for its promotion",)),
        (True, {OLD: 0.0, OLDER: 100.0}, ()),
    ],
)
def test_going_back_with_blue_and_green(automatic: bool, weights: dict[str, float], cautions: tuple[str, ...]) -> None:
    status = {**STABLE, "currentStepIndex": None, "canary": None, "blueGreen": {"activeSelector": OLD}}
    strategy = {"activeService": "sentiment", "autoPromotionEnabled": automatic}
    told = SYSTEM.forecast(read(status, blue_green=strategy, sets=HISTORY), Rollback("3"))
    assert (told.weights, told.cautions) == (weights, cautions)


@pytest.mark.parametrize("steps", [[], [{"setWeight": 10}, {"setWeight": 50}]])
def test_going_back_without_a_step_that_holds_is_at_once(steps: list[dict[str, Any]]) -> None:
    told = SYSTEM.forecast(read(STABLE, canary={"steps": steps}, sets=HISTORY), Rollback("3"))
    assert (told.weights, told.cautions) == ({OLD: 0.0, OLDER: 100.0}, ())
