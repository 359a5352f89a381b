"""Published objects and situations of Deployments, autoscalers and Rollouts: what is shown of them, and what may be
changed. Each names the repository and number that it is drawn from; names and numbers are others."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import Action, Endpoint, ModelRef, Phase, Promote, Retry, Role, Split
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import DEPLOYMENT, REPLICA_SET, SERVICE
from backends.serving.autoscalers import broken
from shiftdeck.health.judge import Facts, judge
from shiftdeck.health.verdict import Level
from tests.field.kubernetes.pairs import QUOTA, SYSTEM, TIMED_OUT, member, pair, replica_set, scaler
from tests.unit import kube_rollouts
from tests.unit.builders import SLO
from tests.unit.kube_objects import Cluster, only


def alone(thing: dict[str, Any], *sets: dict[str, Any], **metadata: Any) -> Endpoint:
    made = Cluster().add(DEPLOYMENT, "churn", thing, uid="churn", **{"generation": 4, **metadata})
    for one in sets:
        made.add(REPLICA_SET, one["metadata"]["labels"]["pod-template-hash"], one, **one["metadata"])
    return only(SYSTEM, made)


def worst(endpoint: Endpoint) -> Level:
    return judge(Facts(endpoint, {}, (), (), (), SLO, has_metrics=False)).level


@pytest.mark.parametrize("turn", [1, -1])
def test_a_quota_is_told_before_the_deadline_that_passed_because_of_it(turn: int) -> None:
    """kubernetes/website #1699 and similarweb/statusbay #124: both conditions are there, in either order."""
    stuck = member(
        "v4", "canary", 3, readyReplicas=1, updatedReplicas=1, replicas=1, conditions=[QUOTA, TIMED_OUT][::turn]
    )
    told = pair(member("v3", "stable", 3), stuck).variants[1].trouble
    assert told.index("exceeded quota") < told.index("has timed out progressing")


def test_a_deployment_whose_first_pod_may_not_be_made() -> None:
    """ray-project/kuberay #639: no pods at all, and the status has no count but the unavailable ones."""
    none: dict[str, Any] = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"))
    endpoint = alone(member("v1", "stable", 1, unavailableReplicas=1, conditions=[QUOTA], **none))
    assert endpoint.phase is Phase.DEGRADED
    assert "exceeded quota" in endpoint.message
    assert worst(endpoint) is Level.CRITICAL


def test_a_missing_service_account_keeps_a_deployment_from_growing_while_it_is_available() -> None:
    """pulumi/pulumi-kubernetes #191: Available is True beside the failure."""
    lacks = {**QUOTA, "message": 'pods "x-" is forbidden: serviceaccount "model" not found'}
    available = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}
    canary = member("v4", "canary", 3, readyReplicas=2, replicas=2, updatedReplicas=2, conditions=[available, lacks])
    assert 'serviceaccount "model" not found' in pair(member("v3", "stable", 3), canary).variants[1].trouble


def test_a_surge_counts_as_updated_long_before_it_is_ready() -> None:
    """kelproject/pykube #77: 2 of 2 updated, and one of them available."""
    canary = member("v4", "canary", 2, replicas=3, updatedReplicas=2, readyReplicas=1, availableReplicas=1)
    endpoint = pair(member("v3", "stable", 2), canary)
    assert endpoint.phase is Phase.PROGRESSING
    assert "churn-v4: 1 of 2 ready, 1 too many yet" in endpoint.message


def test_a_member_scaled_up_from_none_with_a_broken_image_never_times_out_and_is_never_healthy() -> None:
    """kubernetes/kubernetes #106697: scaling is no roll-out, and the condition goes on saying that all is complete."""
    done = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    endpoint = pair(member("v3", "stable", 4), member("v4", "canary", 1, readyReplicas=0, conditions=[done]))
    assert endpoint.phase is Phase.PROGRESSING
    assert worst(endpoint) is Level.WARNING
    assert worst(alone(member("v4", "stable", 1, readyReplicas=0, conditions=[done]))) is Level.CRITICAL


def test_pods_that_are_ready_and_not_yet_available_serve() -> None:
    """kubernetes/kubernetes #44070: minReadySeconds."""
    waits = member("v4", "canary", 2, availableReplicas=0, unavailableReplicas=2)
    endpoint = pair(member("v3", "stable", 2), waits)
    assert [one.observed for one in endpoint.variants] == [50.0, 50.0]
    assert alone(waits).phase is Phase.PROGRESSING


def test_a_restart_without_another_image_is_the_same_version() -> None:
    """``kubectl rollout restart``: only an annotation of the template differs."""
    old, new = (replica_set("churn-v4", "v4", "canary", number, 1, 1) for number in (1, 2))
    stamp = {"kubectl.kubernetes.io/restartedAt": "2026-11-20T10:00:00Z"}
    new["spec"]["template"]["metadata"]["annotations"] = stamp
    new["metadata"]["labels"]["pod-template-hash"] = "other"
    endpoint = pair(member("v3", "stable", 2), member("v4", "canary", 2, updatedReplicas=1), old, new)
    assert endpoint.variants[1].model == ModelRef("churn", "v4")
    assert endpoint.phase is Phase.PROGRESSING


def test_two_autoscalers_of_one_deployment_undo_each_other() -> None:
    """kubernetes/kubernetes #112011 and #122059, kedacore/keda #5825: they stop with AmbiguousSelector."""
    stopped = [{"type": "ScalingActive", "status": "False", "reason": "AmbiguousSelector", "message": "several HPAs"}]
    both = {name: scaler("churn-v4", 2, 9, conditions=stopped) for name in ("by-cpu", "by-queue")}
    endpoint = pair(member("v3", "stable", 4), member("v4", "canary", 4), scalers=both)
    with pytest.raises(Rejected, match="several autoscalers scale churn-v4: delete all but one"):
        SYSTEM.compile(endpoint, Split({"churn-v3": 75.0, "churn-v4": 25.0}))
    assert "does not work: AmbiguousSelector" in endpoint.message


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"type": "ScalingLimited", "status": "True", "reason": "TooFewReplicas"}, ""),
        ({"type": "AbleToScale", "status": "True", "reason": "ScaleDownStabilized"}, ""),
        ({"type": "AbleToScale", "status": "False", "reason": "FailedUpdateScale"}, "FailedUpdateScale"),
        ({"type": "ScalingActive", "status": "False", "reason": "InvalidSelector"}, "InvalidSelector"),
        ({"type": "ScalingActive", "status": "Unknown", "reason": "X"}, ""),
    ],
    ids=["limited", "stabilized", "no update", "no selector", "unknown"],
)
def test_which_conditions_of_an_autoscaler_are_faults(condition: dict[str, Any], words: str) -> None:
    """kubernetes/kubernetes #100420 and #67221; TheOutdoorProgrammer/manifests.io #92."""
    one = scaler("churn", 1, 5, conditions=[condition])
    assert words in broken({"spec": one["spec"], "metadata": {"name": "h", **one["metadata"]}})
    assert bool(words) is bool(broken({"spec": one["spec"], "metadata": {"name": "h", **one["metadata"]}}))


def test_an_autoscaler_of_a_rollout_with_the_name_of_a_deployment_is_not_that_of_the_deployment() -> None:
    """argoproj/argo-rollouts docs, HPA support: the target's kind is Rollout."""
    other = scaler("churn-v4", 2, 9)
    other["spec"]["scaleTargetRef"] = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "churn-v4"}
    endpoint = pair(member("v3", "stable", 4), member("v4", "canary", 4), scalers={"h": other})
    assert [one.summary for one in SYSTEM.compile(endpoint, Promote("churn-v4"))] == [
        "churn-v4 spec.replicas 4 → 8",
        "churn-v3 spec.replicas 4 → 0",
    ]


def test_a_full_promotion_of_a_manually_paused_rollout_does_not_stop_before_its_end() -> None:
    """argoproj/argo-rollouts #4265."""
    paused = kube_rollouts.read({"pauseConditions": None}, spec={"paused": True})
    assert len(kube_rollouts.SYSTEM.compile(paused, Promote(kube_rollouts.NEW))) == 2


def test_a_rollout_that_timed_out_at_a_pause_says_so() -> None:
    """argoproj/argo-rollouts #1982: the phase is Degraded, and the step's pause is still there."""
    words = 'ProgressDeadlineExceeded: ReplicaSet "web-7c5d" has timed out progressing.'
    endpoint = kube_rollouts.read({"phase": "Degraded", "message": words})
    assert endpoint.phase is Phase.DEGRADED
    assert words in endpoint.message
    canary = endpoint.variant(kube_rollouts.NEW)
    assert canary is not None
    assert (canary.role, canary.trouble) == (Role.CANARY, words)


def test_an_abort_that_was_left_behind_on_the_stable_version_can_be_cleared() -> None:
    """argoproj/argo-rollouts #1624: nothing is rolled out, and the rollout stays Degraded."""
    stuck = kube_rollouts.read({**kube_rollouts.STABLE, "phase": "Degraded", "abort": True})
    (call,) = kube_rollouts.SYSTEM.compile(stuck, Retry())
    assert call.summary == "status.abort true → false"
    assert kube_rollouts.read(kube_rollouts.STABLE).actions[Action.RETRY] is not None


def test_a_service_without_a_selector_makes_no_pair() -> None:
    """Kubernetes' documentation, Services without selectors: their endpoints are written by hand."""
    made = Cluster().add(SERVICE, "churn", {"spec": {}})
    for name in ("churn-v3", "churn-v4"):
        made.add(DEPLOYMENT, name, member(name, "stable", 2), uid=name, generation=4)
    assert [one.ref.name for one in SYSTEM.explain(made, "k8s")] == ["churn-v3", "churn-v4"]
