"""Permissions, asked of the server before a change: SelfSubjectAccessReviews, remembered for a minute."""

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
    """A permission: ``verb`` ("patch") on ``subresource`` ("" or "status") of ``kind``. ``namespace`` is set if it is
    not the endpoint's own."""

    verb: str
    kind: Kind
    subresource: str = ""
    namespace: str = ""

    @property
    def resource(self) -> str:
        return self.kind.resource + (f"/{self.subresource}" if self.subresource else "")


class Access:
    """Thread-safe. A permission that holds in all namespaces is asked for once, not once per namespace."""

    def __init__(self, client: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[Need, str, str], tuple[float, bool]] = {}

    def allowed(self, need: Need, namespace: str = "", name: str = "") -> bool:
        """Ask the server now. Raises ``BackendError`` if it does not answer."""
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
        """Why that is not allowed: "forbidden: patch on inferenceservices.serving.kserve.io in ml-prod". ``None`` if it
        is allowed, or if the answer is not known by ``deadline`` (of the clock): the server checks each call anyway.

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
        """Forget all answers: another account may have logged in."""
        with self._lock:
            self._known.clear()
