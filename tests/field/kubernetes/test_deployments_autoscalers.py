"""Autoscalers of pairs: those that somebody else owns, those that do not work, and those that have not followed yet.

Drawn from kedacore/keda #6061, #2917, #6597 and #903, and kubernetes/kubernetes pkg/controller/podautoscaler.
"""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import Action, Endpoint, Phase, Promote, Split, Unpin
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.serving.autoscalers import HPA, broken
from backends.serving.kubernetes_views import owner_among
from tests.field.kubernetes.pairs import KEDA, SYSTEM, cluster, member, pair, scaler

NO_METRIC = {"type": "ScalingActive", "status": "False", "reason": "FailedGetExternalMetric", "message": "no metrics"}
RESTS = {"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled", "message": "replicas is 0"}
PINNED = {"shiftdeck.io/bounds": "1-8 while 5-5"}


def scaled(*, stable: int = 5, canary: int = 5, **how: Any) -> Endpoint:
    one = {"keda-hpa-churn": scaler("churn-v4", how.pop("least", 2), how.pop("most", 10), **how)}
    return pair(member("v3", "stable", stable), member("v4", "canary", canary), scalers=one)


@pytest.mark.parametrize("change", [Split({"churn-v3": 60.0, "churn-v4": 40.0}), Promote("churn-v4")])
def test_what_keda_owns_is_changed_there(change: Split | Promote) -> None:
    endpoint = scaled(owner=KEDA)
    with pytest.raises(Rejected, match="ScaledObject churn-queue owns the autoscaler keda-hpa-churn of churn-v4") as no:
        SYSTEM.compile(endpoint, change)
    assert "change it there, or pause it with its annotation autoscaling.keda.sh/paused-replicas" in str(no.value)


def test_an_owned_autoscaler_of_the_second_member_counts_as_well_as_that_of_the_first() -> None:
    of_stable = {"hpa": scaler("churn-v3", 2, 10, owner={**KEDA, "kind": "ServingRuntime", "name": "r"})}
    endpoint = pair(member("v3", "stable", 5), member("v4", "canary", 5), scalers=of_stable)
    assert endpoint.actions[Action.SHIFT] == "ServingRuntime r owns the autoscaler hpa of churn-v3: change it there"


def test_a_pin_on_an_autoscaler_that_was_taken_over_since_is_not_taken_off() -> None:
    endpoint = scaled(owner=KEDA, least=5, most=5, annotations=PINNED)
    with pytest.raises(Rejected, match="ScaledObject churn-queue owns"):
        SYSTEM.compile(endpoint, Unpin())


def test_an_owner_that_is_no_controller_reconciles_nothing() -> None:
    assert scaled(owner={**KEDA, "controller": False}).actions[Action.SHIFT] is None


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([NO_METRIC], "autoscaler keda-hpa-churn does not work: FailedGetExternalMetric"),
        ([{**NO_METRIC, "type": "AbleToScale", "reason": "FailedGetScale"}], "does not work: FailedGetScale"),
        ([RESTS], ""),
        ([{**NO_METRIC, "status": "True"}], ""),
        (None, ""),
    ],
)
def test_an_autoscaler_that_does_not_work_is_told(conditions: list[dict[str, Any]] | None, words: str) -> None:
    message = scaled(conditions=conditions).message
    assert (words in message) if words else ("autoscaler" not in message)


@pytest.mark.parametrize("noted", ["", "null", "{", '"x"', "[1, null]", '{"type": "ScalingActive"}'])
def test_conditions_that_cannot_be_read_say_nothing(noted: str) -> None:
    note = {"autoscaling.alpha.kubernetes.io/conditions": noted}
    assert broken({"metadata": {"name": "h", "annotations": note}}) == ""


def test_the_way_back_is_possible_before_the_autoscaler_has_followed() -> None:
    """A split pinned it at 3 of 6 pods, and it has not set them: the Deployments have 5 pods in sum."""
    endpoint = scaled(stable=3, canary=2, least=3, most=3, annotations={"shiftdeck.io/bounds": "1-8 while 3-3"})
    assert {one.name: one.desired for one in endpoint.variants} == {"churn-v3": 50.0, "churn-v4": 50.0}
    back = Split({"churn-v3": 400 / 6, "churn-v4": 200 / 6}, unpin=("churn-v4",))
    calls = SYSTEM.compile(endpoint, back)
    assert [one.summary for one in calls] == [
        "churn-v3 spec.replicas 3 → 4",
        "keda-hpa-churn minReplicas 3 → 1, maxReplicas 3 → 8",
    ]


def test_what_gitops_reconciles_is_asked_of_every_object_that_is_written() -> None:
    made = cluster(
        member("v3", "stable", 5),
        member("v4", "canary", 5),
        scalers={"hpa": {**scaler("churn-v4", 2, 10), "shiftdeck/owner": "Flux Kustomization apps"}},
        owners={"churn-v4": "Argo CD application shop"},
    )
    (endpoint,) = SYSTEM.explain(made, "k8s")
    written = SYSTEM.written(endpoint)
    assert set(written) == {(DEPLOYMENT, "prod", "churn-v3"), (DEPLOYMENT, "prod", "churn-v4"), (HPA, "prod", "hpa")}
    told = owner_among(made, written)
    assert "Argo CD application shop (Deployment churn-v4)" in told
    assert "Flux Kustomization apps (HorizontalPodAutoscaler hpa)" in told
    assert endpoint.phase is Phase.STEADY
