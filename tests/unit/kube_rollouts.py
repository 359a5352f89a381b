"""Argo Rollouts in memory, in the states that matter, for the tests of the pure system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from backends.contracts import (
    Call,
    Endpoint,
    Role,
)
from backends.platforms.kubernetes.kinds import REPLICA_SET
from backends.serving.rollout_state import ROLLOUT
from backends.serving.rollouts import Rollouts
from tests.unit.kube_objects import Cluster, only

SYSTEM = Rollouts()
OLD, NEW, OLDER = "5f7c8", "7d4b9", "4a1d2"
UID = "rollout-uid"

STEPS: list[dict[str, Any]] = [
    {"setWeight": 10},
    {"pause": {}},
    {"setWeight": 25},
    {"analysis": {"templates": [{"templateName": "success-rate"}]}},
    {"setWeight": 50},
    {"pause": {"duration": "10m"}},
]
ROUTED: dict[str, Any] = {"trafficRouting": {"istio": {"virtualService": {"name": "sentiment"}}}}


def replica_set(
    pod_hash: str,
    revision: int,
    *,
    replicas: int = 4,
    ready: int | None = None,
    tag: str = "v1",
    history: str = "",
    day: int = 0,
) -> dict[str, Any]:
    labels = {"app": "sentiment", "rollouts-pod-template-hash": pod_hash}
    container = {"name": "model", "image": f"registry.example/sentiment:{tag}"}
    template = {"metadata": {"creationTimestamp": None, "labels": labels}, "spec": {"containers": [container]}}
    status = {"readyReplicas": ready if ready is not None else replicas} if (ready or replicas) else {}
    return {
        "metadata": {
            "labels": labels,
            "annotations": {
                "rollout.argoproj.io/revision": str(revision),
                **({"rollout.argoproj.io/revision-history": history} if history else {}),
            },
            "creationTimestamp": f"2026-07-{10 + (day or revision)}T08:00:00Z",
            "ownerReferences": [
                {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "s", "uid": UID, "controller": True}
            ],
        },
        "spec": {"replicas": replicas, "template": template},
        "status": status,
    }


def weights(canary: int, stable: int, **more: Any) -> dict[str, Any]:
    return {
        "weights": {
            "canary": {"weight": canary, "podTemplateHash": NEW, "serviceName": "sentiment-canary"},
            "stable": {"weight": stable, "podTemplateHash": OLD, "serviceName": "sentiment-stable"},
        },
        **more,
    }


def cluster(
    status: Mapping[str, Any] | None = None,
    *,
    canary: Mapping[str, Any] | None = None,
    blue_green: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    sets: Mapping[str, Mapping[str, Any]] | None = None,
    generation: int = 5,
) -> Cluster:
    """Paused at the first pause of six steps, 10 % of traffic on the new version, unless told otherwise."""
    strategy: dict[str, Any] = (
        {"blueGreen": dict(blue_green)}
        if blue_green is not None
        else {"canary": {"steps": STEPS, **ROUTED, **(canary or {})}}
    )
    given: dict[str, Any] = {
        "phase": "Paused",
        "message": "CanaryPauseStep",
        "observedGeneration": str(generation),
        "currentPodHash": NEW,
        "stableRS": OLD,
        "currentStepIndex": 1,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-07-29T03:00:00Z"}],
        "controllerPause": True,
        "canary": weights(10, 90),
        **(status or {}),
    }
    selector = {"matchLabels": {"app": "sentiment"}}
    template = {"metadata": {"labels": {"app": "sentiment"}}, "spec": {}}
    whole = {"selector": selector, "template": template, "strategy": strategy, **(spec or {})}
    made = Cluster().add(
        ROLLOUT,
        "sentiment",
        {"spec": whole, "status": {key: value for key, value in given.items() if value is not None}},
        uid=UID,
        generation=generation,
    )
    known = sets if sets is not None else {OLD: {"revision": 4, "tag": "v7"}, NEW: {"revision": 5, "tag": "v8"}}
    for pod_hash, told in known.items():
        one = replica_set(pod_hash, **told)
        made.add(REPLICA_SET, f"sentiment-{pod_hash}", one, **one["metadata"])
    return made


def read(status: Mapping[str, Any] | None = None, **how: Any) -> Endpoint:
    return only(SYSTEM, cluster(status, **how))


STABLE: dict[str, Any] = {
    "phase": "Healthy",
    "message": None,
    "currentPodHash": OLD,
    "stableRS": OLD,
    "currentStepIndex": 6,
    "pauseConditions": None,
    "controllerPause": None,
    "canary": {"weights": {"canary": {"weight": 0, "podTemplateHash": OLD}, "stable": {"weight": 100}}},
}
HISTORY = {OLDER: {"revision": 3, "replicas": 0, "tag": "v6"}, OLD: {"revision": 4, "tag": "v7"}}
ABORTED: dict[str, Any] = {
    "phase": "Degraded",
    "message": "RolloutAborted: Rollout aborted update to revision 5",
    "abort": True,
    "abortedAt": "2026-07-29T03:10:00Z",
    "currentStepIndex": 0,
    "pauseConditions": None,
    "controllerPause": None,
    "canary": weights(0, 100),
}
RUNNING: dict[str, Any] = {
    "phase": "Progressing",
    "message": "more replicas need to be updated",
    "currentStepIndex": 3,
    "pauseConditions": None,
    "controllerPause": None,
    "canary": weights(25, 75, currentStepAnalysisRunStatus={"name": "sentiment-7d4b9-5-3", "status": "Running"}),
}


def split(endpoint: Endpoint) -> dict[str, tuple[Role, float | None, float | None]]:
    return {one.name: (one.role, one.desired, one.observed) for one in endpoint.variants}


def changes(call: Call) -> list[dict[str, Any]]:
    """What a patch does, without its tests."""
    assert isinstance(call.body, list)
    return [one for one in cast("list[dict[str, Any]]", call.body) if one["op"] != "test"]


def expectations(call: Call) -> dict[str, Any]:
    assert isinstance(call.body, list)
    return {one["path"]: one["value"] for one in cast("list[dict[str, Any]]", call.body) if one["op"] == "test"}
