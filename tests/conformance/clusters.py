"""Clusters in memory, for laws of all our adapters on Kubernetes: every sample with its objects, changes that are
applied to them, and what differs afterwards."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest

from backends.conformance.changes import tried
from backends.conformance.trying import changes_something
from backends.contracts import Change, Endpoint
from backends.errors import BackendError
from backends.serving.kubernetes import KubernetesServing
from shiftdeck.changes.plan import Plan
from tests.conformance.ours import KUBERNETES, adapter_of
from tests.conformance.ours import World as State
from tests.conformance.scripts import ClusterScript
from tests.unit.kube_worlds import Seen, World, world_of

Path = tuple[str, ...]
Failing = Mapping[str, str]
"""Why a law is not kept, by "adapter: sample", or by adapter."""

SHARES = ("weight", "percent")
NONE: Failing = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Case:
    """A sample of the adapter of that name."""

    name: str
    what: str
    state: State

    @property
    def adapter(self) -> KubernetesServing:
        made = adapter_of(self.name)
        assert isinstance(made, KubernetesServing)
        return made

    def script(self) -> ClusterScript:
        system = self.adapter.system
        objects = world_of(system, self.state.make)
        endpoint = system.explain(Seen(objects), "k8s")[0]
        return ClusterScript(system, objects, endpoint.ref, self.state.finish)


CASES = [Case(name, what, state) for name, states in KUBERNETES.items() for what, state in states.items()]


def each(failing: Failing = NONE) -> pytest.MarkDecorator:
    """All samples. Those that are known to break the law must go on breaking it until the reason is removed."""
    marked = []
    for one in CASES:
        name = f"{one.name}: {one.what}"
        reason = failing.get(name, failing.get(one.name, ""))
        marks = [pytest.mark.xfail(strict=True, reason=reason, raises=AssertionError)] if reason else []
        marked.append(pytest.param(one, id=name, marks=marks))
    return pytest.mark.parametrize("case", marked)


def now(script: ClusterScript, world: World) -> Endpoint:
    found = script.read(world)
    assert found is not None, f"{script.ref} is not shown any more"
    return found


def changes(endpoint: Endpoint) -> Iterator[Change]:
    for group in tried(endpoint).values():
        yield from (one for one in group if changes_something(endpoint, one))


def sent(adapter: KubernetesServing, script: ClusterScript, world: World, change: Change) -> World | None:
    """The cluster after that change of its endpoint, or ``None`` if it is refused, or is no patch of objects alone."""
    try:
        calls = adapter.compile(now(script, world), change)
    except BackendError:
        return None
    if any(call.method != "PATCH" for call in calls):
        return None
    after = copy.deepcopy(world)
    for call in calls:
        script.patch(after, call)
    return after


def differing(one: World, other: World) -> dict[Path, tuple[Any, Any]]:
    """The fields that mean something else in another cluster, with both values: of specs, and annotations of ours."""
    before, after = _fields(one), _fields(other)
    found = {key: (before.get(key), after.get(key)) for key in sorted({*before, *after})}
    return {key: values for key, values in found.items() if values[0] != values[1]}


def _fields(world: World) -> dict[Path, Any]:
    found: dict[Path, Any] = {}
    for kind, things in world.items():
        for (_, name), thing in things.items():
            found.update(_leaves(_meaning(thing.get("spec")), kind.plural, name, "spec"))
            notes = thing["metadata"].get("annotations") or {}
            ours = {key: one for key, one in notes.items() if "shiftdeck" in key and not key.endswith("/fence")}
            found.update(_leaves(ours, kind.plural, name, "annotations"))
    return found


def _leaves(node: Any, *path: str) -> dict[Path, Any]:
    below = node.items() if isinstance(node, dict) else _entries(node) if isinstance(node, list) else ()
    found = {key: leaf for step, one in below for key, leaf in _leaves(one, *path, str(step)).items()}
    return found if isinstance(node, dict | list) else {path: node}


def _entries(entries: list[Any]) -> list[tuple[str, Any]]:
    """The entries of a list by what they are: a target's share by the target, others by their name or their place."""
    if not (share := _share(entries)):
        return [(str(one.get("name", at) if isinstance(one, dict) else at), one) for at, one in enumerate(entries)]
    return [(json.dumps(_named(one, share)), {share: one[share]}) for one in entries]


def _share(entries: list[Any]) -> str:
    """The key of the shares in a list of targets, or ""."""
    tables = [one for one in entries if isinstance(one, dict)]
    found = next((key for key in SHARES if any(key in one for one in tables)), "")
    return found if len(tables) == len(entries) else ""


def _meaning(node: Any) -> Any:
    """The same for specs that ask for the same: no empty values, shares as percent, and no targets that get nothing."""
    if isinstance(node, dict):
        kept = {key: _meaning(one) for key, one in node.items()}
        if "mirror" in kept and node.get("mirrorPercentage", {}).get("value") == 0:
            del kept["mirror"]
        return {key: one for key, one in kept.items() if one not in ({}, [], None, False)}
    if not isinstance(node, list):
        return node
    made = [_meaning(one) for one in node]
    if not (share := _share(made)):
        return made
    total = sum(one.get(share, 0) for one in made) or 1
    shares = [{**one, share: round(one.get(share, 0) * 100 / total, 2)} for one in made]
    return [one for one in shares if one[share] or "tag" in one]


def _named(one: dict[str, Any], share: str) -> list[tuple[str, str]]:
    return sorted((key, str(value)) for key, value in one.items() if key != share)


def words_of(plan: Plan) -> str:
    """All that a plan says."""
    rows = [f"{row.variant} {row.before} {row.after} {row.mirror_before} {row.mirror_after}" for row in plan.rows]
    checks = [f"{one.name} {one.evidence}" for one in plan.checks]
    return " ".join([plan.words, plan.way_back, *rows, *(step.call.summary for step in plan.steps), *checks])


def accounted(path: Path, old: Any, new: Any, told: str) -> bool:
    """Whether the words tell of a field: by its name, by that of a part of the spec that holds it, or by its values."""
    said = {one.removesuffix(".0") for one in re.findall(r"[\w.-]+", told)}
    parts = {".".join(path[2:end]) for end in range(4, len(path) + 1)}
    parts |= {step for step in path[3:] if not step.isdigit()}
    values = [f"{one:g}" if isinstance(one, float) else str(one) for one in (old, new) if one is not None]
    return bool(parts & said) or all(one in said or one in told.split() for one in values)
