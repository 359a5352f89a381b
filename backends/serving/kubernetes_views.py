"""What of a cluster's objects a serving system is explained from: what the watches have brought, one namespace of it,
or what was read afresh; and what one may not do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from backends.contracts import Endpoint
from backends.platforms.kubernetes.access import Need
from backends.platforms.kubernetes.cluster import Cluster
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object, key_of


class Objects(Protocol):
    """What is known of a cluster's objects."""

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        """The objects of that kind by (namespace, name); empty where the cluster does not have the kind. Objects come
        without ``managedFields`` and the last-applied annotation. Must not be changed."""
        ...


class Known:
    """What the watches have brought."""

    def __init__(self, cluster: Cluster, selector_of: Callable[[Kind], str]) -> None:
        self._cluster = cluster
        self._selector_of = selector_of

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        return self._cluster.objects(kind, self._selector_of(kind))


class Within:
    """What is known of one namespace."""

    def __init__(self, objects: Mapping[Kind, Mapping[tuple[str, str], Object]]) -> None:
        self._objects = objects

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        return self._objects.get(kind, {})


Asked = dict[tuple[Need, str], str | None]
"""By permission and namespace, why it is refused, or ``None``."""


class Finished(NamedTuple):
    """A group of endpoints, what was asked about it, and what it came to."""

    group: tuple[Endpoint, ...]
    asked: Asked
    made: tuple[Endpoint, ...]


class Refusals:
    """What one may not do, each asked once per round."""

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
        """What is asked from now on, with the answers, as it comes to be asked."""
        self._record = {}
        return self._record

    def stand(self, asked: Asked) -> bool:
        """Whether all these would be answered as they were."""
        return all(self.of(*key) == said for key, said in asked.items())


class Fresh:
    """What was read for one endpoint; kinds of which nothing was read are as known before."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._read: dict[Kind, dict[tuple[str, str], Object]] = {}

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        return self._read[kind] if kind in self._read else self._known.of(kind)

    def put(self, kind: Kind, things: Iterable[Object]) -> None:
        self._read.setdefault(kind, {}).update({key_of(thing): thing for thing in things})
