"""kube-apiserver under attack: routes of a Gateway, virtual services of Istio, pairs of Deployments.

One API server serves all three; each has a namespace and a proxy of its own.
"""

from __future__ import annotations

import re
import ssl
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import yaml

from backends.contracts import EndpointRef, Split
from backends.platforms.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, Kind
from backends.serving.istio import DESTINATION_RULE, VIRTUAL_SERVICE
from shiftdeck.changes.kind import Planned
from shiftdeck.engine.engine import Engine
from tests.faults import FaultProxy
from tests.kube.apiserver import ApiServer, find_assets
from tests.kube.controller import TestController
from tests.kube.route_controllers import GatewayController
from tests.kube.workloads import DeploymentController
from tests.servers import require
from tests.soak.cases import Case, System
from tests.waiting import wait_until

CALL_S = 2.0
SEEN_S = 60.0
LABEL = "shiftdeck.io/endpoint"


def api_server(folder: Path) -> ApiServer:
    """A started one."""
    assets = find_assets()
    require(assets, 'no kube-apiserver and etcd: export KUBEBUILDER_ASSETS="$(setup-envtest use -p path)"')
    assert assets is not None
    folder.mkdir(parents=True, exist_ok=True)
    server = ApiServer(assets, folder)
    server.start()
    return server


class KubeSystem(System):
    """One adapter, in a namespace of its own. ``patched`` is the kind of the objects that a change patches."""

    adapter: ClassVar[str]
    patched: ClassVar[Kind]
    controller: ClassVar[type[TestController] | None] = None
    most = 20

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.server = server
        self.namespace = server.namespace(self.name)
        self._stack = ExitStack()
        trusting = ssl.create_default_context(cafile=str(server.folder / "ca.crt"))
        self.proxy: FaultProxy = self._stack.enter_context(FaultProxy(server.url, ssl=trusting))
        if self.controller is not None:
            self._stack.enter_context(self.controller(server, self.namespace))
        config = yaml.safe_load(server.kubeconfig("admin").read_text())
        config["clusters"][0]["cluster"] = {"server": self.proxy.url}
        folder.mkdir(parents=True, exist_ok=True)
        self._kubeconfig = folder / f"kubeconfig-{self.name}"
        self._kubeconfig.write_text(yaml.safe_dump(config))
        self._made = 0

    @property
    def sources(self) -> str:
        return (
            f'[contexts.soak.serving.k8s]\nadapter = "{self.adapter}"\nkubeconfig = "{self._kubeconfig}"\n'
            f'namespaces = ["{self.namespace}"]\nevery = "500ms"\ntimeout = "{CALL_S:g}s"\n{self.options}'
        )

    options = ""

    def cases(self, count: int, random: Random) -> list[Case]:
        return [self._case(random) for _ in range(count)]

    def close(self) -> None:
        self._stack.close()

    def _case(self, random: Random) -> Case:
        self._made += 1
        name = f"e{self._made}"
        wanted = self.asked(random, name)
        self.create(name)
        objects = self.objects(name)
        calls = re.compile(rf"{self.patched.path(self.namespace, '')}/?({'|'.join(objects)})(\?(?!.*dryRun).*)?$")
        return Case(
            f"{self.name} {name} {wanted}",
            lambda method, path, body: method in ("PATCH", "PUT") and bool(calls.match(path)),
            partial(self._planned, name=name, wanted=wanted),
            lambda: self.weights(name) == self.written(wanted),
        )

    def _planned(self, engine: Engine, name: str, wanted: Mapping[str, float]) -> Planned:
        ref = EndpointRef("k8s", self.namespace, name)

        def steady() -> bool:
            found = engine.view.endpoint(ref)
            return found is not None and self.is_steady(found)

        wait_until(
            steady, SEEN_S, lambda: f"{name} to be seen; there are {[str(one.ref) for one in engine.view.endpoints]}"
        )
        return engine.plan(ref, Split(wanted))

    def is_steady(self, view: Any) -> bool:
        return True

    def objects(self, name: str) -> tuple[str, ...]:
        """The objects that a change of the endpoint patches."""
        return (name,)

    def asked(self, random: Random, name: str) -> dict[str, float]:
        share = random.randint(11, 60)
        return {"v9": 100.0 - share, "v10": float(share)}

    def written(self, wanted: Mapping[str, float]) -> list[int]:
        return [int(one) for one in wanted.values()]

    @abstractmethod
    def create(self, name: str) -> None: ...

    @abstractmethod
    def weights(self, name: str) -> list[int]:
        """What the objects say, in the order of ``asked``."""


class RouteSystem(KubeSystem):
    name = "httproute"
    adapter = "gateway"
    patched = HTTP_ROUTE
    controller = GatewayController

    def __init__(self, server: ApiServer, folder: Path) -> None:
        server.apply_crd("gateway-httproutes")
        super().__init__(server, folder)

    def create(self, name: str) -> None:
        refs = [{"name": service, "port": 80, "weight": weight} for service, weight in (("v9", 90), ("v10", 10))]
        spec = {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": refs}]}
        self.server.create(HTTP_ROUTE, {"metadata": {"namespace": self.namespace, "name": name}, "spec": spec})

    def is_steady(self, view: Any) -> bool:
        return all(one.variant.observed is not None for one in view.variants)

    def weights(self, name: str) -> list[int]:
        refs = self.server.get(HTTP_ROUTE, self.namespace, name)["spec"]["rules"][0]["backendRefs"]
        return [one["weight"] for one in refs]


class IstioSystem(KubeSystem):
    name = "virtualservice"
    adapter = "istio"
    patched = VIRTUAL_SERVICE

    def __init__(self, server: ApiServer, folder: Path) -> None:
        for crd in ("istio-virtualservices", "istio-destinationrules"):
            server.apply_crd(crd)
        super().__init__(server, folder)

    def create(self, name: str) -> None:
        metadata = {"namespace": self.namespace, "name": name}
        subsets = [{"name": subset, "labels": {"version": subset}} for subset in ("v9", "v10")]
        self.server.create(DESTINATION_RULE, {"metadata": metadata, "spec": {"host": name, "subsets": subsets}})
        to = [{"destination": {"host": name, "subset": subset}, "weight": weight}
              for subset, weight in (("v9", 90), ("v10", 10))]  # fmt: skip
        self.server.create(VIRTUAL_SERVICE, {"metadata": metadata, "spec": {"hosts": [name], "http": [{"route": to}]}})

    def weights(self, name: str) -> list[int]:
        route = self.server.get(VIRTUAL_SERVICE, self.namespace, name)["spec"]["http"][0]["route"]
        return [one["weight"] for one in route]


class PairSystem(KubeSystem):
    """Two calls: the replicas of each Deployment."""

    name = "pair"
    adapter = "deployment"
    patched = DEPLOYMENT
    controller = DeploymentController
    options = f'selector = "{LABEL}"\n'
    most = 10
    settle_s = 30.0  # its controller writes each ReplicaSet by itself

    def asked(self, random: Random, name: str) -> dict[str, float]:
        share = random.choice((20, 30, 40, 50))
        return {f"{name}-v3": 100.0 - share, f"{name}-v4": float(share)}

    def written(self, wanted: Mapping[str, float]) -> list[int]:
        return [int(one / 10) for one in wanted.values()]

    def objects(self, name: str) -> tuple[str, ...]:
        return (f"{name}-v3", f"{name}-v4")

    def create(self, name: str) -> None:
        metadata = {"namespace": self.namespace, "name": name}
        self.server.create(
            SERVICE, {"metadata": metadata, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}
        )
        for version, track, replicas in (("v3", "stable", 9), ("v4", "canary", 1)):
            labels = {"app": name, "track": track}
            container = {"name": "model", "image": f"registry.example/churn:{version}"}
            template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
            spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
            named = {"namespace": self.namespace, "name": f"{name}-{version}", "labels": {LABEL: "true"}}
            self.server.create(DEPLOYMENT, {"metadata": named, "spec": spec})

    def is_steady(self, view: Any) -> bool:
        ready = [one.variant.ready for one in view.variants]
        return ready == [9, 1]

    def weights(self, name: str) -> list[int]:
        return [self.server.get(DEPLOYMENT, self.namespace, one)["spec"]["replicas"] for one in self.objects(name)]
