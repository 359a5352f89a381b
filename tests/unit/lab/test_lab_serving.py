"""The lab's adapter without a lab: compiling and judging changes is pure, and foreign answers are read with care."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import (
    Action,
    Adapter,
    Advance,
    Change,
    Diverged,
    Endpoint,
    Mirror,
    Pause,
    Pending,
    Phase,
    Promote,
    Role,
    Rollback,
    Settled,
    Split,
    Wiring,
)
from backends.errors import Malformed, Rejected, Unsupported
from backends.lab.traffic import Traffic, Update
from backends.lab.views import traffic_view
from backends.lab.world import BY_KEY
from backends.serving.lab import LabOptions, LabServing
from backends.serving.lab_wire import drills_of, endpoint_of, endpoints_of
from backends.settings import Secret
from tests.foreign import json_of

NOW = 1_000_000.0
URL = "http://127.0.0.1:1"


def no_source(kind: str, name: str) -> Adapter:
    raise AssertionError(f"the lab's adapter needs no other source, not {kind}.{name}")


@pytest.fixture(autouse=True)
def operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIFTDECK_OPERATOR", "zoë o'neill")


def adapter(**options: object) -> LabServing:
    return LabServing(Wiring("lab", LabOptions(1.0, **{"url": URL, **options}), no_source, lambda: NOW))


def traffic(name: str) -> Traffic:
    return Traffic(BY_KEY["prod", name], Random(1), NOW)


def as_read(one: Traffic) -> Endpoint:
    """The endpoint as the adapter reads it: through JSON."""
    return endpoint_of(json.loads(json.dumps(traffic_view(one))), "lab", "the endpoint")


def body(endpoint: Endpoint, change: Change) -> Mapping[str, Any]:
    (call,) = adapter().compile(endpoint, change)
    assert isinstance(call.body, Mapping)
    return call.body


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_endpoint_is_read_with_its_three_kinds_of_weight_apart() -> None:
    one = traffic("sentiment")
    one.apply(Update({"v7": 60.0, "v8": 40.0}), NOW, 1.0, "ana", "")
    read = as_read(one)
    canary = read.variant("v8")
    assert str(read.ref) == "lab:prod/sentiment"
    assert read.phase is Phase.PROGRESSING
    assert canary is not None
    assert (canary.role, canary.desired, canary.observed, canary.measured) == (Role.CANARY, 40.0, 10.0, None)
    assert str(canary.model) == "sentiment-classifier/8"
    assert read.revision == "14"
    assert [release.id for release in read.releases if release.current] == ["14"]


def test_roles_and_possible_actions_are_those_of_the_endpoint() -> None:
    fraud, churn = as_read(traffic("fraud")), as_read(traffic("churn"))
    shadow = fraud.in_role(Role.SHADOW)
    assert shadow is not None
    assert (shadow.name, shadow.mirror, shadow.desired) == ("v13", 20.0, 0.0)
    assert fraud.actions[Action.SHIFT] == "the only other variant is a shadow"
    assert fraud.actions[Action.PROMOTE] is None
    assert churn.actions[Action.SHIFT] == churn.actions[Action.PROMOTE] == "only one variant"
    assert churn.actions[Action.ROLLBACK] == "no earlier release to go back to"
    assert as_read(traffic("sentiment")).actions[Action.ROLLBACK] is None
    assert Action.PAUSE not in churn.actions


@given(json_of())
def test_whatever_else_answers_is_called_malformed(answer: object) -> None:
    for read in (
        lambda: endpoints_of(answer, "lab"),
        lambda: endpoint_of(answer, "lab", "x"),
        lambda: drills_of(answer),
    ):
        try:
            read()
        except Malformed:
            continue
        assert isinstance(answer, dict)


@given(st.data())
def test_one_wrong_value_anywhere_is_called_malformed_or_harmless(data: st.DataObject) -> None:
    view: Any = json.loads(json.dumps(traffic_view(traffic("sentiment"))))
    node, key = view, data.draw(st.sampled_from(sorted(view)))
    while isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
        node = node[key]
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    node[key] = data.draw(json_of())
    try:
        read = endpoint_of(view, "lab", "x")
    except Malformed:
        return
    assert all(math.isfinite(variant.desired or 0.0) for variant in read.variants)


def test_the_place_of_what_is_wrong_is_named() -> None:
    view: Any = json.loads(json.dumps(traffic_view(traffic("sentiment"))))
    view["variants"][1]["weight"]["observed"] = "ten"
    with pytest.raises(Malformed, match=r"endpoints\[0\]\.variants\[1\]\.weight\.observed is not a number"):
        endpoints_of({"endpoints": [view]}, "lab")


# ── compiling ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_shift_is_one_guarded_put_with_the_command_a_human_would_type() -> None:
    (call,) = adapter().compile(as_read(traffic("sentiment")), Split({"v7": 75, "v8": 25}))
    assert (call.method, call.path) == ("PUT", "/v1/endpoints/prod/sentiment/traffic")
    assert call.body == {"weights": {"v7": 75, "v8": 25}}
    assert call.headers["If-Match"] == '"13"'
    assert call.guard == "If-Match 13"
    assert call.summary == "v7 90 → 75, v8 10 → 25"
    argv = shlex.split(call.command)
    assert argv[:3] == ["curl", "-X", "PUT"]
    assert argv[-1] == f"{URL}/v1/endpoints/prod/sentiment/traffic"
    assert json.loads(argv[argv.index("-d") + 1]) == call.body
    for name, value in call.headers.items():
        assert f"{name}: {value}" in argv


def test_the_operator_travels_as_ascii() -> None:
    (call,) = adapter().compile(as_read(traffic("sentiment")), Promote("v8"))
    assert call.headers["X-Operator"] == "zo%C3%AB o%27neill"
    assert call.headers["X-Reason"] == "promote v8"
    assert all(value.isascii() for value in call.headers.values())


def test_neither_a_token_nor_a_password_shows_in_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", "tok-5ecret")
    one = adapter(token=Secret(env="LAB_TOKEN"), url="http://me:pa55word@127.0.0.1:1/")
    (call,) = one.compile(as_read(traffic("sentiment")), Promote("v8"))
    assert "Authorization: Bearer $TOKEN" in call.command
    assert "5ecret" not in str(call)
    assert "pa55word" not in str(call)


def test_a_promotion_names_the_new_stable_and_all_that_changes() -> None:
    endpoint = as_read(traffic("sentiment"))
    assert body(endpoint, Promote("v8")) == {"weights": {"v7": 0.0, "v8": 100.0}, "stable": "v8"}
    (call,) = adapter().compile(endpoint, Promote("v8"))
    assert call.summary == "v7 90 → 0, v8 10 → 100, stable v7 → v8"


def test_promoting_a_shadow_ends_its_mirroring() -> None:
    (call,) = adapter().compile(as_read(traffic("fraud")), Promote("v13"))
    assert call.body == {
        "weights": {"v12": 0.0, "v13": 100.0},
        "stable": "v13",
        "mirror": {"v12": 0.0, "v13": 0.0},
    }
    assert "mirror v13 20 → 0" in call.summary


def test_a_rollback_sends_the_release_with_its_weights() -> None:
    assert body(as_read(traffic("sentiment")), Rollback("11")) == {
        "weights": {"v7": 100.0, "v8": 0.0},
        "release": "11",
    }


def test_a_mirror_change_says_nothing_of_weights() -> None:
    assert body(as_read(traffic("fraud")), Mirror("v13", 50.0)) == {"mirror": {"v12": 0.0, "v13": 50.0}}


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("sentiment", Split({"v7": 90, "v8": 20}), "sum to 110"),
        ("sentiment", Split({"v7": 120, "v8": -20}), "between 0 and 100"),
        ("sentiment", Split({"v7": math.nan, "v8": 100}), "between 0 and 100"),
        ("sentiment", Split({"v7": 50, "v9": 50}), "no variant 'v9': known are v7, v8"),
        ("fraud", Split({"v12": 50, "v13": 50}), "v13 is a shadow"),
        ("fraud", Split({"v12": 100}), "the only other variant is a shadow"),
        ("sentiment", Mirror("v8", 20), "v8 gets live traffic"),
        ("fraud", Mirror("v13", 101), "between 0 and 100"),
        ("sentiment", Promote("v9"), "no variant 'v9'"),
        ("fraud", Promote("v12"), "already"),
        ("sentiment", Rollback("99"), "no release '99': known are 13, 12, 11"),
        ("sentiment", Rollback("13"), "is the current one"),
        ("churn", Split({"v3": 100}), "only one variant"),
    ],
)
def test_what_does_not_fit_the_endpoint_is_rejected_before_anything_is_sent(
    name: str, change: Change, why: str
) -> None:
    with pytest.raises(Rejected, match=why):
        adapter().compile(as_read(traffic(name)), change)


@pytest.mark.parametrize("change", [Advance(), Pause()])
def test_what_the_gateway_does_not_know_is_unsupported(change: Change) -> None:
    with pytest.raises(Unsupported):
        adapter().compile(as_read(traffic("sentiment")), change)


@given(st.dictionaries(st.sampled_from(["v9", "v10", "v11", "v12"]), st.floats(-50, 200) | st.just(math.inf)))
def test_whatever_compiles_the_gateway_takes_and_nothing_else_compiles(weights: dict[str, float]) -> None:
    one = traffic("ranker")
    fits = (
        "v12" not in weights
        and all(0 <= weight <= 100 for weight in weights.values())
        and abs(math.fsum(weights.values()) - 100) <= 0.01
    )
    try:
        asked = body(as_read(one), Split(weights))
    except Rejected:
        assert not fits
    else:
        assert fits
        assert list(asked["weights"]) == ["v9", "v10", "v11"]
        one.apply(Update(asked["weights"]), NOW, 1.0, "ana", "")
        assert one.desired == {name: weights.get(name, 0.0) for name in one.desired}


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=2).map(sorted))
def test_every_split_of_hundredths_of_a_percent_compiles(cuts: list[int]) -> None:
    weights = {"v9": cuts[0] / 100, "v10": (cuts[1] - cuts[0]) / 100, "v11": (10_000 - cuts[1]) / 100}
    assert body(as_read(traffic("ranker")), Split(weights))["weights"] == weights


# ── progress ────────────────────────────────────────────────────────────────────────────────────────────────────

TO_STABLE = Split({"v7": 100.0, "v8": 0.0})


def test_a_change_is_pending_until_it_is_observed_and_then_settled() -> None:
    one, adapt = traffic("sentiment"), adapter()
    before = as_read(one)
    assert isinstance(adapt.progress(before, before, TO_STABLE), Pending)
    one.apply(Update(TO_STABLE.weights), NOW, 1.0, "me", "")
    pending = adapt.progress(before, as_read(one), TO_STABLE)
    assert isinstance(pending, Pending)
    assert "v8 desired 0 %, observed 10 %" in pending.message
    one.tick(NOW + 2)
    assert isinstance(adapt.progress(before, as_read(one), TO_STABLE), Settled)


def test_somebody_elses_change_is_divergence_with_their_name() -> None:
    one, adapt = traffic("sentiment"), adapter()
    before = as_read(one)
    one.apply(Update(TO_STABLE.weights), NOW, 1.0, "me", "")
    one.apply(Update({"v7": 80.0, "v8": 20.0}), NOW + 1, 1.0, "ana", "next canary step")
    diverged = adapt.progress(before, as_read(one), TO_STABLE)
    assert isinstance(diverged, Diverged)
    assert diverged.message == "the split is now v7 80 %, v8 20 %, changed by ana: next canary step"


def test_a_promotion_is_not_settled_while_another_variant_is_stable() -> None:
    one, adapt = traffic("sentiment"), adapter()
    before = as_read(one)
    one.apply(Update({"v8": 100.0}), NOW, 1.0, "ana", "")
    one.tick(NOW + 10)
    assert isinstance(adapt.progress(before, as_read(one), Promote("v8")), Diverged)
    one.apply(Update({"v8": 100.0}, stable="v8"), NOW + 20, 1.0, "me", "")
    one.tick(NOW + 30)
    assert isinstance(adapt.progress(before, as_read(one), Promote("v8")), Settled)


def test_a_rollback_settles_at_the_weights_of_its_release() -> None:
    one, adapt = traffic("sentiment"), adapter()
    before = as_read(one)
    one.apply(Update(release="12"), NOW, 1.0, "me", "")
    assert isinstance(adapt.progress(before, as_read(one), Rollback("12")), Pending)
    one.tick(NOW + 2)
    assert isinstance(adapt.progress(before, as_read(one), Rollback("12")), Settled)


def test_a_mirror_change_settles_when_it_is_reported() -> None:
    one, adapt = traffic("fraud"), adapter()
    before = as_read(one)
    change = Mirror("v13", 50.0)
    assert isinstance(adapt.progress(before, before, change), Pending)
    one.apply(Update(mirror={"v13": 50.0}), NOW, 1.0, "me", "")
    assert isinstance(adapt.progress(before, as_read(one), change), Settled)
    one.apply(Update(mirror={"v13": 0.0}), NOW, 1.0, "ana", "")
    assert isinstance(adapt.progress(before, as_read(one), change), Diverged)


def test_an_unknown_observed_weight_settles_nothing() -> None:
    one = traffic("sentiment")
    before = as_read(one)
    one.apply(Update(TO_STABLE.weights), NOW, 1.0, "me", "")
    one.tick(NOW + 2)
    now = as_read(one)
    unknown = replace(now, variants=tuple(replace(variant, observed=None) for variant in now.variants))
    assert isinstance(adapter().progress(before, unknown, TO_STABLE), Pending)


def test_a_variant_that_vanished_is_divergence() -> None:
    one = traffic("sentiment")
    before = as_read(one)
    one.apply(Update(TO_STABLE.weights), NOW, 1.0, "me", "")
    now = as_read(one)
    gone = replace(now, variants=now.variants[:1])
    assert isinstance(adapter().progress(before, gone, Split({"v7": 50.0, "v8": 50.0})), Diverged)
