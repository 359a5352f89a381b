"""Which serving systems a cluster has. The cluster of the current kubeconfig is asked once for all adapters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Protocol

from backends.contracts import Discovered
from backends.errors import BackendError, Unreachable
from backends.platforms.kubernetes.access import Access, Need
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.credentials import IN_CLUSTER, current_context, stamp_of
from backends.platforms.kubernetes.failures import Missing
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import items, text
from backends.platforms.kubernetes.served import other_versions, served_otherwise

TIMEOUT_S = 5.0


class Sought(Protocol):
    """The attributes of a ``System`` that decide whether a cluster has it."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    signs: ClassVar[tuple[Kind, ...]]
    unless: ClassVar[tuple[Kind, ...]]


def discover(system: Sought, env: Mapping[str, str]) -> Discovered | None:
    """A source for that system, or ``None`` if the cluster does not have it. The settings name the context, so that
    switching kubectl to another context does not change the source.

    Raises:
        BackendError: there is a kubeconfig, but no cluster that answers.
    """
    files = kubeconfig_of(env)
    if not files and not env.get(IN_CLUSTER):
        return None
    context = current_context(files)
    served = _served_kinds(files[0] if len(files) == 1 else None, context, stamp_of(files[0]) if files else None)
    if isinstance(served, BackendError):
        raise served
    there = next((kind for kind in system.signs or system.kinds[:1] if served.has(kind)), None)
    where = f"context {context}" if context else "this pod's cluster"
    if there is None:
        return _elsewhere(served, (system.signs or system.kinds)[0], where)
    found = f"Kubernetes: {where} has {there.resource}"
    other = next((kind for kind in system.unless if served.has(kind)), None)
    if other is not None:
        return Discovered(f"{found}; not added, because it has {other.resource} too")
    readable = served.readable(system.kinds[0])
    if readable is None:
        words = f"{found}; not added, because you may not list them in all namespaces"
        return Discovered(f'{words}: add a source with namespaces = ["NAME", …]')
    table: dict[str, object] = {"context": context} if context else {}
    if readable:
        table["namespaces"] = [readable]
        found += f" that you may list in {readable} only"
    if env.get("KUBECONFIG") and len(files) == 1:
        table["kubeconfig"] = str(files[0].absolute())
    return Discovered(found, table)


def _elsewhere(served: _ServedKinds, kind: Kind, where: str) -> Discovered | None:
    """A note that the cluster has the kind at other versions only, if it has."""
    if not (others := served.others(kind)):
        return None
    return Discovered(f"Kubernetes: {where}; not added: {served_otherwise(kind, others).message}")


def kubeconfig_of(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The existing kubeconfig files that ``env`` names."""
    named = [Path(part) for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]
    paths = named or [Path(env.get("HOME", "/nonexistent")) / ".kube/config"]
    return tuple(path for path in paths if path.exists())


class _ServedKinds:
    """The kinds that one cluster serves. Each API group is asked for when it is needed."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._access = Access(client)
        self._client.request("GET", "/version")
        self._known: dict[tuple[str, str], frozenset[str]] = {}

    def has(self, kind: Kind) -> bool:
        key = (kind.group, kind.version)
        if key not in self._known:
            self._known[key] = self._served(kind)
        return kind.plural in self._known[key]

    def others(self, kind: Kind) -> tuple[str, ...]:
        """The versions at which that kind is served, if not at ours."""
        try:
            return other_versions(self._client, kind)
        except BackendError:
            return ()

    def readable(self, kind: Kind) -> str | None:
        """The namespace in which objects of that kind may be listed: "" for all, that of the kubeconfig's context if it
        is just that one, ``None`` if neither. A server that does not tell refuses nothing here."""
        own = self._client.namespace
        try:
            return next(
                (one for one in dict.fromkeys(("", own)) if self._access.allowed(Need("list", kind), one)), None
            )
        except BackendError:
            return ""

    def _served(self, kind: Kind) -> frozenset[str]:
        try:
            found = self._client.request("GET", f"/apis/{kind.group}/{kind.version}")
        except Missing:
            return frozenset()
        return frozenset(text(one, "name") for one in items(found, "resources"))


@lru_cache(maxsize=4)
def _served_kinds(kubeconfig: Path | None, context: str, stamp: object) -> _ServedKinds | BackendError:
    """The served kinds of a cluster, shared by all adapters. A failure is kept too, so that not every adapter waits for
    a server that is down."""
    try:
        return _ServedKinds(KubeClient(kubeconfig, context, timeout_s=TIMEOUT_S))
    except BackendError as error:
        return error
    except OSError as error:
        return Unreachable(f"the kubeconfig cannot be read: {type(error).__name__}")
