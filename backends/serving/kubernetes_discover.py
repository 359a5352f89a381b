"""What of ours a cluster has: asked of the cluster that the current kubeconfig points to, once for all adapters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Protocol

from backends.contracts import Discovered
from backends.errors import BackendError, Unreachable
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.credentials import IN_CLUSTER, current_context, stamp_of
from backends.platforms.kubernetes.failures import Missing
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import items, text

TIMEOUT_S = 5.0


class Sought(Protocol):
    """What of a ``System`` tells whether a cluster has it."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    signs: ClassVar[tuple[Kind, ...]]
    unless: ClassVar[tuple[Kind, ...]]


def discover(system: Sought, env: Mapping[str, str]) -> Discovered | None:
    """A source for that system, where the cluster has it. The context is written down, so that switching kubectl to
    another one does not switch what is watched.

    Raises:
        BackendError: there is a kubeconfig, but no cluster that answers.
    """
    files = kubeconfig_of(env)
    if not files and not env.get(IN_CLUSTER):
        return None
    context = current_context(files)
    look = _look(files[0] if len(files) == 1 else None, context, stamp_of(files[0]) if files else None)
    if isinstance(look, BackendError):
        raise look
    there = next((kind for kind in system.signs or system.kinds[:1] if look.has(kind)), None)
    where = f"context {context}" if context else "this pod's cluster"
    if there is None:
        return None
    other = next((kind for kind in system.unless if look.has(kind)), None)
    if other is not None:
        return Discovered(f"Kubernetes: {where} has {there.resource}; not added, as it has {other.resource} too")
    table: dict[str, object] = {"context": context} if context else {}
    if env.get("KUBECONFIG") and len(files) == 1:
        table["kubeconfig"] = str(files[0].absolute())
    return Discovered(f"Kubernetes: {where} has {there.resource}", table)


def kubeconfig_of(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The kubeconfig files that ``env`` points to, as far as they are there."""
    named = [Path(part) for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]
    paths = named or [Path(env.get("HOME", "/nonexistent")) / ".kube/config"]
    return tuple(path for path in paths if path.exists())


class _Look:
    """The kinds that one cluster serves, asked group by group when they are needed."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._client.request("GET", "/version")
        self._known: dict[tuple[str, str], frozenset[str]] = {}

    def has(self, kind: Kind) -> bool:
        key = (kind.group, kind.version)
        if key not in self._known:
            self._known[key] = self._served(kind)
        return kind.plural in self._known[key]

    def _served(self, kind: Kind) -> frozenset[str]:
        try:
            found = self._client.request("GET", f"/apis/{kind.group}/{kind.version}")
        except Missing:
            return frozenset()
        return frozenset(text(one, "name") for one in items(found, "resources"))


@lru_cache(maxsize=4)
def _look(kubeconfig: Path | None, context: str, stamp: object) -> _Look | BackendError:
    """The same for all adapters, a failure too: nine of them need not wait for one server that is not there."""
    try:
        return _Look(KubeClient(kubeconfig, context, timeout_s=TIMEOUT_S))
    except BackendError as error:
        return error
    except OSError as error:
        return Unreachable(f"the kubeconfig cannot be read: {type(error).__name__}")
