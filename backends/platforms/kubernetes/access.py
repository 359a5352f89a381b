"""What one may do, asked of the server beforehand: SelfSubjectAccessReviews, remembered for a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from backends.errors import BackendError
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.failures import forbidden_words
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import flag

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
KEEP_S = 60.0


class Need(NamedTuple):
    """A permission: ``verb`` ("patch") on ``subresource`` ("" or "status") of ``kind``; in ``namespace`` where that is
    not the endpoint's own."""

    verb: str
    kind: Kind
    subresource: str = ""
    namespace: str = ""

    @property
    def resource(self) -> str:
        return self.kind.resource + (f"/{self.subresource}" if self.subresource else "")


class Access:
    """Thread-safe. One that may do a thing everywhere is asked about it once, not once per namespace."""

    def __init__(self, client: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[Need, str, str], tuple[float, bool]] = {}

    def allowed(self, need: Need, namespace: str = "", name: str = "") -> bool:
        """Ask the server now. Raises ``BackendError`` where it does not answer."""
        attributes = {
            "verb": need.verb,
            "group": need.kind.group,
            "version": need.kind.version,
            "resource": need.kind.plural,
            "subresource": need.subresource,
            "namespace": namespace,
            "name": name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        may = flag(self._client.request("POST", REVIEWS, body=review), "status", "allowed")
        with self._lock:
            self._known[need, namespace, name] = (self._clock(), may)
        return may

    def refusal(self, need: Need, namespace: str, name: str = "", *, deadline: float = float("inf")) -> str | None:
        """Why that is not allowed: "forbidden: patch on inferenceservices.serving.kserve.io in ml-prod"; ``None`` where
        it is, or where that is not known by ``deadline`` (of the clock): the server has the last word anyway.

        With ``name``, a permission on just that object counts too.
        """
        scopes = dict.fromkeys([("", ""), (namespace, ""), (namespace, name)])
        for scope in scopes:
            may = self._remembered(need, *scope, deadline)
            if may is not False:
                return None
        return forbidden_words(need.verb, need.resource, namespace)

    def _remembered(self, need: Need, namespace: str, name: str, deadline: float) -> bool | None:
        with self._lock:
            at, may = self._known.get((need, namespace, name), (float("-inf"), None))
        now = self._clock()
        if now - at < KEEP_S or (now > deadline and may is not None):
            return may
        if now > deadline:
            return None
        try:
            return self.allowed(need, namespace, name)
        except BackendError:
            return None

    def forget(self) -> None:
        """Ask anew from now on: somebody else may have logged in."""
        with self._lock:
            self._known.clear()
