"""What ``shiftdeck capture`` writes: a file without its owner's words, of which the adapter makes the same endpoint."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import EndpointRef
from backends.discovery import adapter_class
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import HTTP_ROUTE
from backends.serving.capture import captured, replayed, shape_of
from backends.serving.kubernetes import System
from backends.serving.neutral_names import LISTED, WORDS, Renamer
from tests.foreign import json_of
from tests.unit.kube_worlds import WORLDS, Seen, World, world_of

CAPTURES = sorted(Path(__file__).parent.glob("captures/*.json"))
SECRET = "hunter2-s3cr3t"


def system_of(name: str) -> System:
    cls: Any = adapter_class("serving", name)
    found: System = cls.system
    return found


def owned(world: World) -> World:
    """The world with things in it that are nobody's business."""
    made = copy.deepcopy(world)
    for things in made.values():
        for thing in things.values():
            thing["metadata"].setdefault("labels", {})["acme.example/owner"] = "jane.doe"
            thing["metadata"].setdefault("annotations", {})["note"] = f"password={SECRET} at 10.20.30.40"
            containers = [
                {"name": "model", "image": "registry.acme.example/x:v8", "env": [{"name": "K", "value": SECRET}]}
            ]
            thing.setdefault("spec", {}).setdefault("other", {"containers": containers})
    return made


@pytest.mark.parametrize("name", WORLDS)
def test_a_capture_is_explained_as_the_endpoint_was_and_tells_nobodys_names(name: str) -> None:
    system, make = WORLDS[name]
    world = owned(world_of(system, make))
    before = system.explain(Seen(world), "k8s")[0]
    told = json.loads(json.dumps(captured(system, Seen(world), before.ref)))
    assert told["faithful"], told
    after = next(one for one in replayed(system, told) if str(one.ref) == told["endpoint"])
    assert shape_of(after) == told["seen"]
    numbers = [(one.role, one.desired, one.observed, one.mirror, one.ready, one.wanted) for one in before.variants]
    assert [
        (one.role, one.desired, one.observed, one.mirror, one.ready, one.wanted) for one in after.variants
    ] == numbers
    assert after.phase is before.phase
    words = json.dumps(told)
    assert "10.20.30.40" not in words
    assert not {"hunter2", "s3cr3t", "acme", "jane", "doe", before.ref.name, "registry"} & set(WORD.findall(words))


def test_only_the_objects_that_decide_are_kept() -> None:
    system, make = WORLDS["gateway"]
    world = world_of(system, make)
    for kind, things in world.items():
        for (namespace, name), thing in list(things.items()):
            for other in ("other", namespace) if kind == HTTP_ROUTE else ("other",):
                more = copy.deepcopy(thing)
                more["metadata"].update(name=f"{name}-more", namespace=other)
                things[other, f"{name}-more"] = more
    before = next(one for one in system.explain(Seen(world), "k8s") if not one.ref.name.endswith("-more"))
    told = captured(system, Seen(world), before.ref)
    assert told["faithful"]
    assert len(told["objects"]) <= 5, [one["object"]["metadata"] for one in told["objects"]]
    with pytest.raises(Rejected, match="there is no endpoint k8s:prod/nobody"):
        captured(system, Seen(world), EndpointRef("k8s", "prod", "nobody"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_captured_endpoint_is_explained_as_it_says(path: Path) -> None:
    """A capture of a bug report is put into ``captures/``, with ``seen`` as it ought to be."""
    told = json.loads(path.read_text(encoding="utf-8"))
    system = system_of(told["system"])
    found = next(one for one in replayed(system, told) if str(one.ref) == told["endpoint"])
    assert shape_of(found) == told["seen"]


ANY = json_of("metadata", "labels", "annotations", "name", "spec", "status", "type", "image", "message")
WORD = re.compile(r"[^\W_]+")


@given(ANY, st.text(min_size=1, max_size=20))
def test_no_word_but_those_of_the_systems_survives(thing: object, told: str) -> None:
    renamer = Renamer()
    made = renamer.objects({"metadata": {"labels": {told: told}, "annotations": {"a": told}}, "spec": thing})
    json.dumps(made)
    for text in (*made["metadata"]["labels"], *made["metadata"]["annotations"].values()):
        for word in WORD.findall(text):
            known = word.lower() in WORDS or re.fullmatch(r"v?\d{1,5}|n\d+|[0-9a-f]{64}|v\d+(alpha|beta)\d+", word)
            assert known, f"{told!r} became {text!r}"


@given(st.text(max_size=12), st.text(max_size=12))
def test_what_was_the_same_is_the_same_and_what_was_not_is_not(one: str, other: str) -> None:
    renamer = Renamer()
    first, second = renamer.text(one), renamer.text(other)
    assert first == renamer.text(one)
    assert (first == second) == (one == other) or {one, other} & {first, second}


def test_values_of_lists_are_kept_only_where_the_api_has_lists() -> None:
    assert "reason" in LISTED
    told = {"reason": "RevisionMissing", "status": "Unknown", "message": "RevisionMissing", "type": "a-type"}
    assert Renamer().objects(told) == {
        "reason": "RevisionMissing",
        "status": "Unknown",
        "message": "n1",
        "type": "n2-n3",
    }
