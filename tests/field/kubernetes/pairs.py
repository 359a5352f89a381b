"""Deployments behind one Service as the controllers of a real cluster leave them, for the field cases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from backends.contracts import Endpoint
from backends.platforms.kubernetes.kinds import DEPLOYMENT, REPLICA_SET, SERVICE
from backends.serving.autoscalers import HPA
from backends.serving.deployment import Deployments
from tests.unit.kube_objects import Cluster, only

SYSTEM = Deployments()
QUOTA = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": 'pods "churn-v4-6d-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=6, limited: pods=6',
}
TIMED_OUT = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": 'ReplicaSet "churn-v4-6d" has timed out progressing.',
}
KEDA = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "name": "churn-queue",
    "uid": "so",
    "controller": True,
}


def template(tag: str, track: str) -> dict[str, Any]:
    labels = {"app": "churn", "track": track}
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "m", "image": f"registry/churn:{tag}"}]}}


def member(
    tag: str, track: str, wanted: int, *, generation: int = 4, paused: bool = False, **status: Any
) -> dict[str, Any]:
    """A Deployment of ``wanted`` replicas. Its status is that of a complete roll-out, but for the given fields.
    ``None`` drops a field."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
    told = {"observedGeneration": generation, **counts, **status}
    labels = {"app": "churn", "track": track}
    spec = {"replicas": wanted, "selector": {"matchLabels": labels}, "template": template(tag, track)}
    spec |= {"paused": True} if paused else {}
    return {"spec": spec, "status": {key: one for key, one in told.items() if one not in (None, 0)}}


def replica_set(owner: str, tag: str, track: str, revision: int, replicas: int, ready: int) -> dict[str, Any]:
    controller = {"apiVersion": "apps/v1", "kind": "Deployment", "name": owner, "uid": owner, "controller": True}
    return {
        "metadata": {
            "labels": {"app": "churn", "pod-template-hash": f"{tag}{revision}"},
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [controller],
        },
        "spec": {"replicas": replicas, "template": template(tag, track)},
        "status": {"replicas": replicas} | ({"readyReplicas": ready} if ready else {}),
    }


def scaler(
    target: str, least: int, most: int, *, owner: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """An autoscaler of version 1, which keeps its conditions in an annotation."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    conditions = more.pop("conditions", None)
    annotations = dict(more.pop("annotations", {}))
    if conditions is not None:
        annotations["autoscaling.alpha.kubernetes.io/conditions"] = json.dumps(conditions)
    metadata = {"annotations": annotations} | ({"ownerReferences": [owner]} if owner else {})
    return {
        "metadata": metadata,
        "spec": {"scaleTargetRef": reference, "minReplicas": least, "maxReplicas": most},
    }


def cluster(
    stable: Mapping[str, Any],
    canary: Mapping[str, Any],
    *sets: Mapping[str, Any],
    scalers: Mapping[str, Mapping[str, Any]] | None = None,
    metadata: Mapping[str, Any] | None = None,
    owners: Mapping[str, str] | None = None,
) -> Cluster:
    """``metadata`` is the canary's; ``owners`` are what the store keeps as GitOps owners, by object name."""
    made = Cluster().add(SERVICE, "churn", {"spec": {"selector": {"app": "churn"}}})
    kept = {name: {"shiftdeck/owner": owner} for name, owner in (owners or {}).items()}
    made.add(DEPLOYMENT, "churn-v3", {**stable, **kept.get("churn-v3", {})}, uid="churn-v3", generation=4)
    canary_at = {"uid": "churn-v4", "generation": 4, **(metadata or {})}
    made.add(DEPLOYMENT, "churn-v4", {**canary, **kept.get("churn-v4", {})}, **canary_at)
    for one in sets:
        made.add(REPLICA_SET, f"{one['metadata']['labels']['pod-template-hash']}", one, **one["metadata"])
    for name, one in (scalers or {}).items():
        made.add(HPA, name, one, uid=name, **one["metadata"])
    return made


def pair(stable: Mapping[str, Any], canary: Mapping[str, Any], *sets: Mapping[str, Any], **more: Any) -> Endpoint:
    return only(SYSTEM, cluster(stable, canary, *sets, **more))
