"""One wrong value anywhere in what a system's controllers wrote: its objects are still explained, and what is asked of
them ends well or as one of our errors."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import (
    Abort,
    Advance,
    Change,
    Endpoint,
    Forecasts,
    Mirror,
    Pause,
    Promote,
    Resume,
    Retry,
    Rollback,
    Split,
)
from backends.errors import BackendError
from backends.serving.kubernetes import System
from tests.examples import examples
from tests.foreign import json_of
from tests.unit.kube_worlds import WORLDS, Seen, World, world_of


def changes_of(endpoint: Endpoint) -> list[Change]:
    """One of each sort, and more where a variant or a release can be chosen."""
    names = [variant.name for variant in endpoint.variants]
    made: list[Change] = [Pause(), Resume(), Advance(), Advance(full=True), Abort(), Retry()]
    made += [Rollback(release.id) for release in endpoint.releases]
    for name in names:
        others = {other: 75.0 / (len(names) - 1) for other in names if other != name}
        made += [Promote(name), Mirror(name, 12.5), Split({**others, name: 25.0 if others else 100.0})]
    return made


def compiles(system: System, endpoint: Endpoint, change: Change) -> bool:
    try:
        system.compile(endpoint, change)
    except BackendError:
        return False
    return True


def put_wrong(world: World, data: st.DataObject) -> None:
    """Put anything at all in the place of one value. Names stay: the server vouches for those."""
    kind = data.draw(st.sampled_from([kind for kind, things in world.items() if things]))
    node: Any = world[kind][data.draw(st.sampled_from(sorted(world[kind])))]
    key = data.draw(st.sampled_from(sorted(node)))
    while isinstance(node[key], dict | list) and node[key] and data.draw(st.integers(0, 5)):
        node = node[key]
        places = sorted(set(node) - {"name", "namespace"}) if isinstance(node, dict) else range(len(node))
        key = data.draw(st.sampled_from(places or sorted(node)))
    kept = (
        {name: node[key][name] for name in ("name", "namespace")} if key == "metadata" and "name" in node[key] else {}
    )
    wrong = data.draw(json_of("name", "status", "weight", most=6))
    node[key] = {**wrong, **kept} if kept and isinstance(wrong, dict) else kept or wrong


@pytest.mark.parametrize("name", WORLDS)
def test_one_wrong_value_anywhere_harms_nobody(name: str) -> None:
    system, make = WORLDS[name]
    world = world_of(system, make)
    before = system.explain(Seen(world), "k8s")[0]
    possible = [change for change in changes_of(before) if compiles(system, before, change)]
    assert possible

    @examples(40)
    @given(st.data())
    def explained(data: st.DataObject) -> None:
        odd = copy.deepcopy(world)
        put_wrong(odd, data)
        for now in system.explain(Seen(odd), "k8s"):
            for change in possible:
                system.progress(before, now, change)
            for change in changes_of(now):
                compiles(system, now, change)
                if isinstance(system, Forecasts):
                    with suppress(BackendError):
                        system.forecast(now, change)
            for one in now.variants:
                assert all(figure is None or figure == figure for figure in (one.desired, one.observed, one.mirror))

    explained()
