"""Argo Rollouts: the patches that are made, what is said of them beforehand, and when a change is done."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest

from backends.contracts import (
    Abort,
    Action,
    Advance,
    Change,
    Diverged,
    Endpoint,
    Pause,
    Pending,
    Promote,
    Resume,
    Retry,
    Rollback,
    Settled,
    Split,
)
from backends.errors import Rejected, Unsupported
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.serving.rollout_state import ROLLOUT
from tests.unit.kube_objects import Cluster, only
from tests.unit.kube_rollouts import (
    ABORTED,
    HISTORY,
    NEW,
    OLD,
    OLDER,
    RUNNING,
    STABLE,
    SYSTEM,
    UID,
    changes,
    cluster,
    expectations,
    read,
    replica_set,
    weights,
)

# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────


INCONCLUSIVE = {
    "currentStepIndex": 3,
    "pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": "2026-07-29T03:00:00Z"}],
}


@pytest.mark.parametrize(
    ("status", "change", "expected", "command"),
    [
        (
            {},
            Advance(),
            [("status", "remove", "/status/pauseConditions", None)],
            "kubectl argo rollouts promote sentiment -n prod",
        ),
        (
            RUNNING,
            Advance(),
            [("status", "add", "/status/currentStepIndex", 4)],
            "kubectl argo rollouts promote sentiment -n prod",
        ),
        (
            INCONCLUSIVE,
            Advance(),
            [
                ("status", "remove", "/status/pauseConditions", None),
                ("status", "add", "/status/currentStepIndex", 4),
                ("status", "add", "/status/controllerPause", False),
            ],
            "kubectl argo rollouts promote sentiment -n prod",
        ),
        (
            {},
            Advance(full=True),
            [("status", "add", "/status/promoteFull", True)],
            "kubectl argo rollouts promote sentiment -n prod --full",
        ),
        (
            {},
            Promote(NEW),
            [("status", "add", "/status/promoteFull", True)],
            "kubectl argo rollouts promote sentiment -n prod --full",
        ),
        (
            {},
            Abort(),
            [("status", "add", "/status/abort", True)],
            "kubectl argo rollouts abort sentiment -n prod",
        ),
        (
            ABORTED,
            Retry(),
            [("status", "replace", "/status/abort", False)],
            "kubectl argo rollouts retry rollout sentiment -n prod",
        ),
        ({}, Pause(), [("", "add", "/spec/paused", True)], "kubectl argo rollouts pause sentiment -n prod"),
    ],
)
def test_the_calls_are_those_of_the_plugin(
    status: dict[str, Any], change: Change, expected: list[tuple[str, str, str, object]], command: str
) -> None:
    (call,) = SYSTEM.compile(read(status), change)
    where = "status" if "/status?" in call.path else ""
    assert [(where, one["op"], one["path"], one.get("value")) for one in changes(call)] == expected
    assert call.command == command
    assert call.method == "PATCH"
    assert call.guard


def test_an_operators_pause_ends_with_the_step_that_is_taken() -> None:
    endpoint = read(spec={"paused": True})
    first, second = SYSTEM.compile(endpoint, Advance())
    assert changes(first) == [{"op": "remove", "path": "/status/pauseConditions"}]
    assert changes(second) == [{"op": "replace", "path": "/spec/paused", "value": False}]
    tested = {"/metadata/uid": UID, "/metadata/generation": 5, "/metadata/annotations": None}
    assert expectations(second) == tested, "the first call moved the status"
    (resume,) = SYSTEM.compile(endpoint, Resume())
    assert changes(resume) == [{"op": "replace", "path": "/spec/paused", "value": False}]


def test_a_patch_tests_what_it_rests_on_and_not_what_the_controller_counts() -> None:
    made = cluster({"abort": None})
    (call,) = SYSTEM.compile(only(SYSTEM, made), Abort())
    tested = expectations(call)
    assert tested["/metadata/generation"] == 5
    assert tested["/status/currentStepIndex"] == 1
    assert tested["/status/abort"] is None
    assert not any("eplicas" in path or "resourceVersion" in path for path in tested)
    busy = cluster({"abort": None, "availableReplicas": 3, "readyReplicas": 3})
    assert only(SYSTEM, busy).revision == only(SYSTEM, made).revision
    moved = cluster({"currentStepIndex": 2, "pauseConditions": None})
    assert only(SYSTEM, moved).revision != only(SYSTEM, made).revision


def test_undo_puts_the_template_back_without_the_controllers_label() -> None:
    (call,) = SYSTEM.compile(read(), Rollback("4"))
    (change,) = changes(call)
    assert (change["op"], change["path"]) == ("replace", "/spec/template")
    assert change["value"]["metadata"] == {"labels": {"app": "sentiment"}}
    assert change["value"]["spec"]["containers"][0]["image"] == "registry.example/sentiment:v7"
    assert call.command == "kubectl argo rollouts undo sentiment -n prod --to-revision=4"
    assert "rollouts-pod-template-hash" in str(replica_set(OLD, 4)), "and what was read is left as it was"


def test_undo_of_a_referenced_workload_patches_the_deployment() -> None:
    ref = {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "sentiment-app"}}
    made = cluster(spec=ref)
    assert "cannot be read" in (only(SYSTEM, made).actions[Action.ROLLBACK] or "")
    made.add(DEPLOYMENT, "sentiment-app", {"spec": {"template": {}}}, uid="d")
    endpoint = only(SYSTEM, made)
    (call,) = SYSTEM.compile(endpoint, Rollback("4"))
    assert call.path.startswith("/apis/apps/v1/namespaces/prod/deployments/sentiment-app")
    assert expectations(call) == {"/metadata/uid": "d", "/metadata/generation": 3, "/metadata/annotations": None}
    (need,) = SYSTEM.needs(endpoint, Action.ROLLBACK)
    assert need.resource == "deployments.apps"


@pytest.mark.parametrize(
    ("status", "change", "why"),
    [
        ({}, Rollback("9"), "no revision 9"),
        ({}, Rollback("5"), "already"),
        ({}, Promote(OLD), "only 7d4b9"),
        ({}, Retry(), "was not aborted"),
        ({}, Resume(), "advance takes it on"),
        (ABORTED, Advance(), "it was aborted"),
        (ABORTED, Abort(), "aborted already"),
        (STABLE, Abort(), "nothing is being rolled out"),
        (STABLE, Promote(NEW), "nothing is being rolled out"),
    ],
)
def test_what_cannot_be_done_has_a_reason(status: dict[str, Any], change: Change, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        SYSTEM.compile(read(status), change)


def test_there_is_no_weight_to_set() -> None:
    endpoint = read()
    assert Action.SHIFT not in endpoint.actions
    assert Action.MIRROR not in endpoint.actions
    with pytest.raises(Unsupported):
        SYSTEM.compile(endpoint, Split({OLD: 80.0, NEW: 20.0}))


@pytest.mark.parametrize(
    ("action", "needs"),
    [
        (Action.ADVANCE, ["rollouts.argoproj.io/status"]),
        (Action.PAUSE, ["rollouts.argoproj.io"]),
        (Action.ABORT, ["rollouts.argoproj.io/status"]),
        (Action.ROLLBACK, ["rollouts.argoproj.io"]),
    ],
)
def test_the_permissions_that_are_needed(action: Action, needs: list[str]) -> None:
    assert [need.resource for need in SYSTEM.needs(read(), action)] == needs


# ── forecasts ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "change", "expected"),
    [
        ({}, Advance(), {OLD: 75.0, NEW: 25.0}),
        (RUNNING, Advance(), {OLD: 50.0, NEW: 50.0}),
        ({"currentStepIndex": 5}, Advance(), {OLD: 0.0, NEW: 100.0}),
        ({}, Promote(NEW), {OLD: 0.0, NEW: 100.0}),
        ({}, Abort(), {OLD: 100.0, NEW: 0.0}),
        ({}, Pause(), {OLD: 90.0, NEW: 10.0}),
        (ABORTED, Retry(), None),
        ({}, Rollback("4"), {OLD: 100.0, NEW: 0.0}),
    ],
)
def test_where_it_will_hold_next(status: dict[str, Any], change: Change, expected: dict[str, float] | None) -> None:
    assert SYSTEM.forecast(read(status), change).weights == expected


def test_a_promotion_during_an_analysis_names_what_it_skips() -> None:
    endpoint = read(RUNNING)
    for change in (Promote(NEW), Advance(full=True), Advance()):
        (caution,) = SYSTEM.forecast(endpoint, change).cautions
        assert "skips step 4 of 6: analysis success-rate" in caution
        assert "sentiment-7d4b9-5-3 is running" in caution
    assert SYSTEM.forecast(endpoint, Promote(NEW)).undo == Rollback("4")
    (ahead,) = SYSTEM.forecast(read(), Promote(NEW)).cautions
    assert "skips 1 of the steps that judge it: analysis success-rate" in ahead


def test_an_abort_says_beforehand_that_the_spec_stays() -> None:
    (caution,) = SYSTEM.forecast(read(), Abort()).cautions
    assert "the next sync will deploy it again: roll back to revision 4" in caution


def test_a_retry_tells_beforehand_that_it_begins_at_the_first_step() -> None:
    assert SYSTEM.forecast(read(ABORTED), Retry()).cautions == ("begins again at step 1 of 6",)
    assert SYSTEM.forecast(read(ABORTED, canary={"steps": []}), Retry()).cautions == ()


def test_going_back_to_what_is_not_stable_is_a_rollout_of_its_own() -> None:
    endpoint = read(STABLE, sets=HISTORY)
    told = SYSTEM.forecast(endpoint, Rollback("3"))
    assert told.weights == {OLD: 90.0, OLDER: 10.0}
    assert "it stays at 10 % (step 2, pause until advanced)" in told.cautions[0]


@pytest.mark.parametrize(("window", "at_once"), [(1, True), (2, True), (0, False)])
def test_within_the_rollback_window_the_steps_are_skipped(window: int, at_once: bool) -> None:
    spec = {"rollbackWindow": {"revisions": window}} if window else {}
    told = SYSTEM.forecast(read(STABLE, sets=HISTORY, spec=spec), Rollback("3"))
    assert (told.weights == {OLD: 0.0, OLDER: 100.0}) is at_once


# ── how far it is ───────────────────────────────────────────────────────────────────────────────────────────────

DONE: dict[str, Any] = {
    **STABLE,
    "currentPodHash": NEW,
    "stableRS": NEW,
    "canary": {"weights": {"stable": {"weight": 100}}},
}
RETRIED: dict[str, Any] = {**RUNNING, "currentStepIndex": 0, "canary": weights(0, 100), "abort": False}


@pytest.mark.parametrize(
    ("before", "change", "now", "expected"),
    [
        pytest.param({}, Advance(), {}, Pending, id="not seen yet"),
        pytest.param({}, Advance(), {"pauseConditions": None}, Pending, id="pause lifted, step not left"),
        pytest.param(
            {},
            Advance(),
            {"currentStepIndex": 2, "pauseConditions": None, "phase": "Progressing"},
            Pending,
            id="at setWeight",
        ),
        pytest.param({}, Advance(), {**RUNNING, "canary": weights(10, 90)}, Pending, id="router behind"),
        pytest.param({}, Advance(), RUNNING, Settled, id="holding at the analysis"),
        pytest.param({}, Advance(), DONE, Settled, id="went to its end"),
        pytest.param({}, Advance(), ABORTED, Diverged, id="the analysis aborted it"),
        pytest.param({}, Advance(), {"currentPodHash": "9c9c9"}, Diverged, id="another version was pushed"),
        pytest.param({}, Promote(NEW), {"promoteFull": True}, Pending, id="promoting"),
        pytest.param({}, Promote(NEW), DONE, Settled, id="promoted"),
        pytest.param({}, Promote(NEW), ABORTED, Diverged, id="aborted instead of promoted"),
        pytest.param({}, Abort(), {}, Pending, id="abort not seen"),
        pytest.param(
            {}, Abort(), {**ABORTED, "phase": "Paused", "canary": weights(10, 90)}, Pending, id="traffic still there"
        ),
        pytest.param(
            {}, Abort(), {**ABORTED, "canary": weights(5, 95)}, Pending, id="stepwise, with dynamicStableScale"
        ),
        pytest.param({}, Abort(), ABORTED, Settled, id="aborted"),
        pytest.param({}, Abort(), DONE, Diverged, id="promoted before the abort"),
        pytest.param(ABORTED, Retry(), {**ABORTED, "abort": False}, Pending, id="retry not seen"),
        pytest.param(ABORTED, Retry(), RETRIED, Settled, id="begun again"),
        pytest.param({}, Rollback("4"), {}, Pending, id="undo not seen"),
        pytest.param({}, Rollback("4"), STABLE, Settled, id="back to stable"),
        pytest.param({}, Rollback("4"), DONE, Pending, id="old status"),
        pytest.param({}, Rollback("4"), {"currentPodHash": "9c9c9"}, Diverged, id="somebody pushed another"),
    ],
)
def test_progress(before: dict[str, Any], change: Change, now: dict[str, Any], expected: type) -> None:
    assert type(SYSTEM.progress(read(before), read(now), change)) is expected


def test_a_pause_is_done_when_the_controller_has_seen_it() -> None:
    before = read()
    unseen = read({"observedGeneration": "5"}, spec={"paused": True}, generation=6)
    assert isinstance(SYSTEM.progress(before, before, Pause()), Pending)
    assert isinstance(SYSTEM.progress(before, read(spec={"paused": True}, generation=6), Pause()), Settled)
    assert isinstance(SYSTEM.progress(before, replaced(unseen, "5"), Pause()), Pending)
    assert isinstance(SYSTEM.progress(before, read(generation=7), Pause()), Diverged)
    held = read(spec={"paused": True})
    assert isinstance(SYSTEM.progress(held, read(generation=6), Resume()), Settled)


def replaced(endpoint: Endpoint, observed: str) -> Endpoint:
    """The same, with a status of an older generation."""
    state = cast("Any", endpoint.native["state"])
    rollout = copy.deepcopy(state.rollout)
    rollout["status"]["observedGeneration"] = observed
    made = Cluster()
    made.kinds = {ROLLOUT: {("prod", "sentiment"): rollout}}
    return only(SYSTEM, made)


def test_an_abort_that_is_done_says_what_is_left_to_do() -> None:
    done = SYSTEM.progress(read(), read(ABORTED), Abort())
    assert isinstance(done, Settled)
    assert "the next sync will deploy it again; roll back to revision 4" in done.message


def test_a_promotion_is_not_done_before_the_router_gives_it_all_the_traffic() -> None:
    """The controller calls the new version stable before the router has followed."""
    lagging = {"stable": {"weight": 40, "podTemplateHash": NEW}, "canary": {"weight": 60, "podTemplateHash": OLD}}
    behind = read({**DONE, "canary": {"weights": lagging}})
    for change in (Promote(NEW), Advance(full=True)):
        assert SYSTEM.progress(read(), behind, change) == Pending(f"{NEW} is stable and gets 40 %")
        assert isinstance(SYSTEM.progress(read(), read(DONE), change), Settled)


def test_a_degraded_rollout_is_stalled() -> None:
    stuck = {**RUNNING, "currentStepIndex": 2, "phase": "Degraded", "message": "ProgressDeadlineExceeded: timed out"}
    found = SYSTEM.progress(read(), read(stuck), Advance())
    assert isinstance(found, Pending)
    assert found.stalled
    assert "timed out" in found.message


def test_an_undo_that_waits_at_a_step_says_what_takes_it_on() -> None:
    before = read(STABLE, sets=HISTORY)
    paused = {
        "currentPodHash": OLDER,
        "stableRS": OLD,
        "canary": {
            "weights": {
                "canary": {"weight": 10, "podTemplateHash": OLDER},
                "stable": {"weight": 90, "podTemplateHash": OLD},
            }
        },
    }
    found = SYSTEM.progress(before, read(paused, sets=HISTORY), Rollback("3"))
    assert isinstance(found, Settled)
    assert "it waits there (pause until advanced); advance it, or promote it in full" in found.message


@pytest.mark.parametrize(
    ("status", "change"), [({}, Advance()), (ABORTED, Retry()), ({"pauseConditions": None}, Resume())]
)
def test_a_step_names_the_version_that_it_brings_forward(status: dict[str, Any], change: Change) -> None:
    """After an abort too, when that version is idle."""
    found = SYSTEM.forecast(read(status, spec={"paused": isinstance(change, Resume)}), change).deploys
    assert found is not None
    assert (found.name, found.image) == (NEW, "registry.example/sentiment:v8")
