"""Controllers of ours for routes, Seldon and KServe's LLM groups, in the documented order of their reconciles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backends.platforms.kubernetes.kinds import HTTP_ROUTE
from backends.serving.llminference import LLM
from backends.serving.seldon import SELDON_DEPLOYMENT
from backends.serving.seldon_experiment import EXPERIMENT
from tests.kube.controller import TestController

WHEN = "2026-11-20T10:00:00Z"


def condition(kind: str, status: bool | None, generation: int | None = None, message: str = "") -> dict[str, Any]:
    said = {None: "Unknown", True: "True", False: "False"}[status]
    made = {"type": kind, "status": said, "reason": "Tested", "message": message, "lastTransitionTime": WHEN}
    return made | ({} if generation is None else {"observedGeneration": generation})


class GatewayController(TestController):
    """Every parent answers for itself, one after the other: first it accepts, then it has resolved the backends. With
    ``backwards`` the references come first, and the last parent before the first. ``unknown`` are services that it does
    not find."""

    kind = HTTP_ROUTE
    backwards = False
    unknown: tuple[str, ...] = ()

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        generation = thing["metadata"]["generation"]
        refs = [ref["name"] for rule in thing["spec"]["rules"] for ref in rule.get("backendRefs", [])]
        missing = [name for name in refs if name in self.unknown]
        resolved = condition(
            "ResolvedRefs", not missing, generation, f"no service {', '.join(missing)}" if missing else ""
        )
        wanted = {"Accepted": condition("Accepted", True, generation), "ResolvedRefs": resolved}
        order = ["ResolvedRefs", "Accepted"] if self.backwards else ["Accepted", "ResolvedRefs"]
        parents = list(thing["spec"]["parentRefs"])
        told = {one["parentRef"]["name"]: one for one in thing.get("status", {}).get("parents", [])}
        for parent in reversed(parents) if self.backwards else parents:
            known = told.get(parent["name"], {"conditions": []})["conditions"]
            for kind in order:
                if wanted[kind] not in known:
                    rest = [one for one in known if one["type"] != kind]
                    told[parent["name"]] = {
                        "parentRef": parent,
                        "controllerName": "example.org/gateway",
                        "conditions": [*rest, wanted[kind]],
                    }
                    return {"parents": list(told.values())}
        return None


class GroupController(TestController):
    """KServe's group routing: each member's reconcile writes its own HTTPRoute, for all members that are ready, and
    then the group and its generation into its own status; a weight that changes has all other members reconciled too.
    """

    kind = LLM

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        group = thing["spec"]["router"]["route"]["group"]
        members = [
            {"name": one["metadata"]["name"], "weight": one["spec"]["router"]["route"]["weight"]}
            for one in self.server.all_of(LLM, self.namespace)
            if one["spec"]["router"]["route"]["group"] == group
        ]
        return {
            "observedGeneration": thing["metadata"]["generation"],
            "conditions": [condition("GroupReady", True), condition("Ready", True)],
            "workloads": {"primary": {"kind": "Deployment", "name": "x", "readyReplicas": 2}},
            "router": {"group": {"name": group, "members": members}},
        }


class SeldonController(TestController):
    """Seldon v1: ``Creating`` while it works, then ``Available``; nothing tells of which spec."""

    kind = SELDON_DEPLOYMENT

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._done: dict[str, int] = {}

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        name, generation = thing["metadata"]["name"], thing["metadata"]["generation"]
        if self._done.get(name) == generation:
            return None
        if thing.get("status", {}).get("state") == "Creating":
            self._done[name] = generation
            return {"state": "Available"}
        return {"state": "Creating"}


class ExperimentController(TestController):
    """Seldon v2: while the scheduler has not answered for this generation the conditions stay as they were."""

    kind = EXPERIMENT

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        ready = [condition(kind, True) for kind in ("ExperimentReady", "CandidatesReady", "MirrorReady")]
        return {"conditions": ready}
