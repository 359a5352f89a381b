"""Every serving system on Kubernetes with the objects of one of its states, for tests that look at all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import patch

from backends.contracts import Endpoint
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object
from backends.serving.deployment import Deployments
from backends.serving.flagger import Flagger
from backends.serving.gateway import GatewaySystem
from backends.serving.istio import IstioSystem
from backends.serving.knative import Knative
from backends.serving.kserve import KServe
from backends.serving.kubernetes import Objects, System
from backends.serving.llminference import LLMInferenceSystem
from backends.serving.rollouts import Rollouts
from backends.serving.seldon import SeldonSystem
from backends.serving.seldon_experiment import ExperimentSystem
from tests.unit import kube_rollouts as rollouts
from tests.unit.serving import test_kube_deployment as deployment
from tests.unit.serving import test_kube_flagger as flagger
from tests.unit.serving import test_kube_gateway as gateway
from tests.unit.serving import test_kube_istio as istio
from tests.unit.serving import test_kube_knative as knative
from tests.unit.serving import test_kube_kserve_knative as kserve_knative
from tests.unit.serving import test_kube_kserve_standard as kserve_standard
from tests.unit.serving import test_kube_llminference as llminference
from tests.unit.serving import test_kube_seldon as seldon

KNATIVE = [knative.to(knative.R1, 90), knative.to(knative.R2, 10)]

World = dict[Kind, dict[tuple[str, str], Any]]

WORLDS: Mapping[str, tuple[System, Callable[[], object]]] = {
    "deployment": (Deployments(), deployment.single),
    "deployments of one service": (Deployments(), lambda: deployment.pair(bounds=(1, 4))),
    "flagger": (Flagger(), flagger.read),
    "gateway": (GatewaySystem(), lambda: gateway.read(gateway.TWO)),
    "istio": (IstioSystem(), lambda: istio.read(istio.TWO)),
    "knative": (Knative(), lambda: knative.explain(KNATIVE, KNATIVE)),
    "kserve in knative mode": (KServe(), lambda: kserve_knative.explain(kserve_knative.CANARY)),
    "kserve in standard mode": (
        KServe(),
        lambda: kserve_standard.explain(
            kserve_standard.service(("v8", 10)),
            kserve_standard.route(v7=90, v8=10),
            kserve_standard.deployment("v7", 4, 4),
            kserve_standard.deployment("v8", 1, 1),
        ),
    ),
    "llm group": (LLMInferenceSystem(), lambda: llminference.group(llminference.two(9, 1))),
    "rollout": (Rollouts(), rollouts.read),
    "rollout, aborted": (Rollouts(), lambda: rollouts.read(rollouts.ABORTED)),
    "seldon v1": (SeldonSystem(), lambda: seldon.v1(*seldon.TWO)),
    "seldon v2": (ExperimentSystem(), lambda: seldon.v2({"iris-7": 3, "iris-8": 1}, {"name": "iris-9", "percent": 10})),
}


class Seen:
    """``Objects`` that can be changed."""

    def __init__(self, world: World) -> None:
        self.world = world

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        return self.world.get(kind, {})


def world_of(system: System, make: Callable[[], object]) -> World:
    """The objects that a test of that system is about."""
    found: list[Objects] = []
    real = type(system).explain

    def spying(self: System, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        found.append(objects)
        return real(self, objects, backend)

    with patch.object(type(system), "explain", spying):
        make()
    return {kind: dict(found[-1].of(kind)) for kind in system.kinds}
