"""Plain Deployments on a real API server, with controllers of ours: undo, ratios, autoscalers, by the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.contracts import Endpoint, EndpointRef, Phase, Rollback, Split
from backends.errors import Conflict
from backends.platforms.kubernetes.kinds import DEPLOYMENT, SERVICE
from backends.serving.autoscalers import HPA
from backends.serving.deployment import DeploymentServing
from tests.kube.apiserver import ApiServer
from tests.kube.shell import WHY, KubeShell, eventually, wiring
from tests.kube.workloads import Autoscaler, DeploymentController

LABEL = "shiftdeck.io/endpoint"


class World:
    """Deployments in a namespace of their own, under a controller that is at work."""

    def __init__(self, server: ApiServer, folder: Path, **how: Any) -> None:
        self.server = server
        self.namespace = server.namespace("plain")
        self.ref = EndpointRef("k8s", self.namespace, "churn")
        self.serving = DeploymentServing(wiring(server, self.namespace, selector=LABEL))
        self.shell = KubeShell(server, folder, "deployment", self.namespace)
        self.controller = DeploymentController(server, self.namespace, **how)
        self.scaler = Autoscaler(server, self.namespace)

    def deploy(self, name: str, tag: str, replicas: int, *, endpoint: str = "true", **labels: str) -> None:
        carried = {"app": "churn", **labels}
        container = {"name": "model", "image": f"registry.example/churn:{tag}"}
        selector = {"matchLabels": {"app": "churn", **labels}}
        template = {"metadata": {"labels": carried}, "spec": {"containers": [container]}}
        metadata: dict[str, Any] = {"namespace": self.namespace, "name": name}
        if endpoint:
            metadata["labels"] = {LABEL: endpoint}
        spec = {"replicas": replicas, "selector": selector, "template": template}
        self.server.create(DEPLOYMENT, {"metadata": metadata, "spec": spec})

    def pair(self, stable: int = 9, canary: int = 1) -> Endpoint:
        port = [{"port": 80}]
        metadata = {"namespace": self.namespace, "name": "churn"}
        self.server.create(SERVICE, {"metadata": metadata, "spec": {"selector": {"app": "churn"}, "ports": port}})
        self.deploy("churn-v3", "v3", stable, track="stable")
        self.deploy("churn-v4", "v4", canary, track="canary")
        return self.steady()

    def push(self, tag: str, name: str = "churn") -> None:
        container = {"name": "model", "image": f"registry.example/churn:{tag}"}
        template = {"spec": {"containers": [container]}}
        self.server.patch(DEPLOYMENT, self.namespace, name, {"spec": {"template": template}})

    def until(self, condition: Any, what: str) -> Endpoint:
        return eventually(self.serving, self.ref, condition, what)

    def steady(self) -> Endpoint:
        return self.until(lambda one: one.phase is Phase.STEADY, "steady")

    def deployment(self, name: str = "churn") -> dict[str, Any]:
        return self.server.get(DEPLOYMENT, self.namespace, name)

    def replicas(self) -> dict[str, int]:
        found = self.server.all_of(DEPLOYMENT, self.namespace)
        return {one["metadata"]["name"]: one["spec"]["replicas"] for one in found}

    def type(self, verb: str, *rest: str) -> Any:
        return self.shell.type(verb, "churn", *rest, *WHY)


@contextmanager
def world(server: ApiServer, folder: Path, **how: Any) -> Iterator[World]:
    made = World(server, folder, **how)
    with made.controller, made.scaler:
        try:
            yield made
        finally:
            made.serving.close()


def image(deployment: dict[str, Any]) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def two_revisions(made: World) -> Endpoint:
    made.deploy("churn", "v3", 4)
    made.steady()
    made.push("v4")
    return made.until(lambda one: one.phase is Phase.STEADY and len(one.releases) == 2, "v4 rolled out")


@pytest.mark.parametrize("how", [{}, {"delay_s": 0.5}], ids=["quick", "slow"])
def test_undo_goes_back_to_the_revision_before(apiserver: ApiServer, tmp_path: Path, how: dict[str, Any]) -> None:
    with world(apiserver, tmp_path, **how) as made:
        two_revisions(made)
        said = made.type("rollback")
        assert said.code == 0, said
        assert image(made.deployment()) == "registry.example/churn:v3"
        now = made.steady()
        assert [one.id for one in now.releases] == ["3", "2"], "undone, revision 1 is renumbered"
        assert made.shell.last() == ("settled", "roll back to release 2")
        assert made.type("rollback", "2").code == 3, "it was rolled back from"
        back = made.type("rollback", "2", "--override")
        assert back.code == 0, back
        assert image(made.deployment()) == "registry.example/churn:v4"


def test_an_undo_is_guarded_by_the_template_and_not_by_the_replicas(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        endpoint = two_revisions(made)
        (call,) = made.serving.compile(endpoint, Rollback("1"))
        apiserver.patch(DEPLOYMENT, made.namespace, "churn", {"spec": {"replicas": 6}})
        assert made.serving.preview(call) == "dry run accepted", "an autoscaler at work is no conflict"
        made.push("v5")
        with pytest.raises(Conflict):
            made.serving.send(call)


def test_a_paused_deployment_is_resumed_before_it_is_undone(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        two_revisions(made)
        apiserver.patch(DEPLOYMENT, made.namespace, "churn", {"spec": {"paused": True}})
        said = made.type("rollback", "1")
        assert said.code == 3, said
        assert "resume it first" in said.words
        assert made.type("resume").code == 0
        assert "paused" not in made.deployment()["spec"]


def test_a_controller_that_does_nothing(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        two_revisions(made)
        made.controller.hold()
        said = made.type("rollback", "--timeout", "2")
        assert said.code == 5, said
        assert "the controller has not seen it yet" in said.words


def test_a_shift_between_two_deployments_is_in_pods(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.pair()
        said = made.type("shift", "churn-v4=30")
        assert said.code == 0, said
        assert made.replicas() == {"churn-v3": 7, "churn-v4": 3}
        assert made.shell.last() == ("settled", "shift churn-v3=90 churn-v4=10")
        said = made.type("shift", "churn-v4=12")
        assert said.code == 3, said
        assert "steps of 10 %" in said.words
        said = made.type("promote", "churn-v4", "--no-alias")
        assert said.code == 3, said
        assert "only 3 of 10 pods would be ready at once" in said.words


def test_an_autoscaler_is_pinned_and_the_split_holds(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.pair(5, 5)
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "churn-v4"}
        spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 8, "targetCPUUtilizationPercentage": 60}
        apiserver.create(HPA, {"metadata": {"namespace": made.namespace, "name": "churn-v4"}, "spec": spec})
        made.until(lambda one: "autoscaled 2–8" in one.variants[1].message, "the autoscaler is seen")
        said = made.type("shift", "churn-v4=30")
        assert said.code == 0, said
        assert "churn-v4 is pinned at 3 (it was 2–8)" in said.words
        assert made.replicas() == {"churn-v3": 7, "churn-v4": 3}
        scaler = apiserver.get(HPA, made.namespace, "churn-v4")
        assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (3, 3)
        assert scaler["metadata"]["annotations"]["shiftdeck.io/bounds"].startswith("2-8 while ")


def test_two_shifts_of_one_reading_do_not_both_land(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        endpoint = made.pair()
        first, *_ = made.serving.compile(endpoint, Split({"churn-v3": 70.0, "churn-v4": 30.0}))
        second, *_ = made.serving.compile(endpoint, Split({"churn-v3": 50.0, "churn-v4": 50.0}))
        made.serving.send(first)
        with pytest.raises(Conflict):
            made.serving.send(second)


def test_what_has_no_label_is_no_endpoint(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.deploy("churn", "v3", 1)
        made.deploy("redis", "v1", 1, endpoint="", part="cache")
        made.steady()
        assert [one.ref.name for one in made.serving.endpoints()] == ["churn"]


def test_a_viewer_is_told_what_is_missing(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        two_revisions(made)
        viewer = KubeShell(apiserver, tmp_path, "deployment", made.namespace, user="viewer")
        said = viewer.type("rollback", "churn", "1", *WHY)
        assert said.code == 3, said
        assert f"forbidden: patch on deployments.apps in {made.namespace}" in said.words
