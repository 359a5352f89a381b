"""A deadline for a whole HTTP call. ``httpx`` bounds each wait for bytes: a server that sends one a second would keep a
call open for as long as it likes.

Imported when a client is first used, for it imports ``httpcore``.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

from backends.lean_httpx import httpx


class Deadline(threading.local):
    """Until when the call of this thread may take; monotonic."""

    at = math.inf

    @contextmanager
    def within(self, at: float) -> Iterator[None]:
        """All reading and writing of this thread ends at that moment."""
        before, self.at = self.at, at
        try:
            yield
        finally:
            self.at = before

    def bound(self, timeout: float | None, late: type[Exception]) -> float | None:
        """The shorter of ``timeout`` and what is left; raises ``late`` where nothing is."""
        if self.at == math.inf:
            return timeout
        left = self.at - time.monotonic()
        if left <= 0:
            raise late
        return left if timeout is None else min(timeout, left)


def hold(client: httpx.Client) -> Deadline:
    """The deadline to which each read and write of ``client`` is held from now on."""
    deadline = Deadline()
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - httpx takes no network backend
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool  # noqa: SLF001 - see above
            pool._network_backend = _Backend(pool._network_backend, deadline)  # noqa: SLF001
    return deadline


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.bound(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options), self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.bound(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.bound(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.bound(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
