"""Serving on Kubernetes: what all such systems share. What is special to one is a ``System``, which does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Protocol

from backends.contracts import Action, Call, Change, Endpoint, EndpointRef, Probe, Progress, Receipt, Wiring
from backends.errors import Unsupported
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object
from backends.settings import Setting, SettingType

__all__ = ["Kind", "KubernetesServing", "Need", "Objects", "Part", "System"]


class Objects(Protocol):
    """What is known of a cluster's objects."""

    def of(self, kind: Kind) -> Mapping[tuple[str, str], Object]:
        """The objects of that kind by (namespace, name); empty where the cluster does not have the kind. Objects come
        without ``managedFields`` and the last-applied annotation. Must not be changed."""
        ...


class Part(NamedTuple):
    """What to read afresh for one endpoint: the object of that name, or where ``name`` is "" those in the namespace
    that match the label ``selector`` ("" matches all)."""

    kind: Kind
    namespace: str
    name: str = ""
    selector: str = ""


class Need(NamedTuple):
    """A permission: ``verb`` ("patch") on ``subresource`` ("" or "status") of ``kind``."""

    verb: str
    kind: Kind
    subresource: str = ""


class System(Protocol):
    """One serving system. Pure: no I/O, no clock. Subclass it to have the defaults."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    """All that it reads; the first is what an endpoint is named after."""

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        """All endpoints, as ``backend:namespace/name``, in the order of their names.

        ``revision`` is what ``compile`` guards with: the primary object's ``resourceVersion``. ``owner`` and missing
        permissions are filled in afterwards by the adapter, for all systems alike; an ``owner`` given here stays.
        """
        ...

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        """As ``backends.contracts.Serving.compile``; what it needs of the objects lies in ``endpoint.native``."""
        ...

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        """As ``backends.contracts.Serving.progress``."""
        ...

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        """What makes up that endpoint, the primary object first: it is read afresh before a change. Asked again with
        what was read, until it names nothing new, so it may follow names from object to object. Kinds that it does not
        name are taken from what is known already."""
        return (Part(self.kinds[0], ref.scope, ref.name),)

    def needs(self, endpoint: Endpoint, action: Action) -> tuple[Need, ...]:
        """The permissions that ``action`` takes in the endpoint's namespace."""
        return (Need("patch", self.kinds[0]),)

    def target(self, endpoint: Endpoint) -> tuple[Kind, str, str]:
        """The object (kind, namespace, name) that the Event about a change is written on."""
        return self.kinds[0], endpoint.ref.scope, endpoint.ref.name


SETTINGS: tuple[Setting, ...] = (
    Setting("kubeconfig", SettingType.PATH, "kubeconfig file (default: $KUBECONFIG, ~/.kube/config, in-cluster)"),
    Setting("context", SettingType.TEXT, "context of the kubeconfig (default: its current one)"),
    Setting("namespaces", SettingType.TEXTS, "namespaces to look into (default: all)", default=()),
    Setting("selector", SettingType.TEXT, "label selector of the endpoints' objects", default=""),
    Setting("impersonate", SettingType.TEXT, "user to act as, where you may"),
    Setting("page", SettingType.NUMBER, "objects per page of a list", default=500.0),
    Setting("events", SettingType.FLAG, "write an Event on the object after a change", default=True),
)


class KubernetesServing:
    """A ``Serving`` and ``Previews`` over one ``System``: subclasses set ``system``."""

    SETTINGS: ClassVar[tuple[Setting, ...]] = SETTINGS
    system: ClassVar[System]

    def __init__(self, wiring: Wiring) -> None:
        self._name = wiring.name

    def endpoints(self) -> tuple[Endpoint, ...]:
        raise Unsupported("not yet")

    def read(self, ref: EndpointRef) -> Endpoint:
        raise Unsupported("not yet")

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        return self.system.compile(endpoint, change)

    def send(self, call: Call) -> Receipt:
        raise Unsupported("not yet")

    def preview(self, call: Call) -> str:
        raise Unsupported("not yet")

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        return self.system.progress(before, now, change)

    def probe(self) -> tuple[Probe, ...]:
        return ()

    def close(self) -> None:
        pass
