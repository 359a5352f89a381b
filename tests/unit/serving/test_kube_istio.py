"""Istio's VirtualService: its traps, and the patches that are made."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import Change, Diverged, Endpoint, Mirror, Pending, Phase, Promote, Settled, Split
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import DEPLOYMENT, SERVICE
from backends.serving.istio import DESTINATION_RULE, ROLLOUT, VIRTUAL_SERVICE, IstioSystem
from tests.unit.kube_objects import Cluster, applied, only

SYSTEM = IstioSystem()


def to(subset: str = "", host: str = "ranker", **more: Any) -> dict[str, Any]:
    return {"host": host} | ({"subset": subset} if subset else {}) | more


def entry(subset: str, weight: int | None = None, **more: Any) -> dict[str, Any]:
    return {"destination": to(subset, **more)} | ({} if weight is None else {"weight": weight})


def read(http: list[dict[str, Any]], *, subsets: str = "v9 v10 v11", status: Any = None, **metadata: Any) -> Endpoint:
    cluster = Cluster().add(
        VIRTUAL_SERVICE, "ranker", {"spec": {"hosts": ["ranker"], "http": http}, "status": status or {}}, **metadata
    )
    cluster.add(SERVICE, "ranker", {"spec": {"selector": {"app": "ranker"}}})
    labelled = [{"name": name, "labels": {"version": name}} for name in subsets.split()]
    cluster.add(DESTINATION_RULE, "ranker", {"spec": {"host": "ranker.prod.svc.cluster.local", "subsets": labelled}})
    for name, ready in (("v9", 3), ("v10", 1)):
        template = {"metadata": {"labels": {"app": "ranker", "version": name}}, "spec": {"containers": []}}
        thing = {"spec": {"replicas": 3, "template": template}, "status": {"readyReplicas": ready}}
        cluster.add(DEPLOYMENT, f"ranker-{name}", thing)
    return only(SYSTEM, cluster)


def seen(endpoint: Endpoint) -> dict[str, tuple[str, float | None, float | None]]:
    return {one.name: (str(one.role), one.desired, one.mirror) for one in endpoint.variants}


def after(http: list[dict[str, Any]], change: Change, **given: Any) -> list[dict[str, Any]]:
    (call,) = SYSTEM.compile(read(http, **given), change)
    assert call.guard == "generation 3"
    made: list[dict[str, Any]] = applied({"spec": {"http": http}}, call.body)["spec"]["http"]
    return made


TWO = [{"route": [entry("v9", 90), entry("v10", 10)]}]
IDLE = ("idle", 0.0, None)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ([entry("v9", 90), entry("v10", 10)], {"v9": ("stable", 90, None), "v10": ("canary", 10, None)}),
        ([entry("v9", 3), entry("v10", 1)], {"v9": ("stable", 75, None), "v10": ("canary", 25, None)}),
        ([entry("v9", 100), entry("v10")], {"v9": ("stable", 100, None), "v10": IDLE}),  # 0 may be left out
        ([entry("v9")], {"v9": ("stable", 100, None), "v10": IDLE}),  # a single one takes all
        ([entry("v9", 0)], {"v9": ("stable", 100, None), "v10": IDLE}),  # even at 0
        ([entry("v9", 25)], {"v9": ("stable", 100, None), "v10": IDLE}),
    ],
)
def test_weights_as_istio_reads_them(route: list[Any], expected: dict[str, Any]) -> None:
    assert seen(read([{"route": route}])) == {**expected, "v11": IDLE}


def test_what_is_observed_is_not_known_here() -> None:
    endpoint = read(TWO)
    assert all(one.observed is None for one in endpoint.variants)
    assert [(one.ready, one.wanted) for one in endpoint.variants] == [(3, 3), (1, 3), (None, None)]
    assert endpoint.phase is Phase.STEADY


@pytest.mark.parametrize(
    ("mirroring", "percent"),
    [
        ({"mirror": to("v10")}, 100),
        ({"mirror": to("v10"), "mirrorPercentage": {"value": 12.5}}, 12.5),
        ({"mirror": to("v10"), "mirrorPercent": 20}, 20),
        ({"mirror": to("v10"), "mirror_percent": 20}, 20),
        ({"mirror": to("v10"), "mirror_percent": 20, "mirrorPercentage": {"value": 5}}, 5),
        ({"mirrors": [{"destination": to("v10"), "percentage": {"value": 7}}]}, 7),
        ({"mirrors": [{"destination": to("v10")}]}, 100),
    ],
)
def test_every_form_of_a_mirror_is_read_and_rewritten(mirroring: dict[str, Any], percent: float) -> None:
    http = [{"route": [entry("v9")], **mirroring}]
    assert seen(read(http))["v10"] == ("shadow", None, percent)
    for asked in (0.0, 42.5):
        made = after(http, Mirror("v10", asked))
        endpoint = read(made)
        assert seen(endpoint)["v10"] == (("shadow", None, asked) if asked else ("idle", 0.0, 0.0))
        if "mirrorPercentage" not in mirroring:  # which is the one that counts
            assert not {"mirrorPercent", "mirror_percent"} & set(made[0])


def test_a_mirror_is_started_beside_the_others_or_not_at_all() -> None:
    assert after([{"route": [entry("v9")]}], Mirror("v10", 5))[0] == {
        "route": [entry("v9")],
        "mirror": to("v10"),
        "mirrorPercentage": {"value": 5},
    }
    several = [{"route": [entry("v9")], "mirrors": [{"destination": to("v10"), "percentage": {"value": 7}}]}]
    assert len(after(several, Mirror("v11", 5))[0]["mirrors"]) == 2
    with pytest.raises(Rejected, match="rule 1 mirrors to v10 already"):
        after([{"route": [entry("v9")], "mirror": to("v10")}], Mirror("v11", 5))


def test_a_split_writes_every_weight_that_changes() -> None:
    made = after(TWO, Split({"v9": 75, "v10": 25, "v11": 0}))
    assert made == [{"route": [entry("v9", 75), entry("v10", 25)]}]
    assert after(TWO, Promote("v10")) == [{"route": [entry("v9", 0), entry("v10", 100)]}]
    assert after([{"route": [entry("v9", 100), entry("v10")]}], Split({"v9": 90, "v10": 10})) == TWO


def test_a_subset_that_no_rule_names_can_be_given_traffic() -> None:
    """A single destination's own weight counts for nothing, until there is a second: so it is written as well."""
    for given in (entry("v9"), entry("v9", 0), entry("v9", 90)):
        made = after([{"route": [given]}], Split({"v9": 90, "v10": 10}))
        assert made == TWO
    made = after([{"route": [entry("v9", port={"number": 80})]}], Split({"v9": 90, "v10": 10}))
    assert made[0]["route"][1] == entry("v10", 10, port={"number": 80})


def test_a_rule_for_some_requests_is_pinned() -> None:
    http = [{"match": [{"headers": {}}], "route": [entry("v10")]}, {"route": [entry("v9")]}]
    endpoint = read(http)
    assert (seen(endpoint)["v9"][1], seen(endpoint)["v10"][1]) == (100, 0)
    assert endpoint.message == "rule 1 always goes to v10"
    made = after(http, Split({"v9": 90, "v10": 10}))
    assert made == [http[0], *TWO]


def test_redirects_have_no_variants() -> None:
    assert seen(read([{"redirect": {"uri": "/"}}, *TWO])).keys() == {"v9", "v10", "v11"}


def test_hosts_without_subsets_are_called_by_their_service() -> None:
    http = [{"route": [entry("", 1, host="ranker-a"), entry("", 1, host="ranker-b.prod.svc.cluster.local")]}]
    assert set(seen(read(http))) == {"ranker-a", "ranker-b"}


def test_an_error_of_istios_analysis_degrades() -> None:
    status = {
        "validationMessages": [{"level": "ERROR", "type": {"code": "IST0101", "name": "ReferencedResourceNotFound"}}]
    }
    endpoint = read(TWO, status=status)
    assert (endpoint.phase, endpoint.message) == (Phase.DEGRADED, "Istio's analysis: ReferencedResourceNotFound")


def test_a_virtual_service_that_somebody_writes_says_who() -> None:
    owner = [{"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "r", "controller": True}]
    reasons = set(read(TWO, ownerReferences=owner).actions.values())
    assert reasons == {"Canary r writes this VirtualService: change it there"}
    cluster = Cluster().add(VIRTUAL_SERVICE, "ranker", {"spec": {"http": TWO}})
    routing = {"istio": {"virtualServices": [{"name": "ranker"}]}}
    cluster.add(ROLLOUT, "r", {"spec": {"strategy": {"canary": {"trafficRouting": routing}}}})
    assert only(SYSTEM, cluster).owner == "Argo Rollouts (r)"


@pytest.mark.parametrize(
    ("http", "version", "expected"),
    [
        (TWO, 3, Pending),
        ([{"route": [entry("v9", 3), entry("v10", 1)]}], 4, Settled),
        ([{"route": [entry("v9")]}], 4, Diverged),
        (TWO, 4, Diverged),
    ],
)
def test_the_spec_is_all_there_is_to_go_by_and_that_is_said(http: list[Any], version: int, expected: type) -> None:
    progress = SYSTEM.progress(read(TWO), read(http, generation=version), Split({"v9": 75, "v10": 25}))
    assert isinstance(progress, expected)
    if isinstance(progress, Settled):
        assert "only metrics confirm" in progress.message
