"""Flagger and Argo Rollouts: weights that a status tells, and weights that it only seems to tell."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import Abort, Advance, Change, Endpoint, Pending, Promote, Settled
from backends.platforms.kubernetes.objects import dig
from tests.unit import kube_rollouts as rollouts
from tests.unit.kube_rollouts import NEW, OLD
from tests.unit.serving import test_kube_flagger as flagger

AB = {"analysis": {"iterations": 10, "match": [{"headers": {"x-beta": {"exact": "1"}}}]}}
BLUE_GREEN = {"analysis": {"iterations": 10}}


def observed(endpoint: Endpoint) -> list[float | None]:
    return [one.observed for one in endpoint.variants]


# fluxcd/flagger 1819, PR 1851 and 1198: the status has 0 while the routes still split.
@pytest.mark.parametrize(
    ("phase", "weight", "spec", "status", "expected"),
    [
        ("WaitingPromotion", 0, None, {}, [None, None]),
        ("WaitingPromotion", None, None, {}, [None, None]),
        ("Promoting", 0, None, {}, [None, None]),
        ("Promoting", 30, None, {}, [70.0, 30.0]),  # with stepWeightPromotion it is told
        ("Finalising", None, None, {}, [None, None]),
        ("Progressing", 5, None, {}, [95.0, 5.0]),
        ("Progressing", None, AB, {"iterations": 3}, [None, None]),
        ("Progressing", None, BLUE_GREEN, {"iterations": 3}, [100.0, 0.0]),
        ("Progressing", None, BLUE_GREEN, {"iterations": 11}, [None, None]),
        ("Succeeded", None, None, {}, [100.0, 0.0]),
        ("Failed", None, None, {}, [100.0, 0.0]),
    ],
)
def test_a_weight_that_flagger_does_not_write_is_not_known(
    phase: str, weight: int | None, spec: dict[str, Any] | None, status: dict[str, Any], expected: list[float | None]
) -> None:
    shown = flagger.read(phase, weight, spec=spec, **status)
    assert observed(shown) == expected


def test_an_ab_test_says_whose_requests_go_to_the_canary() -> None:
    shown = flagger.read("Progressing", None, spec=AB, iterations=3)
    assert "only requests that match go to the canary (header x-beta)" in shown.message


def test_a_canary_that_waits_for_its_promotion_has_no_share_of_zero_in_words_either() -> None:
    shown = flagger.read("WaitingPromotion", 0)
    assert "may still send requests to the canary" in shown.message
    assert "? %" in shown.revision


# argoproj/argo-rollouts 701, PR 957, PR 3627 and 3333: the weight is asked for, and the load balancer is not there yet.
def told(old: int, new: int, verified: bool | None) -> dict[str, Any]:
    weights: dict[str, Any] = {
        "canary": {"weight": new, "podTemplateHash": NEW},
        "stable": {"weight": old, "podTemplateHash": OLD},
    }
    return {"weights": weights | ({} if verified is None else {"verified": verified})}


ENDED = {"currentPodHash": NEW, "stableRS": NEW, "currentStepIndex": len(rollouts.STEPS), "pauseConditions": None}


@pytest.mark.parametrize(("verified", "expected"), [(False, None), (True, 10.0), (None, 10.0)])
def test_a_weight_that_is_not_verified_is_not_observed(verified: bool | None, expected: float | None) -> None:
    shown = rollouts.read({"canary": told(90, 10, verified)})
    canary = shown.variant(NEW)
    assert canary is not None
    assert canary.observed == expected


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (Promote(NEW), ENDED),
        (Advance(full=True), ENDED),
        (Advance(), ENDED),
        (Abort(), {"abort": True, "phase": "Degraded"}),
        (Advance(), {"currentStepIndex": 3, "pauseConditions": None}),
    ],
)
@pytest.mark.parametrize("verified", [False, True])
def test_no_change_of_a_rollout_is_settled_before_its_weights_are_verified(
    change: Change, status: dict[str, Any], verified: bool
) -> None:
    before = rollouts.read()
    weights = told(100, 0, verified)
    if status is ENDED:
        weights["weights"]["stable"] = {"weight": 100, "podTemplateHash": NEW}
        weights["weights"]["canary"] = {"weight": 0, "podTemplateHash": NEW}
    elif isinstance(change, Advance):
        weights = told(75, 25, verified)
    now = rollouts.read({**status, "canary": weights})
    progress = rollouts.SYSTEM.progress(before, now, change)
    assert isinstance(progress, Settled if verified else Pending), progress
    if not verified:
        assert "has not confirmed" in progress.message
    assert dig(weights, "weights", "verified") is verified
