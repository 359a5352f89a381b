"""HTTPRoutes and VirtualServices: which rule's split is the endpoint's, and what no number shows."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import Endpoint, Phase, Promote, Role, Split
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import HTTP_ROUTE
from backends.serving.gateway import GatewaySystem, object_name
from backends.serving.istio import VIRTUAL_SERVICE, IstioSystem
from tests.unit.kube_objects import Cluster, applied
from tests.unit.serving import test_kube_gateway as gateway
from tests.unit.serving import test_kube_istio as istio

HEADER = {"matches": [{"headers": [{"name": "x-canary", "value": "1"}]}]}


def shown(endpoint: Endpoint) -> dict[str, tuple[Role, float | None]]:
    return {one.name: (one.role, one.desired) for one in endpoint.variants}


def weights_after(endpoint: Endpoint, thing: dict[str, Any], **percents: float) -> list[list[int]]:
    named = {name.replace("_", "-"): percent for name, percent in percents.items()}
    (call,) = GatewaySystem().compile(endpoint, Split(named))
    operations = [one for one in call.body if one["path"].startswith("/spec")]  # type: ignore[union-attr, index]
    made = applied(thing, operations)
    return [[one.get("weight", 1) for one in rule["backendRefs"]] for rule in made["spec"]["rules"]]


# field/kubernetes.md 1; kubernetes-sigs/gateway-api has such rules in its guide of traffic splitting.
def test_a_header_rule_with_two_entries_is_not_the_split_of_the_endpoint() -> None:
    rules = [
        {**HEADER, "backendRefs": [gateway.ref("ranker-v9", 0), gateway.ref("ranker-v10", 100)]},
        {"backendRefs": [gateway.ref("ranker-v9", 95), gateway.ref("ranker-v10", 5)]},
    ]
    endpoint = gateway.read(rules)
    assert shown(endpoint) == {"ranker-v9": (Role.STABLE, 95.0), "ranker-v10": (Role.CANARY, 5.0)}
    assert "rule 1 splits the requests that it picks, and is not changed: ranker-v10 100 %" in endpoint.message
    there = weights_after(endpoint, gateway.route(rules), ranker_v9=50, ranker_v10=50)
    assert there == [[0, 100], [50, 50]]


# The way in which fluxcd/flagger's gateway_api.go and istio.go write an A/B test.
def test_the_canary_of_an_ab_test_is_not_the_stable_one() -> None:
    rules = [
        {**HEADER, "backendRefs": [gateway.ref("ranker-v9", 0), gateway.ref("ranker-v10", 100)]},
        {"backendRefs": [gateway.ref("ranker-v9", 100)]},
    ]
    endpoint = gateway.read(rules)
    assert shown(endpoint) == {"ranker-v9": (Role.STABLE, 100.0), "ranker-v10": (Role.CANARY, 0.0)}
    canary = endpoint.variant("ranker-v10")
    assert canary is not None
    assert canary.observed is None  # users are on it: 0 % would be wrong
    assert "a rule picks" in canary.message


def test_the_same_in_a_virtual_service() -> None:
    match = {"match": [{"headers": {"x-beta": {"exact": "1"}}}]}
    rules = [{**match, "route": [istio.entry("v9", 0), istio.entry("v10", 100)]}, {"route": [istio.entry("v9", 100)]}]
    endpoint = istio.read(rules)
    assert shown(endpoint) == {
        "v9": (Role.STABLE, 100.0),
        "v10": (Role.CANARY, 0.0),
        "v11": (Role.IDLE, 0.0),
    }


def test_rules_that_differ_by_path_only_are_still_one_split() -> None:
    path = {"matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}]}
    endpoint = gateway.read([{**path, "backendRefs": [gateway.ref("ranker-v9", 90), gateway.ref("ranker-v10", 10)]}])
    assert shown(endpoint) == {"ranker-v9": (Role.STABLE, 90.0), "ranker-v10": (Role.CANARY, 10.0)}


# istio/istio, samples/bookinfo: a rule for one user with a fault, and all others to the same subset.
def test_a_rule_for_one_user_is_left_alone_and_its_fault_is_told() -> None:
    rules: list[dict[str, Any]] = [
        {
            "match": [{"headers": {"end-user": {"exact": "ana"}}}],
            "fault": {"abort": {"percentage": {"value": 100.0}, "httpStatus": 500}},
            "route": [istio.entry("v9", 100)],
        },
        {"route": [istio.entry("v9", 100)]},
    ]
    endpoint = istio.read(rules)
    assert "rule 1 fails 100 % of its requests with 500 (fault injection)" in endpoint.message
    assert endpoint.phase is Phase.DEGRADED
    (call,) = IstioSystem().compile(endpoint, Split({"v9": 90.0, "v10": 10.0}))
    assert not [one for one in call.body if one["path"].startswith("/spec/http/0")]  # type: ignore[union-attr, index]


# kubernetes-sigs/gateway-api, the specification of BackendRef.weight.
def test_a_route_whose_weights_are_all_0_says_that_it_answers_500() -> None:
    endpoint = gateway.read([{"backendRefs": [gateway.ref("ranker-v9", 0), gateway.ref("ranker-v10", 0)]}])
    assert endpoint.phase is Phase.DEGRADED
    assert endpoint.message == "all weights of rule 1 are 0: no backend answers its requests (500)"


# field/kubernetes.md 2, and backendtlspolicy-conflict-resolution of kubernetes-sigs/gateway-api: one name, two ports.
def test_two_endpoints_of_a_route_have_two_names() -> None:
    first = {"backendRefs": [gateway.ref("ranker-v9", 90), gateway.ref("ranker-v10", 10)]}
    second = {"backendRefs": [{**gateway.ref(name, 50), "port": 9000} for name in ("ranker-v9", "ranker-v10")]}
    cluster = Cluster().add(HTTP_ROUTE, "ranker", gateway.route([first, second]))
    found = GatewaySystem().explain(cluster, "k8s")
    assert [(one.ref.name, one.variants[0].desired) for one in found] == [
        ("ranker.ranker-v9", 90.0),
        ("ranker.ranker-v9.2", 50.0),
    ]
    assert object_name(found[1].ref, cluster, HTTP_ROUTE) == "ranker"


def test_subsets_of_one_name_of_two_hosts_are_two_endpoints() -> None:
    rules = [{"route": [{"destination": {"host": host, "subset": "v1"}}]} for host in ("ratings", "reviews")]
    cluster = Cluster().add(VIRTUAL_SERVICE, "shop", {"spec": {"hosts": ["shop"], "http": rules}})
    assert [one.ref.name for one in IstioSystem().explain(cluster, "k8s")] == ["shop.v1", "shop.v1.2"]


# istio/istio 6335: a subset that no DestinationRule has.
def test_a_subset_that_does_not_exist_gets_no_more_traffic_and_is_told() -> None:
    endpoint = istio.read([{"route": [istio.entry("v9", 90), istio.entry("v12", 10)]}])
    assert endpoint.phase is Phase.DEGRADED
    assert endpoint.message == "subset v12 is in no DestinationRule: its requests are answered with 503"
    for change in (Split({"v9": 50.0, "v12": 50.0}), Promote("v12")):
        with pytest.raises(Rejected, match="subset v12 is in no DestinationRule"):
            IstioSystem().compile(endpoint, change)
    assert IstioSystem().compile(endpoint, Promote("v9"))


# ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_a_split_of_connections_is_shown_and_not_changed(kind: str) -> None:
    """istio/istio samples/tcp-echo: 80 % and 20 % of the connections; the name and the hosts are ours."""
    match = {"port": 31400} if kind == "tcp" else {"port": 443, "sniHosts": ["echo.example"]}
    rule = {
        "match": [match],
        "route": [
            {"destination": {"host": "echo", "port": {"number": 9000}, "subset": "v1"}, "weight": 80},
            {"destination": {"host": "echo", "port": {"number": 9000}, "subset": "v2"}, "weight": 20},
        ],
    }
    cluster = Cluster().add(VIRTUAL_SERVICE, "echo", {"spec": {"hosts": ["*"], kind: [rule]}})
    [endpoint] = IstioSystem().explain(cluster, "k8s")
    assert [(one.name, one.desired) for one in endpoint.variants] == [("v1", 80.0), ("v2", 20.0)]
    assert set(endpoint.actions.values()) == {"it has rules for TCP or TLS only: shiftdeck changes HTTP rules"}
