"""Routes whose controllers name no generation, 0 or an invented one, and parents for which two controllers answer.

Drawn from linkerd/linkerd2 #14964, apache/apisix-ingress-controller #2767, nginx/nginx-gateway-fabric #254,
envoyproxy/gateway #774 and #9023, and Kong/kubernetes-ingress-controller #5277.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Change, Endpoint, Pending, Phase, Progress, Promote, Settled, Split
from backends.platforms.kubernetes.kinds import HTTP_ROUTE
from backends.serving.gateway import GatewaySystem
from shiftdeck.changes.run import OutcomeKind
from tests.examples import examples
from tests.fakes import FakeServing
from tests.unit.bench import Bench
from tests.unit.kube_objects import Cluster, only

SYSTEM = GatewaySystem()
MESH = {"group": "", "kind": "Service", "name": "sentiment", "port": 8080}
GENERATION = 4
BEFORE = {"sentiment-v7": 90, "sentiment-v8": 10}
AFTER = {"sentiment-v7": 75, "sentiment-v8": 25}
CHANGE = Split({"sentiment-v7": 75.0, "sentiment-v8": 25.0})


def answer(
    observed: int | None, *, kinds: tuple[str, ...] = ("Accepted", "ResolvedRefs"), ok: str = "True", **more: Any
) -> dict[str, Any]:
    told = {} if observed is None else {"observedGeneration": observed}
    said = [{"type": kind, "status": ok, "reason": "R", "message": "m", **told} for kind in kinds]
    return {"parentRef": MESH, "controllerName": "mesh.test/policy", "conditions": said, **more}


def route(*parents: dict[str, Any], weights: dict[str, int] | None = None, generation: int = GENERATION) -> Endpoint:
    refs = [{"name": name, "port": 8080, "weight": weight} for name, weight in (weights or BEFORE).items()]
    spec = {"parentRefs": [MESH], "rules": [{"backendRefs": refs}]}
    thing = {"spec": spec, "status": {"parents": list(parents)}}
    return only(SYSTEM, Cluster().add(HTTP_ROUTE, "sentiment", thing, generation=generation))


def observed(endpoint: Endpoint) -> set[float | None]:
    return {one.observed for one in endpoint.variants}


UNTOLD = {
    "none": answer(None),
    "only Accepted": answer(None, kinds=("Accepted",)),
    "0": answer(0),
    "invented": answer(123),
}


@pytest.mark.parametrize("parent", UNTOLD.values(), ids=UNTOLD)
def test_a_controller_that_names_no_generation_is_steady_with_a_remark_and_nothing_observed(
    parent: dict[str, Any],
) -> None:
    endpoint = route(parent)
    assert endpoint.phase is Phase.STEADY
    assert endpoint.message == "sentiment does not tell which generation it answers for"
    assert observed(endpoint) == {None}


@pytest.mark.parametrize("parent", UNTOLD.values(), ids=UNTOLD)
def test_its_answer_proves_no_change(parent: dict[str, Any]) -> None:
    now = route(parent, weights=AFTER, generation=5)
    found = SYSTEM.progress(route(parent), now, CHANGE)
    assert isinstance(found, Settled)
    assert not found.proven
    assert "does not tell which generation" in found.message


def test_a_refusal_without_a_generation_is_told_and_never_healthy() -> None:
    endpoint = route(answer(None, ok="False"))
    assert endpoint.phase is Phase.DEGRADED
    assert "it does not tell which generation it answers for" in endpoint.message


def test_an_entry_of_a_parent_that_the_spec_names_no_more_counts_for_nothing() -> None:
    stale = answer(1, ok="False", parentRef={"name": "old-gateway"})
    endpoint = route(answer(GENERATION), stale)
    assert (endpoint.phase, observed(endpoint)) == (Phase.STEADY, {90.0, 10.0})


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_controllers_of_one_parent_the_one_that_answers_for_this_generation_counts(turn: int) -> None:
    both = [answer(GENERATION), answer(2, controllerName="old.test/c", ok="False")][::turn]
    endpoint = route(*both)
    assert (endpoint.phase, observed(endpoint)) == (Phase.STEADY, {90.0, 10.0})
    refusing = [answer(GENERATION), answer(GENERATION, controllerName="other.test/c", ok="False")][::turn]
    assert route(*refusing).phase is Phase.DEGRADED


@examples(100)
@given(st.lists(st.one_of(st.none(), st.integers(0, 2**40)), min_size=1, max_size=3))
def test_no_answer_for_another_generation_is_observed_or_proven(told: list[int | None]) -> None:
    parents = [answer(one, controllerName=f"c{at}") for at, one in enumerate(told) if one != 5]
    now = route(*parents, weights=AFTER, generation=5)
    found = SYSTEM.progress(route(answer(GENERATION)), now, CHANGE)
    assert observed(now) == {None}
    assert isinstance(found, Pending) or (isinstance(found, Settled) and not found.proven)


# ── how such a change ends ──────────────────────────────────────────────────────────────────────────────────────


class Mute(FakeServing):
    """Takes every change, and does not tell whether it is in effect."""

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        found = super().progress(before, now, change)
        return replace(found, proven=False) if isinstance(found, Settled) else found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.serving = Mute(made.world)
    return made


def test_it_is_settled_once_the_metrics_agree(bench: Bench) -> None:
    run = bench.run()
    assert run.outcome is not None
    assert (run.outcome.kind, run.outcome.confirmed) == (OutcomeKind.SETTLED, True)


def test_it_is_unknown_where_no_metrics_tell(bench: Bench) -> None:
    run = bench.run(shares=lambda _: None)
    assert run.outcome is not None
    assert run.outcome.kind is OutcomeKind.UNKNOWN
    assert run.outcome.message.endswith("and no metrics tell whether it is in effect")


def test_it_is_unknown_where_the_metrics_show_something_else(bench: Bench) -> None:
    bench.world.endpoint("sentiment").measured = {"v7": 90.0, "v8": 10.0}
    run = bench.run()
    assert run.outcome is not None
    assert run.outcome.kind is OutcomeKind.UNKNOWN
    assert run.outcome.message.endswith("and the metrics do not show it")


def test_no_alias_moves_before_the_metrics_show_the_traffic(bench: Bench) -> None:
    bench.change = Promote("v8")
    run = bench.run(shares=lambda _: None)
    assert run.outcome is not None
    assert run.outcome.kind is OutcomeKind.UNKNOWN
    assert bench.plan().alias is not None
    assert not any("alias" in one for one in bench.world.sent)
