"""Plain Deployments: revisions of one, and canaries of several by replica ratio."""

from __future__ import annotations

from typing import Any, cast

import pytest

from backends.contracts import (
    Action,
    Call,
    Change,
    Diverged,
    Endpoint,
    ModelRef,
    Pause,
    Pending,
    Phase,
    Promote,
    Resume,
    Role,
    Rollback,
    Settled,
    Split,
    Unpin,
)
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import DEPLOYMENT, REPLICA_SET, SERVICE
from backends.serving.autoscalers import HPA
from backends.serving.deployment import Deployments, DeploymentServing
from backends.serving.workloads import model_of
from tests.unit.kube_objects import Cluster, only

SYSTEM = Deployments()


def template(tag: str, *, pod_hash: str = "", **labels: str) -> dict[str, Any]:
    carried = {"app": "churn", **labels, **({"pod-template-hash": pod_hash} if pod_hash else {})}
    container = {"name": "model", "image": f"registry.example/churn:{tag}"}
    return {"metadata": {"creationTimestamp": None, "labels": carried}, "spec": {"containers": [container]}}


def deployment(
    tag: str = "v3",
    replicas: int = 4,
    *,
    ready: int | None = None,
    updated: int | None = None,
    total: int | None = None,
    observed: int = 3,
    paused: bool = False,
    conditions: list[dict[str, Any]] | None = None,
    **labels: str,
) -> dict[str, Any]:
    up = replicas if ready is None else ready
    status = {
        "observedGeneration": observed,
        "replicas": replicas if total is None else total,
        "updatedReplicas": replicas if updated is None else updated,
        "readyReplicas": up,
        "availableReplicas": up,
        "conditions": conditions or [],
    }
    spec: dict[str, Any] = {"replicas": replicas, "template": template(tag, **labels)}
    return {"spec": {**spec, "paused": True} if paused else spec, "status": {k: v for k, v in status.items() if v != 0}}


def replica_set(tag: str, revision: int, pod_hash: str, replicas: int, ready: int | None = None) -> dict[str, Any]:
    labels = {"app": "churn", "pod-template-hash": pod_hash}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "churn", "uid": "churn-uid", "controller": True}
    up = replicas if ready is None else ready
    return {
        "metadata": {
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [owner],
        },
        "spec": {"replicas": replicas, "template": template(tag, pod_hash=pod_hash)},
        "status": {"readyReplicas": up} if up else {},
    }


def again(one: dict[str, Any], history: str = "", created: str = "") -> dict[str, Any]:
    """The ReplicaSet with the revisions that it had before, and with when it was created."""
    annotations = one["metadata"]["annotations"]
    more = {"deployment.kubernetes.io/revision-history": history} if history else {}
    stamp = {"creationTimestamp": created} if created else {}
    return {**one, "metadata": {**one["metadata"], **stamp, "annotations": {**annotations, **more}}}


def single(*sets: dict[str, Any], revision: int = 2, cause: str = "", **how: Any) -> Endpoint:
    annotations = {"deployment.kubernetes.io/revision": str(revision)}
    annotations |= {"kubernetes.io/change-cause": cause} if cause else {}
    made = Cluster()
    generation = how.pop("generation", 3)
    made.add(DEPLOYMENT, "churn", deployment(**how), uid="churn-uid", annotations=annotations, generation=generation)
    for one in sets or (replica_set("v2", 1, "aaa", 0), replica_set("v3", 2, "bbb", 4)):
        made.add(REPLICA_SET, f"churn-{one['metadata']['labels']['pod-template-hash']}", one, **one["metadata"])
    return only(SYSTEM, made)


def operations(call: Call) -> list[dict[str, Any]]:
    assert isinstance(call.body, list)
    return cast("list[dict[str, Any]]", call.body)


def split(endpoint: Endpoint) -> dict[str, tuple[Role, float | None, float | None]]:
    return {one.name: (one.role, one.desired, one.observed) for one in endpoint.variants}


# ── one Deployment ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_deployment_and_what_it_could_go_back_to() -> None:
    endpoint = single()
    assert split(endpoint) == {"bbb": (Role.STABLE, 100.0, 100.0), "aaa": (Role.IDLE, 0.0, 0.0)}
    assert endpoint.phase is Phase.STEADY
    assert [(one.id, one.current, one.good) for one in endpoint.releases] == [("2", True, True), ("1", False, None)]
    assert endpoint.variants[0].model == ModelRef("churn", "v3")
    assert "one Deployment" in (endpoint.actions[Action.SHIFT] or "")


def test_a_rolling_update_is_a_canary_while_it_lasts() -> None:
    sets = replica_set("v2", 1, "aaa", 3), replica_set("v3", 2, "bbb", 2, 1)
    endpoint = single(*sets, updated=2, total=5, ready=4)
    assert split(endpoint) == {"aaa": (Role.STABLE, 0.0, 75.0), "bbb": (Role.CANARY, 100.0, 25.0)}
    assert endpoint.phase is Phase.PROGRESSING
    assert "2 of 4 pods are of the newest revision" in endpoint.message


def test_an_update_that_is_stuck_is_degraded_and_no_good_release() -> None:
    stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "has timed out"}
    sets = replica_set("v2", 1, "aaa", 3), replica_set("v3", 2, "bbb", 2, 0)
    endpoint = single(*sets, updated=2, total=5, ready=3, conditions=[stuck])
    assert endpoint.phase is Phase.DEGRADED
    assert "has timed out" in endpoint.message
    assert endpoint.releases[0].good is False


def test_undo_is_the_earlier_template_under_a_test_of_this_one() -> None:
    endpoint = single(cause="deploy 42")
    (call,) = SYSTEM.compile(endpoint, Rollback("1"))
    uid, fence, tested, changed, cause = operations(call)
    assert uid == {"op": "test", "path": "/metadata/uid", "value": "churn-uid"}
    assert fence == {"op": "test", "path": "/metadata/annotations/shiftdeck.io~1fence", "value": None}
    assert tested["value"] == template("v3")
    assert changed["path"] == "/spec/template"
    assert changed["value"]["spec"]["containers"][0]["image"] == "registry.example/churn:v2"
    assert changed["value"]["metadata"] == {"labels": {"app": "churn"}}
    assert cause == {"op": "remove", "path": "/metadata/annotations/kubernetes.io~1change-cause"}
    assert call.command == "kubectl rollout undo deployment/churn -n prod --to-revision=1"
    assert SYSTEM.forecast(endpoint, Rollback("1")).weights == {"aaa": 100.0, "bbb": 0.0}


AVAILABLE = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
STAMPED = {**AVAILABLE, "lastUpdateTime": "2026-07-29T03:10:00Z"}
FIRST = again(replica_set("v1", 1, "000", 0), created="2026-07-01T08:00:00Z")


@pytest.mark.parametrize(
    ("back_to", "broken"),
    [
        (again(replica_set("v2", 4, "aaa", 4), history="2"), replica_set("broken", 3, "bbb", 0)),
        (
            again(replica_set("v2", 4, "aaa", 4), created="2026-07-02T08:00:00Z"),
            again(replica_set("broken", 3, "bbb", 0), created="2026-07-03T08:00:00Z"),
        ),
    ],
    ids=["by the history of revisions", "by the creation"],
)
def test_a_revision_that_somebody_went_back_from_is_known_although_it_is_numbered_below_the_current_one(
    back_to: dict[str, Any], broken: dict[str, Any]
) -> None:
    endpoint = single(FIRST, broken, back_to, revision=4, tag="v2", conditions=[STAMPED])
    assert [(one.id, one.good) for one in endpoint.releases] == [("4", True), ("3", False), ("1", None)]
    assert endpoint.releases[1].why == "was rolled back from, to revision 4"
    assert [one.name for one in endpoint.variants] == ["aaa", "000"], "the one to go back to is shown, not the bad one"
    assert endpoint.releases[0].returned_at == 1785294600.0
    assert endpoint.releases[1].image == "registry.example/churn:broken"


def test_a_version_that_was_deployed_again_after_a_way_back_leaves_the_older_one_to_go_back_to() -> None:
    older = again(replica_set("v2", 4, "aaa", 0), history="2")
    newer = again(replica_set("v3", 5, "bbb", 4), history="3")
    endpoint = single(older, newer, revision=5, conditions=[STAMPED])
    assert [(one.id, one.good) for one in endpoint.releases] == [("5", True), ("4", None)]
    assert endpoint.releases[0].returned_at is None


def test_resuming_names_the_version_that_waits_and_goes_forward_with_it() -> None:
    """The template was changed while the Deployment was paused: it has no ReplicaSet yet."""
    endpoint = single(paused=True, tag="v9")
    assert endpoint.message == "paused: registry.example/churn:v9 waits to be rolled out"
    found = SYSTEM.forecast(endpoint, Resume())
    assert found.deploys is not None
    assert (found.deploys.name, found.deploys.model) == ("churn:v9", ModelRef("churn", "v9"))
    assert found.cautions == ("rolls out registry.example/churn:v9 at once",)
    (call,) = SYSTEM.compile(endpoint, Resume())
    assert call.summary == "spec.paused true → false: rolls out registry.example/churn:v9"
    assert SYSTEM.forecast(single(paused=True), Resume()).deploys is None


def test_resuming_half_way_names_the_version_that_is_half_way() -> None:
    sets = replica_set("v2", 1, "aaa", 3), replica_set("v3", 2, "bbb", 1)
    found = SYSTEM.forecast(single(*sets, paused=True, updated=1), Resume()).deploys
    assert found is not None
    assert (found.name, found.image) == ("bbb", "registry.example/churn:v3")


def test_a_scale_up_is_no_other_revision() -> None:
    assert single().revision == single(replicas=6).revision
    assert single().revision != single(tag="v4").revision
    assert single().revision != single(paused=True).revision


@pytest.mark.parametrize(
    ("how", "change", "why"),
    [
        ({"paused": True}, Rollback("1"), "resume it first"),
        ({}, Rollback("2"), "current one"),
        ({}, Rollback("7"), "no revision 7"),
        ({}, Pause(), "nothing is being rolled out"),
        ({}, Resume(), "not paused"),
        ({}, Split({"aaa": 50.0, "bbb": 50.0}), "one Deployment"),
    ],
)
def test_what_cannot_be_done_to_one(how: dict[str, Any], change: Change, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        SYSTEM.compile(single(**how), change)


def test_pause_and_resume_are_those_of_kubectl() -> None:
    rolling = single(updated=1)
    (pause,) = SYSTEM.compile(rolling, Pause())
    assert operations(pause)[-1] == {"op": "add", "path": "/spec/paused", "value": True}
    (resume,) = SYSTEM.compile(single(paused=True), Resume())
    assert operations(resume)[-1] == {"op": "remove", "path": "/spec/paused"}


BACK = (replica_set("v2", 3, "aaa", 4), replica_set("v3", 2, "bbb", 0))
HALF = (replica_set("v2", 3, "aaa", 2), replica_set("v3", 2, "bbb", 3))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (single(), Pending),
        (single(*BACK, revision=3, tag="v2", generation=4, observed=4), Settled),
        (single(*HALF, revision=3, tag="v2", generation=4, observed=4, updated=2, total=5), Pending),
        (single(tag="v2", generation=4, observed=3), Pending),
        (single(tag="v9", generation=5, observed=5), Diverged),
    ],
    ids=["not there yet", "done, renumbered", "half way", "not seen", "another again"],
)
def test_progress_of_an_undo(now: Endpoint, expected: type) -> None:
    assert type(SYSTEM.progress(single(), now, Rollback("1"))) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"image": "registry:5000/team/churn:v3"}, ModelRef("churn", "v3")),
        ({"image": "registry:5000/team/churn"}, None),
        ({"image": "churn@sha256:abc"}, None),
        ({"image": "churn:v3@sha256:abc"}, ModelRef("churn", "v3")),
        ({"image": "server:2", "labels": {"model": "ranker", "version": "v9"}}, ModelRef("ranker", "v9")),
        (
            {"image": "server:2", "annotations": {"shiftdeck.io/model": "m", "shiftdeck.io/version": "7"}},
            ModelRef("m", "7"),
        ),
    ],
)
def test_what_a_template_serves(given: dict[str, Any], expected: ModelRef | None) -> None:
    metadata = {key: given[key] for key in ("labels", "annotations") if key in given}
    assert model_of({"metadata": metadata, "spec": {"containers": [{"image": given["image"]}]}}) == expected


def test_what_another_controller_owns_is_its_own_affair() -> None:
    owner = [{"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "uid": "x", "controller": True}]
    made = Cluster().add(DEPLOYMENT, "churn", deployment(), ownerReferences=owner)
    assert SYSTEM.explain(made, "k8s") == ()


def test_only_what_is_labelled_is_an_endpoint_unless_told_otherwise() -> None:
    (selector,) = [one for one in DeploymentServing.OPTIONS.SETTINGS if one.key == "selector"]
    assert selector.default == "shiftdeck.io/endpoint"


def test_a_label_names_the_endpoint() -> None:
    made = Cluster().add(DEPLOYMENT, "churn-server", deployment(), labels={"shiftdeck.io/endpoint": "churn"})
    assert only(SYSTEM, made).ref.name == "churn"
    made = Cluster().add(DEPLOYMENT, "churn-server", deployment(), labels={"shiftdeck.io/endpoint": "true"})
    assert only(SYSTEM, made).ref.name == "churn-server"


# ── several behind one Service ──────────────────────────────────────────────────────────────────────────────────


def pair(
    stable: int = 9,
    canary: int = 1,
    *,
    ready: tuple[int, int] | None = None,
    bounds: tuple[int, int] | None = None,
    annotations: dict[str, str] | None = None,
) -> Endpoint:
    up = ready or (stable, canary)
    made = Cluster().add(SERVICE, "churn", {"spec": {"selector": {"app": "churn"}}})
    made.add(SERVICE, "churn-canary-only", {"spec": {"selector": {"app": "churn", "track": "canary"}}})
    made.add(DEPLOYMENT, "churn-v3", deployment("v3", stable, ready=up[0], total=up[0], track="stable"), uid="s")
    made.add(DEPLOYMENT, "churn-v4", deployment("v4", canary, ready=up[1], total=up[1], track="canary"), uid="c")
    if bounds:
        spec = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "churn-v4"},
            "minReplicas": bounds[0],
            "maxReplicas": bounds[1],
        }
        metadata: dict[str, Any] = {"annotations": annotations} if annotations else {}
        made.add(HPA, "churn-v4", {"spec": spec}, uid="h", **metadata)
    return only(SYSTEM, made)


def test_two_deployments_behind_a_service_share_by_ready_pods() -> None:
    endpoint = pair(ready=(9, 0))
    assert endpoint.ref.name == "churn"
    assert split(endpoint) == {"churn-v3": (Role.STABLE, 90.0, 100.0), "churn-v4": (Role.CANARY, 10.0, 0.0)}
    assert "in steps of 10 %" in endpoint.message
    assert endpoint.phase is Phase.PROGRESSING


def test_a_shift_raises_first_and_lowers_last() -> None:
    raised, lowered = SYSTEM.compile(pair(), Split({"churn-v3": 70.0, "churn-v4": 30.0}))
    assert raised.summary == "churn-v4 spec.replicas 1 → 3"
    assert lowered.summary == "churn-v3 spec.replicas 9 → 7"
    assert operations(lowered) == [
        {"op": "test", "path": "/metadata/uid", "value": "s"},
        {"op": "test", "path": "/metadata/annotations", "value": None},
        {"op": "test", "path": "/spec/replicas", "value": 9},
        {"op": "replace", "path": "/spec/replicas", "value": 7},
    ]
    assert lowered.command == "kubectl scale deployment churn-v3 -n prod --current-replicas=9 --replicas=7"


@pytest.mark.parametrize(
    ("endpoint", "change", "why"),
    [
        (pair(3, 1), Split({"churn-v3": 90.0, "churn-v4": 10.0}), "steps of 25 %"),
        (pair(), Promote("churn-v4"), "only 1 of 10 pods would be ready"),
        (pair(), Rollback("1"), "keeps no history"),
        (pair(), Split({"churn-v3": 90.0, "churn-v4": 10.0}), "already"),
        (pair(0, 0), Split({"churn-v3": 90.0, "churn-v4": 10.0}), "scaled to zero"),
    ],
    ids=["granularity", "outage", "history", "nothing to do", "nobody there"],
)
def test_what_a_ratio_cannot_say(endpoint: Endpoint, change: Change, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        SYSTEM.compile(endpoint, change)


def test_the_forecast_is_in_whole_pods_and_names_those_that_have_to_start() -> None:
    told = SYSTEM.forecast(pair(2, 1), Split({"churn-v3": 33.0, "churn-v4": 67.0}))
    assert {name: round(weight, 2) for name, weight in (told.weights or {}).items()} == {
        "churn-v3": 33.33,
        "churn-v4": 66.67,
    }
    assert told.cautions == ("2 of 3 pods are ready at once, the others have to start",)


def test_an_autoscaler_is_pinned_and_its_bounds_are_kept() -> None:
    endpoint = pair(9, 1, bounds=(1, 6))
    raised, lowered = SYSTEM.compile(endpoint, Split({"churn-v3": 70.0, "churn-v4": 30.0}))
    assert "/horizontalpodautoscalers/churn-v4" in raised.path
    assert operations(raised)[1:] == [
        {"op": "test", "path": "/spec/minReplicas", "value": 1},
        {"op": "test", "path": "/spec/maxReplicas", "value": 6},
        {"op": "test", "path": "/metadata/annotations", "value": None},
        {"op": "add", "path": "/metadata/annotations", "value": {"shiftdeck.io/bounds": "1-6 while 3-3"}},
        {"op": "add", "path": "/spec/minReplicas", "value": 3},
        {"op": "replace", "path": "/spec/maxReplicas", "value": 3},
    ]
    assert "deployments/churn-v3" in lowered.path
    (pinned, _) = SYSTEM.forecast(endpoint, Split({"churn-v3": 70.0, "churn-v4": 30.0})).cautions
    assert "churn-v4 is pinned at 3 (it was 1–6)" in pinned
    assert {need.resource for need in SYSTEM.needs(endpoint, Action.SHIFT)} == {
        "deployments.apps",
        "horizontalpodautoscalers.autoscaling",
    }


def test_an_autoscaler_gets_its_room_back_with_all_the_traffic() -> None:
    endpoint = pair(5, 5, bounds=(5, 5), annotations={"shiftdeck.io/bounds": "1-16"})
    raised, lowered = SYSTEM.compile(endpoint, Promote("churn-v4"))
    assert raised.summary == "churn-v4 minReplicas 5 → 10, maxReplicas 5 → 16"
    assert lowered.summary == "churn-v3 spec.replicas 5 → 0"


NOTE = "shiftdeck.io/bounds"
SHIFT = Split({"churn-v3": 70.0, "churn-v4": 30.0})


@pytest.mark.parametrize(
    ("bounds", "note", "own"),
    [
        ((5, 5), "1-16 while 5-5", (1, 16)),
        ((5, 5), "1-16", (1, 16)),  # as earlier versions wrote it
        ((5, 16), "1-16 while 5-16", (1, 16)),
        ((1, 4), "2-10 while 5-5", (1, 4)),
        ((1, 10), "2-10 while 5-5", (1, 10)),
        ((1, 4), "2-10", (1, 4)),
        ((1, 6), "nonsense", (1, 6)),
        ((1, 6), "1-6 while 2-9999999999", (1, 6)),
    ],
)
def test_a_note_counts_only_while_the_autoscaler_has_what_was_written(
    bounds: tuple[int, int], note: str, own: tuple[int, int]
) -> None:
    endpoint = pair(5, 5, bounds=bounds, annotations={NOTE: note})
    raised, _ = SYSTEM.compile(endpoint, Promote("churn-v4"))
    assert operations(raised)[-1]["value"] == max(10, own[1])
    expected = f"{own[0]}-{own[1]} while 10-{max(10, own[1])}"
    assert {"op": "add", "path": "/metadata/annotations/shiftdeck.io~1bounds", "value": expected} in operations(raised)
    assert {"op": "test", "path": "/metadata/annotations/shiftdeck.io~1bounds", "value": note} in operations(raised)
    told = SYSTEM.forecast(endpoint, Promote("churn-v4")).cautions
    assert any("that counts, not the note" in one for one in told) is (own == bounds)


UNPINNED = pair(9, 1, bounds=(1, 6))
PINNED = pair(7, 3, bounds=(3, 3), annotations={NOTE: "1-6 while 3-3"})


def test_the_way_back_of_a_split_gives_the_autoscaler_its_own_bounds_back() -> None:
    back = SYSTEM.forecast(UNPINNED, SHIFT).undo
    assert back == Split({"churn-v3": 90.0, "churn-v4": 10.0}, unpin=("churn-v4",))
    assert isinstance(back, Split)
    calls = SYSTEM.compile(PINNED, back)
    assert [call.summary for call in calls] == [
        "churn-v3 spec.replicas 7 → 9",
        "churn-v4 minReplicas 3 → 1, maxReplicas 3 → 6",
        "churn-v4 spec.replicas 3 → 1",
    ]
    assert {"op": "remove", "path": "/metadata/annotations/shiftdeck.io~1bounds"} in operations(calls[1])
    assert isinstance(SYSTEM.progress(PINNED, PINNED, back), Pending)
    assert isinstance(SYSTEM.progress(PINNED, UNPINNED, back), Settled)
    assert isinstance(SYSTEM.progress(PINNED, pair(9, 2, bounds=(1, 6)), back), Settled), "it scales by its load"
    assert isinstance(
        SYSTEM.progress(PINNED, pair(9, 1, bounds=(3, 3), annotations={NOTE: "1-6 while 3-3"}), back), Pending
    )


def test_the_way_back_between_two_pinned_splits_keeps_the_pins() -> None:
    assert SYSTEM.forecast(PINNED, Split({"churn-v3": 50.0, "churn-v4": 50.0})).undo is None


def test_unpinning_gives_the_bounds_back_and_leaves_the_replicas_to_the_autoscaler() -> None:
    (call,) = SYSTEM.compile(PINNED, Unpin())
    assert call.summary == "churn-v4 minReplicas 3 → 1, maxReplicas 3 → 6"
    told = SYSTEM.forecast(PINNED, Unpin())
    assert (told.weights, told.final) == (None, True)
    assert told.cautions == ("churn-v4 scales churn-v4 by its load again, 1–6: the shares follow",)
    assert isinstance(SYSTEM.progress(PINNED, PINNED, Unpin()), Pending)
    assert isinstance(SYSTEM.progress(PINNED, pair(7, 3, bounds=(1, 6)), Unpin()), Settled)
    assert isinstance(SYSTEM.progress(PINNED, pair(7, 3, bounds=(2, 4)), Unpin()), Diverged)
    assert [need.resource for need in SYSTEM.needs(PINNED, Action.UNPIN)] == ["horizontalpodautoscalers.autoscaling"]


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [(UNPINNED, "no autoscaler of it is pinned by a split"), (pair(), "it has no autoscaler"), (single(), "it has no")],
)
def test_what_is_not_pinned_is_not_unpinned(endpoint: Endpoint, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        SYSTEM.compile(endpoint, Unpin())


def test_what_is_scaled_to_zero_is_beyond_its_autoscaler() -> None:
    endpoint = pair(5, 5, bounds=(1, 6))
    (raised, lowered) = SYSTEM.compile(endpoint, Promote("churn-v3"))
    assert (raised.summary, lowered.summary) == ("churn-v3 spec.replicas 5 → 10", "churn-v4 spec.replicas 5 → 0")
    (bounds, replicas, _) = SYSTEM.compile(pair(10, 0, bounds=(1, 6)), Split({"churn-v3": 90.0, "churn-v4": 10.0}))
    assert "minReplicas 1 → 1, maxReplicas 6 → 1" in bounds.summary
    assert replicas.summary == "churn-v4 spec.replicas 0 → 1"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (pair(), Pending),
        (pair(9, 3, ready=(9, 1)), Pending),
        (pair(7, 3, ready=(7, 2)), Pending),
        (pair(7, 3), Settled),
        (pair(7, 5), Diverged),
    ],
    ids=["not there yet", "one call out", "starting", "done", "scaled by somebody"],
)
def test_progress_of_a_shift(now: Endpoint, expected: type) -> None:
    assert type(SYSTEM.progress(pair(), now, SHIFT)) is expected


def test_an_autoscaler_takes_its_time() -> None:
    before = pair(9, 1, bounds=(1, 6))
    assert isinstance(SYSTEM.progress(before, pair(7, 1, bounds=(3, 3)), SHIFT), Pending)
    assert isinstance(SYSTEM.progress(before, pair(7, 2, bounds=(3, 3)), SHIFT), Pending)
    assert isinstance(SYSTEM.progress(before, pair(7, 3, bounds=(3, 3)), SHIFT), Settled)
