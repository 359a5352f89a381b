"""Objects as anybody may have written them: whatever they hold, the other endpoints are still explained."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.platforms.kubernetes.kinds import HTTP_ROUTE, Kind
from backends.serving.gateway import GatewaySystem
from backends.serving.istio import DESTINATION_RULE, VIRTUAL_SERVICE, IstioSystem
from backends.serving.kubernetes import System
from backends.serving.llminference import LLM, LLMInferenceSystem
from backends.serving.seldon import SELDON_DEPLOYMENT, SeldonSystem
from backends.serving.seldon_experiment import EXPERIMENT, ExperimentSystem
from tests.examples import examples
from tests.foreign import HUGE, json_of
from tests.unit.kube_objects import Cluster

KEYS = (
    *(
        "rules",
        "backendRefs",
        "filters",
        "requestMirror",
        "backendRef",
        "fraction",
        "percent",
        "numerator",
        "denominator",
    ),
    *("http", "route", "destination", "mirror", "mirrors", "mirrorPercentage", "value", "percentage", "host", "subset"),
    *("predictors", "traffic", "shadow", "graph", "candidates", "default", "router", "group", "members", "weight"),
    *(
        "name",
        "parents",
        "parentRefs",
        "parentRef",
        "conditions",
        "type",
        "status",
        "observedGeneration",
        "port",
        "subsets",
    ),
    *(
        "workloads",
        "primary",
        "readyReplicas",
        "spec",
        "model",
        "uri",
        "matches",
        "match",
        "addresses",
        "models",
        "stopped",
    ),
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.just(HUGE)
    | st.floats()
    | st.sampled_from(["", "a", "b", "True", "RequestMirror"])
)
things = json_of(*KEYS, leaves=leaves)
objects = st.fixed_dictionaries({"spec": things, "status": things})


def shaped(*path: str) -> st.SearchStrategy[Any]:
    """Objects that are right as far as that path, with anything below it."""
    made: st.SearchStrategy[Any] = st.lists(st.dictionaries(st.sampled_from(KEYS), things, max_size=5), max_size=4)
    for key in reversed(path):
        made = st.fixed_dictionaries({key: made})
    return st.builds(lambda one, status: {**one, "status": status}, made, things)


@pytest.mark.parametrize(
    ("system", "kind", "path"),
    [
        (GatewaySystem(), HTTP_ROUTE, ("spec", "rules")),
        (IstioSystem(), VIRTUAL_SERVICE, ("spec", "http")),
        (IstioSystem(), DESTINATION_RULE, ("spec", "subsets")),
        (SeldonSystem(), SELDON_DEPLOYMENT, ("spec", "predictors")),
        (ExperimentSystem(), EXPERIMENT, ("spec", "candidates")),
        (LLMInferenceSystem(), LLM, ("spec", "router", "route")),
    ],
)
def test_no_object_keeps_the_others_from_being_explained(system: System, kind: Kind, path: tuple[str, ...]) -> None:
    @examples(150)
    @given(objects | shaped(*path))
    def explained(thing: dict[str, Any]) -> None:
        for endpoint in system.explain(Cluster().add(kind, "a", thing).add(kind, "b", thing), "k8s"):
            assert len({variant.name for variant in endpoint.variants}) == len(endpoint.variants)
            for variant in endpoint.variants:
                assert variant.desired is None or variant.desired == variant.desired, "not a number"

    explained()
