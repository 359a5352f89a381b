"""Deployments in a namespace of their own under the real controllers, with a kubelet and an operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends.contracts import Endpoint, EndpointRef, Phase
from backends.platforms.kubernetes.kinds import DEPLOYMENT, SERVICE, Kind
from backends.serving.autoscalers import HPA
from backends.serving.deployment import DeploymentServing
from tests.kube.apiserver import ApiServer
from tests.kube.manager import Kubelet
from tests.kube.shell import KubeShell, Said, eventually, wiring

QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota")
LABEL = "shiftdeck.io/endpoint"
WHY = ("--reason", "INC-42", "--yes", "--observe", "0")


class World:
    """Deployments in a namespace of their own. ``shell`` is an operator on this machine."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.namespace = server.namespace("managed")
        self.serving = DeploymentServing(wiring(server, self.namespace, selector=LABEL))
        self.kubelet = Kubelet(server, self.namespace)
        self.shell = KubeShell(server, folder, "deployment", self.namespace)

    def deploy(self, name: str, tag: str, replicas: int = 2, **labels: str) -> None:
        carried = {"app": "m", "name": name, **labels}
        template = {"metadata": {"labels": carried}, "spec": {"containers": [{"name": "model", "image": f"m:{tag}"}]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": carried}, "template": template}
        metadata = {"namespace": self.namespace, "name": name, "labels": {LABEL: "true"}}
        self.server.create(DEPLOYMENT, {"metadata": metadata, "spec": {**spec, "progressDeadlineSeconds": 3}})

    def push(self, tag: str, **spec: Any) -> None:
        template = {"spec": {"containers": [{"name": "model", "image": f"m:{tag}"}]}}
        self.server.patch(DEPLOYMENT, self.namespace, "m", {"spec": {"template": template, **spec}})

    def until(self, condition: Any, what: str, name: str = "m") -> Endpoint:
        return eventually(self.serving, EndpointRef("k8s", self.namespace, name), condition, what)

    def steady(self, tag: str, name: str = "m") -> Endpoint:
        def runs(one: Endpoint) -> bool:
            stable = one.variants[0]
            return one.phase is Phase.STEADY and (stable.image or "").endswith(f":{tag}")

        return self.until(runs, f"steady at {tag}", name)

    @property
    def image(self) -> str:
        found = self.server.get(DEPLOYMENT, self.namespace, "m")
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def elsewhere(self, name: str) -> KubeShell:
        """An operator on another machine, whose journal knows nothing of ours."""
        folder = self.folder / name
        folder.mkdir()
        return KubeShell(self.server, folder, "deployment", self.namespace)


def paired(world: World) -> None:
    """A pair at 3 to 2 pods."""
    port = [{"port": 80}]
    metadata = {"namespace": world.namespace, "name": "m"}
    world.server.create(SERVICE, {"metadata": metadata, "spec": {"selector": {"app": "m"}, "ports": port}})
    world.deploy("m-a", "1", 3, track="stable")
    world.deploy("m-b", "2", 2, track="canary")
    world.until(lambda one: len(one.variants) == 2 and one.phase is Phase.STEADY, "the pair is steady")


def limited(world: World) -> None:
    """A pair whose second Deployment has an autoscaler from 2 to 10."""
    paired(world)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "m-b"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 10, "targetCPUUtilizationPercentage": 60}
    world.server.create(HPA, {"metadata": {"namespace": world.namespace, "name": "m-b"}, "spec": spec})
    world.until(lambda one: "autoscaled 2–10" in one.variants[1].message, "the autoscaler is seen")


def full(world: World, pods: int) -> None:
    """A quota that the present pods use up. No controller of ours counts them, so its status is written here."""
    metadata = {"namespace": world.namespace, "name": "q"}
    world.server.create(QUOTA, {"metadata": metadata, "spec": {"hard": {"pods": str(pods)}}})
    counts = {"hard": {"pods": str(pods)}, "used": {"pods": str(pods)}}
    world.server.patch(QUOTA, world.namespace, "q", {"status": counts}, subresource="status")


def stuck(world: World) -> Endpoint:
    """m-b wants a third pod, and the quota has no room for it."""
    full(world, 5)
    world.server.patch(DEPLOYMENT, world.namespace, "m-b", {"spec": {"replicas": 3}})
    return world.until(lambda one: "exceeded quota" in one.message, "the quota is told")


def typed(said: Said) -> Said:
    assert said.code == 0, said
    return said
