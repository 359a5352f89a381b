"""Knative Services: traffic by revision."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import Action, Diverged, Endpoint, Pending, Phase, Promote, Role, Rollback, Settled, Split
from backends.errors import Rejected
from backends.serving.knative import SERVICE, Knative
from backends.serving.kserve_facts import REVISION
from tests.kube.things import Things, ready, thing

R1, R2, R3 = "eta-00001", "eta-00002", "eta-00003"
LATEST: dict[str, Any] = {"latestRevision": True, "percent": 100}


def to(name: str, percent: int, **more: Any) -> dict[str, Any]:
    return {"revisionName": name, "latestRevision": False, "percent": percent, **more}


DIGEST = f"sha256:{'ab' * 32}"


def revision(number: int, *, replicas: int = 2, condition: dict[str, str] | None = None) -> dict[str, Any]:
    labels = {"serving.knative.dev/service": "eta", "serving.knative.dev/configurationGeneration": str(number)}
    return thing(
        f"eta-{number:05}",
        labels=labels,
        spec={"containers": [{"image": f"eta:{number}"}]},
        status={
            "conditions": [condition or ready()],
            "actualReplicas": replicas,
            "desiredReplicas": replicas,
            "containerStatuses": [{"name": "user-container", "imageDigest": f"eta@{DIGEST}"}],
        },
    )


def explain(
    asked: list[dict[str, Any]] | None,
    routed: list[dict[str, Any]],
    *revisions: dict[str, Any],
    generation: int = 3,
    latest: str = R2,
    condition: dict[str, str] | None = None,
    **metadata: Any,
) -> Endpoint:
    one = thing(
        "eta",
        generation=generation,
        spec={"template": {}, **({"traffic": asked} if asked is not None else {})},
        status={
            "observedGeneration": generation,
            "conditions": [condition or ready()],
            "latestCreatedRevisionName": latest,
            "latestReadyRevisionName": latest,
            "traffic": routed,
        },
        **metadata,
    )
    things = Things({SERVICE: [one], REVISION: revisions or (revision(1), revision(2))})
    (endpoint,) = Knative().explain(things, "knative")
    return endpoint


def traffic_sent(endpoint: Endpoint, change: Any) -> Any:
    (call,) = Knative().compile(endpoint, change)
    assert isinstance(call.body, list)
    assert call.body[0]["path"] == "/metadata/generation"
    return call.body[-1]["value"]


CANARY = explain([to(R1, 90), to(R2, 10, tag="next")], [to(R1, 90), to(R2, 10, tag="next")])
ALL_NEW = explain(None, [to(R2, 100, latestRevision=True)])


def test_what_is_asked_for_and_what_is_routed() -> None:
    stable, canary = CANARY.variants
    assert (stable.name, stable.role, stable.desired, stable.observed) == (R1, Role.STABLE, 90.0, 90.0)
    assert (canary.name, canary.role, canary.desired, canary.observed) == (R2, Role.CANARY, 10.0, 10.0)
    assert canary.image == "eta:2"
    assert canary.running == (DIGEST,), "what the tag was resolved to when the revision was made"
    assert CANARY.phase is Phase.STEADY


def test_a_service_without_traffic_sends_all_to_the_latest_and_keeps_the_older_ones_to_go_back_to() -> None:
    assert {variant.name: (variant.role, variant.desired) for variant in ALL_NEW.variants} == {
        R2: (Role.STABLE, 100.0),
        R1: (Role.IDLE, 0.0),
    }
    assert traffic_sent(ALL_NEW, Rollback(R1)) == [{"latestRevision": True, "percent": 0}, to(R1, 100)]


def test_the_latest_by_name_or_as_the_latest_is_the_same_revision() -> None:
    endpoint = explain([{"latestRevision": True, "percent": 10}, to(R1, 90)], [to(R2, 10), to(R1, 90)])
    assert {variant.name: variant.desired for variant in endpoint.variants} == {R2: 10.0, R1: 90.0}
    assert traffic_sent(endpoint, Split({R1: 75, R2: 25})) == [{"latestRevision": True, "percent": 25}, to(R1, 75)]


def test_of_two_halves_the_older_is_stable() -> None:
    endpoint = explain([to(R2, 50), to(R1, 50)], [to(R2, 50), to(R1, 50)])
    stable = endpoint.in_role(Role.STABLE)
    assert stable is not None
    assert stable.name == R1


def test_a_tag_keeps_its_entry_at_zero() -> None:
    assert traffic_sent(CANARY, Rollback(R1)) == [to(R1, 100), to(R2, 0, tag="next")]


def test_a_promoted_latest_goes_on_being_the_latest() -> None:
    endpoint = explain([to(R1, 100)], [to(R1, 100)])
    assert traffic_sent(endpoint, Promote(R2)) == [LATEST]
    assert traffic_sent(endpoint, Split({R1: 0, R2: 100})) == [to(R2, 100)]


def test_one_that_belongs_to_kserve_is_left_to_it() -> None:
    owner = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "eta", "uid": "u"}
    endpoint = explain(None, [to(R2, 100)], ownerReferences=[owner])
    assert endpoint.owner == "KServe InferenceService eta"
    assert all(reason and "would overwrite" in reason for reason in endpoint.actions.values())


def test_a_ramp_is_told() -> None:
    annotations = {"serving.knative.dev/rollout-duration": "600s"}
    now = explain(None, [to(R1, 80), to(R2, 20)], annotations=annotations, generation=4)
    assert (now.phase, now.message) == (Phase.PROGRESSING, "ramping over 600s")
    progress = Knative().progress(explain([to(R1, 100)], [to(R1, 100)]), now, Promote(R2))
    assert isinstance(progress, Pending)
    assert "ramping over 600s" in progress.message


def test_a_revision_that_is_not_ready_is_not_gone_back_to() -> None:
    broken = revision(1, replicas=0, condition=ready("False", "ContainerMissing"))
    endpoint = explain(None, [to(R2, 100)], broken, revision(2))
    assert endpoint.actions[Action.ROLLBACK] == "no other revision is ready"
    idle = endpoint.variant(R1)
    assert idle is not None
    assert (idle.ready, idle.message) == (0, "ContainerMissing")


def test_one_that_is_scaled_to_zero_can_be_gone_back_to() -> None:
    endpoint = explain(None, [to(R2, 100)], revision(1, replicas=0), revision(2))
    assert endpoint.actions[Action.ROLLBACK] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Split({R1: 50, R2: 40}), "add up to 90"),
        (Split({R1: 99.5, R2: 0.5}), "whole percentages"),
        (Split({R1: 90, R2: 10}), "already"),
        (Promote(R3), "no variant"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(change: Any, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        Knative().compile(CANARY, change)


SHIFTED = [to(R1, 75), to(R2, 25)]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (CANARY, Pending),
        (explain(SHIFTED, [to(R1, 90), to(R2, 10)], generation=4), Pending),
        (explain(SHIFTED, [], generation=4), Pending),
        (explain(SHIFTED, SHIFTED, generation=4, condition=ready("Unknown")), Pending),
        (explain(SHIFTED, SHIFTED, generation=4), Settled),
        (explain([to(R1, 50), to(R2, 50)], SHIFTED, generation=5), Diverged),
    ],
)
def test_progress(now: Endpoint, expected: type) -> None:
    assert isinstance(Knative().progress(CANARY, now, Split({R1: 75, R2: 25})), expected)


def test_a_revision_newer_than_the_one_in_service_is_no_way_back() -> None:
    """It was rolled back from, or never served: the list of releases says so by its order."""
    asked = [to(R2, 100)]
    endpoint = explain(asked, asked, revision(1), revision(2), revision(3), latest=R3)
    assert [one.id for one in endpoint.releases] == [R3, R2, R1]
    assert [one.current for one in endpoint.releases] == [False, True, False]
