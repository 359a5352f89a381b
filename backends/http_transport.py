"""The transport of ``httpx`` clients: a deadline for each call as a whole.

``httpx`` itself bounds only each wait for bytes: a server that sends one byte a second could keep a call open without
limit.

This module is imported when a client is first used, because it imports ``httpcore``.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from backends.errors import Rejected
from backends.lean_httpx import httpx

MAX_CONNECTIONS = 100
MAX_KEPT = 20
KEPT_S = 5.0
"""How long an unused connection is kept. These three values are the defaults of ``httpx``."""


class Deadline(threading.local):
    """When the call of this thread must end, on the monotonic clock. ``sent``: bytes of the call were sent already."""

    at = math.inf
    sent = False

    @contextmanager
    def within(self, at: float) -> Iterator[None]:
        """All reads and writes of this thread end at that moment."""
        before, self.at, self.sent = self.at, at, False
        try:
            yield
        finally:
            self.at = before

    def bound(self, timeout: float | None, late: type[Exception]) -> float | None:
        """The shorter of ``timeout`` and the time left; raises ``late`` if no time is left."""
        if self.at == math.inf:
            return timeout
        left = self.at - time.monotonic()
        if left <= 0:
            raise late
        return left if timeout is None else min(timeout, left)


class DeadlineTransport(httpx.BaseTransport):
    """Thread-safe. Each call ends by ``deadline``, which the calling thread sets."""

    def __init__(self, *, ssl_context: ssl.SSLContext | None, proxy: str | None) -> None:
        """``proxy`` is the address of a proxy, with credentials if the proxy asks for them.

        Raises:
            Rejected: the proxy is of a kind that is not supported.
        """
        self.deadline = Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            proxy=None if proxy is None else _proxy(proxy),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_KEPT,
            keepalive_expiry=KEPT_S,
            network_backend=_Backend(httpcore.SyncBackend(), self.deadline),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = httpcore.Request(
            request.method,
            _url(request.url),
            headers=request.headers.raw,
            content=cast("Iterable[bytes]", request.stream),
            extensions=request.extensions,
        )
        with _translated():
            answer = self._pool.handle_request(asked)
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(cast("Iterable[bytes]", answer.stream)),
            extensions=dict(answer.extensions),
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self._parts

    def close(self) -> None:
        if hasattr(self._parts, "close"):
            self._parts.close()


@contextmanager
def _translated() -> Iterator[None]:
    """Turn an exception of httpcore into httpx's exception of the same name, as every transport of httpx does."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol,
            httpcore.ProxyError) as error:  # fmt: skip
        raised = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise raised(str(error)) from error


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for that URL (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), if any."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None  # the request itself reports what is wrong with the URL
    known = getproxies()
    named = known.get(parts.scheme) or known.get("all")
    if not named or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return named if "://" in named else f"http://{named}"


def _proxy(address: str) -> httpcore.Proxy:
    try:
        proxy = httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL):
        # The address may hold a password.
        raise Rejected("the proxy of the environment is not an http or https URL") from None
    if proxy.url.scheme not in ("http", "https"):
        raise Rejected(f"there is no way through a {proxy.url.scheme} proxy", hint="set NO_PROXY, or an http proxy")
    return httpcore.Proxy(_url(proxy.url), auth=proxy.raw_auth, headers=proxy.headers.raw)


def _url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


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
        left = self._deadline.bound(timeout, httpcore.WriteTimeout)
        self._deadline.sent = True
        self._inner.write(buffer, left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.bound(timeout, httpcore.ConnectTimeout)
        self._deadline.sent = False  # until now only a proxy was asked for a tunnel
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
