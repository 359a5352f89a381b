"""A change and its way back: what is written beyond the numbers that the plan shows, and what stays changed afterwards.

Drawn from kubernetes-sigs/gateway-api conformance (httproute-request-percentage-mirror), istio/istio samples, and
knative/docs traffic-management (a tag beside ``latestRevision``).
"""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Call, Change, Endpoint, Mirror, Promote, Rollback, Split
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import HTTP_ROUTE
from backends.serving.gateway import GatewaySystem
from backends.serving.istio import VIRTUAL_SERVICE, IstioSystem
from backends.serving.knative import SERVICE, Knative
from backends.serving.kserve_facts import REVISION
from backends.serving.route_forecast import forecast
from tests.examples import examples
from tests.unit.kube_objects import Cluster, applied, only

R1, R2 = "eta-00001", "eta-00002"
FOLLOWS = {"latestRevision": True, "percent": 100}


# ── Knative: following new revisions ────────────────────────────────────────────────────────────────────────────


def knative(traffic: list[dict[str, Any]] | None) -> tuple[dict[str, Any], Endpoint]:
    ready = [{"type": "Ready", "status": "True"}]
    status = {"observedGeneration": 3, "conditions": ready, "latestCreatedRevisionName": R2, "traffic": traffic or []}
    spec: dict[str, Any] = {"template": {}} | ({} if traffic is None else {"traffic": traffic})
    thing = {"spec": spec, "status": {**status, "latestReadyRevisionName": R2}}
    made = Cluster().add(SERVICE, "eta", thing)
    for at, name in enumerate((R1, R2), 1):
        labels = {"serving.knative.dev/service": "eta", "serving.knative.dev/configurationGeneration": str(at)}
        one = {"status": {"conditions": ready, "actualReplicas": 1, "desiredReplicas": 1}}
        made.add(REVISION, name, one, labels=labels)
    return dict(made.of(SERVICE)["prod", "eta"]), only(Knative(), made)


def there_and_back(traffic: list[dict[str, Any]] | None, change: Change) -> Any:
    """The list of targets after the change and the split of before."""
    thing, endpoint = knative(traffic)
    (call,) = Knative().compile(endpoint, change)
    after = applied(thing, call.body)
    _, changed = knative(after["spec"]["traffic"])
    (call,) = Knative().compile(changed, Split({one.name: one.desired or 0.0 for one in endpoint.variants}))
    return applied(after, call.body)["spec"]["traffic"]


HALVES = [{"revisionName": R2, "tag": "a", "percent": 50}, {"latestRevision": True, "percent": 50}]
TAGGED = [{"revisionName": R2, "tag": "current"}, FOLLOWS]


@pytest.mark.parametrize(
    ("traffic", "change"),
    [
        (TAGGED, Split({R1: 10.0, R2: 90.0})),
        (TAGGED, Promote(R1)),
        ([FOLLOWS], Rollback(R1)),
        ([FOLLOWS], Split({R1: 50.0, R2: 50.0})),
        (HALVES, Split({R1: 10.0, R2: 90.0})),
    ],
)
def test_a_service_that_followed_new_revisions_does_so_after_the_way_back(
    traffic: list[dict[str, Any]], change: Change
) -> None:
    assert there_and_back(traffic, change) == traffic


def test_a_service_without_targets_follows_new_revisions_after_the_way_back() -> None:
    assert there_and_back(None, Rollback(R1)) == [FOLLOWS]


@st.composite
def targets(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A list of targets as Knative accepts it: tags are unique, and the percentages sum to 100."""
    named = draw(st.lists(st.sampled_from([R1, R2, ""]), min_size=1, max_size=4))
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(named) - 1, max_size=len(named) - 1)))
    percents = [high - low for low, high in zip([0, *cuts], [*cuts, 100], strict=True)]
    found = []
    for at, (name, percent) in enumerate(zip(named, percents, strict=True)):
        one: dict[str, Any] = {"revisionName": name} if name else {"latestRevision": True}
        one |= {"tag": f"t{at}"} if draw(st.booleans()) else {}
        one |= {"percent": percent} if percent or draw(st.booleans()) else {}
        found.append(one)
    return found


@examples(200)
@given(targets(), st.integers(1, 99))
def test_no_split_of_a_service_drops_what_follows_new_revisions_or_a_tag(
    traffic: list[dict[str, Any]], percent: int
) -> None:
    thing, endpoint = knative(traffic)
    try:
        (call,) = Knative().compile(endpoint, Split({R1: float(percent), R2: 100.0 - percent}))
    except Rejected:  # it is at that split already
        return
    written = applied(thing, call.body)["spec"]["traffic"]
    assert sum(one.get("percent", 0) for one in written) == 100
    follows = [one for one in traffic if one.get("latestRevision")]
    assert len([one for one in written if one.get("latestRevision")]) == len(follows)
    assert {one["tag"] for one in written if "tag" in one} == {one["tag"] for one in traffic if "tag" in one}


# ── rules that differ ───────────────────────────────────────────────────────────────────────────────────────────


def to(name: str, weight: int) -> dict[str, Any]:
    return {"name": name, "port": 8080, "weight": weight}


def copied(name: str, **percent: Any) -> dict[str, Any]:
    backend = {"name": name, "port": 8080}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": backend, **percent}}


def route(*rules: dict[str, Any]) -> Endpoint:
    made = Cluster().add(HTTP_ROUTE, "ranker", {"spec": {"parentRefs": [{"name": "g"}], "rules": list(rules)}})
    return only(GatewaySystem(), made)


MIRRORS = [
    {"backendRefs": [to("m1", 1)], "filters": [copied("m2", percent=20)]},
    {"backendRefs": [to("m1", 1)], "filters": [copied("m2", fraction={"numerator": 25, "denominator": 50})]},
    {"backendRefs": [to("m1", 1)], "filters": [copied("m2", percent=35)]},
]


def test_mirrors_that_differ_by_rule_are_all_told_and_so_is_what_the_way_back_leaves() -> None:
    endpoint = route(*MIRRORS)
    (call,) = GatewaySystem().compile(endpoint, Mirror("m2", 10.0))
    assert call.summary == "mirror m2 20 % → 10 % (rule 1), 50 % → 10 % (rule 2), 35 % → 10 % (rule 3)"
    assert forecast(endpoint, Mirror("m2", 10.0)).cautions == (
        "the way back does not restore rule 2, which copies 50 %: it gets 20 %",
        "the way back does not restore rule 3, which copies 35 %: it gets 20 %",
    )
    assert forecast(route(MIRRORS[0]), Mirror("m2", 10.0)).cautions == ()


@pytest.mark.parametrize("change", [Split({"m1": 80.0, "m2": 20.0}), Promote("m2")])
def test_splits_that_differ_by_rule_are_told_to_stay_changed(change: Split | Promote) -> None:
    endpoint = route({"backendRefs": [to("m1", 90), to("m2", 10)]}, {"backendRefs": [to("m1", 1), to("m2", 1)]})
    found = forecast(endpoint, change)
    assert found.cautions == (
        "the way back does not restore rule 2, which has m1 50 %, m2 50 %: it gets the split of rule 1",
    )
    assert found.weights == ({"m1": 80.0, "m2": 20.0} if isinstance(change, Split) else {"m1": 0.0, "m2": 100.0})


def test_the_mirrors_of_a_virtual_service_differ_by_rule_as_well() -> None:
    def rule(percent: float) -> dict[str, Any]:
        there = [{"destination": {"host": "m1"}}]
        return {"route": there, "mirror": {"host": "m2"}, "mirrorPercentage": {"value": percent}}

    made = Cluster().add(VIRTUAL_SERVICE, "ranker", {"spec": {"hosts": ["ranker"], "http": [rule(20.0), rule(50.0)]}})
    endpoint = only(IstioSystem(), made)
    (call,) = IstioSystem().compile(endpoint, Mirror("m2", 10.0))
    assert call.summary == "mirror m2 20 % → 10 % (rule 1), 50 % → 10 % (rule 2)"
    assert forecast(endpoint, Mirror("m2", 10.0)).cautions == (
        "the way back does not restore rule 2, which copies 50 %: it gets 20 %",
    )


def of_rules(call: Call) -> list[Any]:
    """The operations on the rules, without the tests of the object's own metadata."""
    operations = cast("list[dict[str, Any]]", call.body)
    return [one for one in operations if not one["path"].startswith("/metadata")]


pairs = st.tuples(st.integers(0, 3), st.integers(1, 3))
rules = st.lists(pairs.map(lambda one: {"backendRefs": [to("m1", one[0]), to("m2", one[1])]}), min_size=1, max_size=4)


@examples(150)
@given(rules, st.integers(0, 100))
def test_a_split_and_its_way_back_restore_every_rule_or_the_plan_names_the_rule(
    given_rules: list[dict[str, Any]], percent: int
) -> None:
    endpoint = route(*given_rules)
    change = Split({"m1": 100.0 - percent, "m2": float(percent)})
    back = Split({one.name: one.desired or 0.0 for one in endpoint.variants})
    thing: Any = {"metadata": {"generation": 3}, "spec": {"rules": given_rules}}

    def shares(of: list[dict[str, Any]]) -> list[float]:
        weights = [[one["weight"] for one in rule["backendRefs"]] for rule in of]
        return [round(100.0 * one[1] / sum(one), 2) for one in weights]

    try:
        (call,) = GatewaySystem().compile(endpoint, change)
        cautions = forecast(endpoint, change).cautions
        after = applied(thing, of_rules(call))
        (call,) = GatewaySystem().compile(route(*after["spec"]["rules"]), back)
    except Rejected:
        return
    restored = applied(after, of_rules(call))
    for number, (was, now) in enumerate(zip(shares(given_rules), shares(restored["spec"]["rules"]), strict=True), 1):
        assert was == pytest.approx(now, abs=0.01) or any(f"restore rule {number}," in one for one in cautions)
