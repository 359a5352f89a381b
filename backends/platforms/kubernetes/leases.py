"""Who is at work on an endpoint, told to other operators by a Lease (coordination.k8s.io/v1).

A courtesy and no guard: what keeps an update from being lost is the guard of each write. A Lease that was let go stays,
without a holder, as client-go leaves one after an election; so nobody needs the right to delete.
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
    """Who holds: the operator, the machine, and which of its processes."""
    return f"{operator}@{socket.gethostname()}/{os.getpid()}"


class Leases:
    """Thread-safe, as the client is. ``holder`` is who we are; ``clock`` gives Unix seconds."""

    def __init__(self, client: KubeClient, access: Access, holder: str, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._access = access
        self._holder = holder
        self._clock = clock

    def held(self, namespace: str, name: str) -> Held | None:
        """Who else is at work there; ``None`` where nobody is.

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
                raise Forbidden(f"{refusal}: others are not told that you are")
        return None

    def take(self, namespace: str, name: str, for_s: float) -> Held | None:
        """Say that we are at work, for so many seconds at most. Whoever is there already is left there, and returned.

        Raises:
            BackendError: it could not be written.
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
            except Conflict:  # somebody was quicker: look who
                if last:
                    raise
                continue
            break
        return None

    def let_go(self, namespace: str, name: str) -> None:
        """Say that we are done, where the Lease is ours. Raises ``BackendError``."""
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
    """One for each endpoint of each system: names are unique within a namespace and a kind only."""
    return f"shiftdeck-{system}-{endpoint}".lower()[:LONGEST_NAME]


def held_by(lease: Object, now: float) -> Held | None:
    """Whose it is at ``now``; ``None`` where it is nobody's, or has expired."""
    holder = text(lease, "spec", "holderIdentity")
    renewed = seconds_of(text(lease, "spec", "renewTime"))
    duration = number(lease, "spec", "leaseDurationSeconds")
    if not holder or (renewed is not None and duration is not None and now > renewed + duration):
        return None
    return Held(holder, seconds_of(text(lease, "spec", "acquireTime")))


def lease_of(there: Object, namespace: str, name: str, holder: str, for_s: float, now: float) -> dict[str, Any]:
    """The object that makes ``holder`` its holder from ``now`` on; guarded by what is ``there`` already."""
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
