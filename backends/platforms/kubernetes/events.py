"""An Event on the changed object, for operators who look at it with kubectl afterwards. Best effort."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from backends.errors import BackendError
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.kinds import EVENT
from backends.platforms.kubernetes.objects import Object, name_of, namespace_of, revision_of, text

TIMEOUT_S = 2.0
REST_S = 300.0
"""After a failure no Event is tried for this long: without the permission, a change must not wait for it each time."""

LONGEST = 1000
REASON = "ChangedByOperator"


class Events:
    """Thread-safe. Raises nothing."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._rest_until = float("-inf")

    def write(self, thing: Object, message: str) -> bool:
        """Write an Event on ``thing``, the object as the server just returned it. Returns whether it was written."""
        if time.monotonic() < self._rest_until or not name_of(thing) or not text(thing, "kind"):
            return False
        body = event_of(thing, message, datetime.now(UTC))
        try:
            self._client.request("POST", EVENT.path(body["metadata"]["namespace"]), body=body, timeout_s=TIMEOUT_S)
        except BackendError:
            self._rest_until = time.monotonic() + REST_S
            return False
        return True


def event_of(thing: Object, message: str, at: datetime) -> dict[str, Any]:
    """The Event object (core/v1). The Event of an object without a namespace goes to ``default``."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    namespace = namespace_of(thing) or "default"
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"generateName": f"{name_of(thing)[:200]}.", "namespace": namespace},
        "involvedObject": {
            "apiVersion": text(thing, "apiVersion"),
            "kind": text(thing, "kind"),
            "namespace": namespace_of(thing),
            "name": name_of(thing),
            "uid": text(thing, "metadata", "uid"),
            "resourceVersion": revision_of(thing),
        },
        "type": "Normal",
        "reason": REASON,
        "message": message[:LONGEST],
        "source": {"component": "shiftdeck"},
        "reportingComponent": "shiftdeck",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
