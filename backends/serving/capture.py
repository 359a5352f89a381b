"""What the system holds of one endpoint, as a file for a bug report: its objects under neutral names, and what the
adapter makes of them. A test loads the file and explains it again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from backends.contracts import Endpoint, EndpointRef
from backends.errors import Rejected
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object, key_of
from backends.serving.kubernetes_views import Objects, Within
from backends.serving.neutral_names import Renamer

FORMAT = 1
World = Mapping[Kind, Mapping[tuple[str, str], Object]]
"""Objects by kind, namespace and name."""


class Explains(Protocol):
    """The part of a serving system that explains objects."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]: ...


def captured(system: Explains, objects: Objects, ref: EndpointRef) -> dict[str, Any]:
    """The objects that decide what the endpoint is, under neutral names, and what it is. ``faithful`` is false if the
    names themselves matter: then the renamed objects make another endpoint.

    Raises:
        Rejected: there is no such endpoint.
    """
    whole = {kind: objects.of(kind) for kind in system.kinds}
    before = _explained(system, whole, ref)
    if before is None:
        raise Rejected(f"there is no endpoint {ref}")
    kept = _needed(system, whole, before)
    renamer = Renamer()
    world = {kind: {key_of(one): one for one in map(renamer.objects, things.values())} for kind, things in kept.items()}
    shape = shape_of(before)
    again = system.explain(Within(world), system.name)
    found = next((one for one in again if _unnamed(shape_of(one)) == _unnamed(shape)), None)
    return {
        "format": FORMAT,
        "system": system.name,
        "endpoint": str(found.ref) if found is not None else renamer.text(f"{ref.scope}/{ref.name}"),
        "faithful": found is not None,
        "seen": shape_of(found) if found is not None else renamer.objects(shape),
        "objects": [
            {"resource": kind.resource, "version": kind.version, "object": one}
            for kind, things in world.items()
            for one in things.values()
        ],
    }


def shape_of(endpoint: Endpoint) -> dict[str, Any]:
    """What the adapter says of an endpoint, but for its words."""
    return {
        "phase": str(endpoint.phase),
        "variants": [
            {
                "name": one.name,
                "role": str(one.role),
                "desired": one.desired,
                "observed": one.observed,
                "mirror": one.mirror,
                "ready": one.ready,
                "wanted": one.wanted,
            }
            for one in endpoint.variants
        ],
        "releases": [{"current": one.current, "good": one.good} for one in endpoint.releases],
        "actions": sorted(str(action) for action, reason in endpoint.actions.items() if reason is None),
    }


def replayed(system: Explains, told: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """The endpoints that the adapter makes of the objects of such a file."""
    world: dict[Kind, dict[tuple[str, str], Object]] = {kind: {} for kind in system.kinds}
    for one in told["objects"]:
        kind = next(kind for kind in system.kinds if (kind.resource, kind.version) == (one["resource"], one["version"]))
        world[kind][key_of(one["object"])] = one["object"]
    return system.explain(Within(world), system.name)


def _explained(system: Explains, world: World, ref: EndpointRef) -> Endpoint | None:
    return next((one for one in system.explain(Within(world), ref.backend) if one.ref == ref), None)


def _needed(system: Explains, whole: World, endpoint: Endpoint) -> World:
    """The objects without which the endpoint would be another one."""
    ref, wanted = endpoint.ref, shape_of(endpoint)
    kept = {kind: dict(things) for kind, things in whole.items()}

    def drop(kind: Kind, keys: list[tuple[str, str]]) -> None:
        """Leave these out if they are not needed, else try each half."""
        if not keys:
            return
        removed = {key: kept[kind].pop(key) for key in keys}
        found = _explained(system, kept, ref)
        if found is not None and shape_of(found) == wanted:
            return
        kept[kind].update(removed)
        if len(keys) > 1:
            drop(kind, keys[: len(keys) // 2])
            drop(kind, keys[len(keys) // 2 :])

    for kind in system.kinds:
        drop(
            kind,
            sorted((key for key in kept[kind] if key != (ref.scope, ref.name)), key=lambda key: key[0] == ref.scope),
        )
    return kept


def _unnamed(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {**shape, "variants": [{**one, "name": ""} for one in shape["variants"]]}
