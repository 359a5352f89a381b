"""One wrong value anywhere in what a system's controllers wrote: its objects are still explained, and what is asked of
them ends well or as one of our errors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contracts import (
    Abort,
    Advance,
    Change,
    Endpoint,
    Forecasts,
    Mirror,
    Pause,
    Promote,
    Resume,
    Retry,
    Rollback,
    Split,
)
from backends.errors import BackendError
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
from tests.foreign import json_of
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


def changes_of(endpoint: Endpoint) -> list[Change]:
    """One of each sort, and more where a variant or a release can be chosen."""
    names = [variant.name for variant in endpoint.variants]
    made: list[Change] = [Pause(), Resume(), Advance(), Advance(full=True), Abort(), Retry()]
    made += [Rollback(release.id) for release in endpoint.releases]
    for name in names:
        others = {other: 75.0 / (len(names) - 1) for other in names if other != name}
        made += [Promote(name), Mirror(name, 12.5), Split({**others, name: 25.0 if others else 100.0})]
    return made


def compiles(system: System, endpoint: Endpoint, change: Change) -> bool:
    try:
        system.compile(endpoint, change)
    except BackendError:
        return False
    return True


def put_wrong(world: World, data: st.DataObject) -> None:
    """Put anything at all in the place of one value. Names stay: the server vouches for those."""
    kind = data.draw(st.sampled_from([kind for kind, things in world.items() if things]))
    node: Any = world[kind][data.draw(st.sampled_from(sorted(world[kind])))]
    key = data.draw(st.sampled_from(sorted(node)))
    while isinstance(node[key], dict | list) and node[key] and data.draw(st.integers(0, 5)):
        node = node[key]
        places = sorted(set(node) - {"name", "namespace"}) if isinstance(node, dict) else range(len(node))
        key = data.draw(st.sampled_from(places or sorted(node)))
    kept = (
        {name: node[key][name] for name in ("name", "namespace")} if key == "metadata" and "name" in node[key] else {}
    )
    wrong = data.draw(json_of("name", "status", "weight", most=6))
    node[key] = {**wrong, **kept} if kept and isinstance(wrong, dict) else kept or wrong


@pytest.mark.parametrize("name", WORLDS)
def test_one_wrong_value_anywhere_harms_nobody(name: str) -> None:
    system, make = WORLDS[name]
    world = world_of(system, make)
    before = system.explain(Seen(world), "k8s")[0]
    possible = [change for change in changes_of(before) if compiles(system, before, change)]
    assert possible

    @settings(max_examples=40)
    @given(st.data())
    def explained(data: st.DataObject) -> None:
        odd = copy.deepcopy(world)
        put_wrong(odd, data)
        for now in system.explain(Seen(odd), "k8s"):
            for change in possible:
                system.progress(before, now, change)
            for change in changes_of(now):
                compiles(system, now, change)
                if isinstance(system, Forecasts):
                    with suppress(BackendError):
                        system.forecast(now, change)
            for one in now.variants:
                assert all(figure is None or figure == figure for figure in (one.desired, one.observed, one.mirror))

    explained()
