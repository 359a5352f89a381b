"""Laws of all our adapters on Kubernetes, over the objects of their samples: what a plan says, what leads back, and
what a status may prove."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.conformance.trying import outcome
from backends.contracts import Advance, Pause, Phase, Resume, Settled
from backends.errors import BackendError
from backends.serving.kubernetes_views import while_deleted
from tests.conformance.clusters import Case, accounted, changes, differing, each, now, sent, words_of
from tests.conformance.scripts import observed
from tests.conformance.test_plans import plan_of
from tests.examples import examples
from tests.unit.kube_worlds import Seen, World

IN_THE_SPEC = ("gateway", "istio", "seldon", "seldon2")
"""Where the object itself is what routes, as soon as its controller has seen it."""

NO_GENERATION = ("istio", "seldon", "seldon2")
"""Where the status names no generation. Istio writes no status at all."""

STEPS = (Advance, Pause, Resume)
"""Changes that ask for no split."""

# Where a law is broken today, and why. Such a test fails once the law is kept: then its line here is removed.

NOT_RESTORED = {
    "knative: the newest gets all": "afterwards the Service no longer follows its newest revision, and no plan says so",
    "rollouts: paused at a step": "the way back of a promotion is the stable release, not the canary; no plan says so",
    "rollouts: running an analysis": "the way back of a promotion is the stable release, not the canary",
}
NOT_TOLD = {"deployment: two Deployments, one with bounds": "the annotation with the bounds is not told"}
NOT_MADE = {
    "deployment: one Deployment": "settled by the counts of the Deployment while a ReplicaSet still has the pods",
}
GENERATION_NOT_READ = {"knative: a canary": "the generation of the status is not looked at"}
KNOWN_FROM_NOTHING = {
    "deployment: one Deployment": "a ReplicaSet without a status counts as one without ready pods",
    "kserve: standard mode, a canary": "the weights of an HTTPRoute that nobody has accepted count as observed",
    "kserve: standard mode, one predictor": "the weights of an HTTPRoute that nobody has accepted count as observed",
}


# ── what a plan says ────────────────────────────────────────────────────────────────────────────────────────────


@each(NOT_RESTORED)
def test_a_change_followed_by_its_way_back_restores_every_field_or_the_plan_says_which_not(case: Case) -> None:
    script, adapter = case.script(), case.adapter
    for change in changes(first := now(script, script.world)):
        plan = plan_of(adapter, first, change)
        after = sent(adapter, script, script.world, change)
        if after is None or plan.undo is None:
            continue
        (script.finish or observed)(after)
        back = sent(adapter, script, after, plan.undo)
        lost = {} if back is None else differing(script.world, back)
        assert not lost or "restore" in words_of(plan), f"{plan.words}, then {plan.way_back}: {lost}"


@each(NOT_TOLD)
def test_a_plans_rows_and_words_account_for_every_field_that_is_sent(case: Case) -> None:
    script, adapter = case.script(), case.adapter
    for change in changes(first := now(script, script.world)):
        after = sent(adapter, script, script.world, change)
        told = "" if after is None else words_of(plan_of(adapter, first, change))
        for path, (old, new) in differing(script.world, after or script.world).items():
            assert accounted(path, old, new, told), f"{change}: {'/'.join(path)} {old!r} → {new!r} is not in: {told}"


# ── what a status proves ────────────────────────────────────────────────────────────────────────────────────────


@each(NOT_MADE)
def test_a_change_that_a_controller_has_seen_and_not_made_is_not_settled(case: Case) -> None:
    """All objects tell the newest generation, and route and run as before."""
    script, adapter = case.script(), case.adapter
    for change in changes(first := now(script, script.world)) if case.name not in IN_THE_SPEC else ():
        after = sent(adapter, script, script.world, change)
        if after is None or isinstance(change, STEPS):
            continue
        observed(after)
        found = adapter.progress(first, now(script, after), change)
        assert not isinstance(found, Settled), f"{change}: nothing but a spec has changed, and it is {found}"


@each(GENERATION_NOT_READ)
@pytest.mark.parametrize(
    "generation", [lambda now: now - 1, lambda now: 0, lambda now: None], ids=["older", "0", "none"]
)
def test_a_status_of_an_older_generation_settles_nothing(case: Case, generation: Callable[[int], int | None]) -> None:
    _settles_nothing(case, generation)


@each(GENERATION_NOT_READ)
def test_a_status_of_an_invented_generation_settles_nothing(case: Case) -> None:
    _settles_nothing(case, lambda now: now + 1000)


def _settles_nothing(case: Case, generation: Callable[[int], int | None]) -> None:
    script, adapter = case.script(), case.adapter
    if script.finish is None or case.name in NO_GENERATION:
        return
    for change in changes(first := now(script, script.world)):
        after = sent(adapter, script, script.world, change)
        if after is None:
            continue
        script.finish(after)
        if not _proven(adapter.progress(first, now(script, after), change)):
            continue
        for things in after.values():
            for thing in things.values():
                _say(thing.get("status"), generation(thing["metadata"].get("generation", 3)))
        found = adapter.progress(first, now(script, after), change)
        assert not _proven(found), f"{change}: the status is of another generation, and it is {found}"


def _proven(found: object) -> bool:
    """Whether it is settled without the metrics having to agree."""
    return isinstance(found, Settled) and found.proven


def _say(node: Any, generation: int | None) -> None:
    """Have the status tell that generation; ``None``: none at all."""
    if isinstance(node, dict):
        for key, value in list(node.items()):
            if key != "observedGeneration":
                _say(value, generation)
            elif generation is None:
                del node[key]
            else:
                node[key] = str(generation) if isinstance(value, str) else generation
    for one in node if isinstance(node, list) else ():
        _say(one, generation)


@each(KNOWN_FROM_NOTHING)
def test_without_a_status_nothing_is_known_to_be_in_effect(case: Case) -> None:
    if case.name == "istio":  # it writes no status
        return
    script = case.script()
    world = copy.deepcopy(script.world)
    for things in world.values():
        for thing in things.values():
            thing.pop("status", None)
    endpoint = script.read(world)
    if endpoint is None:
        return
    assert endpoint.phase is not Phase.STEADY, endpoint.message
    assert all(one.observed is None for one in endpoint.variants), endpoint.variants
    assert all(not one.ready for one in endpoint.variants), endpoint.variants


@each()
def test_less_of_a_status_makes_nothing_look_better(case: Case) -> None:
    """Whatever part of the statuses is missing: what was not steady is not steady, and no share becomes another one."""
    script = case.script()
    full = now(script, script.world)
    places = [place for place in _places(script.world) if place[-1] not in ("message", "reason")]
    if not places:
        return

    @examples(30)
    @given(st.sets(st.sampled_from(places), min_size=1, max_size=4))
    def holds(removed: set[tuple[Any, ...]]) -> None:
        world = copy.deepcopy(script.world)
        for kind, key, *path, last in sorted(removed, key=len, reverse=True):
            node: Any = world[kind][key]
            for step in path:
                node = node.get(step) if isinstance(node, dict) else None
            if isinstance(node, dict):
                node.pop(last, None)
        endpoint = script.read(world)
        if endpoint is not None and full.phase is not Phase.STEADY:
            assert endpoint.phase is not Phase.STEADY, f"without {removed} it is steady: {endpoint.message}"

    holds()


def _places(world: World) -> list[tuple[Any, ...]]:
    """All keys within the statuses, down to lists."""

    def below(node: Any, *path: Any) -> list[tuple[Any, ...]]:
        found = []
        for key, one in node.items() if isinstance(node, dict) else ():
            found += [(*path, key), *below(one, *path, key)]
        return found

    return [
        place
        for kind, things in world.items()
        for key, thing in things.items()
        for place in below({"status": thing.get("status")}, kind, key)
        if thing.get("status")
    ]


# ── identity ────────────────────────────────────────────────────────────────────────────────────────────────────


@each()
def test_an_object_that_is_being_deleted_takes_no_change(case: Case) -> None:
    script, adapter = case.script(), case.adapter
    world = copy.deepcopy(script.world)
    kind, namespace, name = adapter.system.target(now(script, world))
    metadata = world[kind][namespace, name]["metadata"]
    metadata.update(deletionTimestamp="2026-11-01T03:00:00Z", finalizers=["example.com/wait"])
    endpoint = script.read(world)
    if endpoint is None:
        return
    endpoint = while_deleted(Seen(world), endpoint, adapter.system.written(endpoint))
    assert endpoint.phase is not Phase.STEADY, "it is shown as if nothing were wrong"
    for change in changes(endpoint):
        found = outcome(adapter, endpoint, change)
        assert isinstance(found, BackendError), f"{change} is sent to what is being deleted"


@each()
def test_two_endpoints_never_share_a_ref(case: Case) -> None:
    """Also where the names of objects are made of each other's, and of the names that adapters make."""
    script, adapter = case.script(), case.adapter
    system = adapter.system
    taken = now(script, script.world).ref.name

    @examples(30)
    @given(st.lists(st.sampled_from([taken, f"{taken}.{taken}", f"{taken}-2", f"{taken}.v1", "a"]), max_size=4))
    def holds(names: list[str]) -> None:
        world = copy.deepcopy(script.world)
        things = world[system.kinds[0]]
        for (namespace, _), thing in list(things.items()):
            for new in names:
                made = copy.deepcopy(thing)
                made["metadata"]["name"] = new
                things.setdefault((namespace, new), made)
        refs = [one.ref for one in system.explain(Seen(world), "k8s")]
        assert len(refs) == len(set(refs)), f"{sorted(map(str, refs))}"

    holds()
