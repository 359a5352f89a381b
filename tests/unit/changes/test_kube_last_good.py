"""Which revision "roll back" means without a name: on rollouts, after an abort and when all is steady."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shiftdeck.changes.way_back import last_good
from tests.fakes import FakeWorld
from tests.unit.kube_rollouts import ABORTED, HISTORY, STABLE, read
from tests.unit.planned import look


@pytest.mark.parametrize(
    ("status", "sets", "release"),
    [({}, None, "4"), (ABORTED, None, "4"), (STABLE, HISTORY, "3")],
    ids=["a canary under way", "aborted", "steady"],
)
def test_the_last_good_release_of_a_rollout(status: dict[str, Any], sets: Any, release: str) -> None:
    world = FakeWorld()
    view = look(world).endpoint(world.ref("churn"))
    assert view is not None
    endpoint = read(status, sets=sets)
    view = replace(view, endpoint=endpoint)
    found = last_good(view)
    assert found is not None
    assert found.id == release
