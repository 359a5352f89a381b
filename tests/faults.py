"""A proxy that stands between an adapter and a server on loopback, and fails as networks and servers fail."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tests.treatments import FORWARDED, READS, Decide, Fault, Treatment, Write

__all__ = ["Fault", "FaultProxy", "Treatment", "Write"]

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "upgrade"})
TARGET_S = 60.0
HUNG_S = 120.0


class FaultProxy:
    """Listens on a loopback port of its own and passes requests on to ``target`` ("http://127.0.0.1:41234"), which for
    https takes an ``ssl`` context that trusts it. An answer without a length is passed on as it comes, until a fault.

    Use it as a context manager. ``url`` stays the same through all faults. ``requests`` counts what arrived, ``writes``
    are those that reached the server. ``decide``, where given, treats single requests in other ways than ``set`` says.
    Thread-safe.
    """

    def __init__(self, target: str, slow_s: float = 3.0, ssl: SSLContext | None = None) -> None:
        self.ssl = ssl
        parts = urlsplit(target)
        assert parts.hostname
        assert parts.port
        self.target = (parts.hostname, parts.port)
        self.slow_s = slow_s
        self.requests = 0
        self.writes: list[Write] = []
        self.decide: Decide | None = None
        self._treatment = Treatment()
        self._only = ""
        self._busy = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._server: _Server | None = None
        self._port = 0
        self._listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def set(
        self,
        fault: Fault,
        *,
        status: int = 500,
        headers: Mapping[str, str] | None = None,
        only: str = "",
        applied: bool = False,
        held_s: float = 0.0,
    ) -> None:
        """Fail in that way from now on, all requests or those of the method ``only``; those that hang or are slow are
        dropped. The other arguments are those of ``Treatment``."""
        with self._lock:
            self._only = only
            self._treatment = Treatment(fault, status, headers or {}, applied, held_s)
            self._changed.set()
            self._changed = threading.Event()
        if fault is Fault.GONE:
            self._stop_listening()
        elif self._server is None:
            self._listen()

    @property
    def idle(self) -> bool:
        """Whether no write is in the proxy's hands any more."""
        with self._lock:
            return self._busy == 0

    def close(self) -> None:
        self._closed.set()
        self.set(Fault.GONE)

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── for the handler ─────────────────────────────────────────────────────────────────────────────────────────

    def opened(self, channel: socket.socket) -> None:
        with self._lock:
            self._open.add(channel)

    def closed(self, channel: socket.socket) -> None:
        with self._lock:
            self._open.discard(channel)

    def taken(self, method: str, path: str, body: bytes) -> tuple[Treatment, threading.Event]:
        """Count a request; how it is to be treated, and the event that a later ``set`` fires."""
        own = self.decide(method, path, body) if self.decide is not None else None
        with self._lock:
            self.requests += 1
            usual = self._treatment if self._only in ("", method) else Treatment()
            return own or usual, self._changed

    @contextmanager
    def in_hand(self, method: str) -> Iterator[None]:
        """While a write is on its way to the server."""
        counted = method not in READS
        with self._lock:
            self._busy += counted
        try:
            yield
        finally:
            with self._lock:
                self._busy -= counted

    def held(self, seconds: float) -> bool:
        """Wait that long; whether the proxy is still there."""
        return not self._closed.wait(seconds)

    def told(self, method: str, path: str, body: bytes, status: int) -> None:
        if method not in READS:
            with self._lock:
                self.writes.append(Write(method, path, body, status, time.time()))

    # ── listening ───────────────────────────────────────────────────────────────────────────────────────────────

    def _listen(self) -> None:
        self._server = _Server(self, self._port)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="fault-proxy", daemon=True).start()

    def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        with self._lock:
            channels = list(self._open)
        for channel in channels:
            _reset(channel)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, proxy: FaultProxy, port: int) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what this is for: no traceback."""


class _Handler(BaseHTTPRequestHandler):
    """Looks the method up by the name ``do_GET`` and so on; all are treated alike."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.proxy.opened(self.connection)

    def finish(self) -> None:
        self.server.proxy.closed(self.connection)
        super().finish()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet."""

    def _answer(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        treatment, changed = proxy.taken(self.command, self.path, body)
        with proxy.in_hand(self.command):
            if treatment.held_s and not proxy.held(treatment.held_s):
                self._drop()
                return
            if treatment.applied:
                self._forward(body)
            if treatment.late_s:
                found = self._forward(body)
                proxy.held(treatment.late_s)
                if treatment.fault is Fault.LOST_ANSWER:
                    self._drop()
                else:
                    self._send(*found)
                return
            if treatment.after_s:
                self._fail(treatment, body, changed)
                self._drop()
                if proxy.held(treatment.after_s):
                    self._forward(body)
                return
            if treatment.fault in FORWARDED:
                self._fail(treatment, body, changed)
                return
        self._fail(treatment, body, changed)

    def _fail(self, treatment: Treatment, body: bytes, changed: threading.Event) -> None:
        match treatment.fault:
            case Fault.HANG:
                changed.wait(HUNG_S)
                self._drop()
            case Fault.SLOW if changed.wait(self.server.proxy.slow_s):
                self._drop()
            case Fault.PASS | Fault.SLOW:
                self._pass(body, changed)
            case Fault.DRIP:
                self._drip(changed)
            case Fault.TRUNCATED:
                self._send_half(*self._forward(body))
            case Fault.LOST_ANSWER:
                self._forward(body)
                self._drop()
            case Fault.TWICE:
                self._forward(body)
                self._send(*self._forward(body))
            case Fault.EMPTY:
                self._send(200, {}, b"")
            case Fault.GARBAGE:
                page = b"<!doctype html><title>Sign in</title><p>Welcome to the hotel's network.</p>"
                self._send(200, {"Content-Type": "text/html"}, page)
            case Fault.NOISE:
                self.wfile.write(bytes(range(256)) + b"\r\n\r\n")
                self._drop()
            case Fault.STATUS:
                self._send(treatment.status, treatment.headers, b'{"error": "made by a test"}')
            case Fault.GONE:
                self._drop()

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with closing(self._upstream()) as upstream:
            try:
                answer, kept = self._asked(upstream, body)
                return answer.status, kept, answer.read()
            except OSError as error:
                self._told(body, 0)
                return 502, {}, str(error).encode()

    def _upstream(self) -> http.client.HTTPConnection:
        proxy = self.server.proxy
        if proxy.ssl is not None:
            return http.client.HTTPSConnection(*proxy.target, timeout=TARGET_S, context=proxy.ssl)
        return http.client.HTTPConnection(*proxy.target, timeout=TARGET_S)

    def _asked(
        self, upstream: http.client.HTTPConnection, body: bytes
    ) -> tuple[http.client.HTTPResponse, dict[str, str]]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        self._told(body, answer.status)
        return answer, {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}

    def _told(self, body: bytes, status: int) -> None:
        self.server.proxy.told(self.command, self.path, body, status)

    def _pass(self, body: bytes, changed: threading.Event) -> None:
        with closing(self._upstream()) as upstream:
            try:
                answer, headers = self._asked(upstream, body)
                if answer.length is None:
                    self._stream(upstream, answer, headers, changed)
                    return
                found = answer.status, headers, answer.read()
            except OSError as error:
                self._told(body, 0)
                found = 502, {}, str(error).encode()
        self._send(*found)

    def _stream(
        self,
        upstream: http.client.HTTPConnection,
        answer: http.client.HTTPResponse,
        headers: dict[str, str],
        changed: threading.Event,
    ) -> None:
        """An answer that has no end, as a watch: a fault ends it."""
        inner = upstream.sock

        def cut() -> None:
            changed.wait(HUNG_S)
            _shut(inner)

        threading.Thread(target=cut, name="fault-proxy-stream", daemon=True).start()
        self.send_response_only(answer.status)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError, http.client.HTTPException):
            while part := answer.read1(65536):
                self.wfile.write(part)
        self._drop()

    def _drip(self, changed: threading.Event) -> None:
        with suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 10_000:
                self.wfile.write(bytes([byte]))
                if changed.wait(0.05):
                    break
        self._drop()

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_half(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(max(len(body), 2))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        _shut(self.connection)


def _shut(channel: socket.socket) -> None:
    try:
        channel.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was quicker


def _reset(channel: socket.socket) -> None:
    """Close with RST rather than FIN: what a client sees when a machine is gone."""
    try:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        channel.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already
