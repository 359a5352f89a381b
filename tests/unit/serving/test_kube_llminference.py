"""KServe's LLM groups: what is read across their members, and the calls that change them one after the other."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Action, Call, Change, Diverged, Endpoint, Pending, Phase, Promote, Role, Settled, Split
from backends.errors import Rejected
from backends.platforms.kubernetes.store import OWNER
from backends.serving.llminference import LLM, LLMInferenceSystem
from tests.examples import examples
from tests.unit.kube_objects import Cluster, applied

SYSTEM = LLMInferenceSystem()


def member(
    weight: int | None,
    told: dict[str, int] | None = None,
    *,
    group: str = "llama",
    seen: int = 3,
    stopped: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """One LLMInferenceService. ``told`` is the group as its status has it."""
    route: dict[str, Any] = {"group": group} if group else {}
    route |= {} if weight is None else {"weight": weight}
    conditions = [
        {"type": kind, "status": status, "message": f"{kind} {status}"} for kind, status in more.pop("said", {}).items()
    ]
    listed = [
        {"name": name, "weight": w, **({"stopped": True} if name in stopped else {})}
        for name, w in (told or {}).items()
    ]
    status: dict[str, Any] = {
        "observedGeneration": seen,
        "conditions": conditions,
        "workloads": {"primary": {"kind": "Deployment", "name": "x", "readyReplicas": more.pop("ready", 2)}},
    }
    status |= {"router": {"group": {"name": group, "members": listed}}} if told is not None else {}
    model = {"name": more.pop("model", "llama-3"), "uri": more.pop("uri", "hf://meta/llama:v3")}
    spec: dict[str, Any] = {"model": model, "router": {"route": route, **more.pop("router", {})}, "replicas": 2, **more}
    return {"spec": spec, "status": status}


def cluster(members: dict[str, dict[str, Any]], **metadata: dict[str, Any]) -> Cluster:
    made = Cluster()
    for at, (name, thing) in enumerate(members.items()):
        created = f"2026-11-0{at + 1}T10:00:00Z"
        made.add(LLM, name, thing, **{"creationTimestamp": created, **metadata.get(name.replace("-", "_"), {})})
    return made


def group(members: dict[str, dict[str, Any]], **metadata: dict[str, Any]) -> Endpoint:
    found = SYSTEM.explain(cluster(members, **metadata), "k8s")
    return next(endpoint for endpoint in found if endpoint.ref.name == "llama")


def two(a: int, b: int, told: dict[str, int] | None = None, **more: Any) -> dict[str, dict[str, Any]]:
    given = {"llm-a": a, "llm-b": b} if told is None else told
    return {"llm-a": member(a, given, **more), "llm-b": member(b, given, **more)}


def seen(endpoint: Endpoint) -> list[tuple[str, str, float | None, float | None]]:
    return [(one.name, str(one.role), one.desired, one.observed) for one in endpoint.variants]


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_members_of_a_group_are_the_variants_of_one_endpoint() -> None:
    endpoint = group(two(9, 1))
    assert str(endpoint.ref) == "k8s:prod/llama"
    assert seen(endpoint) == [("llm-a", "stable", 90, 90), ("llm-b", "canary", 10, 10)]
    assert endpoint.revision == "llm-a@3 llm-b@3"
    first = endpoint.variants[0]
    assert (first.ready, first.wanted, str(first.model)) == (2, 2, "llama-3/v3")
    assert endpoint.phase is Phase.STEADY


def test_observed_is_what_the_oldest_member_says() -> None:
    members = {"llm-b": member(1, {"llm-a": 9, "llm-b": 1}), "llm-a": member(9, {"llm-a": 3, "llm-b": 1})}
    assert [one[3] for one in seen(group(members))] == [90, 10]
    members = {"llm-a": member(9, {"llm-a": 3, "llm-b": 1}), "llm-b": member(1, {"llm-a": 9, "llm-b": 1})}
    assert [one[3] for one in seen(group(members))] == [75, 25]
    assert [one[3] for one in seen(group({"llm-a": member(9), "llm-b": member(1)}))] == [None, None]


def test_who_is_not_ready_is_in_no_route() -> None:
    assert seen(group(two(9, 1, {"llm-a": 9})))[1] == ("llm-b", "canary", 10, 0)


def test_a_stopped_member_gets_nothing_and_no_traffic_can_be_given_to_it() -> None:
    members = two(9, 1, {"llm-a": 9, "llm-b": 1}, stopped=("llm-b",))
    endpoint = group(members, llm_b={"annotations": {"serving.kserve.io/stop": "true"}})
    assert seen(endpoint) == [("llm-a", "stable", 100, 100), ("llm-b", "idle", 0, 0)]
    assert endpoint.variants[1].message == "stopped"
    with pytest.raises(Rejected, match="llm-b is stopped"):
        SYSTEM.compile(endpoint, Split({"llm-a": 50, "llm-b": 50}))


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ({"Ready": "True", "GroupReady": "True"}, Phase.STEADY),
        ({"Ready": "True", "GroupReady": "False"}, Phase.DEGRADED),  # it does not gate Ready
        ({"Ready": "True", "GroupReady": "True", "GroupDegraded": "True"}, Phase.DEGRADED),
        ({"Ready": "False"}, Phase.DEGRADED),
        ({"GroupDegraded": "False"}, Phase.STEADY),
    ],
)
def test_the_groups_conditions_count_beside_ready(said: dict[str, str], phase: Phase) -> None:
    assert group(two(9, 1, said=said)).phase is phase


def test_a_member_that_lags_is_progressing() -> None:
    endpoint = group(two(9, 1, seen=2))
    assert (endpoint.phase, endpoint.message.split(";")[0]) == (Phase.PROGRESSING, "llm-a is at generation 2 of 3")


def test_a_status_of_a_generation_that_does_not_exist_yet_proves_nothing() -> None:
    assert group(two(9, 1, seen=123)).phase is Phase.PROGRESSING
    done = later(two(90, 30, seen=123))
    assert isinstance(SYSTEM.progress(group(two(90, 10)), done, Split({"llm-a": 75, "llm-b": 25})), Pending)


def test_a_member_may_declare_itself_stable() -> None:
    endpoint = group(two(1, 9), llm_a={"labels": {"shiftdeck.io/stable": "true"}})
    assert endpoint.variants[0].role is Role.STABLE


def test_gitops_owns_a_group_as_soon_as_it_owns_a_member() -> None:
    members = two(9, 1)
    members["llm-b"][OWNER] = "Argo CD application llms"
    assert group(members).owner == "Argo CD application llms"


def test_a_service_without_a_group_stands_for_itself() -> None:
    both = cluster({**two(9, 1), "llama": member(None, group=""), "other": member(None, group="")})
    names = {endpoint.ref.name: endpoint for endpoint in SYSTEM.explain(both, "k8s")}
    assert set(names) == {"llama", "llama.service", "other"}
    assert "in no group" in (names["other"].actions[Action.SHIFT] or "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"router": {"ingress": {"refs": []}}}, "llm-a is behind an Ingress"),
        ({"model": "llama-4"}, r"different models \(llama-3, llama-4\)"),
    ],
)
def test_what_has_no_weights_says_why(change: dict[str, Any], reason: str) -> None:
    endpoint = group({"llm-a": member(9, **change), "llm-b": member(1)})
    with pytest.raises(Rejected, match=reason):
        SYSTEM.compile(endpoint, Promote("llm-b"))


def test_a_route_of_its_own_and_a_missing_weight_say_so_too() -> None:
    own = member(9)
    own["spec"]["router"]["route"]["http"] = {"refs": [{"name": "mine"}]}
    assert "HTTPRoute of its own" in (group({"llm-a": own, "llm-b": member(1)}).actions[Action.SHIFT] or "")
    assert "no weight" in (group({"llm-a": member(None), "llm-b": member(1)}).actions[Action.SHIFT] or "")
    assert "one member only" in (group({"llm-a": member(9)}).actions[Action.SHIFT] or "")


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_call_is_enough_where_the_other_weight_can_stay() -> None:
    (call,) = SYSTEM.compile(group(two(9, 1)), Split({"llm-a": 75, "llm-b": 25}))
    assert call.summary == "weight of llm-b 1 → 3"
    assert call.guard == "generation 3"


def test_else_who_gains_is_raised_first_and_each_call_says_what_is_live_then() -> None:
    calls = SYSTEM.compile(group(two(100, 0)), Split({"llm-a": 90, "llm-b": 10}))
    assert [call.summary for call in calls] == [
        "weight of llm-b 0 → 10 (then llm-a 90.9 %, llm-b 9.1 %)",
        "weight of llm-a 100 → 90",
    ]
    assert [call.path.partition("?")[0].rpartition("/")[2] for call in calls] == ["llm-b", "llm-a"]


def test_a_status_that_changes_meanwhile_is_no_conflict_but_a_new_spec_is() -> None:
    """KServe writes the status of every member when one changes: a resourceVersion would never hold for the second."""
    (_, call) = SYSTEM.compile(group(two(100, 0)), Split({"llm-a": 90, "llm-b": 10}))
    thing = {**member(100), "metadata": {"generation": 3, "resourceVersion": "99"}}
    assert applied(thing, call.body)["spec"]["router"]["route"]["weight"] == 90
    for other in ({**thing, "metadata": {"generation": 4}}, {**member(80), "metadata": {"generation": 3}}):
        with pytest.raises(AssertionError):
            applied(other, call.body)


# ── progress ────────────────────────────────────────────────────────────────────────────────────────────────────

FORWARD = Split({"llm-a": 90, "llm-b": 10})


def later(members: dict[str, dict[str, Any]], a: int = 4, b: int = 4) -> Endpoint:
    return group(members, llm_a={"generation": a}, llm_b={"generation": b})


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (
            later(two(100, 0), 3, 3),
            Pending("0 of 2 weights are written: llm-b is at 0, not at 10, llm-a is at 100, not at 90"),
        ),
        (later(two(100, 10), 3, 4), Pending("1 of 2 weights are written: llm-a is at 100, not at 90")),
        (
            later(two(90, 10, {"llm-a": 100, "llm-b": 10}, seen=4)),
            Pending(
                "the route of llm-a still splits llm-a 90.91 %, llm-b 9.09 %; "
                "the route of llm-b still splits llm-a 90.91 %, llm-b 9.09 %"
            ),
        ),
        (later(two(90, 10, seen=3)), Pending("llm-a is at generation 3 of 4; llm-b is at generation 3 of 4")),
        (
            later(two(90, 10, seen=4)),
            Settled("the routes of all 2 members have it; that requests follow, only metrics show"),
        ),
        (later(two(90, 37, seen=4)), Diverged("somebody else set llm-b to 37")),
        (
            later(two(90, 0, seen=4), 4, 5),
            Diverged("changed by somebody else, or put back: llm-b is at 0, not at 10"),
        ),
        (
            later({**two(90, 10, seen=4), "llm-c": member(5)}),
            Diverged("the group has changed: llm-c"),
        ),
    ],
)
def test_it_settles_once_every_members_route_has_the_split(now: Endpoint, expected: object) -> None:
    assert SYSTEM.progress(group(two(100, 0)), now, FORWARD) == expected


def test_half_a_change_leads_back_in_one_call() -> None:
    """After the first of two calls: back to the split that was, whoever's weights are there now."""
    change: Change = Split({"llm-a": 100, "llm-b": 0})
    (call,) = SYSTEM.compile(later(two(100, 10), 3, 4), change)
    assert call.summary == "weight of llm-b 10 → 0"


# ── two operators ───────────────────────────────────────────────────────────────────────────────────────────────


class Refused(AssertionError):
    """The server's answer to a patch whose test failed."""


def write(things: dict[str, dict[str, Any]], call: Call) -> None:
    """As the API server does: a patch applies whole or not at all, and a new spec is a new generation."""
    name = call.path.partition("?")[0].rpartition("/")[2]
    try:
        made = applied(things[name], call.body)
    except AssertionError as error:
        raise Refused from error
    made["metadata"]["generation"] += 1
    things[name] = made


def as_read(things: dict[str, dict[str, Any]]) -> Endpoint:
    found = Cluster()
    found.kinds[LLM] = {("prod", name): thing for name, thing in things.items()}
    return next(endpoint for endpoint in SYSTEM.explain(found, "k8s"))


splits = st.lists(st.integers(0, 10), min_size=3, max_size=3).filter(any)


@examples(200)
@given(splits, splits, splits, st.randoms())
def test_two_operators_on_one_group_never_overwrite_each_other(
    first: list[int], ours: list[int], theirs: list[int], random: Random
) -> None:
    """Their calls in any order: no object is written by both, and who fails part of the way can go back."""
    names = ["a", "b", "c"]
    metadata = {"namespace": "prod", "generation": 3}
    things = {
        name: {**member(weight), "metadata": {**metadata, "name": name}}
        for name, weight in zip(names, first, strict=True)
    }
    before = as_read(things)
    left: dict[str, list[Call]] = {}
    for who, wanted in (("anna", ours), ("ben", theirs)):
        change = Split({name: 100 * one / sum(wanted) for name, one in zip(names, wanted, strict=True)})
        try:
            left[who] = list(SYSTEM.compile(before, change))
        except Rejected:  # it is so already, or leads far astray
            return
    wrote: dict[str, set[str]] = {who: set() for who in left}
    failed = set()
    while any(left.values()):
        who = random.choice([who for who, calls in left.items() if calls])
        call = left[who].pop(0)
        try:
            write(things, call)
            wrote[who].add(call.path)
        except Refused:
            failed.add(who)
            left[who].clear()
    assert not wrote["anna"] & wrote["ben"]
    assert len(failed) < 2 or wrote["anna"] or wrote["ben"], "somebody was first"
    now = as_read(things)
    back = Split({one.name: one.desired or 0.0 for one in before.variants})
    try:
        calls = SYSTEM.compile(now, back)
    except Rejected:  # it is there, or another order is needed
        return
    for call in calls:
        write(things, call)
    there = as_read(things)
    for variant in there.variants:
        assert variant.desired == pytest.approx(back.weights[variant.name], abs=0.01)
