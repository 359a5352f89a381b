"""Fences on a real API server, for every serving system on Kubernetes: the patch whose answer was lost fails after its
fence, the fence changes nothing but its annotation, and a new plan is accepted.

Only the objects that are patched are on the server. What else an endpoint is explained from comes from the unit tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.conformance.changes import tried
from backends.contracts import Call, Endpoint, Rollback, Split, Wiring
from backends.discovery import adapter_class
from backends.errors import BackendError, Conflict, Forbidden, Rejected
from backends.platforms.kubernetes.kinds import HPA, HTTP_ROUTE, Kind
from backends.platforms.kubernetes.store import trim
from backends.serving.istio import VIRTUAL_SERVICE
from backends.serving.knative import SERVICE as KNATIVE_SERVICE
from backends.serving.kserve_facts import INFERENCE_SERVICE
from backends.serving.kubernetes import KubernetesServing
from backends.serving.llminference import LLM
from backends.serving.rollout_state import ROLLOUT
from backends.serving.seldon import SELDON_DEPLOYMENT
from backends.serving.seldon_experiment import EXPERIMENT
from tests.contract.test_kube_deployment import two_revisions
from tests.contract.test_kube_deployment import world as deployments
from tests.kube.apiserver import ApiServer
from tests.kube.shell import wiring
from tests.unit.kube_worlds import WORLDS, Seen, world_of

FENCE = "shiftdeck.io/fence"
CASES: dict[str, tuple[str, Kind, str]] = {
    "gateway": ("gateway", HTTP_ROUTE, "gateway-httproutes"),
    "istio": ("istio", VIRTUAL_SERVICE, "istio-virtualservices"),
    "knative": ("knative", KNATIVE_SERVICE, "knative-services"),
    "kserve in knative mode": ("kserve", INFERENCE_SERVICE, "kserve-inferenceservices"),
    "kserve in standard mode": ("kserve", INFERENCE_SERVICE, "kserve-inferenceservices"),
    "llm group": ("llminference", LLM, "kserve-llminferenceservices"),
    "rollout": ("rollouts", ROLLOUT, "argo-rollouts"),
    "rollout, aborted": ("rollouts", ROLLOUT, "argo-rollouts"),
    "seldon v1": ("seldon", SELDON_DEPLOYMENT, "seldon-seldondeployments"),
    "seldon v2": ("seldon2", EXPERIMENT, "seldon-experiments"),
}
"""By world: the adapter, the kind that it patches, and the file of the kind's CRD."""


class Bench:
    """One endpoint of a world, whose patched objects are on the server."""

    def __init__(self, server: ApiServer, name: str) -> None:
        adapter, self.kind, crd = CASES[name]
        server.apply_crd(crd)
        self._server = server
        self.namespace = server.namespace("fence")
        self.serving = serving_of(server, adapter, self.namespace)
        self._system, make = WORLDS[name]
        world = world_of(self._system, make)
        (old, _), *_ = world[self.kind]
        told = {f'"{old}"': f'"{self.namespace}"', f".{old}.": f".{self.namespace}."}
        told['"observedGeneration": 3'] = '"observedGeneration": 1'
        for thing in self._renamed(world[self.kind], told).values():
            kept = {
                key: value for key, value in thing["metadata"].items() if key in ("name", "namespace", "annotations")
            }
            made = server.create(self.kind, {**completed(thing), "metadata": kept})
            told[f'"{thing["metadata"].get("uid")}"'] = f'"{made["metadata"]["uid"]}"'
        self._world = {kind: self._renamed(things, told) for kind, things in world.items()}

    def read(self) -> Endpoint:
        there = {(self.namespace, one["metadata"]["name"]): trim(one) for one in self._stored()}
        return self._system.explain(Seen({**self._world, self.kind: there}), "k8s")[0]

    def lost_calls(self) -> list[Call]:
        """The calls of one change for each action that is possible."""
        found: list[Call] = []
        for changes in tried(self.read()).values():
            for change in changes:
                try:
                    found += self.serving.compile(self.read(), change)
                except BackendError:
                    continue
                break
        return found

    def state(self) -> object:
        """All that the fence must leave alone."""
        return [without(one) for one in self._stored()]

    def _stored(self) -> list[dict[str, Any]]:
        typed = {"apiVersion": self.kind.api_version, "kind": self.kind.kind}
        return [{**typed, **one} for one in self._server.all_of(self.kind, self.namespace)]

    def _renamed(self, things: dict[tuple[str, str], Any], told: dict[str, str]) -> dict[tuple[str, str], Any]:
        words = {name: json.dumps(thing) for (_, name), thing in things.items()}
        for old, new in told.items():
            words = {name: text.replace(old, new) for name, text in words.items()}
        return {(self.namespace, name): json.loads(text) for name, text in words.items()}


def completed(node: Any) -> Any:
    """The object with the fields that a published schema requires, and the unit tests leave out."""
    if isinstance(node, list):
        return [completed(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: completed(value) for key, value in node.items()}
    if {"type", "status", "reason"} <= made.keys():
        made.setdefault("lastTransitionTime", "2026-07-29T03:00:00Z")
    if "storageUri" in made:
        made |= {"modelFormat": {"name": "sklearn"}, "name": "kserve-container"}
    if made.get("spec") == {}:
        made["spec"] = {"containers": [{"name": "model", "image": "registry.example/model:1"}]}
    return made


def without(thing: dict[str, Any]) -> object:
    """The object without its fence, and without what every write changes."""
    kept = json.loads(json.dumps(thing))
    for key in ("resourceVersion", "managedFields"):
        kept["metadata"].pop(key, None)
    for part in ("metadata", "status"):
        annotations = kept.get(part, {}).get("annotations", {})
        annotations.pop(FENCE, None)
        if not annotations:
            kept.get(part, {}).pop("annotations", None)
    return kept


def serving_of(server: ApiServer, adapter: str, namespace: str, user: str = "admin") -> KubernetesServing:
    cls: Any = adapter_class("serving", adapter)
    given = wiring(server, namespace, user=user)
    options = cls.OPTIONS(10.0, kubeconfig=server.kubeconfig(user), namespaces=(namespace,))
    made = cls(Wiring("k8s", options, given.source, given.clock))
    assert isinstance(made, KubernetesServing)
    return made


@pytest.fixture(params=CASES)
def bench(apiserver: ApiServer, request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(apiserver, request.param)
    yield made
    made.serving.close()


def fenced(serving: KubernetesServing, now: Endpoint, lost: Call) -> Call:
    fence = serving.fence(now, lost)
    assert fence is not None, f"{lost.summary} has no fence"
    serving.send(fence)
    return fence


def test_a_patch_fails_after_its_fence_and_nothing_has_moved(bench: Bench) -> None:
    calls = bench.lost_calls()
    assert calls, bench.read().actions
    for lost in calls:
        before = bench.state()
        fenced(bench.serving, bench.read(), lost)
        assert bench.state() == before
        with pytest.raises(Conflict):
            bench.serving.send(lost)
        assert bench.state() == before
    for again in bench.lost_calls():
        bench.serving.preview(again)


def test_an_annotation_of_another_client_is_no_conflict(apiserver: ApiServer) -> None:
    """Only the first annotation of an object is: a patch cannot test for a key where there is no map."""
    bench = Bench(apiserver, "istio")
    annotate = {"metadata": {"annotations": {"team": "a"}}}
    first, *_ = bench.lost_calls()
    apiserver.patch(bench.kind, bench.namespace, "ranker", annotate)
    with pytest.raises(Conflict):
        bench.serving.preview(first)
    call, *_ = bench.lost_calls()
    apiserver.patch(bench.kind, bench.namespace, "ranker", {"metadata": {"annotations": {"owner": "b"}}})
    bench.serving.preview(call)
    bench.serving.close()


def test_an_account_that_may_not_write_there_gets_no_fence(apiserver: ApiServer) -> None:
    bench = Bench(apiserver, "kserve in knative mode")
    lost, *_ = bench.lost_calls()
    viewer = serving_of(apiserver, "kserve", bench.namespace, user="viewer")
    with pytest.raises(Forbidden, match=r"inferenceservices.*/status"):
        fenced(viewer, bench.read(), lost)
    bench.serving.preview(lost)
    viewer.close()
    bench.serving.close()


def test_a_server_that_drops_the_annotation_is_told(apiserver: ApiServer) -> None:
    bench = Bench(apiserver, "istio")
    lost, *_ = bench.lost_calls()
    fence = bench.serving.fence(bench.read(), lost)
    assert fence is not None
    path, _, query = fence.path.partition("?")
    with pytest.raises(Rejected, match=f"does not keep the annotation {FENCE}"):
        bench.serving.send(replace(fence, path=f"{path}/status?{query}"))  # there only the status is written
    bench.serving.close()


def test_deployments_have_fences(apiserver: ApiServer, tmp_path: Path) -> None:
    with deployments(apiserver, tmp_path) as made:
        (undo,) = made.serving.compile(two_revisions(made), Rollback("1"))
        template = made.deployment()["spec"]["template"]
        fenced(made.serving, made.serving.read(made.ref), undo)
        with pytest.raises(Conflict):
            made.serving.send(undo)
        now = made.steady()
        assert made.deployment()["spec"]["template"] == template
        made.serving.preview(*made.serving.compile(now, Rollback("1")))


def test_a_pair_and_its_autoscaler_have_fences(apiserver: ApiServer, tmp_path: Path) -> None:
    with deployments(apiserver, tmp_path) as made:
        made.pair()
        autoscaled(apiserver, made.namespace)
        change = Split({"churn-v3": 70.0, "churn-v4": 30.0})
        pinned, lowered = made.serving.compile(made.serving.read(made.ref), change)
        assert "/horizontalpodautoscalers/" in pinned.path
        for lost in (pinned, lowered):
            fence = fenced(made.serving, made.serving.read(made.ref), lost)
            assert fence.path.partition("?")[0] == lost.path.partition("?")[0], "on the object of the lost call"
            with pytest.raises(Conflict):
                made.serving.send(lost)
        for call in made.serving.compile(made.serving.read(made.ref), change):
            made.serving.preview(call)


def test_what_came_to_an_autoscaler_without_annotations_is_kept(apiserver: ApiServer, tmp_path: Path) -> None:
    """In autoscaling/v1, metrics and behaviour are annotations."""
    with deployments(apiserver, tmp_path) as made:
        made.pair()
        autoscaled(apiserver, made.namespace)
        change = Split({"churn-v3": 70.0, "churn-v4": 30.0})
        (pin, _) = made.serving.compile(made.serving.read(made.ref), change)
        apiserver.patch(HPA, made.namespace, "churn-v4", {"metadata": {"annotations": {"owner": "team-b"}}})
        with pytest.raises(Conflict):
            made.serving.send(pin)
        made.serving.send(made.serving.compile(made.serving.read(made.ref), change)[0])
        kept = apiserver.get(HPA, made.namespace, "churn-v4")["metadata"]["annotations"]
        assert kept == {"owner": "team-b", "shiftdeck.io/bounds": "1-8 while 3-3"}


def autoscaled(server: ApiServer, namespace: str) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "churn-v4"}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 8}
    server.create(HPA, {"metadata": {"namespace": namespace, "name": "churn-v4"}, "spec": spec})
