"""Seldon Core, both of them: what is read of the documented shapes, and the patches that are made."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import Action, Change, Diverged, Endpoint, Mirror, Pending, Phase, Promote, Settled, Split
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.serving.kubernetes import System
from backends.serving.seldon import SELDON_DEPLOYMENT, SeldonSystem
from backends.serving.seldon_experiment import EXPERIMENT, MODEL, ExperimentSystem
from tests.unit.kube_objects import Cluster, applied, only

SYSTEM = SeldonSystem()
EXPERIMENTS = ExperimentSystem()


def predictor(name: str, traffic: int | None = None, *, shadow: bool | None = None, uri: str = "") -> dict[str, Any]:
    given: dict[str, Any] = {"name": name, "graph": {"name": "model", "modelUri": uri or f"gs://models/iris/{name}"}}
    given |= {} if traffic is None else {"traffic": traffic}
    return given | ({} if shadow is None else {"shadow": shadow})


def deployment(*predictors: dict[str, Any], state: str = "Available", **status: Any) -> dict[str, Any]:
    return {"spec": {"predictors": list(predictors)}, "status": {"state": state, **status}}


def v1(*predictors: dict[str, Any], state: str = "Available", **metadata: Any) -> Endpoint:
    status = {"deploymentStatus": {"iris-v7-0-model": {"replicas": 3, "availableReplicas": 2}}}
    thing = deployment(*predictors, state=state, **status)
    return only(SYSTEM, Cluster().add(SELDON_DEPLOYMENT, "iris", thing, **metadata))


TWO = (predictor("v7", 90), predictor("v8", 10))


def seen(endpoint: Endpoint) -> list[tuple[str, str, float | None, float | None]]:
    return [(one.name, str(one.role), one.desired, one.mirror) for one in endpoint.variants]


# ── v1 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("predictors", "expected"),
    [
        (TWO, [("v7", "stable", 90, None), ("v8", "canary", 10, None)]),
        ((predictor("v7"),), [("v7", "stable", 100, None)]),  # a single one gets all, even at 0
        ((predictor("v7", 100), predictor("v8")), [("v7", "stable", 100, None), ("v8", "idle", 0, None)]),
        (
            (predictor("v7"), predictor("v8", 20, shadow=True)),
            [("v7", "stable", 100, None), ("v8", "shadow", None, 20)],
        ),
        # a shadow at 0 is copied everything: the VirtualService is then made without a percentage
        ((predictor("v7"), predictor("v8", shadow=True)), [("v7", "stable", 100, None), ("v8", "shadow", None, 100)]),
    ],
)
def test_predictors_are_read_with_their_shadow(predictors: tuple[Any, ...], expected: list[Any]) -> None:
    endpoint = v1(*predictors)
    assert seen(endpoint) == expected
    assert all(one.observed is None for one in endpoint.variants)  # Seldon does not tell


def test_replicas_come_from_the_status_and_the_model_from_its_uri() -> None:
    endpoint = v1(*TWO)
    assert (endpoint.variants[0].ready, endpoint.variants[0].wanted) == (2, 3)
    assert (endpoint.variants[1].ready, endpoint.variants[1].wanted) == (None, None)
    assert str(endpoint.variants[0].model) == "iris/v7"
    assert v1(predictor("x", uri="s3://bucket/iris")).variants[0].model is None


def test_replicas_come_from_labelled_deployments_where_there_are_any() -> None:
    labels = {"seldon-deployment-id": "iris", "seldon-predictor": "v8"}
    cluster = Cluster().add(SELDON_DEPLOYMENT, "iris", deployment(*TWO))
    cluster.add(DEPLOYMENT, "iris-v8-0-model", {"spec": {"replicas": 4}, "status": {"readyReplicas": 1}}, labels=labels)
    assert (only(SYSTEM, cluster).variants[1].ready, only(SYSTEM, cluster).variants[1].wanted) == (1, 4)


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("Available", Phase.STEADY),
        ("Creating", Phase.PROGRESSING),
        ("Failed", Phase.FAILED),
        ("", Phase.UNKNOWN),
        ("Never heard of", Phase.UNKNOWN),
    ],
)
def test_the_state_is_the_phase(state: str, phase: Phase) -> None:
    assert v1(*TWO, state=state).phase is phase


def test_replicas_are_counted_by_the_whole_name_of_a_predictor() -> None:
    """Predictors v7 and v7-b: without their labels, the Deployments of one began as those of the other."""
    counted = {
        "iris-v7-0-model": {"availableReplicas": 2, "replicas": 2},
        "iris-v7-b-0-model": {"availableReplicas": 0, "replicas": 1},
    }
    thing = deployment(predictor("v7", 90), predictor("v7-b", 10), deploymentStatus=counted)
    found = only(SYSTEM, Cluster().add(SELDON_DEPLOYMENT, "iris", thing))
    assert [(one.ready, one.wanted) for one in found.variants] == [(2, 2), (0, 1)]


def test_a_sum_that_is_not_100_is_told() -> None:
    endpoint = v1(predictor("v7", 60), predictor("v8", 20))
    assert [one.desired for one in endpoint.variants] == [75, 25]
    assert endpoint.message == "the traffic sums to 80, not to 100"


def patched(endpoint: Endpoint, thing: dict[str, Any], change: Change, system: System = SYSTEM) -> Any:
    (call,) = system.compile(endpoint, change)
    assert call.guard == "generation 3"
    return applied(thing, call.body)["spec"]


def test_a_split_writes_whole_percentages() -> None:
    made = patched(v1(*TWO), deployment(*TWO), Split({"v7": 75, "v8": 25}))
    assert [one["traffic"] for one in made["predictors"]] == [75, 25]
    made = patched(v1(*TWO), deployment(*TWO), Promote("v8"))
    assert [one["traffic"] for one in made["predictors"]] == [0, 100]
    with pytest.raises(Rejected, match="whole percentages only"):
        SYSTEM.compile(v1(*TWO), Split({"v7": 87.5, "v8": 12.5}))


def test_a_predictor_that_has_no_traffic_field_gets_one() -> None:
    given = (predictor("v7"), predictor("v8"), predictor("v9", 10, shadow=True))
    made = patched(v1(*given), deployment(*given), Split({"v7": 95, "v8": 5}))
    assert [one["traffic"] for one in made["predictors"]] == [95, 5, 10]


def test_a_shadow_is_stopped_by_being_one_no_more() -> None:
    given = (predictor("v7"), predictor("v8", 20, shadow=True))
    made = patched(v1(*given), deployment(*given), Mirror("v8", 0))
    assert made["predictors"][1] == predictor("v8", 0, shadow=False)
    made = patched(v1(*given), deployment(*given), Mirror("v8", 50))
    assert made["predictors"][1] == predictor("v8", 50, shadow=True)


def test_an_idle_predictor_becomes_the_shadow_but_only_one_can_be() -> None:
    given = (predictor("v7", 100), predictor("v8", 0))
    assert patched(v1(*given), deployment(*given), Mirror("v8", 20))["predictors"][1]["shadow"] is True
    with pytest.raises(Rejected, match="v9 is the shadow already"):
        SYSTEM.compile(v1(*given, predictor("v9", 5, shadow=True)), Mirror("v8", 20))
    with pytest.raises(Rejected, match="gets live traffic"):
        SYSTEM.compile(v1(*TWO), Mirror("v8", 20))


@pytest.mark.parametrize(
    ("predictors", "state", "version", "expected"),
    [
        (TWO, "Available", 3, Pending),
        ((predictor("v7", 75), predictor("v8", 25)), "Available", 4, Settled),
        ((predictor("v7", 75), predictor("v8", 25)), "Creating", 4, Pending),
        ((predictor("v7", 50), predictor("v8", 50)), "Available", 4, Diverged),
    ],
)
def test_v1_settles_on_its_spec_and_says_that_only_metrics_confirm(
    predictors: tuple[Any, ...], state: str, version: int, expected: type
) -> None:
    now = v1(*predictors, state=state, generation=version)
    progress = SYSTEM.progress(v1(*TWO), now, Split({"v7": 75, "v8": 25}))
    assert isinstance(progress, expected)
    if isinstance(progress, Settled):
        assert "only metrics confirm" in progress.message


def test_a_failed_deployment_is_stalled() -> None:
    now = v1(predictor("v7", 75), predictor("v8", 25), state="Failed", generation=4)
    assert SYSTEM.progress(v1(*TWO), now, Split({"v7": 75, "v8": 25})) == Pending("failed", stalled=True)


# ── v2 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def experiment(
    candidates: dict[str, int], mirror: dict[str, Any] | None = None, default: str = "", **ready: str
) -> dict[str, Any]:
    spec: dict[str, Any] = {"candidates": [{"name": name, "weight": weight} for name, weight in candidates.items()]}
    spec |= {"default": default} if default else {}
    spec |= {"mirror": mirror} if mirror else {}
    said = {"ExperimentReady": "True", "CandidatesReady": "True", "MirrorReady": "True", **ready}
    conditions = [{"type": kind, "status": status, "message": f"{kind} {status}"} for kind, status in said.items()]
    return {"spec": spec, "status": {"conditions": conditions}}


def v2(candidates: dict[str, int], mirror: dict[str, Any] | None = None, default: str = "", **ready: str) -> Endpoint:
    cluster = Cluster().add(EXPERIMENT, "iris", experiment(candidates, mirror, default, **ready))
    model = {"spec": {"storageUri": "gs://models/iris/8", "replicas": 2}, "status": {"availableReplicas": 1}}
    return only(EXPERIMENTS, cluster.add(MODEL, "iris-8", model))


def test_candidates_are_proportional_and_the_default_is_stable() -> None:
    endpoint = v2({"iris-7": 1, "iris-8": 3}, {"name": "iris-9", "percent": 10}, "iris-7")
    assert seen(endpoint) == [
        ("iris-7", "stable", 25, None),
        ("iris-8", "canary", 75, None),
        ("iris-9", "shadow", None, 10),
    ]
    canary = endpoint.variants[1]
    assert (str(canary.model), canary.ready, canary.wanted) == ("iris/8", 1, 2)


@pytest.mark.parametrize(
    ("ready", "phase", "words"),
    [
        ({}, Phase.STEADY, ""),
        ({"ExperimentReady": "False", "CandidatesReady": "False"}, Phase.DEGRADED, "CandidatesReady False"),
        ({"ExperimentReady": "Unknown"}, Phase.PROGRESSING, "ExperimentReady Unknown"),
    ],
)
def test_conditions_are_the_phase(ready: dict[str, str], phase: Phase, words: str) -> None:
    endpoint = v2({"iris-7": 1, "iris-8": 1}, None, "", **ready)
    assert (endpoint.phase, endpoint.message) == (phase, words)


def test_v2_weights_and_mirror_are_patched_by_name() -> None:
    candidates, mirror = {"iris-7": 50, "iris-8": 50}, {"name": "iris-9", "percent": 10}
    endpoint, thing = v2(candidates, mirror), experiment(candidates, mirror)
    made = patched(endpoint, thing, Split({"iris-7": 87.5, "iris-8": 12.5}), EXPERIMENTS)
    assert [one["weight"] for one in made["candidates"]] == [875, 125]
    assert patched(endpoint, thing, Promote("iris-8"), EXPERIMENTS)["candidates"][0]["weight"] == 0
    assert patched(endpoint, thing, Mirror("iris-9", 0), EXPERIMENTS)["mirror"] == {"name": "iris-9", "percent": 0}
    with pytest.raises(Rejected, match="whole"):
        EXPERIMENTS.compile(endpoint, Mirror("iris-9", 2.5))


def test_an_experiment_without_a_mirror_says_so() -> None:
    assert v2({"iris-7": 1, "iris-8": 1}).actions[Action.MIRROR] == "the experiment names no mirror"
