"""InferenceServices in Standard mode: ``spec.canary``, and the route that tells what is in effect."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import (
    Abort,
    Action,
    Diverged,
    Endpoint,
    ModelRef,
    Pending,
    Phase,
    Promote,
    Role,
    Rollback,
    Settled,
    Split,
)
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE
from backends.serving.kserve import KServe, KServeServing
from backends.serving.kserve_facts import INFERENCE_SERVICE
from tests.kube.things import Things, ready, thing

MODE = {"serving.kserve.io/deploymentMode": "Standard"}


def predictor(name: str, version: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "model": {"storageUri": f"s3://models/churn/{version}"}, **fields}


V7 = predictor("v7", "7", minReplicas=4, maxReplicas=9)


def service(
    *canaries: tuple[str, int],
    stable: dict[str, Any] | None = None,
    generation: int = 4,
    waiting: tuple[str, ...] = (),
    condition: dict[str, str] | None = None,
) -> dict[str, Any]:
    """``canaries`` are (name, percent); the status echoes them, as KServe's does."""
    entries = [{"predictor": predictor(name, name[1:]), "trafficPercent": percent} for name, percent in canaries]
    statuses = [{"name": name, "ready": name not in waiting, "trafficPercent": percent} for name, percent in canaries]
    return thing(
        "churn",
        generation=generation,
        annotations=MODE,
        spec={"predictor": stable or V7, **({"canary": entries} if entries else {})},
        status={
            "deploymentMode": "Standard",
            "conditions": [condition or ready()],
            "canaryStatuses": statuses,
            "modelStatus": {"transitionStatus": "UpToDate"},
        },
    )


def route(**weights: int) -> dict[str, Any]:
    refs = [{"name": f"churn-{name}-predictor", "port": 80, "weight": weight} for name, weight in weights.items()]
    return thing("churn", spec={"rules": [{"backendRefs": refs}]})


def deployment(name: str, ready_replicas: int, wanted: int) -> dict[str, Any]:
    status = {"readyReplicas": ready_replicas} if ready_replicas else {}
    pods = {"spec": {"containers": [{"image": f"kserve/sklearnserver:{name}"}]}}
    return thing(f"churn-{name}-predictor", spec={"replicas": wanted, "template": pods}, status=status)


def explain(one: dict[str, Any], routed: dict[str, Any] | None, *deployments: dict[str, Any]) -> Endpoint:
    routes = [routed] if routed else []
    things = Things({INFERENCE_SERVICE: [one], HTTP_ROUTE: routes, DEPLOYMENT: deployments})
    (endpoint,) = KServe().explain(things, "kserve")
    return endpoint


CANARY = explain(service(("v8", 10)), route(v7=90, v8=10), deployment("v7", 4, 4), deployment("v8", 1, 1))


def test_a_change_of_the_deployment_mode_is_a_divergence() -> None:
    one = service(("v8", 10))
    status = {**one["status"], "deploymentMode": "ModelMesh"}
    moved = explain({**one, "status": status}, route(v7=90, v8=10))
    found = KServe().progress(CANARY, moved, Split({"v7": 75, "v8": 25}))
    assert isinstance(found, Diverged)
    assert found.message == "the service is in ModelMesh mode now, and was in Standard mode"


def patch(endpoint: Endpoint, change: Any) -> list[Any]:
    (call,) = KServe().compile(endpoint, change)
    assert call.headers == {"Content-Type": "application/json-patch+json"}
    assert isinstance(call.body, list)
    guard, fence, *operations = call.body
    assert guard == {"op": "test", "path": "/metadata/generation", "value": 4}
    assert fence == {"op": "test", "path": "/status/annotations", "value": None}
    return operations


def test_desired_is_the_spec_and_observed_is_the_route() -> None:
    stable, canary = CANARY.variants
    assert (stable.name, stable.role, stable.desired, stable.observed, stable.ready) == ("v7", Role.STABLE, 90, 90, 4)
    assert (canary.name, canary.role, canary.desired, canary.observed, canary.ready) == ("v8", Role.CANARY, 10, 10, 1)
    assert canary.model == ModelRef("churn", "8")
    assert canary.image == "kserve/sklearnserver:v8"
    assert CANARY.phase is Phase.STEADY


def test_the_status_echoes_the_spec_so_without_a_route_nothing_is_observed() -> None:
    endpoint = explain(service(("v8", 10)), None)
    assert [variant.observed for variant in endpoint.variants] == [None, None]
    assert [variant.desired for variant in endpoint.variants] == [90, 10]


def test_a_canary_that_is_not_ready_has_no_entry_in_the_route() -> None:
    endpoint = explain(service(("v8", 10), waiting=("v8",)), route(v7=100))
    canary = endpoint.variant("v8")
    assert canary is not None
    assert (canary.observed, canary.ready) == (0.0, 0)
    assert endpoint.phase is Phase.PROGRESSING


def test_a_weight_that_is_left_out_of_a_route_is_one() -> None:
    routed = route(v7=1, v8=1)
    del routed["spec"]["rules"][0]["backendRefs"][0]["weight"]
    assert explain(service(("v8", 50)), routed).variants[0].observed == 50.0


def test_without_a_canary_nothing_can_be_shifted() -> None:
    endpoint = explain(service(), None)
    assert [variant.observed for variant in endpoint.variants] == [100.0]
    assert endpoint.actions[Action.SHIFT] == "it has no canary"
    old = service()
    old["metadata"]["annotations"] = {}
    reason = explain(old, None).actions[Action.SHIFT]
    assert reason is not None
    assert "serving.kserve.io/deploymentMode: Standard" in reason


def test_a_shift_tests_the_entry_before_it_writes_to_it() -> None:
    assert patch(CANARY, Split({"v7": 75, "v8": 25})) == [
        {"op": "test", "path": "/spec/canary/0/predictor/name", "value": "v8"},
        {"op": "add", "path": "/spec/canary/0/trafficPercent", "value": 25},
    ]


def test_of_several_only_what_moves_is_written_but_all_are_tested() -> None:
    endpoint = explain(service(("v8", 10), ("v9", 5)), route(v7=85, v8=10, v9=5))
    operations = patch(endpoint, Split({"v7": 65, "v8": 30, "v9": 5}))
    assert [one["op"] for one in operations] == ["test", "add", "test"]


def test_a_promotion_is_one_patch_that_keeps_the_canarys_pods_and_the_size_of_stable() -> None:
    operations = patch(CANARY, Promote("v8"))
    assert operations == [
        {"op": "test", "path": "/spec/canary/0/predictor/name", "value": "v8"},
        {"op": "replace", "path": "/spec/predictor", "value": predictor("v8", "8", minReplicas=4, maxReplicas=9)},
        {"op": "remove", "path": "/spec/canary"},
    ]


def test_promoting_one_of_several_leaves_the_others_in_the_dark() -> None:
    operations = patch(explain(service(("v8", 10), ("v9", 5)), None), Promote("v9"))
    assert operations[2:] == [
        {"op": "add", "path": "/spec/canary/0/trafficPercent", "value": 0},
        {"op": "remove", "path": "/spec/canary/1"},
    ]


def test_a_rollback_leaves_the_canary_running_and_an_abort_drops_it() -> None:
    back = next(one for one in CANARY.releases if not one.current)
    assert patch(CANARY, Rollback(back.id))[-1] == {"op": "add", "path": "/spec/canary/0/trafficPercent", "value": 0}
    assert patch(CANARY, Abort())[-1] == {"op": "remove", "path": "/spec/canary"}


def test_what_does_not_lead_back_is_told_before() -> None:
    serving = KServeServing.__new__(KServeServing)
    for change in (Promote("v8"), Abort()):
        forecast = serving.forecast(CANARY, change)
        assert forecast.final
        assert "is deleted with its pods" in forecast.cautions[0]
    assert not serving.forecast(CANARY, Split({"v7": 75, "v8": 25})).final
    assert serving.forecast(CANARY, Rollback("v7")).weights == {"v7": 100.0, "v8": 0.0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Split({"v7": 50, "v8": 40}), "add up to 90"),
        (Split({"v7": 99.5, "v8": 0.5}), "whole percentages"),
        (Split({"v7": 90, "v8": 10}), "already"),
        (Promote("v9"), "no variant 'v9'"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(change: Any, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        KServe().compile(CANARY, change)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (CANARY, Pending),
        (explain(service(("v8", 25), generation=5), route(v7=90, v8=10)), Pending),
        (explain(service(("v8", 25), generation=5, waiting=("v8",)), route(v7=100)), Pending),
        (explain(service(("v8", 25), generation=5, condition=ready("Unknown")), route(v7=75, v8=25)), Pending),
        (explain(service(("v8", 25), generation=5), route(v7=75, v8=25)), Settled),
        (explain(service(("v8", 25), generation=5), route(v7=3, v8=1)), Settled),
        (explain(service(("v8", 30), generation=5), route(v7=70, v8=30)), Diverged),
        (explain(service(generation=5), None), Diverged),
    ],
)
def test_a_shift_is_settled_when_the_route_has_it(now: Endpoint, expected: type) -> None:
    assert isinstance(KServe().progress(CANARY, now, Split({"v7": 75, "v8": 25})), expected)


def test_without_a_route_it_is_said_that_only_the_metrics_can_confirm() -> None:
    now = explain(service(("v8", 25), generation=5), None)
    progress = KServe().progress(CANARY, now, Split({"v7": 75, "v8": 25}))
    assert isinstance(progress, Settled)
    assert "only the metrics" in progress.message
    waiting = explain(service(("v8", 25), generation=5, waiting=("v8",)), None)
    assert isinstance(KServe().progress(CANARY, waiting, Split({"v7": 75, "v8": 25})), Pending)


def test_a_promotion_is_settled_when_the_canary_has_become_the_stable_one() -> None:
    promoted = explain(service(stable=predictor("v8", "8"), generation=5), route(v8=100))
    assert isinstance(KServe().progress(CANARY, promoted, Promote("v8")), Settled)
    lost = explain(service(generation=5), route(v7=100))
    assert isinstance(KServe().progress(CANARY, lost, Promote("v8")), Diverged)
