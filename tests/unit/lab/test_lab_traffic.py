"""The lab's traffic: what is asked for becomes what is in effect, later, and what does not fit is refused."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.lab.traffic import Refused, Traffic, Update
from backends.lab.views import traffic_view
from backends.lab.world import BY_KEY, ENDPOINTS, EndpointSpec

NOW = 1_000_000.0


def traffic(name: str) -> Traffic:
    return Traffic(BY_KEY["prod", name], Random(1), NOW)


def settle(one: Traffic, start: float, seconds: float = 60.0) -> None:
    for step in range(int(seconds * 10) + 1):
        one.tick(start + step / 10)


def test_a_change_is_desired_at_once_and_observed_only_after_its_delay() -> None:
    one = traffic("sentiment")
    one.apply(Update({"v7": 50.0, "v8": 50.0}), NOW, 1.5, "ana", "")
    one.tick(NOW + 1.4)
    assert one.desired == {"v7": 50.0, "v8": 50.0}
    assert one.observed == {"v7": 90.0, "v8": 10.0}
    assert one.state() == ("progressing", "the split is propagating")
    one.tick(NOW + 1.5)
    assert one.observed == {"v7": 50.0, "v8": 50.0}


def test_a_variant_without_a_ready_replica_gets_no_traffic_yet() -> None:
    one = traffic("sentiment")
    one.apply(Update({"v7": 100.0, "v8": 0.0}), NOW, 1.0, "ana", "")
    settle(one, NOW)
    assert one.replicas["v8"].ready == 0
    later = NOW + 100
    one.apply(Update({"v7": 50.0, "v8": 50.0}), later, 1.0, "ana", "")
    one.tick(later + 1.1)
    assert one.observed["v8"] == 0
    assert one.state()[1] == "waiting for v8 to be ready"
    settle(one, later)
    assert one.observed["v8"] == 50
    assert one.replicas["v8"].ready == one.replicas["v8"].wanted == 3


def test_after_a_promotion_the_old_stable_keeps_a_replica_so_that_a_rollback_finds_it_ready() -> None:
    one = traffic("sentiment")
    one.apply(Update({"v8": 100.0}, stable="v8"), NOW, 1.0, "ana", "")
    settle(one, NOW)
    assert (one.role("v8"), one.role("v7")) == ("stable", "idle")
    assert one.replicas["v7"].ready == 1
    one.apply(Update(release="11"), NOW + 100, 1.0, "ana", "")
    one.tick(NOW + 101)
    assert one.observed == {"v7": 100.0, "v8": 0.0}
    assert one.role("v7") == "stable"


def test_a_rollback_restores_weights_and_stable_and_marks_what_it_left_as_bad() -> None:
    one = traffic("sentiment")
    one.apply(Update({"v8": 100.0}, stable="v8"), NOW, 1.0, "ana", "promote v8")
    one.apply(Update(release="12"), NOW + 5, 1.0, "kofi", "")
    assert one.desired == {"v7": 95.0, "v8": 5.0}
    assert one.stable == "v7"
    assert (one.releases[0].by, one.releases[0].reason) == ("kofi", "roll back to 12")
    assert one.releases[1].good is False


@pytest.mark.parametrize(("lasted_s", "good"), [(3600.0, True), (60.0, None)])
def test_a_whole_release_that_soaked_counts_as_good(lasted_s: float, good: bool | None) -> None:
    one = traffic("sentiment")
    one.apply(Update({"v8": 100.0}, stable="v8"), NOW, 1.0, "ana", "")
    one.apply(Update({"v7": 10.0, "v8": 90.0}), NOW + lasted_s, 1.0, "ana", "")
    assert one.releases[1].good is good


def test_a_canary_step_never_counts_as_good_however_long_it_lasted() -> None:
    one = traffic("sentiment")
    one.apply(Update({"v7": 75.0, "v8": 25.0}), NOW + 86_400, 1.0, "ana", "")
    assert one.releases[1].good is None


def test_each_change_has_its_own_generation_and_etag() -> None:
    one = traffic("fraud")
    before = one.etag
    one.apply(Update(mirror={"v13": 50.0}), NOW, 1.0, "ana", "")
    assert one.etag != before
    assert one.mirror == {"v12": 0.0, "v13": 50.0}


def test_a_mirror_change_is_no_release() -> None:
    one = traffic("fraud")
    releases = list(one.releases)
    one.apply(Update(mirror={"v13": 0.0}), NOW, 1.0, "ana", "")
    assert one.releases == releases
    assert one.role("v13") == "idle"


def test_a_shadow_that_is_promoted_is_no_longer_copied_to() -> None:
    one = traffic("fraud")
    one.apply(Update({"v13": 100.0}, stable="v13"), NOW, 1.0, "ana", "")
    settle(one, NOW)
    assert one.mirror["v13"] == 0
    assert (one.role("v13"), one.role("v12")) == ("stable", "idle")


@pytest.mark.parametrize(
    ("update", "error"),
    [
        (Update({"v7": 90.0, "v8": 20.0}), "bad_sum"),
        (Update({"v7": 110.0, "v8": -10.0}), "bad_weight"),
        (Update({"v7": math.nan, "v8": 100.0}), "bad_weight"),
        (Update({"v7": 50.0, "v9": 50.0}), "unknown_variant"),
        (Update(mirror={"v8": 20.0}), "mirror_to_live"),
        (Update({"v7": 100.0}, mirror={"v8": 120.0}), "bad_mirror"),
        (Update(stable="v9"), "unknown_variant"),
        (Update({"v7": 100.0}, stable="v8"), "stable_without_traffic"),
        (Update(release="999"), "unknown_release"),
        (Update({"v7": 60.0, "v8": 40.0}, release="11"), "release_mismatch"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(update: Update, error: str) -> None:
    one = traffic("sentiment")
    before = traffic_view(one)
    with pytest.raises(Refused) as refused:
        one.apply(update, NOW, 1.0, "ana", "")
    assert refused.value.error == error
    assert traffic_view(one) == before


@given(st.lists(st.integers(0, 100), min_size=2, max_size=2).map(sorted))
def test_any_split_that_sums_to_100_comes_into_effect(cuts: list[int]) -> None:
    one = traffic("ranker")
    weights = {"v9": float(cuts[0]), "v10": float(cuts[1] - cuts[0]), "v11": float(100 - cuts[1])}
    one.apply(Update(weights), NOW, 1.0, "ana", "")
    settle(one, NOW, 30.0)
    assert one.observed == weights
    assert one.state() == ("steady", "")
    assert all(one.replicas[name].ready for name, weight in weights.items() if weight)
    assert {one.pick() for _ in range(50)} <= {name for name, weight in weights.items() if weight}


@given(st.dictionaries(st.sampled_from(["v9", "v10", "v11"]), st.floats(-10, 150), min_size=1))
def test_no_other_split_does(weights: dict[str, float]) -> None:
    one = traffic("ranker")
    fits = abs(math.fsum(weights.values()) - 100) <= 0.01 and all(0 <= weight <= 100 for weight in weights.values())
    if not fits:
        with pytest.raises(Refused):
            one.apply(Update(weights), NOW, 1.0, "ana", "")


@pytest.mark.parametrize("spec", ENDPOINTS, ids=lambda spec: spec.name)
def test_every_endpoint_starts_steady_at_the_split_of_its_newest_release(spec: EndpointSpec) -> None:
    one = Traffic(spec, Random(1), NOW)
    assert one.state() == ("steady", "")
    assert one.desired == one.observed == dict(one.releases[0].weights)
    assert math.fsum(one.desired.values()) == 100
    assert one.releases[-1].good is True
