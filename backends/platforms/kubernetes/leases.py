"""A Lease (coordination.k8s.io/v1) shows other operators who is at work on an endpoint.

The Lease is advisory: the guard of each write is what prevents a lost update. A released Lease is kept, without a
holder, as client-go does after an election; so no operator needs the permission to delete.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from backends.contracts import Held
from backends.errors import Conflict, Forbidden
from backends.platforms.kubernetes.access import Access, Need
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.failures import Missing
from backends.platforms.kubernetes.kinds import LEASE
from backends.platforms.kubernetes.objects import Object, number, seconds_of, table, text, whole

TIMEOUT_S = 2.0
LONGEST_NAME = 253
WRITES = (Need("create", LEASE), Need("update", LEASE))


def holder_of(operator: str) -> str:
    """The holder's identity: the operator, the machine and the process."""
    return f"{operator}@{socket.gethostname()}/{os.getpid()}"


class Leases:
    """Thread-safe, as the client is. ``holder`` is our own identity; ``clock`` gives Unix seconds."""

    def __init__(self, client: KubeClient, access: Access, holder: str, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._access = access
        self._holder = holder
        self._clock = clock

    def held(self, namespace: str, name: str) -> Held | None:
        """The other operator at work there, or ``None``.

        Raises:
            Forbidden: the Lease may not be read, or ours could not be written.
            BackendError: the server does not answer.
        """
        found = held_by(self._read(namespace, name), self._clock())
        if found is not None and found.by != self._holder:
            return found
        for need in WRITES:
            refusal = self._access.refusal(need, namespace)
            if refusal is not None:
                raise Forbidden(f"{refusal}: others cannot see that you are at work")
        return None

    def take(self, namespace: str, name: str, for_s: float) -> Held | None:
        """Take the Lease for at most ``for_s`` seconds. If another operator holds it, that holder stays and is
        returned.

        Raises:
            BackendError: the Lease could not be written.
        """
        for last in (False, True):
            there, now = self._read(namespace, name), self._clock()
            holder = held_by(there, now)
            if holder is not None and holder.by != self._holder:
                return holder
            body = lease_of(there, namespace, name, self._holder, for_s, now)
            method, path = ("PUT", LEASE.path(namespace, name)) if there else ("POST", LEASE.path(namespace))
            try:
                self._client.request(method, path, body=body, timeout_s=TIMEOUT_S)
            except Conflict:  # another operator was quicker: read the new holder
                if last:
                    raise
                continue
            break
        return None

    def let_go(self, namespace: str, name: str) -> None:
        """Release the Lease, if it is ours. Raises ``BackendError``."""
        there = self._read(namespace, name)
        if text(there, "spec", "holderIdentity") == self._holder:
            spec = {**table(there, "spec"), "holderIdentity": "", "leaseDurationSeconds": 1}
            body = {**there, "spec": spec}
            self._client.request("PUT", LEASE.path(namespace, name), body=body, timeout_s=TIMEOUT_S)

    def _read(self, namespace: str, name: str) -> Object:
        try:
            return self._client.request("GET", LEASE.path(namespace, name), timeout_s=TIMEOUT_S)
        except Missing:
            return {}


def lease_name(system: str, endpoint: str) -> str:
    """The Lease's name, with the system in it: endpoint names are unique only within a namespace and a kind."""
    return f"shiftdeck-{system}-{endpoint}".lower()[:LONGEST_NAME]


def held_by(lease: Object, now: float) -> Held | None:
    """The holder at ``now``; ``None`` if the Lease has no holder or has expired."""
    holder = text(lease, "spec", "holderIdentity")
    renewed = seconds_of(text(lease, "spec", "renewTime"))
    duration = number(lease, "spec", "leaseDurationSeconds")
    if not holder or (renewed is not None and duration is not None and now > renewed + duration):
        return None
    return Held(holder, seconds_of(text(lease, "spec", "acquireTime")))


def lease_of(there: Object, namespace: str, name: str, holder: str, for_s: float, now: float) -> dict[str, Any]:
    """The Lease with ``holder`` from ``now`` on. The metadata of the existing Lease ``there`` guards the write."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    old = table(there, "spec")
    ours = old.get("holderIdentity") == holder
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": table(there, "metadata") or {"namespace": namespace, "name": name},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(for_s)),
            "acquireTime": old.get("acquireTime", stamp) if ours else stamp,
            "renewTime": stamp,
            "leaseTransitions": (whole(old, "leaseTransitions") or 0) + (not ours),
        },
    }
