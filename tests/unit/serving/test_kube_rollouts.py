"""Argo Rollouts: what is read of the published statuses."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import (
    Action,
    Advance,
    Endpoint,
    ModelRef,
    Phase,
    Role,
)
from backends.serving.rollout_state import ANALYSIS_RUN, ROLLOUT, step_words
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
    read,
    split,
    weights,
)

# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_canary_at_a_pause() -> None:
    endpoint = read()
    assert split(endpoint) == {OLD: (Role.STABLE, 90.0, 90.0), NEW: (Role.CANARY, 10.0, 10.0)}
    assert endpoint.phase is Phase.PAUSED
    assert "step 2 of 6: pause until advanced" in endpoint.message
    canary = endpoint.variant(NEW)
    assert canary is not None
    assert (canary.ready, canary.wanted, canary.model) == (4, 4, ModelRef("sentiment", "v8"))


def test_the_revisions_are_the_releases_and_stable_is_vouched_for() -> None:
    releases = {one.id: one for one in read().releases}
    assert list(releases) == ["5", "4"]
    assert releases["5"].current
    assert releases["5"].weights == {NEW: 100.0}, "a revision is what it leads to, whatever it gets now"
    assert (releases["4"].good, releases["4"].weights) == (True, {OLD: 100.0})
    assert releases["4"].note == "sentiment:v7"


@pytest.mark.parametrize(
    ("status", "canary", "expected"),
    [
        pytest.param({}, {}, (10.0, 10.0), id="reported"),
        pytest.param({"currentStepIndex": 2, "pauseConditions": None}, {}, (25.0, 10.0), id="router behind its step"),
        pytest.param({"currentStepIndex": None}, {}, (10.0, 10.0), id="no index is the first step"),
        pytest.param({"currentStepIndex": 6, "pauseConditions": None}, {}, (100.0, 10.0), id="all steps done"),
        pytest.param({"canary": {}}, {}, (10.0, None), id="weights not reported are not known"),
        pytest.param(
            {"canary": weights(100, 900)},
            {"steps": [{"setWeight": 100}, {"pause": {}}], "trafficRouting": {"maxTrafficWeight": 1000, "nginx": {}}},
            (10.0, 10.0),
            id="weights are parts of maxTrafficWeight",
        ),
        pytest.param({"promoteFull": True}, {}, (100.0, 10.0), id="promoted in full"),
        pytest.param(ABORTED, {}, (0.0, 0.0), id="aborted"),
    ],
)
def test_desired_and_observed_are_not_the_same(
    status: dict[str, Any], canary: dict[str, Any], expected: tuple[float, float | None]
) -> None:
    found = read(status, canary=canary).variant(NEW)
    assert found is not None
    assert (found.desired, found.observed) == expected


def test_without_a_router_the_share_is_that_of_the_ready_pods() -> None:
    sets = {OLD: {"revision": 4, "replicas": 9}, NEW: {"revision": 5, "replicas": 2, "ready": 1}}
    endpoint = read({"canary": {}}, canary={"trafficRouting": {}}, sets=sets)
    assert split(endpoint) == {OLD: (Role.STABLE, 90.0, 90.0), NEW: (Role.CANARY, 10.0, 10.0)}
    nobody = {OLD: {"revision": 4, "replicas": 0}, NEW: {"revision": 5, "replicas": 0}}
    endpoint = read({"canary": {}}, canary={"trafficRouting": {}}, sets=nobody)
    assert [one.observed for one in endpoint.variants] == [None, None], "no pod, no share"


def test_observed_generation_is_a_string_and_a_stale_status_is_not_believed() -> None:
    assert read({"observedGeneration": "5"}).phase is Phase.PAUSED
    stale = read({"observedGeneration": "4"})
    assert stale.phase is Phase.PROGRESSING
    assert "has not seen the newest spec" in stale.message
    assert read({"observedGeneration": "6b5d9f4c7"}).phase is Phase.PAUSED, "a hash, in old versions"


def test_a_steady_rollout_shows_what_it_could_go_back_to() -> None:
    endpoint = read(STABLE, sets=HISTORY)
    assert split(endpoint) == {OLD: (Role.STABLE, 100.0, 100.0), OLDER: (Role.IDLE, 0.0, 0.0)}
    assert endpoint.phase is Phase.STEADY
    assert endpoint.actions[Action.ROLLBACK] is None
    assert "nothing is being rolled out" in (endpoint.actions[Action.ADVANCE] or "")


def test_an_abort_leaves_the_spec_and_says_so_with_the_way_out() -> None:
    endpoint = read(ABORTED)
    assert endpoint.phase is Phase.DEGRADED
    assert "the next sync will deploy it again: roll back to revision 4" in endpoint.message
    assert split(endpoint)[NEW] == (Role.IDLE, 0.0, 0.0)
    assert endpoint.releases[0].good is False
    assert [action for action, reason in endpoint.actions.items() if reason is None] == [Action.RETRY, Action.ROLLBACK]


def test_why_an_analysis_failed_is_said() -> None:
    failed = {"name": "sentiment-7d4b9-5-3", "status": "Failed", "message": 'Metric "success-rate" assessed Failed'}
    endpoint = read({**ABORTED, "canary": weights(0, 100, currentStepAnalysisRunStatus=failed)})
    assert 'Metric "success-rate" assessed Failed' in endpoint.message


def test_a_running_analysis_is_named_with_what_it_has_measured() -> None:
    made = cluster(RUNNING)
    owner = [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "s", "uid": UID, "controller": True}]
    run = {"status": {"phase": "Running", "metricResults": [{"name": "success-rate", "count": 5, "failed": 1}]}}
    made.add(ANALYSIS_RUN, "sentiment-7d4b9-5-3", run, ownerReferences=owner)
    endpoint = only(SYSTEM, made)
    assert "sentiment-7d4b9-5-3 (5 measured, 1 failed) is running" in endpoint.message


def test_blue_green_is_all_or_nothing() -> None:
    status = {
        "currentStepIndex": None,
        "canary": None,
        "blueGreen": {"activeSelector": OLD, "previewSelector": NEW},
        "pauseConditions": [{"reason": "BlueGreenPause", "startTime": "2026-07-29T03:00:00Z"}],
    }
    endpoint = read(status, blue_green={"activeService": "sentiment", "autoPromotionEnabled": False})
    assert split(endpoint) == {OLD: (Role.STABLE, 100.0, 100.0), NEW: (Role.CANARY, 0.0, 0.0)}
    assert f"{NEW} is up and waits for its promotion" in endpoint.message
    assert endpoint.actions[Action.ADVANCE] is None
    (call,) = SYSTEM.compile(endpoint, Advance())
    assert changes(call) == [{"op": "remove", "path": "/status/pauseConditions"}]
    assert SYSTEM.forecast(endpoint, Advance()).weights == {OLD: 0.0, NEW: 100.0}


def test_traffic_that_a_step_mirrors() -> None:
    steps = [{"setMirrorRoute": {"name": "m", "match": [{}], "percentage": 35}}, {"pause": {}}]
    endpoint = read(canary={"steps": steps})
    assert [one.mirror for one in endpoint.variants] == [None, 35.0]
    over = [*steps, {"setMirrorRoute": {"name": "m"}}, {"pause": {}}]
    assert [one.mirror for one in read({"currentStepIndex": 3}, canary={"steps": over}).variants] == [None, None]


def test_the_first_rollout_has_nothing_to_go_back_to() -> None:
    endpoint = read({"stableRS": None, "phase": "Progressing"}, sets={NEW: {"revision": 1}})
    assert {reason is None for reason in endpoint.actions.values()} == {False}
    assert [one.role for one in endpoint.variants] == [Role.STABLE]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"setWeight": 25}, "weight 25 %"),
        ({"pause": {}}, "pause until advanced"),
        ({"pause": {"duration": "10m"}}, "pause 10m"),
        ({"pause": {"duration": 30}}, "pause 30s"),
        ({"analysis": {"templates": [{"templateName": "a"}, {"templateName": "b"}]}}, "analysis a, b"),
        ({"setCanaryScale": {"replicas": 2}}, "scale the canary"),
        ({"plugin": {"name": "acme/gate"}}, "plugin acme/gate"),
        ({"somethingNew": {}}, "somethingNew"),
        ({}, "nothing"),
    ],
)
def test_steps_in_words(step: dict[str, Any], words: str) -> None:
    assert step_words(step) == words


@pytest.mark.parametrize(
    "broken",
    [
        {"spec": None, "status": None},
        {
            "spec": {"strategy": {"canary": {"steps": "many"}}},
            "status": {"currentStepIndex": "x", "pauseConditions": 3},
        },
        {"spec": [], "status": {"canary": {"weights": {"canary": [], "additional": "all"}}, "currentPodHash": NEW}},
    ],
)
def test_a_status_of_another_shape_breaks_nothing(broken: dict[str, Any]) -> None:
    endpoint = only(SYSTEM, Cluster().add(ROLLOUT, "odd", broken, uid="odd"))
    assert endpoint.phase is Phase.UNKNOWN


# ── releases that were left ─────────────────────────────────────────────────────────────────────────────────────

RETURNED = {
    OLDER: {"revision": 3, "replicas": 0, "tag": "v6"},
    NEW: {"revision": 5, "replicas": 0, "tag": "broken"},
    OLD: {"revision": 6, "tag": "v7", "history": "4", "day": 4},
}


def releases(endpoint: Endpoint) -> list[tuple[str, bool | None, str]]:
    return [(one.id, one.good, one.why) for one in endpoint.releases]


def test_a_revision_that_was_rolled_back_from_is_known_although_it_is_numbered_below_the_stable_one() -> None:
    endpoint = read(STABLE, sets=RETURNED)
    assert releases(endpoint) == [("6", True, ""), ("5", False, "was rolled back from, to revision 6"), ("3", None, "")]
    assert [one.name for one in endpoint.variants] == [OLD, OLDER], "the one to go back to is shown, not the bad one"


def test_while_a_rollback_goes_through_its_steps_the_stable_version_is_the_bad_one() -> None:
    endpoint = read({"currentPodHash": OLD, "stableRS": NEW}, sets=RETURNED)
    assert releases(endpoint)[:2] == [("6", None, ""), ("5", False, "was rolled back from, to revision 6")]


def test_once_that_rollback_was_aborted_the_stable_version_is_what_there_is() -> None:
    endpoint = read({**ABORTED, "currentPodHash": OLD, "stableRS": NEW}, sets=RETURNED)
    assert releases(endpoint)[:2] == [("6", False, "was aborted"), ("5", True, "")]


def test_a_version_whose_analysis_failed_stays_known_when_the_next_one_is_rolled_out() -> None:
    sets = {**HISTORY, "0ff00": {"revision": 5, "replicas": 0, "tag": "v8"}, NEW: {"revision": 6, "tag": "v9"}}
    run: dict[str, Any] = {
        "metadata": {
            "labels": {"rollouts-pod-template-hash": "0ff00"},
            "ownerReferences": [
                {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "s", "uid": UID, "controller": True}
            ],
        },
        "status": {"phase": "Failed"},
    }
    made = cluster(sets=sets).add(ANALYSIS_RUN, "sentiment-0ff00-5-3", run, **run["metadata"])
    assert ("5", False, "was given up: analysis sentiment-0ff00-5-3 Failed") in releases(only(SYSTEM, made))
