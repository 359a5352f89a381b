"""Pairs of Deployments under the real controllers: roll-outs inside a member, quotas, and autoscalers that
somebody else owns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.contracts import ModelRef, Phase
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.serving.autoscalers import HPA
from tests.kube.apiserver import ApiServer
from tests.kube.managed import WHY, World, limited, paired, stuck
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


def test_a_broken_version_inside_a_member_is_not_its_version_while_the_old_pods_serve(world: World) -> None:
    paired(world)
    template = {"spec": {"containers": [{"name": "model", "image": "m:broken"}]}}
    world.server.patch(DEPLOYMENT, world.namespace, "m-b", {"spec": {"template": template}})
    rolling = world.until(lambda one: "of the newest revision" in one.message, "the roll-out inside m-b is seen")
    assert rolling.phase in (Phase.PROGRESSING, Phase.DEGRADED)
    assert rolling.variants[1].model == ModelRef("m", "2")
    given_up = world.until(lambda one: one.phase is Phase.DEGRADED, "the controller gives up")
    assert given_up.variants[1].model == ModelRef("m", "2")
    assert "has timed out progressing" in given_up.variants[1].trouble
    said = world.shell.type("shift", "m", "m-b=60", *WHY)
    assert said.code == 3, said
    assert "has timed out progressing" in said.words


def test_a_canary_that_the_quota_holds_takes_no_pods_of_the_stable_version(world: World) -> None:
    paired(world)
    assert stuck(world).phase is Phase.DEGRADED
    said = world.shell.type("shift", "m", "m-b=66.7", *WHY)
    assert said.code == 3, said
    assert "2/3 ready: pods" in said.words
    assert "exceeded quota" in said.words
    assert world.server.get(DEPLOYMENT, world.namespace, "m-a")["spec"]["replicas"] == 3
    back = world.shell.type("shift", "m", "m-b=33.3", *WHY, "--dry-run")
    assert back.code == 0, back


def test_bounds_that_keda_owns_are_not_written(world: World) -> None:
    limited(world)
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "queue", "uid": "u", "controller": True}
    world.server.patch(HPA, world.namespace, "m-b", {"metadata": {"ownerReferences": [owner]}})
    said = world.shell.type("shift", "m", "m-b=60", *WHY)
    assert said.code == 3, said
    assert "ScaledObject queue owns the autoscaler m-b of m-b" in said.words
    spec = world.server.get(HPA, world.namespace, "m-b")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    assert (
        "autoscaler m-b does not work: FailedGetResourceMetric"
        in world.until(lambda one: "does not work" in one.message, "there is no metrics API").message
    )


def test_a_member_that_is_being_deleted_takes_no_change(world: World) -> None:
    paired(world)
    world.server.patch(DEPLOYMENT, world.namespace, "m-b", {"metadata": {"finalizers": ["example.com/held"]}})
    world.server.delete(DEPLOYMENT, world.namespace, "m-b")
    world.until(lambda one: "m-b is being deleted" in one.message, "the deletion is told")
    said = world.shell.type("shift", "m", "m-b=60", *WHY)
    assert said.code == 3, said
    assert "m-b is being deleted" in said.words
