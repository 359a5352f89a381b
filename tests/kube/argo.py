"""A controller of ours that plays Argo Rollouts: it takes rollouts along their steps in the documented order.

As in the controller's ``syncRolloutStatusCanary``: a changed template resets the status and comes first; then a full
promotion, an abort, and one step at a time. It makes the ReplicaSets, and no pods.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from backends.platforms.kubernetes.kinds import REPLICA_SET, Kind
from backends.serving.rollout_state import ANALYSIS_RUN, HASH_LABEL, REVISION, ROLLOUT
from tests.kube.apiserver import ApiServer
from tests.kube.controller import TestController

SINCE = "2026-07-29T03:00:00Z"


def rollout(namespace: str, name: str, image: str, strategy: Mapping[str, Any]) -> dict[str, Any]:
    """A Rollout as the documentation's samples are."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "model", "image": image}]}}
    spec = {"replicas": 4, "selector": {"matchLabels": labels}, "template": template, "strategy": strategy}
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec}


def hash_of(template: Mapping[str, Any]) -> str:
    images = [container["image"] for container in template["spec"]["containers"]]
    return hashlib.sha256(json.dumps(images).encode()).hexdigest()[:9]


class ArgoController(TestController):
    """``analysis`` is what analyses come to: "Running" until a test says otherwise. With ``late_weights`` the router
    follows one reconcile after the step has moved on, as a slow one does."""

    kind: ClassVar[Kind] = ROLLOUT

    def __init__(self, server: ApiServer, namespace: str, *, delay_s: float = 0.0, late_weights: bool = False) -> None:
        super().__init__(server, namespace, delay_s=delay_s)
        self.analysis = "Running"
        self.late_weights = late_weights

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        spec, status = thing["spec"], dict(thing.get("status") or {})
        pod_hash = hash_of(spec["template"])
        generation = str(thing["metadata"]["generation"])
        if status.get("currentPodHash") != pod_hash:
            self._replica_set(thing, pod_hash)
            return self._reset(status, spec, pod_hash, generation)
        status["observedGeneration"] = generation
        if not status.get("stableRS"):
            return self._promoted(status, spec, pod_hash)
        if spec.get("paused"):
            return {**status, "phase": "Paused", "message": "manually paused"}
        if status.get("promoteFull"):
            return self._promoted(status, spec, pod_hash)
        if status.get("abort"):
            return self._aborted(status, spec)
        if status["stableRS"] == pod_hash:
            return self._promoted(status, spec, pod_hash)
        if "blueGreen" in spec["strategy"]:
            return self._blue_green(status, spec, pod_hash)
        return self._step(thing, status, spec, pod_hash)

    # ── what a reconcile leads to ───────────────────────────────────────────────────────────────────────────────

    def _reset(self, status: dict[str, Any], spec: Mapping[str, Any], pod_hash: str, generation: str) -> dict[str, Any]:
        for gone in ("pauseConditions", "controllerPause", "abort", "abortedAt", "promoteFull", "message"):
            status.pop(gone, None)
        steps = spec["strategy"].get("canary", {}).get("steps", [])
        back = status.get("stableRS") == pod_hash
        return {
            **status,
            "currentPodHash": pod_hash,
            "currentStepIndex": len(steps) if back else 0,
            "phase": "Progressing",
            "observedGeneration": generation,
        }

    def _promoted(self, status: dict[str, Any], spec: Mapping[str, Any], pod_hash: str) -> dict[str, Any]:
        for gone in ("pauseConditions", "controllerPause", "abort", "abortedAt", "promoteFull", "message"):
            status.pop(gone, None)
        done = {**status, "stableRS": pod_hash, "phase": "Healthy"}
        if "blueGreen" in spec["strategy"]:
            return {**done, "blueGreen": {"activeSelector": pod_hash, "previewSelector": pod_hash}}
        return {
            **done,
            "currentStepIndex": len(spec["strategy"]["canary"].get("steps", [])),
            "canary": {"weights": self._weights(0, pod_hash, pod_hash)},
        }

    def _aborted(self, status: dict[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
        for gone in ("pauseConditions", "controllerPause"):
            status.pop(gone, None)
        made = {
            **status,
            "abortedAt": SINCE,
            "phase": "Degraded",
            "message": "RolloutAborted: Rollout aborted update",
        }
        if "canary" in spec["strategy"]:
            weights = self._weights(0, status["currentPodHash"], status["stableRS"])
            made |= {"currentStepIndex": 0, "canary": {**status.get("canary", {}), "weights": weights}}
        return made

    def _blue_green(self, status: dict[str, Any], spec: Mapping[str, Any], pod_hash: str) -> dict[str, Any]:
        made = {**status, "blueGreen": {"activeSelector": status["stableRS"], "previewSelector": pod_hash}}
        if status.get("pauseConditions"):
            return {**made, "phase": "Paused"}
        if status.get("controllerPause"):
            return self._promoted(status, spec, pod_hash)
        pause = [{"reason": "BlueGreenPause", "startTime": SINCE}]
        return {
            **made,
            "pauseConditions": pause,
            "controllerPause": True,
            "phase": "Paused",
            "message": "BlueGreenPause",
        }

    def _step(
        self, thing: Mapping[str, Any], status: dict[str, Any], spec: Mapping[str, Any], pod_hash: str
    ) -> dict[str, Any]:
        steps, index = spec["strategy"]["canary"]["steps"], status.get("currentStepIndex", 0)
        if index >= len(steps):
            return self._promoted(status, spec, pod_hash)
        step, stable = steps[index], status["stableRS"]
        set_weights = [one["setWeight"] for one in steps[: index + 1] if "setWeight" in one]
        weights = self._weights(set_weights[-1] if set_weights else 0, pod_hash, stable)
        canary = dict(status.get("canary", {}))
        on = {**status, "currentStepIndex": index + 1, "phase": "Progressing"}
        if "setWeight" in step:
            if canary.get("weights") != weights and not self.late_weights:
                return {**status, "canary": {**canary, "weights": weights}, "phase": "Progressing"}
            return on
        if canary.get("weights") != weights:
            return {**status, "canary": {**canary, "weights": weights}}
        if "pause" in step:
            return self._pause(status, on)
        if "analysis" in step:
            return self._analysis(thing, status, on, canary)
        return on

    def _pause(self, status: dict[str, Any], on: dict[str, Any]) -> dict[str, Any]:
        if status.get("pauseConditions"):
            return {**status, "phase": "Paused", "message": "CanaryPauseStep"}
        if status.get("controllerPause"):  # it was paused, and somebody lifted that
            on.pop("controllerPause")
            on.pop("message", None)
            return on
        pause = [{"reason": "CanaryPauseStep", "startTime": SINCE}]
        return {
            **status,
            "pauseConditions": pause,
            "controllerPause": True,
            "phase": "Paused",
            "message": "CanaryPauseStep",
        }

    def _analysis(
        self, thing: Mapping[str, Any], status: dict[str, Any], on: dict[str, Any], canary: dict[str, Any]
    ) -> dict[str, Any]:
        analysis = self.analysis  # a test may change it at any time
        name = f"{thing['metadata']['name']}-{status['currentPodHash']}-{status.get('currentStepIndex', 0)}"
        told = {"name": name, "status": analysis}
        self.server.create(
            ANALYSIS_RUN,
            {
                "metadata": {
                    "namespace": self.namespace,
                    "name": name,
                    "ownerReferences": [owner_of(thing, ROLLOUT)],
                },
                "spec": {"metrics": [{"name": "success-rate", "provider": {"job": {"spec": {"template": {}}}}}]},
            },
        )
        if analysis == "Successful":
            on["canary"] = {key: value for key, value in canary.items() if key == "weights"}
            return on
        made = {**status, "canary": {**canary, "currentStepAnalysisRunStatus": told}}
        if analysis == "Failed":
            told["message"] = 'Metric "success-rate" assessed Failed due to failed (2) > failureLimit (1)'
            return {**made, "abort": True}
        if analysis == "Inconclusive":
            if status.get("controllerPause") and not status.get("pauseConditions"):
                return {**made, "phase": "Progressing"}
            pause = [{"reason": "InconclusiveAnalysisRun", "startTime": SINCE}]
            return {**made, "pauseConditions": pause, "controllerPause": True, "phase": "Paused"}
        return {**made, "phase": "Progressing"}

    @staticmethod
    def _weights(canary: int, pod_hash: str, stable: str) -> dict[str, Any]:
        return {
            "canary": {"weight": canary, "podTemplateHash": pod_hash},
            "stable": {"weight": 100 - canary, "podTemplateHash": stable},
        }

    # ── ReplicaSets ─────────────────────────────────────────────────────────────────────────────────────────────

    def _replica_set(self, thing: Mapping[str, Any], pod_hash: str) -> None:
        """Make the ReplicaSet of that template, or give the one that is there the newest revision."""
        owned = [
            one
            for one in self.server.all_of(REPLICA_SET, self.namespace)
            if _owner_uid(one) == thing["metadata"]["uid"]
        ]
        newest = max([int(one["metadata"]["annotations"][REVISION]) for one in owned], default=0)
        name = f"{thing['metadata']['name']}-{pod_hash}"
        if any(one["metadata"]["name"] == name for one in owned):
            annotations = {"metadata": {"annotations": {REVISION: str(newest + 1)}}}
            self.server.patch(REPLICA_SET, self.namespace, name, annotations)
            return
        template = thing["spec"]["template"]
        labels = {**template["metadata"]["labels"], HASH_LABEL: pod_hash}
        replicas = thing["spec"]["replicas"]
        self.server.create(
            REPLICA_SET,
            {
                "metadata": {
                    "namespace": self.namespace,
                    "name": name,
                    "labels": labels,
                    "annotations": {REVISION: str(newest + 1)},
                    "ownerReferences": [owner_of(thing, ROLLOUT)],
                },
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": labels},
                    "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
                },
                "status": {"replicas": replicas, "readyReplicas": replicas},
            },
        )


def owner_of(thing: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """An ``ownerReference`` to that object, as its controller."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": thing["metadata"]["name"],
        "uid": thing["metadata"]["uid"],
        "controller": True,
    }


def _owner_uid(thing: Mapping[str, Any]) -> str:
    references = thing["metadata"].get("ownerReferences", [])
    return str(references[0]["uid"]) if references else ""
