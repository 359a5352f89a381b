"""One cluster as one account sees it. All sources with the same account share it, and each kind is watched once."""

from __future__ import annotations

import threading
import time
from collections import ChainMap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from backends.errors import BackendError, Forbidden, TimedOut
from backends.platforms.kubernetes.access import Access, Need
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.events import Events
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object
from backends.platforms.kubernetes.served import OtherVersions
from backends.platforms.kubernetes.store import KindStore

PING_S = 10.0
"""How often to ask the server whether it is up and still accepts our credential: a quiet watch does not show that."""


class Account(NamedTuple):
    """A cluster, the user to act as, and the namespaces to read; ``namespaces`` () means all."""

    kubeconfig: Path | None = None
    context: str = ""
    impersonate: str = ""
    namespaces: tuple[str, ...] = ()
    page: int = 200
    timeout_s: float = 5.0


class Cluster:
    """Thread-safe. Get one with ``acquire``, and ``release`` it after use."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.client = KubeClient(
            account.kubeconfig, account.context, impersonate=account.impersonate, timeout_s=account.timeout_s
        )
        self.access = Access(self.client)
        self.events = Events(self.client)
        self._lock = threading.Lock()
        self._stores: dict[tuple[Kind, str], tuple[KindStore, ...]] = {}
        self._wakes: dict[tuple[Kind, str], list[Callable[[], None]]] = {}
        self._pinged = float("-inf")
        self._ping_lock = threading.Lock()
        self.users = 0

    @property
    def scopes(self) -> tuple[str, ...]:
        """The namespaces that are read; ("",) for all."""
        return self.account.namespaces or ("",)

    def follow(self, kind: Kind, selector: str, wake: Callable[[], None]) -> None:
        """List and watch that kind from now on, and call ``wake`` at each change."""
        key = (kind, selector)
        with self._lock:
            wakes = self._wakes.setdefault(key, [])
            if wake not in wakes:
                wakes.append(wake)
            if key in self._stores:
                return

            def changed() -> None:
                for one in list(wakes):
                    one()

            self._stores[key] = stores = tuple(
                KindStore(
                    self.client, kind, namespace=scope, selector=selector, page=self.account.page, changed=changed
                )
                for scope in self.scopes
            )
        for store in stores:
            store.start()

    def unfollow(self, wake: Callable[[], None]) -> None:
        with self._lock:
            for wakes in self._wakes.values():
                if wake in wakes:
                    wakes.remove(wake)

    def stores(self, kind: Kind, selector: str = "") -> tuple[KindStore, ...]:
        with self._lock:
            return self._stores.get((kind, selector), ())

    def objects(self, kind: Kind, selector: str = "") -> Mapping[tuple[str, str], Object]:
        """The known objects of a kind that is followed."""
        stores = self.stores(kind, selector)
        if len(stores) == 1:
            return stores[0].objects()
        # Nothing writes to the ChainMap: only its type asks for mutable mappings.
        return ChainMap(*(store.objects() for store in stores))  # type: ignore[arg-type]

    def namespaces(self, kind: Kind, selector: str) -> list[str]:
        """The namespaces that have objects of that kind, in alphabetical order."""
        return sorted({name for store in self.stores(kind, selector) for name in store.namespaces()})

    def within(self, kind: Kind, selector: str, namespace: str) -> Mapping[tuple[str, str], Object]:
        """The known objects of a kind in one namespace."""
        return {key: one for store in self.stores(kind, selector) for key, one in store.within(namespace).items()}

    def stamp(self, kind: Kind, selector: str, namespace: str | None = None) -> tuple[object, ...]:
        """Differs after any object of that kind has changed in that namespace (``None``: in any namespace)."""
        return tuple(store.stamp(namespace) for store in self.stores(kind, selector))

    def check(self, kind: Kind, selector: str, *, needed: bool, deadline: float) -> tuple[str, ...]:
        """Raise the error that prevents reading that kind; returns what cannot be read of it all the same, in words.

        A namespace that may not be read keeps nobody from reading the others. A kind that is not ``needed`` counts as
        empty if it may not be read, or is served at other versions only.

        Raises:
            TimedOut: the first list is still under way at ``deadline`` (monotonic).
            BackendError: the objects have not been up to date for longer than ``store.GRACE_S``.
        """
        stores = self.stores(kind, selector)
        lacking: list[BackendError] = []
        for store in stores:
            if not store.wait(max(0.0, deadline - time.monotonic())):
                raise TimedOut(f"still listing {kind.resource}: {store.listed} so far")
            error = store.error
            if error is not None and not isinstance(error, Forbidden if needed else Forbidden | OtherVersions):
                raise error
            if error is not None:
                lacking.append(error)
        if needed and lacking and len(lacking) == len(stores):
            raise lacking[0]
        return tuple(dict.fromkeys(f"{kind.resource} are not read: {error.message}" for error in lacking))

    def await_current(self, kind: Kind, selector: str, *, deadline: float) -> None:
        """Wait until the known objects of that kind are those of the server that the client is connected to now.

        Raises:
            TimedOut: they are not at ``deadline`` (monotonic).
        """
        for store in self.stores(kind, selector):
            if not store.wait(max(0.0, deadline - time.monotonic())):
                raise TimedOut(f"still listing {kind.resource}: {store.listed} so far")

    def ping(self, kind: Kind) -> None:
        """Ask the server whether it is up and accepts our credential, unless it was asked in the last ``PING_S``
        seconds.

        Raises:
            BackendError: the server does not answer, or refuses.
        """
        with self._ping_lock:
            if time.monotonic() - self._pinged < PING_S:
                return
            self.access.allowed(Need("list", kind), self.scopes[0])
            self._pinged = time.monotonic()
        self._kick()

    def _kick(self) -> None:
        with self._lock:
            stores = [store for group in self._stores.values() for store in group]
        for store in stores:
            if store.error is not None:
                store.kick()

    def lost(self) -> None:
        """After a failure: ask the server again at the next ping, and forget the permissions, because another account
        may log in."""
        self._pinged = float("-inf")
        self.access.forget()

    def close(self) -> None:
        with self._lock:
            stores = [store for group in self._stores.values() for store in group]
        for store in stores:
            store.stop()
        self.client.close()


_shared: dict[Account, Cluster] = {}
_shared_lock = threading.Lock()


def acquire(account: Account) -> Cluster:
    """The cluster of that account, shared by all callers. Does no I/O."""
    with _shared_lock:
        cluster = _shared.get(account)
        if cluster is None:
            cluster = _shared[account] = Cluster(account)
        cluster.users += 1
        return cluster


def release(cluster: Cluster) -> None:
    """End one use of the cluster; the last release closes it."""
    with _shared_lock:
        cluster.users -= 1
        last = cluster.users == 0
        if last and _shared.get(cluster.account) is cluster:
            del _shared[cluster.account]
    if last:
        cluster.close()
