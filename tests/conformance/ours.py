"""Samples of all our serving systems, out of the objects of their unit tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backends.conformance import Sample, wiring
from backends.contracts import Serving
from backends.discovery import OURS, adapter_class
from backends.platforms.haproxy.answers import Server
from backends.serving.haproxy import HaproxyServing
from backends.serving.kubernetes import KubernetesServing, System
from backends.serving.triton import TritonServing
from backends.serving.triton_wire import Version
from tests.conformance.scripts import (
    ClusterScript,
    Finish,
    HaproxyScript,
    LabScript,
    TritonScript,
    grouped,
    observed,
    routed,
)
from tests.unit import kube_rollouts as rollouts
from tests.unit.kube_worlds import WORLDS, Seen, world_of
from tests.unit.serving import test_kube_deployment as deployment
from tests.unit.serving import test_kube_flagger as flagger
from tests.unit.serving import test_kube_gateway as gateway
from tests.unit.serving import test_kube_istio as istio
from tests.unit.serving import test_kube_knative as knative
from tests.unit.serving import test_kube_kserve_knative as kserve_knative
from tests.unit.serving import test_kube_kserve_standard as kserve_standard
from tests.unit.serving import test_kube_llminference as llminference
from tests.unit.serving import test_kube_seldon as seldon

SERVING = tuple(name.removeprefix("serving.") for name in OURS if name.startswith("serving."))
OPTIONS: dict[str, dict[str, object]] = {
    "lab": {"url": "http://127.0.0.1:9"},
    "haproxy": {"socket": "/run/x.sock"},
    "triton": {"url": "http://127.0.0.1:9", "username": "ana"},
}


def adapter_of(name: str) -> Serving:
    """Our adapter of that name, as the engine makes it."""
    cls: Callable[..., Serving] = adapter_class("serving", name)  # type: ignore[assignment]  # of kind serving
    return cls(wiring(cls, **OPTIONS.get(name, {})))


@dataclass(frozen=True, slots=True)
class World:
    """A state of a system on Kubernetes. ``at_once``: what its object asks for is in effect, so that there is no state
    in between."""

    make: Callable[[], object]
    finish: Finish | None = None
    at_once: bool = False


TWO_REVISIONS = [knative.to(knative.R1, 90), knative.to(knative.R2, 10)]

KUBERNETES: dict[str, dict[str, World]] = {
    "deployment": {
        "one Deployment": World(WORLDS["deployment"][1]),
        "one Deployment of one revision": World(lambda: deployment.single(deployment.replica_set("v3", 2, "bbb", 4))),
        "two Deployments behind a Service": World(deployment.pair),
        "two Deployments, one with bounds": World(lambda: deployment.pair(bounds=(1, 4))),
    },
    "flagger": {
        "under analysis": World(flagger.read),
        "waiting at its gate": World(lambda: flagger.read("Waiting")),
        "waiting for its promotion": World(lambda: flagger.read("WaitingPromotion", 50)),
        "without gates": World(lambda: flagger.read(webhooks=())),
        "nothing under way": World(lambda: flagger.read("Succeeded", None)),
    },
    "gateway": {
        "two backends": World(lambda: gateway.read(gateway.TWO), observed),
        "a mirror": World(
            lambda: gateway.read(
                [{"backendRefs": [gateway.ref("ranker-v9", 1)], "filters": [gateway.mirror("ranker-v10", percent=10)]}]
            ),
            observed,
        ),
        "not accepted": World(lambda: gateway.read(gateway.TWO, [gateway.parent(accepted="False")])),
    },
    "istio": {
        "two subsets": World(lambda: istio.read(istio.TWO), observed, at_once=True),
        "one subset": World(lambda: istio.read([{"route": [istio.entry("v9", 100)]}]), observed, at_once=True),
    },
    "knative": {
        "a canary": World(lambda: knative.explain(TWO_REVISIONS, TWO_REVISIONS), routed),
        "the newest gets all": World(lambda: knative.explain(None, [knative.to(knative.R2, 100, latestRevision=True)])),
    },
    "kserve": {
        "Knative mode, a canary": World(lambda: kserve_knative.explain(kserve_knative.CANARY)),
        "Knative mode, rolled out": World(lambda: kserve_knative.explain(kserve_knative.ROLLED_OUT)),
        "Knative mode, rolled back": World(lambda: kserve_knative.explain(kserve_knative.ROLLED_BACK)),
        "standard mode, a canary": World(WORLDS["kserve in standard mode"][1]),
        "standard mode, one predictor": World(
            lambda: kserve_standard.explain(
                kserve_standard.service(), kserve_standard.route(v7=100), kserve_standard.deployment("v7", 4, 4)
            )
        ),
    },
    "llminference": {
        "two members": World(lambda: llminference.group(llminference.two(9, 1)), grouped),
        "one member": World(lambda: llminference.group({"llm-a": llminference.member(1)})),
    },
    "rollouts": {
        "paused at a step": World(rollouts.read),
        "running an analysis": World(lambda: rollouts.read(rollouts.RUNNING)),
        "aborted": World(lambda: rollouts.read(rollouts.ABORTED)),
        "stable, with a history": World(lambda: rollouts.read(rollouts.STABLE, sets=rollouts.HISTORY)),
    },
    "seldon": {
        "two predictors": World(lambda: seldon.v1(*seldon.TWO), observed),
        "a shadow": World(
            lambda: seldon.v1(seldon.predictor("v7", 100), seldon.predictor("v8", 10, shadow=True)), observed
        ),
    },
    "seldon2": {
        "two candidates and a mirror": World(WORLDS["seldon v2"][1], observed),
        "two candidates": World(lambda: seldon.v2({"iris-7": 3, "iris-8": 1}), observed),
    },
}


def samples_of(name: str) -> list[Sample]:
    """Samples of our adapter of that name."""
    match name:
        case "lab":
            return [_lab(one) for one in ("sentiment", "fraud", "churn", "ranker")]
        case "haproxy":
            return [
                _haproxy("two servers", _server("v7", 90), _server("v8", 10)),
                _haproxy("shifted from its configuration", _server("v7", 50, 90), _server("v8", 50, 10)),
                _haproxy("one server", _server("v7", 90)),
            ]
        case "triton":
            return [
                _triton("the newest of two answers", Version("2", "READY"), Version("1", "READY")),
                _triton("the newest is not loaded", Version("2", "UNAVAILABLE", "unloaded"), Version("1", "READY")),
                _triton("one version", Version("1", "READY")),
            ]
    return [_kubernetes(name, what, world) for what, world in KUBERNETES[name].items()]


def _kubernetes(name: str, what: str, world: World) -> Sample:
    adapter = adapter_of(name)
    assert isinstance(adapter, KubernetesServing)
    system: System = adapter.system
    objects = world_of(system, world.make)
    endpoint = system.explain(Seen(objects), "k8s")[0]
    script = ClusterScript(system, objects, endpoint.ref, world.finish)
    taken = None if world.at_once else script.taken
    done = script.done if world.finish is not None else None
    return Sample(what, endpoint, taken=taken, done=done, server=script.server)


def _lab(name: str) -> Sample:
    script = LabScript(name)
    return Sample(name, script.endpoint, taken=script.taken, done=script.done, server=script.server)


def _server(name: str, asked: int, configured: int | None = None) -> Server:
    return Server("sentiment", name, asked, asked if configured is None else configured, asked, "UP")


def _haproxy(what: str, *servers: Server) -> Sample:
    adapter = adapter_of("haproxy")
    assert isinstance(adapter, HaproxyServing)
    script = HaproxyScript(adapter, servers)
    return Sample(what, script.endpoint, done=script.done)


def _triton(what: str, *versions: Version) -> Sample:
    adapter = adapter_of("triton")
    assert isinstance(adapter, TritonServing)
    script = TritonScript(adapter, versions, {"name": "sentiment", "version_policy": {"all": {}}})
    return Sample(what, script.endpoint, done=script.done)
