"""Deployments while their pods are replaced, under quotas, and without their controller: what is shown, and what counts
as settled.

Drawn from kubernetes/kubernetes pkg/controller/deployment (sync.go, progress.go, util) and from clusters with the real
controllers (deployments.md, 2 and 5 to 10).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import (
    Action,
    Diverged,
    EndpointRef,
    ModelRef,
    Pause,
    Pending,
    Phase,
    Promote,
    Rollback,
    Settled,
    Split,
    Variant,
)
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, REPLICA_SET, SERVICE
from backends.serving.deployment import Deployments
from backends.serving.gateway import GatewaySystem
from backends.serving.kubernetes import Part
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.planner import rest_to_stable
from shiftdeck.health.judge import Facts, judge
from shiftdeck.health.verdict import Level
from tests.examples import examples
from tests.fakes import FakeWorld
from tests.field.kubernetes.pairs import QUOTA, SYSTEM, TIMED_OUT, member, pair, replica_set
from tests.unit.builders import SLO
from tests.unit.kube_objects import Cluster, only
from tests.unit.planned import check, plan

STABLE = member("v3", "stable", 8)
ROLLING = member("broken", "canary", 2, replicas=3, updatedReplicas=1, readyReplicas=2, unavailableReplicas=1)
OLD, NEW = (
    replica_set("churn-v4", "v4", "canary", 1, 2, 2),
    replica_set("churn-v4", "broken", "canary", 2, 1, 0),
)


def canary_of(endpoint: Any) -> Variant:
    found = endpoint.variant("churn-v4")
    assert isinstance(found, Variant)
    return found


# ── which version serves ────────────────────────────────────────────────────────────────────────────────────────


def test_a_member_of_a_pair_has_the_version_of_its_ready_pods_not_of_its_template() -> None:
    endpoint = pair(STABLE, ROLLING, OLD, NEW)
    assert canary_of(endpoint).model == ModelRef("churn", "v4")
    assert canary_of(endpoint).image == "registry/churn:v4"
    assert endpoint.phase is Phase.PROGRESSING
    assert "churn-v4: 2 of 2 ready, 1 of 2 of the newest revision, 1 too many yet" in endpoint.message


def test_ready_pods_of_two_versions_are_no_version() -> None:
    half = replica_set("churn-v4", "v4", "canary", 1, 1, 1), replica_set("churn-v4", "v5", "canary", 2, 1, 1)
    rolling = member("v5", "canary", 2, updatedReplicas=1)
    assert canary_of(pair(STABLE, rolling, *half)).model is None


@pytest.mark.parametrize(
    ("canary", "version"),
    [
        (member("v4", "canary", 2), "v4"),
        (ROLLING, None),
        (member("v5", "canary", 2, observedGeneration=3), None),
        (member("v5", "canary", 2, readyReplicas=0, updatedReplicas=0), "v5"),  # none serves; this one starts
    ],
    ids=["done", "half way", "not seen", "none is ready"],
)
def test_without_replica_sets_the_counts_tell_whether_the_template_is_what_runs(
    canary: dict[str, Any], version: str | None
) -> None:
    found = canary_of(pair(STABLE, canary)).model
    assert (found.version if found else None) == version


def test_a_backend_of_a_route_has_no_version_while_its_pods_are_replaced() -> None:
    made = Cluster().add(SERVICE, "churn", {"spec": {"selector": {"app": "churn"}}})
    made.add(DEPLOYMENT, "churn-v4", ROLLING, generation=4)
    rule = {"backendRefs": [{"name": "churn", "port": 80}]}
    made.add(HTTP_ROUTE, "churn", {"spec": {"parentRefs": [{"name": "g"}], "rules": [rule]}})
    assert only(GatewaySystem(), made).variants[0].model is None
    made.add(DEPLOYMENT, "churn-v4", member("v4", "canary", 2), generation=4)
    assert only(GatewaySystem(), made).variants[0].model == ModelRef("churn", "v4")


def test_a_paused_roll_out_half_way_is_paused_and_no_settled_split() -> None:
    before = pair(member("v3", "stable", 7), member("v4", "canary", 3))
    asked = Split({"churn-v3": 80.0, "churn-v4": 20.0})
    paused = member("v5", "canary", 2, paused=True, updatedReplicas=1)
    now = pair(STABLE, paused)
    assert now.phase is Phase.PAUSED
    found = SYSTEM.progress(before, now, asked)
    assert isinstance(found, Pending)
    assert "1 of 2 of the newest revision, its roll-out is paused" in found.message
    assert isinstance(SYSTEM.progress(before, pair(STABLE, member("v4", "canary", 2)), asked), Settled)


# ── statuses of another generation ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("condition", [QUOTA, TIMED_OUT])
@pytest.mark.parametrize("observed", [3, 5, 123, None])
def test_a_failure_of_another_generation_is_no_failure_of_this_one(condition: dict[str, Any], observed: int) -> None:
    canary = member("v4", "canary", 2, observedGeneration=observed, conditions=[condition])
    endpoint = pair(STABLE, canary)
    assert (endpoint.phase, canary_of(endpoint).trouble) == (Phase.PROGRESSING, "")
    assert "quota" not in endpoint.message
    assert "the controller has not seen the newest spec yet" in endpoint.message


@examples(60)
@given(st.integers(0, 2**40).filter(lambda one: one != 4), st.sampled_from(["one", "pair"]))
def test_no_other_generation_proves_a_deployment_steady_or_a_change_settled(observed: int, shape: str) -> None:
    stable, canary = member("v3", "stable", 8), member("v4", "canary", 2, observedGeneration=observed)
    if shape == "pair":
        before, change = (
            pair(member("v3", "stable", 7), member("v4", "canary", 3)),
            Split({"churn-v3": 80.0, "churn-v4": 20.0}),
        )
        now = pair(stable, canary)
        assert not isinstance(SYSTEM.progress(before, now, change), Settled)
    else:
        now = only(SYSTEM, Cluster().add(DEPLOYMENT, "churn-v4", canary, generation=4))
        was = only(SYSTEM, Cluster().add(DEPLOYMENT, "churn-v4", member("v4", "canary", 2, generation=3), generation=3))
        assert not isinstance(SYSTEM.progress(was, now, Pause()), Settled)
    assert now.phase not in (Phase.STEADY, Phase.DEGRADED)


# ── a canary that cannot grow ───────────────────────────────────────────────────────────────────────────────────


def test_a_variant_that_its_controller_cannot_grow_gets_no_more_traffic_without_an_override() -> None:
    canary = member("v4", "canary", 4, readyReplicas=2, replicas=2, updatedReplicas=2, conditions=[QUOTA])
    told = canary_of(pair(member("v3", "stable", 4), canary))
    assert told.trouble.startswith('pods "churn-v4-6d-x" is forbidden: exceeded quota')

    world = FakeWorld()
    endpoint = world.read("sentiment")
    stuck = [
        replace(one, ready=2, wanted=4, trouble=told.trouble) if one.name == "v8" else one for one in endpoint.variants
    ]
    fresh = replace(endpoint, variants=tuple(stuck))
    made = check(plan(world, "sentiment", Split({"v7": 75.0, "v8": 25.0}), fresh=fresh), "v8 ready")
    assert made.verdict is CheckVerdict.BLOCK
    assert made.evidence.startswith('2/4 ready: pods "churn-v4-6d-x" is forbidden: exceeded quota')
    back = plan(world, "sentiment", Split({"v7": 100.0, "v8": 0.0}), fresh=fresh)
    assert not any(one.verdict is CheckVerdict.BLOCK for one in back.checks)


def test_the_words_of_a_controller_join_others_without_their_full_stop() -> None:
    canary = member("v4", "canary", 2, readyReplicas=1, conditions=[TIMED_OUT])
    message = pair(STABLE, canary).message
    assert "has timed out progressing; shares by" in message


# ── an ordinary roll-out ────────────────────────────────────────────────────────────────────────────────────────


def rolling(*conditions: dict[str, Any]) -> Any:
    """Four replicas with a surge of one: three of v3 serve, two of v4 start."""
    made = Cluster().add(
        DEPLOYMENT,
        "churn",
        member("v4", "stable", 4, replicas=5, updatedReplicas=2, readyReplicas=3, conditions=list(conditions)),
        uid="churn",
        generation=4,
    )
    for one in (replica_set("churn", "v3", "stable", 1, 3, 3), replica_set("churn", "v4", "stable", 2, 2, 0)):
        made.add(REPLICA_SET, one["metadata"]["labels"]["pod-template-hash"], one, **one["metadata"])
    return only(SYSTEM, made)


def level(endpoint: Any) -> tuple[Level, str]:
    verdict = judge(Facts(endpoint, {}, (), (), (), SLO, has_metrics=False))
    found = [one for one in verdict.reasons if "replica" in one.text]
    return found[0].level, found[0].text


def test_a_roll_out_whose_old_pods_serve_is_not_critical_until_the_controller_gives_it_up() -> None:
    assert level(rolling()) == (Level.WARNING, "v42 has no ready replica yet")
    assert level(rolling(TIMED_OUT))[0] is Level.CRITICAL


def test_a_roll_out_that_left_no_pod_ready_is_critical() -> None:
    made = Cluster().add(
        DEPLOYMENT, "churn", member("v4", "stable", 2, updatedReplicas=2, readyReplicas=0), uid="churn", generation=4
    )
    one = replica_set("churn", "v4", "stable", 2, 2, 0)
    made.add(REPLICA_SET, "churn-v42", one, **one["metadata"])
    assert level(only(SYSTEM, made))[0] is Level.CRITICAL


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_split_waits_for_is_not_what_it_has() -> None:
    before = pair(member("v3", "stable", 7), member("v4", "canary", 3))
    surge = member("v4", "canary", 2, replicas=3)
    found = SYSTEM.progress(before, pair(STABLE, surge), Split({"churn-v3": 80.0, "churn-v4": 20.0}))
    assert found == Pending("churn-v4: 2 of 2 ready, 1 too many yet")


def test_a_pair_that_lost_a_member_is_read_by_its_service_and_is_no_endpoint_any_more() -> None:
    made = Cluster().add(SERVICE, "churn", {"spec": {"selector": {"app": "churn"}}})
    made.add(DEPLOYMENT, "churn-v3", STABLE, uid="churn-v3")
    ref = EndpointRef("k8s", "prod", "churn")
    assert Deployments().parts(ref, made) == (Part(SERVICE, "prod", "churn"),)
    three = Cluster().add(SERVICE, "churn", {"spec": {"selector": {"app": "churn"}}})
    for name, replicas in (("churn-v3", 6), ("churn-v4", 2), ("churn-v5", 2)):
        three.add(DEPLOYMENT, name, member(name, "stable", replicas), uid=name, generation=4)
    before = only(SYSTEM, three)
    del three.kinds[DEPLOYMENT]["prod", "churn-v5"]
    change = Split({"churn-v3": 80.0, "churn-v4": 20.0, "churn-v5": 0.0})
    assert SYSTEM.progress(before, only(SYSTEM, three), change) == Diverged("churn-v5 is gone")


def test_a_split_that_names_only_stable_is_told_what_to_type() -> None:
    endpoint = pair(member("v3", "stable", 0), member("v4", "canary", 10))
    with pytest.raises(Rejected) as refused:
        rest_to_stable(endpoint, {"churn-v3": 90.0})
    assert "190 percent, not 100" in str(refused.value)
    assert refused.value.hint == "churn-v3 is stable; churn-v4=10 leaves it the rest"


def test_a_promotion_says_who_stays_stable_by_label() -> None:
    endpoint = pair(member("v3", "stable", 5), member("v4", "canary", 5))
    cautions = SYSTEM.forecast(endpoint, Promote("churn-v4")).cautions
    assert any(one.startswith("churn-v3 stays the stable one by name or label") for one in cautions)


# ── objects being deleted ───────────────────────────────────────────────────────────────────────────────────────


def test_a_deployment_that_is_being_deleted_takes_no_change() -> None:
    leaving = {"deletionTimestamp": "2026-11-20T10:00:00Z"}
    endpoint = pair(member("v3", "stable", 5), member("v4", "canary", 5), metadata=leaving)
    assert endpoint.actions[Action.SHIFT] == "churn-v4 is being deleted"
    assert "churn-v4 is being deleted" in endpoint.message
    alone = only(SYSTEM, Cluster().add(DEPLOYMENT, "churn", STABLE, generation=4, **leaving))
    assert set(alone.actions.values()) == {"churn is being deleted"}
    with pytest.raises(Rejected, match="is being deleted"):
        SYSTEM.compile(alone, Rollback("1"))
