"""The laws of plans and names over routes of any shape, and over those of the field: rules with and without matches,
mirrors and splits that differ by rule, one Service on two ports."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backends.contracts import Change, Endpoint, Mirror, Split
from backends.contracts.words import Role
from backends.platforms.kubernetes.kinds import HTTP_ROUTE
from backends.serving.istio import DESTINATION_RULE, VIRTUAL_SERVICE
from backends.serving.kubernetes import KubernetesServing
from tests.conformance.clusters import accounted, differing, now, sent, words_of
from tests.conformance.ours import adapter_of
from tests.conformance.scripts import ClusterScript, observed
from tests.conformance.test_plans import plan_of
from tests.examples import examples
from tests.unit.kube_objects import Cluster
from tests.unit.kube_worlds import Seen
from tests.unit.serving.test_kube_gateway import mirror, ref, route

HEADER = {"headers": [{"name": "x-canary", "value": "1"}]}
PATH = {"path": {"type": "PathPrefix", "value": "/v1"}}


def _answer(rules: Any) -> bool:
    return all(not rule["backendRefs"] or any(one["weight"] for one in rule["backendRefs"]) for rule in rules)


RULES: Any = st.lists(
    st.fixed_dictionaries(
        {
            "backendRefs": st.lists(
                st.builds(ref, st.sampled_from(["m1", "m2"]), st.sampled_from([0, 1, 9, 50, 90])), max_size=3
            )
        },
        optional={
            "matches": st.sampled_from([[HEADER], [PATH], [{"path": {"type": "PathPrefix", "value": "/"}}]]),
            "filters": st.builds(lambda percent: [mirror("m3", percent=percent)], st.sampled_from([10, 20, 100])),
        },
    ),
    min_size=1,
    max_size=3,
).filter(_answer)
"""Rules of any kind, but those whose weights are all 0: they answer 500, and are tested by themselves."""

A_B = [
    {"matches": [HEADER], "backendRefs": [ref("m1", 0), ref("m2", 100)]},
    {"backendRefs": [ref("m1", 95), ref("m2", 5)]},
]
"""As Flagger writes it for A/B tests (fluxcd/flagger, pkg/router/gateway_api.go)."""

SPLITS_DIFFER = [
    {"matches": [PATH], "backendRefs": [ref("m1", 90), ref("m2", 10)]},
    {"backendRefs": [ref("m1", 50), ref("m2", 50)]},
]
MIRRORS_DIFFER = [
    {"matches": [PATH], "backendRefs": [ref("m1")], "filters": [mirror("m3", percent=20)]},
    {"backendRefs": [ref("m1")], "filters": [mirror("m3", percent=50)]},
]
"""As in kubernetes-sigs/gateway-api, examples of request mirrors by percentage."""

TWO_PORTS = [
    {"matches": [PATH], "backendRefs": [ref("m1", 90, port=8080), ref("m2", 10, port=8080)]},
    {"backendRefs": [ref("m1", 50, port=9000), ref("m2", 50, port=9000)]},
]


def gateway(rules: list[dict[str, Any]]) -> list[ClusterScript]:
    """A script for each endpoint of an HTTPRoute with these rules."""
    cluster = Cluster().served("m1").served("m2").served("m3").add(HTTP_ROUTE, "mine", route(rules))
    return _scripts("gateway", cluster)


def istio(rules: list[dict[str, Any]]) -> list[ClusterScript]:
    """The same rules in a VirtualService, with subsets in place of Services."""
    http = []
    for rule in rules:
        one: dict[str, Any] = {
            "route": [_target(to["name"], weight=to.get("weight", 100)) for to in rule["backendRefs"]]
        }
        if "matches" in rule:
            one["match"] = [{"headers": {"x-canary": {"exact": "1"}}}]
        for each in rule.get("filters", ()):
            one["mirror"] = _target("m3")["destination"]
            one["mirrorPercentage"] = {"value": each["requestMirror"]["percent"]}
        http.append(one)
    subsets = [{"name": name, "labels": {"version": name}} for name in ("m1", "m2", "m3")]
    cluster = Cluster().served("mine").add(VIRTUAL_SERVICE, "mine", {"spec": {"hosts": ["mine"], "http": http}})
    cluster.add(DESTINATION_RULE, "mine", {"spec": {"host": "mine", "subsets": subsets}})
    return _scripts("istio", cluster)


def _target(subset: str, **more: Any) -> dict[str, Any]:
    return {"destination": {"host": "mine", "subset": subset}, **more}


def _scripts(name: str, cluster: Cluster) -> list[ClusterScript]:
    system = adapter(name).system
    world = {kind: dict(things) for kind, things in cluster.kinds.items()}
    return [ClusterScript(system, world, one.ref, observed) for one in system.explain(Seen(world), "k8s")]


def adapter(name: str) -> KubernetesServing:
    made = adapter_of(name)
    assert isinstance(made, KubernetesServing)
    return made


def tried(endpoint: Endpoint) -> list[Change]:
    live = [one.name for one in endpoint.variants if one.role is not Role.SHADOW]
    splits: list[Change] = [Split({**dict.fromkeys(live, 0.0), a: 70.0, b: 30.0}) for a, b in pairwise(live)]
    return splits + [Mirror(one.name, 10.0) for one in endpoint.variants if one.role is Role.SHADOW]


def restores(name: str, script: ClusterScript) -> None:
    for change in tried(first := now(script, script.world)):
        plan = plan_of(adapter(name), first, change)
        after = sent(adapter(name), script, script.world, change)
        if after is None or plan.undo is None:
            continue
        observed(after)
        back = sent(adapter(name), script, after, plan.undo)
        lost = {} if back is None else differing(script.world, back)
        assert not lost or "restore" in words_of(plan), f"{plan.words}, then {plan.way_back}: {lost}"


def accounts(name: str, script: ClusterScript) -> None:
    for change in tried(first := now(script, script.world)):
        after = sent(adapter(name), script, script.world, change)
        told = "" if after is None else words_of(plan_of(adapter(name), first, change))
        for path, (old, new) in differing(script.world, after or script.world).items():
            assert accounted(path, old, new, told), f"{change}: {'/'.join(path)} {old!r} → {new!r} is not in: {told}"


SYSTEMS = pytest.mark.parametrize(("name", "made"), [("gateway", gateway), ("istio", istio)], ids=["gateway", "istio"])
A_B_CASE = pytest.param(A_B, id="A/B")
SPLITS_CASE = pytest.param(SPLITS_DIFFER, id="splits")
MIRRORS_CASE = pytest.param(MIRRORS_DIFFER, id="mirrors")


@SYSTEMS
@pytest.mark.parametrize("rules", [A_B_CASE, SPLITS_CASE, MIRRORS_CASE])
def test_the_way_back_of_a_change_of_rules_that_differ(name: str, made: Any, rules: Any) -> None:
    scripts = made(rules)
    assert scripts
    for script in scripts:
        restores(name, script)


@SYSTEMS
@pytest.mark.parametrize("rules", [A_B_CASE, SPLITS_CASE])
def test_every_rule_whose_split_is_changed_is_told(name: str, made: Any, rules: Any) -> None:
    for script in made(rules):
        accounts(name, script)


@SYSTEMS
def test_every_rule_whose_mirror_is_changed_is_told(name: str, made: Any) -> None:
    for script in made(MIRRORS_DIFFER):
        accounts(name, script)


@SYSTEMS
def test_the_way_back_of_a_change_of_any_rules(name: str, made: Any) -> None:
    @examples(60)
    @given(RULES)
    @example(A_B)
    def holds(rules: Any) -> None:
        for script in made(rules):
            restores(name, script)

    holds()


@SYSTEMS
def test_every_field_of_any_rules_that_is_changed_is_told(name: str, made: Any) -> None:
    @examples(60)
    @given(RULES)
    @example(MIRRORS_DIFFER)
    def holds(rules: Any) -> None:
        for script in made(rules):
            accounts(name, script)

    holds()


@SYSTEMS
def test_no_two_endpoints_of_any_rules_share_a_ref(name: str, made: Any) -> None:
    @examples(60)
    @given(RULES)
    @example(TWO_PORTS)
    def holds(rules: Any) -> None:
        refs = [script.ref for script in made(rules)]
        assert len(refs) == len(set(refs)), f"{name}: {refs}"

    holds()


@SYSTEMS
def test_no_way_back_is_shown_that_is_no_split(name: str, made: Any) -> None:
    """All weights are 0: there is no split to go back to."""
    (script,) = made([{"backendRefs": [ref("m1", 0), ref("m2", 0)]}])
    first = now(script, script.world)
    plan = plan_of(adapter(name), first, Split({**{one.name: 0.0 for one in first.variants}, "m2": 100.0}))
    assert plan.undo is None, plan.way_back
