"""Knative and KServe: what a status proves, and who still gets traffic. Objects written anew after the reports."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import Abort, Action, Endpoint, Pending, Promote, Role, Split
from backends.errors import Rejected
from backends.serving.knative import SERVICE, Knative
from backends.serving.kserve import KServe
from backends.serving.kserve_facts import REVISION
from tests.kube.things import Things, ready, thing
from tests.unit.serving import test_kube_knative as knative
from tests.unit.serving import test_kube_kserve_knative as serverless
from tests.unit.serving import test_kube_kserve_standard as standard
from tests.unit.serving.test_kube_kserve_knative import R1, R2

ROLLED_OUT = serverless.service(None, serverless.traffic(R2=100), rolled=R2, previous=R1)


def of(endpoint: Endpoint, name: str) -> tuple[int | None, int | None]:
    variant = endpoint.variant(name)
    assert variant is not None
    return variant.ready, variant.wanted


# kserve/kserve 1859 and 2037, knative/serving 12048, 11531 and 10194: Ready stays True while all pods crash.
@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        ({"desiredReplicas": 1, "actualReplicas": 0, "conditions": [ready()]}, (0, 1), ""),
        ({"desiredReplicas": 2, "conditions": [ready()]}, (0, 2), ""),
        (
            {"desiredReplicas": 1, "actualReplicas": 0}
            | {"conditions": [ready(), {"type": "Active", "status": "Unknown", "reason": "Queued"}]},
            (0, 1),
            "starting: Queued",
        ),
        ({"desiredReplicas": 0, "actualReplicas": 0, "conditions": [ready()]}, (None, None), "scaled to zero"),
        (
            {"conditions": [ready(), {"type": "Active", "status": "False", "reason": "NoTraffic"}]},
            (None, None),
            "scaled to zero",
        ),
        ({"conditions": [ready()]}, (None, None), "its replicas are not told"),
    ],
)
def test_a_ready_revision_whose_pods_crash_is_not_scaled_to_zero(
    status: dict[str, Any], expected: tuple[int | None, int | None], words: str
) -> None:
    one = thing(R2, spec={"containers": [{"image": "m:2"}]}, status=status)
    shown = serverless.explain(ROLLED_OUT, one)
    assert of(shown, R2) == expected
    variant = shown.variant(R2)
    assert variant is not None
    assert variant.message == words


def test_a_knative_revision_whose_pods_crash_is_no_release_to_go_back_to() -> None:
    crashed = knative.revision(1, replicas=0)
    crashed["status"]["desiredReplicas"] = 1
    shown = knative.explain(None, [knative.to(knative.R2, 100)], crashed, knative.revision(2))
    assert of(shown, knative.R1) == (0, 1)
    assert [one.id for one in shown.releases] == [knative.R2]


# Knative's own documentation: ``latestRevision`` is the latest that became ready.
def test_a_revision_that_never_became_ready_is_not_stable() -> None:
    one = thing(
        "eta",
        generation=3,
        spec={"traffic": [{"latestRevision": True, "percent": 100}]},
        status={
            "observedGeneration": 3,
            "conditions": [{**ready("False"), "reason": "RevisionFailed"}],
            "latestCreatedRevisionName": knative.R2,
            "latestReadyRevisionName": knative.R1,
            "traffic": [{"revisionName": knative.R1, "latestRevision": True, "percent": 100}],
        },
    )
    failed = knative.revision(2, replicas=0, condition=ready("False"))
    (shown,) = Knative().explain(Things({SERVICE: [one], REVISION: [knative.revision(1), failed]}), "knative")
    assert {v.name: (v.role, v.desired, v.observed) for v in shown.variants} == {
        knative.R1: (Role.STABLE, 100.0, 100.0),
        knative.R2: (Role.CANARY, 0.0, 0.0),
    }


# field/kubernetes.md 8: KServe remembers a Revision that Knative's garbage collection has deleted.
def test_a_revision_that_is_gone_is_no_way_back() -> None:
    shown = serverless.explain(ROLLED_OUT, serverless.revision(R2, "8"))
    assert [one.id for one in shown.releases] == [R2]
    for action in (Action.SHIFT, Action.ROLLBACK):
        assert "has deleted the Revision" in (shown.actions[action] or "")
    kept = serverless.explain(ROLLED_OUT)
    assert kept.actions[Action.ROLLBACK] is None


def test_revisions_that_cannot_be_read_are_not_called_gone() -> None:
    shown = serverless.explain(ROLLED_OUT, serverless.revision("other", "1"))
    assert shown.actions[Action.ROLLBACK] is None


# field/kubernetes.md 3: the change deletes pods, and the route still sends requests to them.
@pytest.mark.parametrize("routed", [{"v7": 80, "v8": 20}, {"v7": 100}])
def test_a_promotion_is_not_settled_while_the_route_has_the_old_predictor(routed: dict[str, int]) -> None:
    before = standard.explain(standard.service(("v8", 20)), standard.route(v7=80, v8=20))
    now = standard.explain(
        standard.service(stable=standard.predictor("v8", "8"), generation=5), standard.route(**routed)
    )
    progress = KServe().progress(before, now, Promote("v8"))
    assert isinstance(progress, Pending)
    assert f"v7 {routed['v7']} %" in progress.message
    old = now.variant("v7")
    assert old is not None
    assert (old.desired, old.observed) == (0.0, routed["v7"])


def test_a_predictor_that_is_only_left_in_the_route_takes_no_change() -> None:
    now = standard.explain(standard.service(("v9", 0), generation=5), standard.route(v7=80, v8=20))
    for change in (Promote("v8"), Split({"v8": 100.0})):
        with pytest.raises(Rejected, match="not in the spec any more"):
            KServe().compile(now, change)


def test_an_abort_is_not_settled_while_the_route_has_the_canary() -> None:
    before = standard.explain(standard.service(("v8", 20)), standard.route(v7=80, v8=20))
    now = standard.explain(standard.service(generation=5), standard.route(v7=80, v8=20))
    assert isinstance(KServe().progress(before, now, Abort()), Pending)
    assert now.phase.value == "progressing"


# field/kubernetes.md, S3: a transformer has a ``canaryTrafficPercent`` of its own.
def test_the_canary_of_a_transformer_is_told() -> None:
    one = serverless.service(None, serverless.traffic(R2=100), rolled=R2)
    one["status"]["components"]["transformer"] = {
        "traffic": [{"revisionName": "t-2", "percent": 30}, {"revisionName": "t-1", "percent": 70}]
    }
    assert serverless.explain(one).message == "the transformer splits too, and is not changed: t-2 30 %, t-1 70 %"
