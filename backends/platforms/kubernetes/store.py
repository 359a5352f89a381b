"""The objects of one kind: listed once, in pages, and then kept up to date by a watch.

A watch that ends is resumed at its last resource version, unless there is reason to doubt that version; then all
objects are listed again. There is, if the server refused the watch or ended it with an error (410: it no longer has
that version; 504: it has not reached it), if it could not be reached for long, or if it is now at an older version, as
after etcd was restored: such a server accepts the watch, and says nothing for as long as it is behind.

A kind that the cluster does not have is absent, which is not an error; it is looked for again every ``ABSENT_EVERY_S``
seconds. A kind that it has at other versions only is an error: its objects are there, but cannot be read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from random import Random
from types import MappingProxyType
from typing import Any

from backends.errors import BackendError, Forbidden, Malformed, RateLimited, Unauthenticated, Unreachable
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.failures import Gone, Missing, failure
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import Object, key_of, revision_of, text
from backends.platforms.kubernetes.owners import gitops_owner
from backends.platforms.kubernetes.served import other_versions, served_otherwise

OWNER = "shiftdeck/owner"
"""The key under which a trimmed object keeps what ``gitops_owner`` found before its managedFields were dropped."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
WATCH_S = 300
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 15.0
MAX_RETRY_AFTER_S = 600.0
ABSENT_EVERY_S = 60.0
SHORT_WATCH_S = 1.0
LIST_TIMEOUT_S = 60.0
GRACE_S = 3.0
"""An interruption shorter than this is not reported."""

LONG_OUTAGE_S = 60.0
"""After a longer interruption all objects are listed again: in the meantime the server may have been restored from a
backup, and have passed the last version that was seen."""

CHECK_EVERY_S = 60.0
"""How often to ask the server for its version at most, if watches end without a word."""

_CHANCE = Random()  # noqa: S311 - for jitter

Keys = tuple[str, str]


def trim(thing: dict[str, Any]) -> dict[str, Any]:
    """Drop unused fields that take most of the memory. Changes ``thing`` and returns it."""
    owner = gitops_owner(thing)
    metadata = thing.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
        annotations = metadata.get("annotations")
        if isinstance(annotations, dict):
            annotations.pop(LAST_APPLIED, None)
    if owner:
        thing[OWNER] = owner
    return thing


def _is_older(version: str, other: str) -> bool:
    """Whether one resource version is before another. Versions that are no numbers cannot be compared."""
    return version.isdigit() and other.isdigit() and int(version) < int(other)


class KindStore:
    """The objects of one kind in one namespace ("" for all), kept by a daemon thread from ``start`` on.

    ``changed`` is called from that thread at each change and each failure.
    """

    def __init__(
        self,
        client: KubeClient,
        kind: Kind,
        *,
        namespace: str = "",
        selector: str = "",
        page: int = 200,
        changed: Callable[[], None],
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self._client = client
        self._selector = selector
        self._page = page
        self._changed = changed
        self._lock = threading.Lock()
        self._objects: dict[str, dict[Keys, Object]] = {}  # by namespace
        self._shown: Mapping[Keys, Object] | None = None
        self._stamps: dict[str, int] = {}
        self._events = 0
        self._listed_stamp = 0
        self._version = ""
        self._epoch = -1
        self._word = threading.Condition(self._lock)
        self._told_epoch = -1
        self._silent = self._open = self._doubted = False
        self._checked = float("-inf")
        self._kick = threading.Event()
        self._stopping = False
        self._error: BackendError | None = None
        self._error_since = 0.0
        self._failures = 0
        self.absent = False
        self.lists = 0
        self.listed = 0
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind.plural}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send no more requests. Closing the client ends the present watch."""
        self._stopping = True
        self._kick.set()

    def kick(self) -> None:
        """Retry now if the store waits after a failure, unless the server itself said how long to wait."""
        if not isinstance(self._error, RateLimited):
            self._kick.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait at most ``timeout_s`` seconds for the first list or the first failure of the server that the client is
        connected to now. Returns whether there was one."""
        with self._word:
            return self._word.wait_for(lambda: self._told_epoch == self._client.epoch, timeout_s)

    @property
    def error(self) -> BackendError | None:
        """The failure because of which the objects may be out of date, or ``None``."""
        with self._lock:
            if self._error is None:
                return None
            known = self._version != "" and self._current and time.monotonic() - self._error_since < GRACE_S
            return None if known else self._error

    @property
    def _current(self) -> bool:
        """Whether the objects are of the server that the client is connected to now."""
        return self._epoch == self._client.epoch

    def objects(self) -> Mapping[Keys, Object]:
        """A snapshot of all known objects, by (namespace, name). The objects must not be changed."""
        with self._lock:
            if not self._current:
                return MappingProxyType({})
            if self._shown is None:
                merged: dict[Keys, Object] = {}
                for group in self._objects.values():
                    merged.update(group)
                self._shown = MappingProxyType(merged)
            return self._shown

    def namespaces(self) -> set[str]:
        """The namespaces that have objects."""
        with self._lock:
            return {namespace for namespace, group in self._objects.items() if group} if self._current else set()

    def within(self, namespace: str) -> Mapping[Keys, Object]:
        """A snapshot of the known objects of that namespace."""
        with self._lock:
            return dict(self._objects.get(namespace, {})) if self._current else {}

    def stamp(self, namespace: str | None = None) -> tuple[int, int, bool]:
        """Differs after an object of that namespace (``None``: of any namespace) has changed."""
        with self._lock:
            changes = self._events if namespace is None else self._stamps.get(namespace, 0)
            return self._listed_stamp, changes, self._current

    # ── the thread ──────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._stopping:
            wait, epoch = 0.0, self._client.epoch
            try:
                outdated = not self._version or self._doubted or self._epoch != epoch or self._is_behind()
                if outdated and not self._list(epoch):
                    continue
                self._watch()
            except Gone:
                self._version = ""
                wait = _CHANCE.random() * FIRST_BACKOFF_S
            except Missing:
                wait = self._vanished(epoch)
            except BackendError as error:
                wait = self._failed(error, epoch)
            except Exception as error:  # noqa: BLE001 - an unexpected answer must not end the watch for good
                words = f"{self.kind.resource} cannot be read: {type(error).__name__}: {error}"
                wait = self._failed(Malformed(words), epoch)
            if wait and not self._stopping:
                self._kick.wait(wait)
            self._kick.clear()

    def _is_behind(self) -> bool:
        """Whether the server is at an older version than we, or was away for long. Asked if the last watch ended
        without an event or a bookmark. A version that is no number proves nothing, so then all is listed again."""
        with self._lock:
            away = self._error is not None and time.monotonic() - self._error_since > LONG_OUTAGE_S
        if away or not self._silent:
            return away
        if time.monotonic() - self._checked < CHECK_EVERY_S:
            return False
        query = {"limit": "1", **({"labelSelector": self._selector} if self._selector else {})}
        now = revision_of(self._client.request("GET", self.kind.path(self.namespace), query=query))
        self._checked, self._silent = time.monotonic(), False
        return not now.isdigit() or _is_older(now, self._version)

    def _list(self, epoch: int) -> bool:
        """Take over all objects of the server of that epoch; returns whether it still is the client's."""
        self.lists += 1
        self.listed = 0
        query = {"limit": str(self._page), **({"labelSelector": self._selector} if self._selector else {})}
        found: dict[str, dict[Keys, Object]] = {}
        while True:
            answer = self._client.request("GET", self.kind.path(self.namespace), query=query, timeout_s=LIST_TIMEOUT_S)
            for thing in answer.get("items") or ():
                key = key_of(thing)
                found.setdefault(key[0], {})[key] = trim(thing)
                self.listed += 1
            token = text(answer, "metadata", "continue")
            if not token or self._stopping:
                break
            query["continue"] = token
        version = revision_of(answer)
        if not version:
            raise Malformed(f"the list of {self.kind.resource} has no resourceVersion")
        if epoch != self._client.epoch:
            return False  # the pages may be of two servers
        with self._lock:
            self._objects, self._shown = found, None
            self._version, self._epoch = version, epoch
            self._listed_stamp += 1
        self.absent = self._silent = self._doubted = False
        self._succeeded()
        return True

    def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(WATCH_S * (0.8 + 0.4 * _CHANCE.random()))),
        }
        if self._selector:
            query["labelSelector"] = self._selector
        began = time.monotonic()
        self._silent, self._open = True, False
        try:
            with closing(self._client.watch(self.kind.path(self.namespace), query, self._opened)) as events:
                for event in events:
                    if self._stopping:
                        return
                    self._take(event)
        except (Forbidden, RateLimited, Unauthenticated, Unreachable):
            raise
        except BackendError:
            self._doubted = self._doubted or not self._open
            raise
        if time.monotonic() - began < SHORT_WATCH_S:  # a server that ends each watch at once must not be hammered
            self._kick.wait(SHORT_WATCH_S)

    def _opened(self) -> None:
        if not self._current:  # this very request has connected to another server, which knows nothing of our version
            raise Gone("the watch is of another server than the list")
        self._open = True
        self._succeeded(news=False)

    def _take(self, event: Mapping[str, Any]) -> None:
        kind, thing = event.get("type"), event.get("object")
        if not isinstance(thing, dict):
            self._doubted = True
            raise Malformed(f"a watch of {self.kind.resource} sent something that is not an event")
        if kind == "ERROR":
            self._doubted = True
            code = thing.get("code")
            status = code if isinstance(code, int) else 500
            words = text(thing, "message") or "the watch was ended by the server"
            raise (
                Gone(words)
                if status == 410
                else failure("GET", self.kind.path(self.namespace), status, {}, b"", self._client.where)
            )
        version = revision_of(thing)
        if kind == "BOOKMARK" and _is_older(version, self._version):
            raise Gone(f"the server is at version {version}, and we were at {self._version}")
        with self._lock:
            key = key_of(thing)
            if kind in ("ADDED", "MODIFIED"):
                self._objects.setdefault(key[0], {})[key] = trim(thing)
            elif kind == "DELETED":
                self._objects.get(key[0], {}).pop(key, None)
            if kind != "BOOKMARK":
                self._shown = None
                self._stamps[key[0]] = self._stamps.get(key[0], 0) + 1
                self._events += 1
            self._version = version or self._version
        self._silent = False
        self._succeeded(news=kind != "BOOKMARK")

    # ── state ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _succeeded(self, *, news: bool = True) -> None:
        with self._lock:
            mended = self._error is not None
            self._error = None
            self._told(self._epoch)
        self._failures = 0
        if news or mended:
            self._changed()

    def _told(self, epoch: int) -> None:
        """Let those who wait know of an answer or a failure of the server of that epoch. Called with the lock."""
        self._told_epoch = epoch
        self._word.notify_all()

    def _vanished(self, epoch: int) -> float:
        """The kind is not there at its version; returns the seconds until it is looked for again."""
        try:
            others = other_versions(self._client, self.kind)
        except BackendError as error:
            return self._failed(error, epoch)
        with self._lock:
            news = bool(self._objects) or not self.absent or self._error is not None
            self._objects, self._shown, self._version, self._epoch = {}, None, "", epoch
            self._listed_stamp += 1
        if others:
            self._failed(served_otherwise(self.kind, others), epoch)
            return ABSENT_EVERY_S
        self.absent = True
        self._succeeded(news=news)
        return ABSENT_EVERY_S

    def _failed(self, error: BackendError, epoch: int) -> float:
        """Keep the error; returns the seconds until the next attempt. An error of a server that the client has left
        since (then it had another ``epoch``) says nothing of the present one."""
        if epoch != self._client.epoch:
            return 0.0
        with self._lock:
            if self._error is None:
                self._error_since = time.monotonic()
            self._error = error
            self._told(epoch)
        self._failures += 1
        self._changed()
        spread = 0.8 + 0.4 * _CHANCE.random()
        if isinstance(error, RateLimited) and error.retry_after is not None:
            return min(error.retry_after, MAX_RETRY_AFTER_S) * (0.8 + spread / 4)
        return float(min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(self._failures - 1, 10)) * spread)
