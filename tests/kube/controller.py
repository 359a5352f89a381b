"""Controllers of ours that play those of the serving systems: they drive the status of objects, as documented."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from backends.platforms.kubernetes.kinds import Kind
from tests.kube.apiserver import ApiServer
from tests.waiting import wait_until


class TestController(ABC):
    """Looks at the objects of one kind in one namespace again and again, and writes the status ``reconcile`` gives.

    One write is one reconcile; ``delay_s`` is how long it takes at least from one to the next of the same object.
    ``hold`` stops it, as a controller that is down, until ``release``. What goes wrong in it comes out of ``stop``.
    """

    __test__ = False
    kind: ClassVar[Kind]
    every_s = 0.05

    def __init__(self, server: ApiServer, namespace: str, *, delay_s: float = 0.0) -> None:
        self.server = server
        self.namespace = namespace
        self.delay_s = delay_s
        self.reconciles = 0
        self._idle = 0
        self._written: dict[str, float] = {}
        self._held = threading.Event()
        self._ending = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    @abstractmethod
    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The whole status that one reconcile leads to, or ``None`` where there is nothing to do. May create other
        objects through ``self.server``."""

    def hold(self) -> None:
        self._held.set()

    def release(self) -> None:
        self._held.clear()

    def wait_idle(self) -> None:
        """Until it has looked at everything and found nothing to write: ``reconciles`` counts all that was."""
        began = self._idle  # a look that is under way now may have begun before the last change
        wait_until(lambda: self._idle >= began + 2, 30, "the controller to have nothing to do")

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(30)
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._ending.wait(self.every_s):
            if self._held.is_set():
                continue
            before = self.reconciles
            try:
                for thing in self.server.all_of(self.kind, self.namespace):
                    self._look(thing)
                self._idle += before == self.reconciles
            except (
                httpx.TransportError,
                RuntimeError,
            ):  # the server is being restarted; RuntimeError: its client closed
                continue
            except BaseException as error:  # noqa: BLE001 - it is raised again by stop(), on the test's own thread
                self._error = error
                return

    def _look(self, thing: dict[str, Any]) -> None:
        uid = thing["metadata"]["uid"]
        if time.monotonic() - self._written.get(uid, float("-inf")) < self.delay_s:
            return
        status = self.reconcile(deepcopy(thing))
        if status is None or status == thing.get("status"):
            return
        body = {**thing, "status": status}
        body["metadata"] = {key: value for key, value in thing["metadata"].items() if key != "managedFields"}
        path = self.kind.path(self.namespace, thing["metadata"]["name"], "status")
        answer = self.server.http.put(path, json=body)
        if answer.status_code in (404, 409):  # changed or deleted meanwhile: the next look sees it
            return
        assert answer.is_success, answer.text
        self.reconciles += 1
        self._written[uid] = time.monotonic()
