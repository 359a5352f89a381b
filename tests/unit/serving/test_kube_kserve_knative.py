"""InferenceServices in Knative mode, over statuses as KServe writes them."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import (
    Action,
    Advance,
    Diverged,
    Endpoint,
    ModelRef,
    Pending,
    Phase,
    Promote,
    Role,
    Rollback,
    Settled,
    Split,
)
from backends.errors import Rejected, Unsupported
from backends.serving.kserve import KServe
from backends.serving.kserve_facts import INFERENCE_SERVICE, REVISION
from tests.kube.things import Things, ready, thing

R1, R2, R3 = "churn-predictor-00001", "churn-predictor-00002", "churn-predictor-00003"
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"


def revision(name: str, version: str, replicas: int | None = 2, **status: Any) -> dict[str, Any]:
    return thing(
        name,
        annotations={SOURCE: f"s3://models/churn/{version}"},
        spec={"containers": [{"image": f"kserve/sklearnserver:{version}"}]},
        status={"conditions": [ready()], "actualReplicas": replicas, "desiredReplicas": replicas, **status},
    )


REVISIONS = (revision(R1, "7"), revision(R2, "8"))


def traffic(**percents: int) -> list[dict[str, Any]]:
    """``traffic(R1=90, R2=10)``."""
    return [{"revisionName": globals()[name], "percent": percent} for name, percent in percents.items()]


def service(
    percent: int | None,
    routed: list[dict[str, Any]],
    *,
    created: str = R2,
    ready_: str = "",
    rolled: str = R1,
    previous: str = "",
    generation: int = 3,
    transition: str = "UpToDate",
    failure: dict[str, str] | None = None,
    condition: dict[str, str] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    predictor = {
        "latestCreatedRevision": created,
        "latestReadyRevision": ready_ or created,
        "latestRolledoutRevision": rolled,
        "previousRolledoutRevision": previous,
        "traffic": routed,
    }
    model = {"transitionStatus": transition, **({"lastFailureInfo": failure} if failure else {})}
    return thing(
        "churn",
        generation=generation,
        spec={"predictor": {} if percent is None else {"canaryTrafficPercent": percent}},
        status={
            "deploymentMode": "Knative",
            # Copied from the child: says nothing of this object.
            "observedGeneration": 1,
            "conditions": [condition or ready()],
            "components": {"predictor": {name: value for name, value in predictor.items() if value}},
            "modelStatus": model,
        },
        **metadata,
    )


def explain(one: dict[str, Any], *revisions: dict[str, Any]) -> Endpoint:
    things = Things({INFERENCE_SERVICE: [one], REVISION: revisions or REVISIONS})
    (endpoint,) = KServe().explain(things, "kserve")
    return endpoint


def desired(endpoint: Endpoint) -> dict[str, float | None]:
    return {variant.name: variant.desired for variant in endpoint.variants}


def observed(endpoint: Endpoint) -> dict[str, float | None]:
    return {variant.name: variant.observed for variant in endpoint.variants}


def percent_sent(endpoint: Endpoint, change: Any) -> object:
    (call,) = KServe().compile(endpoint, change)
    assert isinstance(call.body, list)
    guard, fence, operation = call.body
    assert guard == {"op": "test", "path": "/metadata/generation", "value": 3}
    assert fence == {"op": "test", "path": "/status/annotations", "value": None}
    assert "fieldManager=shiftdeck" in call.path
    assert call.guard == "generation 3"
    assert operation["path"] == "/spec/predictor/canaryTrafficPercent"
    return None if operation["op"] == "remove" else operation["value"]


CANARY = service(10, traffic(R2=10, R1=90))
ROLLED_OUT = service(None, traffic(R2=100), rolled=R2, previous=R1)
ROLLED_BACK = service(0, traffic(R2=0, R1=100), rolled=R1, previous=R1)


def test_a_canary_and_what_stands_behind_it() -> None:
    endpoint = explain(CANARY)
    stable, canary = endpoint.variants
    assert (stable.name, stable.role, stable.desired, stable.observed) == (R1, Role.STABLE, 90.0, 90.0)
    assert (canary.name, canary.role, canary.desired, canary.observed) == (R2, Role.CANARY, 10.0, 10.0)
    assert (canary.model, canary.image) == (ModelRef("churn", "8"), "kserve/sklearnserver:8")
    assert (canary.ready, canary.wanted) == (2, 2)
    assert endpoint.phase is Phase.STEADY
    assert endpoint.revision == "generation 3"
    assert set(endpoint.actions.values()) == {None}


def test_the_generation_of_the_child_is_no_sign_that_it_is_behind() -> None:
    assert explain(service(None, traffic(R2=100), rolled=R2, generation=40)).phase is Phase.STEADY


def test_without_the_number_the_latest_is_to_have_all() -> None:
    endpoint = explain(service(None, traffic(R1=100), ready_=R1))
    assert desired(endpoint) == {R1: 0.0, R2: 100.0}
    assert observed(endpoint) == {R1: 100.0, R2: 0.0}
    assert endpoint.phase is Phase.PROGRESSING


def test_with_no_revision_rolled_out_before_the_number_is_ignored() -> None:
    endpoint = explain(service(10, traffic(R1=100), created=R1, rolled=R1))
    assert desired(endpoint) == {R1: 100.0}
    assert endpoint.actions[Action.SHIFT] == f"{R1} is the only revision that KServe can send traffic to"
    assert endpoint.message == "canaryTrafficPercent 10 is left over: the next version starts at it"


def test_a_split_over_the_same_revision_is_one_share() -> None:
    same = [
        {"revisionName": R2, "latestRevision": True, "percent": 0},
        {"revisionName": R2, "tag": "prev", "percent": 100},
    ]
    assert observed(explain(service(0, same, rolled=R2, previous=R1)))[R2] == 100.0


def test_what_is_left_over_after_a_rollback_is_told() -> None:
    endpoint = explain(ROLLED_BACK)
    assert endpoint.message == "canaryTrafficPercent 0 is left over: the next version starts at it"
    assert [(one.id, one.good, one.current) for one in endpoint.releases] == [(R2, False, False), (R1, True, True)]


def test_one_that_is_scaled_to_zero_is_not_one_without_ready_replicas() -> None:
    endpoint = explain(CANARY, revision(R1, "7"), revision(R2, "8", 0))
    canary = endpoint.variant(R2)
    assert canary is not None
    assert (canary.ready, canary.message) == (None, "scaled to zero")


def test_one_that_does_not_load_says_why_and_is_not_ready() -> None:
    failure = {"reason": "ModelLoadFailed", "message": "no such bucket", "modelRevisionName": R2}
    endpoint = explain(
        service(10, traffic(R1=100), ready_=R1, transition="BlockedByFailedLoad", failure=failure),
        revision(R1, "7"),
        revision(R2, "8", 0, conditions=[ready("False", "ContainerMissing", "no image")]),
    )
    canary = endpoint.variant(R2)
    assert canary is not None
    assert (endpoint.phase, endpoint.message) == (Phase.FAILED, "ModelLoadFailed: no such bucket")
    assert (canary.ready, canary.message) == (0, "ModelLoadFailed: no such bucket")


@pytest.mark.parametrize(
    ("one", "phase"),
    [
        (thing("churn", spec={}), Phase.UNKNOWN),
        (service(None, traffic(R2=100), rolled=R2, condition=ready("False", "RevisionFailed")), Phase.DEGRADED),
        (service(None, traffic(R2=100), rolled=R2, condition=ready("Unknown")), Phase.PROGRESSING),
        (service(None, traffic(R2=100), rolled=R2, transition="InProgress"), Phase.PROGRESSING),
        (service(None, traffic(R2=100), rolled=R2, condition=ready(type_="Stopped")), Phase.PAUSED),
    ],
)
def test_phases(one: dict[str, Any], phase: Phase) -> None:
    assert explain(one).phase is phase


@pytest.mark.parametrize("mode", ["Serverless", "Knative"])
def test_the_old_name_of_the_mode_is_the_same_mode(mode: str) -> None:
    one = service(10, traffic(R2=10, R1=90))
    one["status"]["deploymentMode"] = mode
    assert len(explain(one).variants) == 2


@pytest.mark.parametrize(
    ("one", "change", "percent"),
    [
        (CANARY, Split({R1: 75.0, R2: 25.0}), 25),
        (CANARY, Split({R1: 0.0, R2: 100.0}), 100),
        (CANARY, Promote(R2), None),
        (CANARY, Promote(R1), 0),
        (CANARY, Rollback(R1), 0),
        (ROLLED_OUT, Rollback(R1), 0),
        (ROLLED_OUT, Split({R1: 50.0, R2: 50.0}), 50),
        (ROLLED_BACK, Promote(R2), None),
        (ROLLED_BACK, Rollback(f"{R2}=10,{R1}=90"), 10),
    ],
)
def test_each_change_is_one_number(one: dict[str, Any], change: Any, percent: int | None) -> None:
    assert percent_sent(explain(one), change) == percent


def test_the_way_back_from_a_shift_is_a_release_that_is_still_understood_afterwards() -> None:
    before = explain(CANARY)
    current = next(one for one in before.releases if one.current)
    after = explain(service(25, traffic(R2=25, R1=75)))
    assert percent_sent(after, Rollback(current.id)) == 10


@pytest.mark.parametrize(
    ("one", "change", "words"),
    [
        (CANARY, Split({R1: 50.0, R2: 40.0}), "add up to 90"),
        (CANARY, Split({R1: 99.5, R2: 0.5}), "whole percentages"),
        (CANARY, Split({R1: 90.0, R2: 10.0}), "is 10 already"),
        (CANARY, Split({"v9": 100.0}), "no variant 'v9'"),
        (CANARY, Rollback("nothing"), "nothing"),
        (service(10, traffic(R3=10, R2=90), created=R3, rolled=R2, previous=R1), Promote(R1), "splits between"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(one: dict[str, Any], change: Any, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        KServe().compile(explain(one), change)


def test_there_are_no_steps() -> None:
    with pytest.raises(Unsupported):
        KServe().compile(explain(CANARY), Advance())


THREE = service(10, traffic(R3=10, R2=90), created=R3, rolled=R2, previous=R1)
ALL_THREE = (*REVISIONS, revision(R3, "9"))


def test_an_older_revision_is_idle_and_needs_no_mention() -> None:
    endpoint = explain(THREE, *ALL_THREE)
    assert {one.name: (one.role, one.desired, one.observed) for one in endpoint.variants} == {
        R2: (Role.STABLE, 90.0, 90.0),
        R3: (Role.CANARY, 10.0, 10.0),
        R1: (Role.IDLE, 0.0, 0.0),
    }
    assert percent_sent(endpoint, Split({R2: 50.0, R3: 50.0})) == 50
    assert percent_sent(endpoint, Split({R1: 0.0, R2: 50.0, R3: 50.0})) == 50


@pytest.mark.parametrize(
    ("one", "change", "summary"),
    [
        (CANARY, Split({R1: 75.0, R2: 25.0}), f"canaryTrafficPercent 10 → 25 ({R1} 90 → 75, {R2} 10 → 25)"),
        (CANARY, Promote(R2), f"canaryTrafficPercent 10 → unset ({R1} 90 → 0, {R2} 10 → 100)"),
        (ROLLED_OUT, Rollback(R1), f"canaryTrafficPercent unset → 0 ({R2} 100 → 0, {R1} 0 → 100)"),
        (ROLLED_OUT, Split({R1: 0.0, R2: 100.0}), "canaryTrafficPercent unset → 100"),
        (THREE, Split({R2: 50.0, R3: 50.0}), f"canaryTrafficPercent 10 → 50 ({R2} 90 → 50, {R3} 10 → 50)"),
    ],
)
def test_a_call_says_what_it_moves(one: dict[str, Any], change: Any, summary: str) -> None:
    (call,) = KServe().compile(explain(one, *ALL_THREE), change)
    assert call.summary == summary


def test_the_model_of_a_revision_that_cannot_be_read_is_told_by_the_spec_for_the_latest_only() -> None:
    one = service(10, traffic(R2=10, R1=90))
    one["spec"]["predictor"]["model"] = {"storageUri": "s3://models/churn/8"}
    (endpoint,) = KServe().explain(Things({INFERENCE_SERVICE: [one], REVISION: []}), "kserve")
    assert {one.name: one.model for one in endpoint.variants} == {R1: None, R2: ModelRef("churn", "8")}


@pytest.mark.parametrize(
    ("condition", "phase"),
    [(ready("False", "RevisionFailed"), Phase.DEGRADED), (ready("Unknown"), Phase.PROGRESSING)],
)
def test_only_what_is_stopped_cannot_be_changed(condition: dict[str, str], phase: Phase) -> None:
    endpoint = explain(service(10, traffic(R2=10, R1=90), condition=condition))
    assert (endpoint.phase, set(endpoint.actions.values())) == (phase, {None})
    stopped = explain(service(10, traffic(R2=10, R1=90), condition=ready(type_="Stopped")))
    assert set(stopped.actions.values()) == {"it is stopped"}


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (ROLLED_OUT, f"{R2} is rolled out"),
        (service(None, traffic(R1=100), ready_=R1), None),  # to have all, and not rolled out yet
        (service(30, traffic(R2=30, R1=70), rolled=R2, previous=R1), None),  # rolled out once, and not to have all
    ],
)
def test_what_is_rolled_out_and_has_all_cannot_be_promoted(one: dict[str, Any], reason: str | None) -> None:
    assert explain(one).actions[Action.PROMOTE] == reason


@pytest.mark.parametrize(
    ("rolled", "previous"), [("", R1), (R2, R2)], ids=["none was rolled out", "the one before is the same one"]
)
def test_a_revision_before_the_latest_counts_only_where_it_is_another_that_was_rolled_out(
    rolled: str, previous: str
) -> None:
    endpoint = explain(service(10, traffic(R2=100), rolled=rolled, previous=previous))
    assert endpoint.actions[Action.SHIFT] == f"{R2} is the only revision that KServe can send traffic to"
    found = endpoint.variant(R2)
    assert found is not None
    assert found.desired == 100.0


def test_after_a_rollback_the_way_forward_is_to_all_of_what_was_left() -> None:
    assert [one.weights for one in explain(ROLLED_BACK).releases] == [{R2: 100.0}, {R2: 0.0, R1: 100.0}]


# ── progress ────────────────────────────────────────────────────────────────────────────────────────────────────

AGAIN = [
    {"revisionName": R2, "latestRevision": True, "percent": 0},
    {"revisionName": R2, "tag": "prev", "percent": 100},
]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (ROLLED_OUT, Pending),
        # taken, nothing reconciled
        (service(0, traffic(R2=100), rolled=R2, previous=R1, generation=4), Pending),
        # the first reconcile: 0 % and 100 % of the same revision
        (service(0, AGAIN, rolled=R2, previous=R1, generation=4), Pending),
        # between the two: KServe has moved its mark, Knative has not moved the traffic
        (service(0, AGAIN, rolled=R1, previous=R1, generation=4), Pending),
        (service(0, traffic(R2=0, R1=100), rolled=R1, previous=R1, generation=4), Settled),
        (service(0, traffic(R2=0, R1=100), rolled=R1, generation=4, condition=ready("Unknown")), Pending),
        (service(30, traffic(R2=100), rolled=R2, previous=R1, generation=5), Diverged),
        (service(0, traffic(R2=100), created=R3, rolled=R2, previous=R1, generation=5), Diverged),
    ],
)
def test_a_rollback_takes_two_reconciles(now: dict[str, Any], expected: type) -> None:
    change = Rollback(R1)
    assert isinstance(KServe().progress(explain(ROLLED_OUT), explain(now), change), expected)


def test_a_model_that_does_not_load_is_a_stall_and_not_a_settlement() -> None:
    failure = {"reason": "ModelLoadFailed", "message": "out of memory"}
    now = service(None, traffic(R1=100), ready_=R1, transition="BlockedByFailedLoad", failure=failure, generation=4)
    progress = KServe().progress(explain(CANARY), explain(now), Promote(R2))
    assert isinstance(progress, Pending)
    assert progress.stalled
    assert "out of memory" in progress.message


def test_a_promotion_is_settled_once_the_mark_has_moved() -> None:
    now = service(None, traffic(R2=100), rolled=R2, previous=R1, generation=4)
    assert isinstance(KServe().progress(explain(CANARY), explain(now), Promote(R2)), Settled)


def test_nothing_reported_is_not_settled() -> None:
    now = service(25, [], generation=4)
    assert isinstance(KServe().progress(explain(CANARY), explain(now), Split({R1: 75.0, R2: 25.0})), Pending)
