"""A pair of Deployments whose controller goes away: what it said last is of an older spec.

The module has no other test: no other controller may be at work.
"""

from __future__ import annotations

from pathlib import Path

from backends.contracts import Phase
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from tests.kube.apiserver import ApiServer
from tests.kube.managed import World, paired, stuck
from tests.kube.manager import controller_manager


def test_what_the_controller_said_before_it_went_away_is_not_told_of_a_newer_spec(
    apiserver: ApiServer, tmp_path: Path
) -> None:
    world = World(apiserver, tmp_path)
    with world.kubelet:
        with controller_manager(apiserver):
            paired(world)
            stuck(world)
        world.server.patch(DEPLOYMENT, world.namespace, "m-b", {"spec": {"replicas": 2}})
        after = world.until(lambda one: "quota" not in one.message, "the old words are gone")
        assert after.phase is Phase.PROGRESSING
        assert after.variants[1].trouble == ""
    world.serving.close()
