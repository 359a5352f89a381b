"""Views of a cluster's objects, from which a serving system explains its endpoints: all watched objects, those of one
namespace, or objects that were read just now. Also the missing permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

from backends.contracts import Endpoint, Phase
from backends.platforms.kubernetes.access import Need
from backends.platforms.kubernetes.cluster import Cluster
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object, key_of, text
from backends.platforms.kubernetes.owners import deleted
from backends.platforms.kubernetes.store import OWNER


class Objects(Protocol):
    """A view of a cluster's objects."""

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        """The objects of that kind by (namespace, name); empty if the cluster does not have the kind. Objects come
        without ``managedFields`` and the last-applied annotation. They must not be changed."""
        ...


class Known:
    """All objects that the watches keep."""

    def __init__(self, cluster: Cluster, selector_of: Callable[[Kind], str]) -> None:
        self._cluster = cluster
        self._selector_of = selector_of

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        return self._cluster.objects(kind, self._selector_of(kind))


class Within:
    """The objects of one namespace."""

    def __init__(self, objects: Mapping[Kind, Mapping[tuple[str, str], Object]]) -> None:
        self._objects = objects

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        return self._objects.get(kind, {})


def owner_among(objects: Objects, written: Iterable[tuple[Kind, str, str]]) -> str:
    """The owners of these objects, each named once, with the object if it is not the first; "" if there is none."""
    found: dict[str, str] = {}
    for place, (kind, namespace, name) in enumerate(written):
        if owner := text(objects.of(kind).get((namespace, name)), OWNER):
            found.setdefault(owner, f" ({kind.kind} {name})" if place else "")
    return ", ".join(owner + where for owner, where in found.items())


def while_deleted(objects: Objects, endpoint: Endpoint, written: Iterable[tuple[Kind, str, str]]) -> Endpoint:
    """The endpoint, which takes no change while an object that changes write is being deleted: it only waits for its
    finalizers, and all that a change asks of it goes with it."""
    things = (objects.of(kind).get((namespace, name)) for kind, namespace, name in written)
    gone = deleted(*(thing for thing in things if thing is not None))
    if not gone:
        return endpoint
    return replace(
        endpoint,
        phase=endpoint.phase if endpoint.phase is Phase.FAILED else Phase.DEGRADED,
        message=endpoint.message if gone in endpoint.message else "; ".join(filter(None, (gone, endpoint.message))),
        actions={action: reason or gone for action, reason in endpoint.actions.items()},
    )


Asked = dict[tuple[Need, str], str | None]
"""By permission and namespace, why it is refused, or ``None``."""


class Finished(NamedTuple):
    """A group of endpoints, the permissions that were asked for it, and the endpoints with these filled in."""

    group: tuple[Endpoint, ...]
    asked: Asked
    made: tuple[Endpoint, ...]


class Refusals:
    """Missing permissions; each permission is asked for once per reading."""

    def __init__(self, cluster: Cluster, deadline: float, *, by_name: bool = False) -> None:
        self._access = cluster.access
        self._deadline = deadline
        self._by_name = by_name
        self._known: Asked = {}
        self._record: Asked = {}

    def of(self, need: Need, namespace: str, name: str = "") -> str | None:
        key = (need, namespace)
        if key not in self._known:
            named = name if self._by_name else ""
            self._known[key] = self._access.refusal(need, namespace, named, deadline=self._deadline)
        self._record[key] = self._known[key]
        return self._known[key]

    def recorded(self) -> Asked:
        """A record that fills with all questions from now on, and their answers."""
        self._record = {}
        return self._record

    def stand(self, asked: Asked) -> bool:
        """Whether all these questions have the same answers now."""
        return all(self.of(*key) == said for key, said in asked.items())


class Fresh:
    """The objects that were just read for one endpoint; kinds that were not read come from the watches."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._read: dict[Kind, dict[tuple[str, str], Object]] = {}

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        return self._read[kind] if kind in self._read else self._known.of(kind)

    def put(self, kind: Kind, things: Iterable[Object]) -> None:
        self._read.setdefault(kind, {}).update({key_of(thing): thing for thing in things})


def type_of(kind: Kind) -> dict[str, str]:
    """The type of a list's items, which the server leaves out."""
    return {"apiVersion": kind.api_version, "kind": kind.kind}
