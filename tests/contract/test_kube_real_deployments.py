"""Deployments under the real Deployment and autoscaler controllers: where a rollback leads, by the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.contracts import ModelRef, Phase
from backends.serving.autoscalers import BOUNDS, HPA
from tests.kube.apiserver import ApiServer
from tests.kube.managed import WHY, World, limited, typed
from tests.kube.manager import controller_manager


@pytest.fixture(scope="module")
def managed(apiserver: ApiServer) -> Iterator[ApiServer]:
    with controller_manager(apiserver):
        yield apiserver


@pytest.fixture
def world(managed: ApiServer, tmp_path: Path) -> Iterator[World]:
    made = World(managed, tmp_path)
    with made.kubelet:
        yield made
    made.serving.close()


def broken(world: World) -> None:
    """m:0 and m:1 were rolled out, and m:broken does not become ready."""
    world.deploy("m", "0")
    world.steady("0")
    world.push("1")
    world.steady("1")
    world.push("broken")
    world.until(lambda one: one.phase is Phase.DEGRADED, "m:broken is stuck")


def test_rollbacks_never_put_the_broken_version_back(world: World) -> None:
    broken(world)
    first = world.shell.type("rollback", "m", *WHY)
    assert (first.code, world.image) == (0, "m:1"), first
    endpoint = world.steady("1")
    assert [(one.id, one.good) for one in endpoint.releases] == [("4", True), ("3", False), ("1", None)]
    assert endpoint.releases[1].image == "m:broken"

    for shell, who in ((world.shell, "#1 roll back to release 2"), (world.elsewhere("b"), "somebody went back to")):
        again = shell.type("rollback", "m", *WHY)
        assert (again.code, world.image) == (3, "m:1"), again
        assert f"was taken back already: {who}" in again.err
        assert again.err.rstrip().endswith(f"rollback k8s:{world.namespace}/m 1"), again

    named = world.shell.type("rollback", "m", "3", *WHY)
    assert (named.code, world.image) == (3, "m:1"), named
    assert "release 3, image m:broken" in named.words
    assert "was rolled back from" in named.words

    further = world.shell.type("rollback", "m", "1", *WHY)
    assert (further.code, world.image) == (0, "m:0"), further
    overridden = world.shell.type("rollback", "m", "3", *WHY, "--override", "--timeout", "1")
    assert (overridden.code, world.image) == (5, "m:broken"), overridden


def test_a_version_that_somebody_else_went_back_from_is_known_by_its_history(world: World) -> None:
    """No journal of ours has it: a GitOps revert, or kubectl, put the older template back."""
    broken(world)
    world.push("1")
    world.steady("1")
    world.push("2")
    endpoint = world.steady("2")
    assert [(one.image, one.good) for one in endpoint.releases] == [
        ("m:2", True),
        ("m:1", None),
        ("m:broken", False),
        ("m:0", None),
    ]
    said = world.shell.type("rollback", "m", *WHY)
    assert (said.code, world.image) == (0, "m:1"), said


def test_resuming_says_what_it_rolls_out(world: World) -> None:
    world.deploy("m", "0")
    world.steady("0")
    world.push("9", paused=True)
    waits = world.until(lambda one: "m:9 waits to be rolled out" in one.message, "m:9 waits")
    assert waits.phase is Phase.PAUSED
    plan = world.shell.type("resume", "m", "--dry-run", "--json").json["plan"]
    versions = [one["evidence"] for one in plan["checks"] if one["name"] == "m:9 version"]
    assert versions == [f"{ModelRef('m', '9')}, image m:9"]
    assert plan["friction"] != "enter"
    assert [(row["variant"], row["before"], row["after"]) for row in plan["rows"]][-1] == ("m:9", 0.0, 100.0)
    said = world.shell.type("resume", "m", *WHY)
    assert said.code == 0, said
    world.steady("9")


def bounds(world: World) -> tuple[int, int]:
    spec = world.server.get(HPA, world.namespace, "m-b")["spec"]
    return spec["minReplicas"], spec["maxReplicas"]


def test_bounds_that_somebody_set_since_are_not_overruled_by_a_note_of_ours(world: World) -> None:
    limited(world)
    typed(world.shell.type("shift", "m", "m-b=60", *WHY))
    assert bounds(world) == (3, 3)
    world.server.patch(HPA, world.namespace, "m-b", {"spec": {"minReplicas": 1, "maxReplicas": 4}})
    world.until(lambda one: "autoscaled 1–4" in one.variants[1].message, "the cap is seen")
    plan = world.shell.type("shift", "m", "m-b=80", "--dry-run")
    assert "m-b is pinned at 4 (it was 1–4)" in plan.words
    assert "that counts, not the note 2-10 while 3-3" in plan.words
    assert world.shell.type("unpin", "m", *WHY).code == 3, "nothing of ours is in force any more"
    assert bounds(world) == (1, 4)


def test_unpinning_gives_the_autoscaler_its_own_bounds_back(world: World) -> None:
    limited(world)
    said = typed(world.shell.type("shift", "m", "m-b=60", *WHY))
    assert "and unpin the autoscalers of m-b" in said.words
    typed(world.shell.type("unpin", "m", *WHY))
    assert bounds(world) == (2, 10)
    assert BOUNDS not in world.server.get(HPA, world.namespace, "m-b")["metadata"].get("annotations", {})
