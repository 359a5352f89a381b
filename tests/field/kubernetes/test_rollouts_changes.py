"""Argo Rollouts that an operator paused, whose weights are not verified, that are deleted or written by another
controller.

Drawn from argoproj/argo-rollouts pkg/kubectl-argo-rollouts/cmd/promote and rollout/context.go, and its #4412, #3333,
#3926 and #957.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Abort, Action, Advance, Pending, Phase, Promote, Settled
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.serving.rollout_state import ROLLOUT
from tests.examples import examples
from tests.unit.kube_objects import applied, only
from tests.unit.kube_rollouts import NEW, OLD, SYSTEM, cluster, read, weights

HELD = {"spec": {"paused": True}}


@pytest.mark.parametrize("change", [Promote(NEW), Advance(full=True)])
def test_a_full_promotion_ends_the_pause_of_an_operator_as_well(change: Any) -> None:
    """The controller changes no replica count while ``spec.paused`` is set."""
    made = cluster(spec={"paused": True})
    endpoint = only(SYSTEM, made)
    status, spec = SYSTEM.compile(endpoint, change)
    assert (status.path.split("?")[0].rsplit("/", 1)[-1], spec.summary) == ("status", "spec.paused true → false")
    thing = made.of(ROLLOUT)["prod", "sentiment"]
    after = applied(applied(thing, status.body), spec.body)
    assert after["status"]["promoteFull"] is True
    assert after["spec"]["paused"] is False
    needs = {(one.resource, one.verb) for one in SYSTEM.needs(endpoint, Action.PROMOTE)}
    assert len(needs) == 2, "both the status and the spec are written"
    assert len(SYSTEM.compile(read(), change)) == 1, "nothing else is written where nobody paused it"


@pytest.mark.parametrize("verified", [True, None, False])
def test_weights_that_the_load_balancer_does_not_have_yet_are_not_observed(verified: bool | None) -> None:
    told = weights(10, 90)
    told["weights"] |= {"verified": verified} if verified is not None else {}
    endpoint = read({"canary": told})
    shown = {one.name: one.observed for one in endpoint.variants}
    assert shown == ({OLD: None, NEW: None} if verified is False else {OLD: 90.0, NEW: 10.0})


def test_nothing_settles_while_the_weights_are_not_verified() -> None:
    def told(canary: int, **status: Any) -> Any:
        unverified = weights(canary, 100 - canary)
        unverified["weights"]["verified"] = False
        return read({"canary": unverified, **status})

    before = read()
    stable = told(0, stableRS=NEW, currentStepIndex=6, pauseConditions=None, phase="Healthy")
    found = SYSTEM.progress(before, stable, Promote(NEW))
    assert isinstance(found, Pending)
    assert "has not confirmed the weights" in found.message
    aborted = told(0, abort=True, phase="Degraded", pauseConditions=None)
    assert isinstance(SYSTEM.progress(before, aborted, Abort()), Pending)
    advanced = told(25, currentStepIndex=3, pauseConditions=None, phase="Progressing")
    assert isinstance(SYSTEM.progress(before, advanced, Advance()), Pending)


@examples(40)
@given(st.integers(0, 2**40).filter(lambda one: one != 5))
def test_a_status_of_another_generation_is_not_that_of_this_spec(observed: int) -> None:
    endpoint = read({"observedGeneration": str(observed), "phase": "Healthy", "stableRS": NEW})
    assert endpoint.phase is Phase.PROGRESSING
    assert "has not seen the newest spec" in endpoint.message


def test_a_rollout_that_cannot_grow_says_why_and_one_that_was_aborted_does_not() -> None:
    stuck = {"phase": "Degraded", "message": "ReplicaSet x has timed out progressing.", "pauseConditions": None}
    canary = read(stuck).variant(NEW)
    assert canary is not None
    assert canary.trouble == "ReplicaSet x has timed out progressing."
    gone = read({**stuck, "abort": True}).variant(NEW)
    assert gone is not None
    assert gone.trouble == ""


def test_a_rollout_that_is_being_deleted_or_written_by_another_controller_takes_no_change() -> None:
    made = cluster()
    thing = made.of(ROLLOUT)["prod", "sentiment"]
    metadata = {**thing["metadata"], "deletionTimestamp": "2026-11-20T10:00:00Z"}
    made.kinds[ROLLOUT]["prod", "sentiment"] = {**thing, "metadata": metadata}
    endpoint = only(SYSTEM, made)
    assert set(endpoint.actions.values()) == {"sentiment is being deleted"}
    assert endpoint.message == "sentiment is being deleted"
    owner = {"apiVersion": "numaplane.numaproj.io/v1alpha1", "kind": "MonoVertexRollout", "name": "mv"}
    metadata = {**thing["metadata"], "ownerReferences": [{**owner, "uid": "u", "controller": True}]}
    made.kinds[ROLLOUT]["prod", "sentiment"] = {**thing, "metadata": metadata}
    assert set(only(SYSTEM, made).actions.values()) == {"MonoVertexRollout mv writes this Rollout: change it there"}


def test_the_deployment_that_a_template_comes_from_is_asked_for_its_owner_too() -> None:
    spec = {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "sentiment-d"}}
    made = cluster(spec=spec).add(DEPLOYMENT, "sentiment-d", {"spec": {}})
    endpoint = only(SYSTEM, made)
    assert SYSTEM.written(endpoint) == ((ROLLOUT, "prod", "sentiment"), (DEPLOYMENT, "prod", "sentiment-d"))


def test_a_promotion_settles_once_the_weights_are_verified() -> None:
    done = {"stableRS": NEW, "currentStepIndex": 6, "pauseConditions": None, "phase": "Healthy"}
    verified = {
        "weights": {"canary": {"weight": 0, "podTemplateHash": NEW}, "stable": {"weight": 100}, "verified": True}
    }
    assert isinstance(SYSTEM.progress(read(), read({**done, "canary": verified}), Promote(NEW)), Settled)
