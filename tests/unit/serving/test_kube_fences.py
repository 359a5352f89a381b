"""The fence of a lost patch: what is written, where, and which calls have one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backends.contracts import Call
from backends.platforms.kubernetes.calls import add, expect, json_patch
from backends.platforms.kubernetes.fences import FENCE, fence_call, fence_of, fence_test
from backends.platforms.kubernetes.kinds import DEPLOYMENT, HPA, Kind
from backends.serving.kserve_facts import INFERENCE_SERVICE
from backends.serving.patches import guarded
from tests.unit.kube_objects import applied

ISVC = {"metadata": {"name": "churn", "namespace": "ml", "uid": "u", "generation": 3}, "spec": {}}
SHIFT = [add("/spec/weight", 25)]


def deployment(annotations: dict[str, str] | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "churn", "namespace": "ml", "uid": "u", "generation": 3}
    return {"metadata": metadata | ({} if annotations is None else {"annotations": annotations}), "spec": {}}


def lost(thing: dict[str, Any], kind: Kind = DEPLOYMENT) -> Call:
    return guarded(kind, thing, SHIFT, "weight 10 → 25")


def fence(call: Call, revision: str = "generation 3") -> Call:
    made = fence_call(call, revision)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        (DEPLOYMENT, deployment()),
        (DEPLOYMENT, deployment({})),
        (DEPLOYMENT, deployment({"team": "a"})),
        (DEPLOYMENT, deployment({FENCE: "0123456789"})),
        (INFERENCE_SERVICE, ISVC),
        (INFERENCE_SERVICE, {**ISVC, "status": {}}),
        (INFERENCE_SERVICE, {**ISVC, "status": {"annotations": {FENCE: "0123456789"}}}),
    ],
)
def test_the_patch_fails_after_its_fence_and_holds_before(kind: Kind, thing: dict[str, Any]) -> None:
    call = lost(thing, kind)
    assert applied(thing, call.body)["spec"] == {"weight": 25}
    after = applied(thing, fence(call).body)
    with pytest.raises(AssertionError):
        applied(after, call.body)
    assert applied(after, lost(after, kind).body)["spec"] == {"weight": 25}, "a new plan holds"


def test_each_fence_has_a_new_value_and_the_same_fence_the_same() -> None:
    thing = deployment({"team": "a"})
    values = set()
    for _ in range(3):
        made = fence(lost(thing))
        assert made == fence(lost(thing))
        thing = applied(thing, made.body)
        values.add(thing["metadata"]["annotations"][FENCE])
    assert len(values) == 3
    assert thing["metadata"]["annotations"]["team"] == "a"


def test_an_inference_service_is_fenced_in_its_status() -> None:
    """KServe copies its annotations to the template of its pods: a new one would start a revision."""
    made = fence(lost(ISVC, INFERENCE_SERVICE))
    assert (
        made.path
        == "/apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices/churn/status?fieldManager=shiftdeck"
    )
    assert "metadata" not in (made.body or {})
    assert made.command.startswith(
        "kubectl patch inferenceservices.serving.kserve.io churn -n ml --subresource=status "
    )


def test_the_command_of_a_fence_can_be_typed() -> None:
    made = fence(
        replace(lost(deployment()), path="/apis/apps/v1/namespaces/ml/deployments/churn?fieldManager=shiftdeck")
    )
    found = fence_of(made)
    assert found is not None
    assert made.command == (
        f"kubectl annotate deployments.apps churn -n ml --overwrite {FENCE}={found[1]} --field-manager=shiftdeck"
    )
    assert made.summary == f"churn annotation {FENCE} → {found[1]}"


def test_a_patch_of_a_status_is_fenced_on_the_object_itself() -> None:
    patch = json_patch(
        DEPLOYMENT,
        "ml",
        "churn",
        [fence_test(DEPLOYMENT, deployment()), *SHIFT],
        revision="",
        summary="",
        subresource="status",
    )
    assert fence(patch).path == "/apis/apps/v1/namespaces/ml/deployments/churn?fieldManager=shiftdeck"


def test_an_object_without_a_generation_is_fenced_by_its_version() -> None:
    scaler = {"metadata": {"name": "churn", "namespace": "ml", "resourceVersion": "7"}}
    call = lost(scaler, HPA)
    assert call.guard == "resourceVersion 7"
    assert "/horizontalpodautoscalers/churn" in fence(call).path


@pytest.mark.parametrize(
    "call",
    [
        json_patch(DEPLOYMENT, "ml", "churn", [expect("/metadata/generation", 3), *SHIFT], revision="", summary=""),
        replace(lost(deployment()), method="POST"),
        replace(lost(deployment()), path="/apis/apps/v1/namespaces/ml/deployments/churn/scale"),
        replace(lost(deployment()), path="/v1/endpoints/prod/churn/traffic"),
        replace(lost(deployment()), body={"spec": {"weight": 25}}),
        replace(lost(deployment()), body=None),
        Call("POST", "/api/v1/namespaces/test/services/http:loadtester:80/proxy/gate/open", {"name": "podinfo"}),
    ],
    ids=[
        "of an earlier version",
        "no patch",
        "another subresource",
        "another system",
        "a merge patch",
        "no body",
        "a gate of Flagger",
    ],
)
def test_what_no_fence_makes_fail_has_none(call: Call) -> None:
    assert fence_call(call, "generation 3") is None
