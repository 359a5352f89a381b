"""HTTPRoute: what is read of the published shapes, and the patches that are made."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contracts import (
    Action,
    Change,
    Diverged,
    Endpoint,
    Mirror,
    Pending,
    Phase,
    Promote,
    Role,
    Rollback,
    Settled,
    Split,
)
from backends.errors import Rejected, Unsupported
from backends.platforms.kubernetes.kinds import HTTP_ROUTE
from backends.serving.gateway import GatewaySystem
from tests.unit.kube_objects import Cluster, applied, only

SYSTEM = GatewaySystem()


def ref(name: str, weight: int | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "port": 80, **more} | ({} if weight is None else {"weight": weight})


def mirror(name: str, **how: Any) -> dict[str, Any]:
    return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 80}, **how}}


def parent(
    name: str = "public", *, seen: int | None = 3, accepted: str = "True", resolved: str = "True", **more: str
) -> dict[str, Any]:
    said = {"Accepted": accepted, "ResolvedRefs": resolved, **more}
    conditions = [
        {"type": kind, "status": status, "reason": "R", "message": f"{kind} says {status}"}
        | ({} if seen is None else {"observedGeneration": seen})
        for kind, status in said.items()
    ]
    return {"parentRef": {"name": name}, "controllerName": "example.org/gateway", "conditions": conditions}


def route(rules: list[dict[str, Any]], parents: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    given = [parent()] if parents is None else parents
    return {"spec": {"parentRefs": [{"name": "public"}], "rules": rules}, "status": {"parents": given}}


def read(rules: list[dict[str, Any]], parents: list[dict[str, Any]] | None = None, **metadata: Any) -> Endpoint:
    cluster = Cluster().served("ranker-v9", replicas=3, ready=3).served("ranker-v10", ready=1)
    return only(SYSTEM, cluster.add(HTTP_ROUTE, "ranker", route(rules, parents), **metadata))


TWO = [{"backendRefs": [ref("ranker-v9", 9), ref("ranker-v10", 1)]}]


def split(endpoint: Endpoint) -> dict[str, float | None]:
    return {variant.name: variant.desired for variant in endpoint.variants}


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("refs", "expected"),
    [
        ([ref("ranker-v9", 9), ref("ranker-v10", 1)], {"ranker-v9": 90, "ranker-v10": 10}),
        ([ref("ranker-v9"), ref("ranker-v10")], {"ranker-v9": 50, "ranker-v10": 50}),  # 1 where none is written
        ([ref("ranker-v9", 1), ref("ranker-v10", 0)], {"ranker-v9": 100, "ranker-v10": 0}),
        ([ref("ranker-v9", 0), ref("ranker-v10", 0)], {"ranker-v9": 0, "ranker-v10": 0}),  # answered with 500s
        ([ref("ranker-v9", 1_000_000), ref("ranker-v10", 3_000_000)], {"ranker-v9": 25, "ranker-v10": 75}),
    ],
)
def test_weights_are_proportional(refs: list[dict[str, Any]], expected: dict[str, float]) -> None:
    assert split(read([{"backendRefs": refs}])) == expected


def test_an_endpoint_has_its_replicas_image_and_revision() -> None:
    endpoint = read(TWO)
    assert str(endpoint.ref) == "k8s:prod/ranker"
    assert endpoint.revision == "generation 3"
    assert [(one.role, one.ready, one.wanted, one.image) for one in endpoint.variants] == [
        (Role.STABLE, 3, 3, "registry/ranker-v9:1"),
        (Role.CANARY, 1, 2, "registry/ranker-v10:1"),
    ]
    assert (endpoint.phase, endpoint.message) == (Phase.STEADY, "")
    assert set(endpoint.actions) == {Action.SHIFT, Action.PROMOTE, Action.MIRROR}


@pytest.mark.parametrize(
    ("weights", "declared", "expected"),
    [
        ((90, 10, 0), "", ("stable", "canary", "idle")),
        ((50, 30, 20), "", ("stable", "candidate", "candidate")),
        ((40, 60, 0), "", ("canary", "stable", "idle")),
        ((40, 60, 0), "a", ("stable", "canary", "idle")),
        ((0, 100, 0), "a", ("idle", "stable", "idle")),  # who gets nothing is stable no more
        ((90, 10, 0), "gone", ("stable", "canary", "idle")),
    ],
)
def test_roles_come_from_the_declaration_else_from_the_weights(
    weights: tuple[int, ...], declared: str, expected: tuple[str, ...]
) -> None:
    rules: list[dict[str, Any]] = [
        {"backendRefs": [ref(name, weight) for name, weight in zip("abc", weights, strict=True)]}
    ]
    for where in ("annotations", "labels"):
        endpoint = read(rules, None, **{where: {"shiftdeck.io/stable": declared}})
        assert tuple(str(one.role) for one in endpoint.variants) == expected


def test_the_declaration_may_have_another_key() -> None:
    rules = [{"backendRefs": [ref("a", 1), ref("b", 3)]}]
    cluster = Cluster().add(HTTP_ROUTE, "ranker", route(rules), labels={"team/stable": "a"})
    assert only(GatewaySystem("team/stable"), cluster).variants[0].role is Role.STABLE


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, 100),
        ({"percent": 20}, 20),
        ({"percent": 0}, 0),
        ({"fraction": {"numerator": 1, "denominator": 8}}, 12.5),
        ({"fraction": {"numerator": 5}}, 5),
    ],
)
def test_a_mirror_copies_all_unless_it_says_how_much(how: dict[str, Any], expected: float) -> None:
    endpoint = read([{"backendRefs": [ref("ranker-v9")], "filters": [mirror("ranker-v10", **how)]}])
    shadow = endpoint.variants[1]
    assert shadow.mirror == expected
    assert (shadow.role, shadow.desired) == ((Role.SHADOW, None) if expected else (Role.IDLE, 0.0))
    assert endpoint.variants[0].desired == 100


@pytest.mark.parametrize(
    ("parents", "phase", "observed", "words"),
    [
        ([parent()], Phase.STEADY, 90, ""),
        ([parent(seen=2)], Phase.PROGRESSING, None, "public has answered for generation 2 of 3"),
        ([parent(seen=None)], Phase.STEADY, None, "public does not tell which generation"),
        ([parent(seen=None, accepted="False")], Phase.DEGRADED, None, "Accepted is False: Accepted says False;"),
        ([], Phase.UNKNOWN, None, "public has not answered"),
        ([parent("other")], Phase.PROGRESSING, None, "public has not answered"),
        ([parent(resolved="False")], Phase.DEGRADED, None, "ResolvedRefs is False: ResolvedRefs says False"),
        ([parent(accepted="False")], Phase.DEGRADED, None, "Accepted is False"),
        ([parent(PartiallyInvalid="True")], Phase.DEGRADED, None, "PartiallyInvalid is True"),
        ([parent(PartiallyInvalid="False")], Phase.STEADY, 90, ""),
        ([parent(accepted="Unknown")], Phase.PROGRESSING, None, "has not decided yet"),
        ([parent(accepted="False", seen=2)], Phase.PROGRESSING, None, "generation 2 of 3"),  # of an older one
    ],
)
def test_what_the_parents_say_of_this_generation_is_what_is_observed(
    parents: list[dict[str, Any]], phase: Phase, observed: float | None, words: str
) -> None:
    endpoint = read(TWO, parents)
    assert (endpoint.phase, endpoint.variants[0].observed) == (phase, observed)
    assert words in endpoint.message


def test_rules_of_different_models_are_endpoints_of_their_own() -> None:
    rules: list[dict[str, Any]] = [
        {"name": "search", "backendRefs": [ref("a1", 1), ref("a2", 1)]},
        {"backendRefs": [ref("b1", 3), ref("b2", 1)]},
    ]
    cluster = Cluster().add(HTTP_ROUTE, "models", route(rules)).add(HTTP_ROUTE, "models.b1", route(TWO))
    found = {endpoint.ref.name: split(endpoint) for endpoint in SYSTEM.explain(cluster, "k8s")}
    assert found["models.search"] == {"a1": 50, "a2": 50}
    assert set(found) == {"models.search", "models.b1"}
    ref_ = next(one.ref for one in SYSTEM.explain(cluster, "k8s") if one.ref.name == "models.search")
    assert [part.name for part in SYSTEM.parts(ref_, cluster)] == ["models"]


def test_a_rule_that_picks_one_backend_is_told_of_and_left_alone() -> None:
    rules: list[dict[str, Any]] = [
        {"matches": [{"headers": [{"name": "x-canary", "value": "1"}]}], "backendRefs": [ref("ranker-v10")]},
        *TWO,
        {"backendRefs": [ref("ranker-v9", 1), ref("ranker-v10", 1)], "name": "batch"},
    ]
    endpoint = read(rules)
    assert split(endpoint) == {"ranker-v10": 10, "ranker-v9": 90}
    assert "rule 1 always goes to ranker-v10" in endpoint.message
    assert "batch splits otherwise: ranker-v9 50 %, ranker-v10 50 %" in endpoint.message
    (call,) = SYSTEM.compile(endpoint, Split({"ranker-v9": 75, "ranker-v10": 25}))
    after = applied(route(rules), call.body)["spec"]["rules"]
    assert after[0] == rules[0]
    assert [one["weight"] for rule in after[1:] for one in rule["backendRefs"]] == [75, 25, 75, 25]
    assert "rule 2" in call.summary


def test_backends_of_one_name_are_told_apart() -> None:
    rules = [{"backendRefs": [ref("ranker", 1, namespace="a"), ref("ranker", 1, namespace="b")]}]
    assert set(split(read(rules))) == {"a.ranker:80", "b.ranker:80"}


# ── why not ─────────────────────────────────────────────────────────────────────────────────────────────────────

OWNED = {"ownerReferences": [{"apiVersion": "v1", "kind": "InferenceService", "name": "r", "controller": True}]}


@pytest.mark.parametrize(
    ("rules", "metadata", "reason"),
    [
        (TWO, OWNED, "InferenceService r writes this route"),
        ([{"backendRefs": [ref("a")]}], {}, "one backend only"),
        ([{"backendRefs": [ref("a", 1), ref("b", 1), ref("a", 1)]}], {}, "rule 1 names one backend twice"),
    ],
)
def test_what_cannot_be_changed_says_why(rules: list[dict[str, Any]], metadata: dict[str, Any], reason: str) -> None:
    endpoint = read(rules, **metadata)
    assert all(reason in (why or "") for why in endpoint.actions.values())
    with pytest.raises(Rejected, match=reason):
        SYSTEM.compile(endpoint, Promote("a"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (Split({"ranker-v9": 50, "ranker-v11": 50}), "no variant 'ranker-v11'"),
        (Split({"ranker-v9": 50}), "sum to 50"),
        (Split({"ranker-v9": 120, "ranker-v10": -20}), "between 0 and 100"),
        (Split({"ranker-v9": float("nan"), "ranker-v10": 1}), "between 0 and 100"),
        (Split({"ranker-v9": 90, "ranker-v10": 10}), "already"),
        (Split({"ranker-v9": 99.9999, "ranker-v10": 0.0001}), "too little"),
        (Mirror("ranker-v10", 20), "gets live traffic"),
        (Mirror("ranker-v10", 0), "gets live traffic"),
        (Promote("ranker-v11"), "no variant"),
    ],
)
def test_a_change_that_does_not_fit_is_rejected(change: Change, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        SYSTEM.compile(read(TWO), change)


def test_there_is_no_rollback_here() -> None:
    with pytest.raises(Unsupported):
        SYSTEM.compile(read(TWO), Rollback("1"))


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────


def after(endpoint: Endpoint, rules: list[dict[str, Any]], change: Change) -> list[dict[str, Any]]:
    (call,) = SYSTEM.compile(endpoint, change)
    assert call.guard == "generation 3"
    assert call.path.startswith("/apis/gateway.networking.k8s.io/v1/namespaces/prod/httproutes/ranker?")
    made: list[dict[str, Any]] = applied(route(rules), call.body)["spec"]["rules"]
    return made


def test_a_split_tests_each_entry_before_it_rewrites_its_weight() -> None:
    endpoint = read(TWO)
    (call,) = SYSTEM.compile(endpoint, Split({"ranker-v9": 75, "ranker-v10": 25}))
    assert call.summary == "weight ranker-v9 9 → 75, ranker-v10 1 → 25"
    assert call.command.startswith("kubectl patch httproutes.gateway.networking.k8s.io ranker -n prod")
    moved = route([{"backendRefs": list(reversed(TWO[0]["backendRefs"]))}])
    with pytest.raises(AssertionError):
        applied(moved, call.body)


def test_a_promotion_sends_everything_to_one() -> None:
    made = after(read(TWO), TWO, Promote("ranker-v10"))
    assert [one["weight"] for one in made[0]["backendRefs"]] == [0, 10]


def test_a_shadow_that_has_stopped_can_be_given_traffic() -> None:
    rules = [{"backendRefs": [ref("ranker-v9")], "filters": [mirror("ranker-v10", percent=0)]}]
    made = after(read(rules), rules, Split({"ranker-v9": 95, "ranker-v10": 5}))
    assert made[0]["backendRefs"] == [ref("ranker-v9", 95), ref("ranker-v10", 5)]


def test_a_shadow_that_runs_cannot() -> None:
    rules = [{"backendRefs": [ref("ranker-v9")], "filters": [mirror("ranker-v10", percent=5)]}]
    with pytest.raises(Rejected, match="ranker-v10 is a shadow"):
        SYSTEM.compile(read(rules), Split({"ranker-v9": 95, "ranker-v10": 5}))


@pytest.mark.parametrize(
    ("filters", "percent", "made"),
    [
        ([mirror("ranker-v10", percent=20)], 50, [mirror("ranker-v10", percent=50)]),
        ([mirror("ranker-v10", percent=20)], 0, [mirror("ranker-v10", percent=0)]),
        ([mirror("ranker-v10")], 50, [mirror("ranker-v10", percent=50)]),
        (
            [mirror("ranker-v10", fraction={"numerator": 1, "denominator": 8})],
            50,
            [mirror("ranker-v10", percent=50)],
        ),
        (
            [mirror("ranker-v10", percent=20)],
            12.5,
            [mirror("ranker-v10", fraction={"numerator": 12500, "denominator": 100000})],
        ),
    ],
)
def test_a_mirror_is_rewritten_in_place(filters: list[Any], percent: float, made: list[Any]) -> None:
    other = {"type": "RequestHeaderModifier", "requestHeaderModifier": {}}
    rules = [{"backendRefs": [ref("ranker-v9")], "filters": [other, *filters]}]
    assert after(read(rules), rules, Mirror("ranker-v10", percent))[0]["filters"] == [other, *made]


@pytest.mark.parametrize("rest", [{}, {"filters": []}])
def test_a_mirror_can_be_started_to_who_gets_nothing(rest: dict[str, Any]) -> None:
    rules = [{"backendRefs": [ref("ranker-v9", 1), ref("ranker-v10", 0)], **rest}]
    made = after(read(rules), rules, Mirror("ranker-v10", 20))
    assert made[0]["filters"] == [mirror("ranker-v10", percent=20)]


# ── progress ────────────────────────────────────────────────────────────────────────────────────────────────────

CHANGED = [{"backendRefs": [ref("ranker-v9", 75), ref("ranker-v10", 25)]}]
FORWARD = Split({"ranker-v9": 75, "ranker-v10": 25})


@pytest.mark.parametrize(
    ("rules", "parents", "metadata", "expected"),
    [
        (TWO, [parent()], {}, Pending("the API server does not show it yet")),
        (CHANGED, [parent(seen=3)], {"generation": 4}, Pending("public has answered for generation 3 of 4")),
        (
            CHANGED,
            [parent(seen=4)],
            {"generation": 4},
            Settled("accepted by public; that requests follow it, only metrics show"),
        ),
        (
            CHANGED,
            [parent(seen=4, resolved="False")],
            {"generation": 4},
            Pending("public: ResolvedRefs is False: ResolvedRefs says False", stalled=True),
        ),
        (
            [{"backendRefs": [ref("ranker-v9", 1), ref("ranker-v10", 1)]}],
            [parent()],
            {"generation": 5},
            Diverged("the split is now ranker-v9 50 %, ranker-v10 50 %"),
        ),
        (
            TWO,
            [parent()],
            {"generation": 5},
            Diverged("the split is now ranker-v9 90 %, ranker-v10 10 %, as before: it was put back"),
        ),
    ],
)
def test_a_change_settles_once_every_parent_accepted_this_generation(
    rules: list[dict[str, Any]], parents: list[dict[str, Any]], metadata: dict[str, Any], expected: object
) -> None:
    now = read(rules, parents, **metadata)
    assert SYSTEM.progress(read(TWO), now, FORWARD) == expected
