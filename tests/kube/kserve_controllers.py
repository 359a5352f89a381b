"""KServe's and Knative's controllers, as far as a status shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from backends.platforms.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE
from backends.serving.knative import OF_SERVICE as OF_KNATIVE
from backends.serving.knative import SERVICE
from backends.serving.kserve_facts import INFERENCE_SERVICE, OF_SERVICE, REVISION
from tests.kube.apiserver import ApiServer
from tests.kube.controller import TestController

SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
LOADED = {"activeModelState": "Loaded", "targetModelState": "Loaded"}
SCALING = ("canaryTrafficPercent", "minReplicas", "maxReplicas")


def condition(ok: bool | None, reason: str = "", type_: str = "Ready") -> dict[str, str]:
    return {"type": type_, "status": {True: "True", False: "False", None: "Unknown"}[ok], "reason": reason}


def create_revision(
    server: ApiServer, namespace: str, name: str, labels: Mapping[str, str], uri: str, *, works: bool
) -> None:
    """A Knative Revision that is ready, or that will never be."""
    server.create(
        REVISION,
        {
            "metadata": {
                "namespace": namespace,
                "name": name,
                "labels": dict(labels),
                "annotations": {SOURCE: uri} if uri else {},
            },
            "spec": {"containers": [{"image": f"example.invalid/model:{name}"}]},
            "status": {
                "conditions": [condition(works, "" if works else "ExitCode1")],
                "actualReplicas": 2 if works else 0,
                "desiredReplicas": 2,
            },
        },
    )


class KServeKnative(TestController):
    """One reconcile: the traffic by the spec and by the mark of what was rolled out *before*, then the mark by that
    traffic (``PropagateStatus``). So a rollback after a full rollout takes two.

    ``early`` has ``Ready`` and the mark written a reconcile before the traffic. A storage URI with "broken" in it
    never loads.
    """

    kind = INFERENCE_SERVICE
    early = False

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        spec = thing["spec"]["predictor"]
        old = thing.get("status") or {}
        state = dict(old.get("components", {}).get("predictor", {}))
        created, failed = self._deploy(thing, spec, state)
        traffic, sums = self._routed(spec, state)
        marked: set[str] = self.__dict__.setdefault("_marked", set())
        waits = self.early and traffic != state.get("traffic") and json.dumps(traffic) not in marked
        self._propagate(traffic, sums, state)
        if waits:
            marked.add(json.dumps(traffic))
        else:
            state["traffic"] = traffic
        model: dict[str, Any] = {"transitionStatus": "BlockedByFailedLoad" if failed else "UpToDate"}
        if failed:
            model["lastFailureInfo"] = {"reason": "ModelLoadFailed", "message": "broken", "modelRevisionName": created}
        return {
            "deploymentMode": "Knative",
            "observedGeneration": 1,
            "conditions": [condition(False, "RevisionFailed") if failed else condition(True)],
            "components": {"predictor": {key: value for key, value in state.items() if value}},
            "modelStatus": {"states": LOADED, **model},
        }

    def _deploy(self, thing: Mapping[str, Any], spec: Mapping[str, Any], state: dict[str, Any]) -> tuple[str, bool]:
        name = thing["metadata"]["name"]
        uri = spec["model"]["storageUri"]
        template = json.dumps({key: value for key, value in spec.items() if key not in SCALING}, sort_keys=True)
        known: list[str] = self.__dict__.setdefault("_templates", {}).setdefault(thing["metadata"]["uid"], [])
        if not known or known[-1] != template:
            known.append(template)
            latest = f"{name}-predictor-{len(known):05}"
            labels = {OF_SERVICE: name}
            create_revision(self.server, self.namespace, latest, labels, uri, works="broken" not in uri)
        latest = f"{name}-predictor-{len(known):05}"
        state["latestCreatedRevision"] = latest
        if "broken" not in uri:
            state["latestReadyRevision"] = latest
        return latest, "broken" in uri

    def _routed(self, spec: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, int]]:
        ready, rolled, percent = state.get("latestReadyRevision"), state.get("latestRolledoutRevision"), 100
        if not ready:
            return [], {}
        traffic: list[dict[str, Any]] = []
        if spec.get("canaryTrafficPercent") is not None and rolled:
            percent = spec["canaryTrafficPercent"]
        traffic.append({"revisionName": ready, "latestRevision": True, "percent": percent})
        if percent < 100:
            rest = {"revisionName": rolled, "latestRevision": False, "percent": 100 - percent, "tag": "prev"}
            traffic.append(rest)
        sums: dict[str, int] = {}
        for one in traffic:
            sums[one["revisionName"]] = sums.get(one["revisionName"], 0) + one["percent"]
        return traffic, sums

    def _propagate(self, traffic: list[dict[str, Any]], sums: Mapping[str, int], state: dict[str, Any]) -> None:
        for one in traffic:
            ready = state.get("latestReadyRevision")
            if one["revisionName"] != ready or not one["latestRevision"]:
                continue
            if state.get("latestRolledoutRevision") != ready:
                if one["percent"] == 100:
                    state["previousRolledoutRevision"] = state.get("latestRolledoutRevision", "")
                    state["latestRolledoutRevision"] = ready
            elif ready == state["latestCreatedRevision"] and one["percent"] < 100 and sums[ready] == 100:
                state["latestRolledoutRevision"] = state.get("previousRolledoutRevision") or ready


class KServeStandard(TestController):
    """Deployments and an HTTPRoute by spec; a status that echoes it. ``unready`` names canaries without a replica;
    ``routeless`` leaves the route as it is, as KServe 0.20.0 does."""

    kind = INFERENCE_SERVICE
    unready: tuple[str, ...] = ()
    routeless = False

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        name, canaries = thing["metadata"]["name"], thing["spec"].get("canary") or []
        weights = {one["predictor"]["name"]: one["trafficPercent"] for one in canaries}
        stable = thing["spec"]["predictor"].get("name", "")
        rest = 100 - sum(percent for one, percent in weights.items() if one not in self.unready)
        backends = {stable: rest, **{one: percent for one, percent in weights.items() if one not in self.unready}}
        for one in (stable, *weights):
            self._deployment(name, one)
        if not self.routeless:
            refs = [
                {"name": self._workload(name, one), "port": 80, "weight": weight} for one, weight in backends.items()
            ]
            self._route(name, {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": refs}]})
        statuses = [
            {"name": one, "ready": one not in self.unready, "trafficPercent": percent}
            for one, percent in weights.items()
        ]
        return {
            "deploymentMode": "Standard",
            "observedGeneration": 1,
            "conditions": [condition(True), condition(not self.unready, type_="CanaryPredictorReady")],
            "canaryStatuses": statuses,
            "modelStatus": {"states": LOADED, "transitionStatus": "UpToDate"},
        }

    def _workload(self, name: str, predictor: str) -> str:
        return f"{name}-{predictor}-predictor" if predictor else f"{name}-predictor"

    def _deployment(self, name: str, predictor: str) -> None:
        workload = self._workload(name, predictor)
        if any(one["metadata"]["name"] == workload for one in self.server.all_of(DEPLOYMENT, self.namespace)):
            return
        labels = {"app": f"isvc.{workload}"}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "kserve-container", "image": f"example.invalid/model:{predictor}"}]},
        }
        replicas = 0 if predictor in self.unready else 2
        self.server.create(
            DEPLOYMENT,
            {
                "metadata": {"namespace": self.namespace, "name": workload, "labels": {OF_SERVICE: name}},
                "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
                "status": {"replicas": 2, "readyReplicas": replicas, "availableReplicas": replicas},
            },
        )

    def _route(self, name: str, spec: Mapping[str, Any]) -> None:
        found = [one for one in self.server.all_of(HTTP_ROUTE, self.namespace) if one["metadata"]["name"] == name]
        if not found:
            self.server.create(HTTP_ROUTE, {"metadata": {"namespace": self.namespace, "name": name}, "spec": spec})
        elif [one.get("weight") for one in found[0]["spec"]["rules"][0]["backendRefs"]] != [
            one["weight"] for one in spec["rules"][0]["backendRefs"]
        ]:
            self.server.patch(HTTP_ROUTE, self.namespace, name, {"spec": spec})


class KnativeService(TestController):
    """A revision per template; the traffic as asked for, or a step nearer to it where the Service is told to ramp."""

    kind = SERVICE
    step = 20

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        name = thing["metadata"]["name"]
        status = dict(thing.get("status") or {})
        image = thing["spec"]["template"]["spec"]["containers"][0]["image"]
        number = int(image.rpartition(":")[2])
        latest = f"{name}-{number:05}"
        if status.get("latestCreatedRevisionName") != latest:
            labels = {OF_KNATIVE: name, "serving.knative.dev/configurationGeneration": str(number)}
            create_revision(self.server, self.namespace, latest, labels, "", works=True)
        asked = thing["spec"].get("traffic") or [{"latestRevision": True, "percent": 100}]
        target = [
            {**one, "revisionName": one.get("revisionName", latest), "latestRevision": one.get("latestRevision", False)}
            for one in asked
        ]
        if thing["metadata"].get("annotations", {}).get("serving.knative.dev/rollout-duration") and status:
            target = self._nearer(status["traffic"], target)
        return {
            "observedGeneration": thing["metadata"]["generation"],
            "conditions": [condition(True), condition(True, type_="RoutesReady")],
            "latestCreatedRevisionName": latest,
            "latestReadyRevisionName": latest,
            "traffic": target,
        }

    def _nearer(self, now: list[dict[str, Any]], target: list[dict[str, Any]]) -> list[dict[str, Any]]:
        have = {one["revisionName"]: one.get("percent", 0) for one in now}
        want = {one["revisionName"]: one.get("percent", 0) for one in target}
        names = list(dict.fromkeys((*have, *want)))
        rising = [one for one in names if want.get(one, 0) > have.get(one, 0)]
        if not rising:
            return target
        moved = {one: have.get(one, 0) for one in names}
        for one in rising:
            step = min(self.step, want[one] - moved[one])
            moved[one] += step
            for other in names:
                give = min(step, max(0, moved[other] - want.get(other, 0))) if other != one else 0
                moved[other] -= give
                step -= give
        return [
            {"revisionName": one, "percent": percent, "latestRevision": False}
            for one, percent in moved.items()
            if percent
        ]
