"""Requests to one API server, as plain JSON: the generated models of the ``kubernetes`` package are slow, and plain
objects are enough.

The client connects again when its kubeconfig changes, when a credential expires, and after a 401. So a new login or a
new address of the server needs no restart.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from backends.errors import BackendError, Malformed, TimedOut, Unreachable, before_sending
from backends.platforms.kubernetes.credentials import Identity, load, stamp_of
from backends.platforms.kubernetes.failures import failure

MAX_BODY = 256 * 1024 * 1024
RENEW_BEFORE_S = 10.0
RELOAD_EVERY_S = 3.0
"""If a server keeps answering 401, the credential plug-in must not run for each request."""

WATCH_SILENCE_S = 100.0
"""A watch without any event for this long counts as broken and is resumed. Bookmarks come about once a minute."""

SAFE = ("GET", "HEAD")


class _Body:
    """The body of a request, which notes that it is being sent. Headers alone, with the length of a body that never
    comes, change nothing."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.begun = False

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        yield self.content


@dataclass(frozen=True, slots=True)
class _Connection:
    """The connection to an API server as one identity. ``base`` is the URL that all paths are appended to."""

    identity: Identity
    pool: Any  # a urllib3.PoolManager
    base: str

    def headers(self) -> dict[str, str]:
        told = self.identity.configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {**({"Authorization": str(told)} if told else {}), **self.identity.headers}


class KubeClient:
    """Thread-safe. ``timeout_s`` bounds each request as a whole; a watch is bounded by its silence."""

    def __init__(
        self,
        kubeconfig: Path | None = None,
        context: str = "",
        *,
        impersonate: str = "",
        timeout_s: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._impersonate = impersonate
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._current: _Connection | None = None
        self._reloaded = float("-inf")
        self._watches: set[Any] = set()
        self.requests = 0
        self.epoch = 0
        """Grows when the client connects to another server: there, resource versions that were read before are
        invalid."""

    @property
    def where(self) -> str:
        """Host and port of the server, if known."""
        current = self._current
        return urlsplit(current.base).netloc.rpartition("@")[2] if current is not None else "the cluster"

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context, or "" if it has none or nothing was asked yet."""
        current = self._current
        return current.identity.namespace if current is not None else ""

    @property
    def unverified(self) -> bool:
        """Whether the kubeconfig says that the server's certificate is not to be checked."""
        current = self._current
        return current is not None and current.identity.configuration.verify_ssl is False

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | Sequence[object] | None = None,
        content_type: str = "application/json",
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Send one request and return the object that the server answers with. ``path`` may have a query of its own.

        A request is sent again after a 401, if there is another credential now: nothing was done. A read is also sent
        again if the server has closed the kept connection. Through a service's proxy (``…/proxy/…``) any answer is
        accepted, as ``{"text": …}`` if it is not a JSON object.

        All errors say by ``maybe_applied`` whether a write may have been applied. A refusal counts as soon as its
        status is known, even if its body cannot be read.

        Raises:
            TimedOut: there was no answer in time, or the connection broke during a write.
            Unreachable: there is no connection, or it broke during a read.
            Malformed: the answer is not a JSON object.
            BackendError: as ``failures.failure`` says.
        """
        with before_sending():
            connection = self._connection()  # may log in first; the deadline does not include that
        deadline = time.monotonic() + (timeout_s or self._timeout_s)
        url = path + (("&" if "?" in path else "?") + urlencode(query) if query else "")
        status, headers, raw = self._exchange(connection, method, url, body, content_type, deadline)
        bare = path.partition("?")[0]
        if not 200 <= status < 300:
            raise failure(method, bare, status, headers, raw, self.where)
        return self._decoded(raw, "/proxy/" in bare, write=method not in SAFE)

    def watch(
        self, path: str, query: Mapping[str, str], opened: Callable[[], None]
    ) -> Generator[dict[str, Any], None, None]:
        """The events of a watch, until the server ends it. ``opened`` is called once the server has accepted the watch.
        Close the generator to close the connection.

        Raises:
            Unreachable: the stream broke.
            TimedOut: the stream was silent for too long.
            BackendError: as ``request`` does.
        """
        connection = self._connection()
        url = f"{connection.base}{path}?{urlencode(query)}"
        timeout = _timeout(connect=self._timeout_s, read=WATCH_SILENCE_S)
        with self._failures(write=False), closing(self._open(connection, "GET", url, {}, None, timeout)) as answer:
            if answer.status != 200:
                raw = _read(answer, time.monotonic() + self._timeout_s, MAX_BODY)
                if answer.status == 401:
                    self._renewed(connection)
                raise failure("WATCH", path, answer.status, dict(answer.headers), raw, self.where)
            with self._lock:
                self._watches.add(answer)
            try:
                opened()
                for line in _lines(answer):
                    yield self._decoded(line, lenient=False, write=False)
            finally:
                with self._lock:
                    self._watches.discard(answer)

    def close(self) -> None:
        with self._lock:
            current, self._current = self._current, None
            self._end_watches()
        if current is not None:
            current.pool.clear()

    # ── connections ─────────────────────────────────────────────────────────────────────────────────────────────

    def _connection(self) -> _Connection:
        with self._lock:
            current = self._current
            if current is not None and not self._outdated(current):
                return current
            return self._connect()

    def _outdated(self, current: _Connection) -> bool:
        expires = current.identity.expires
        if expires is not None and self._clock() > expires - RENEW_BEFORE_S:
            return time.monotonic() - self._reloaded > RELOAD_EVERY_S
        return current.identity.stamp != stamp_of(self._kubeconfig)

    def _connect(self) -> _Connection:
        from kubernetes.client.rest import RESTClientObject

        self._reloaded = time.monotonic()
        identity = load(self._kubeconfig, self._context, self._impersonate)
        if not identity.configuration.verify_ssl:
            _be_quiet()
        pool = RESTClientObject(identity.configuration).pool_manager
        old, fresh = self._current, _Connection(identity, pool, identity.configuration.host.rstrip("/"))
        self._current = fresh
        if old is not None:
            old.pool.clear()
            if old.base != fresh.base:
                self.epoch += 1
                self._end_watches()
        return fresh

    def _end_watches(self) -> None:
        """End all streams of watches, so that the threads that read them return."""
        for answer in tuple(self._watches):  # watches begin and end on other threads meanwhile
            with suppress(Exception):  # the stream may just have ended by itself; urllib3 then raises various errors
                answer.shutdown()

    def _renewed(self, used: _Connection) -> _Connection | None:
        """Another connection after ``used`` was refused, or ``None`` if there is no other credential now."""
        with self._lock:
            if self._current is not used:
                return self._current
            if time.monotonic() - self._reloaded < RELOAD_EVERY_S:
                return None
            fresh = self._connect()
        return fresh if fresh.headers() != used.headers() else None

    # ── exchanges ───────────────────────────────────────────────────────────────────────────────────────────────

    def _exchange(
        self,
        connection: _Connection,
        method: str,
        path: str,
        body: Mapping[str, object] | Sequence[object] | None,
        content_type: str,
        deadline: float,
    ) -> tuple[int, dict[str, str], bytes]:
        sent = None if body is None else _Body(json.dumps(body).encode())
        headers = {} if sent is None else {"Content-Type": content_type, "Content-Length": str(len(sent.content))}
        again = True
        while True:
            url = connection.base + path
            with self._failures(write=method not in SAFE, body=sent):
                try:
                    status, told, raw = self._once(connection, method, url, headers, sent, deadline)
                except _broken() as error:
                    if again and method in SAFE and time.monotonic() < deadline:
                        again = False
                        connection = self._connection()
                        continue
                    raise error from None
            with before_sending():  # a 401 proves that nothing was done
                renewed = self._renewed(connection) if status == 401 and again else None
            if renewed is not None:
                again, connection = False, renewed
                sent = None if sent is None else _Body(sent.content)
                continue
            return status, told, raw

    def _once(
        self,
        connection: _Connection,
        method: str,
        url: str,
        headers: dict[str, str],
        body: _Body | None,
        deadline: float,
    ) -> tuple[int, dict[str, str], bytes]:
        left = max(0.05, deadline - time.monotonic())
        with closing(self._open(connection, method, url, headers, body, _timeout(left, left))) as answer:
            try:
                raw = _read(answer, deadline, MAX_BODY)
                answer.release_conn()
            except _unreadable():
                if answer.status < 400:
                    raise
                raw = b""
        return answer.status, dict(answer.headers), raw

    def _open(
        self, connection: _Connection, method: str, url: str, headers: dict[str, str], body: _Body | None, timeout: Any
    ) -> Any:
        self.requests += 1
        return connection.pool.request(
            method,
            url,
            body=body,
            headers={"Accept": "application/json", "User-Agent": "shiftdeck", **headers, **connection.headers()},
            timeout=timeout,
            preload_content=False,
            redirect=False,
            retries=False,
        )

    @contextmanager
    def _failures(self, *, write: bool, body: _Body | None = None) -> Iterator[None]:
        """Turn the exceptions of urllib3 and TLS into ``backends.errors``. Their messages are not passed on: they may
        hold an address with credentials."""
        import urllib3.exceptions as raised

        where = self.where
        try:
            yield
        except BackendError as error:
            error.maybe_applied = error.maybe_applied and write
            raise
        except (raised.NewConnectionError, raised.ConnectTimeoutError, raised.NameResolutionError):
            hint = "is the API server up? is the VPN connected?"
            raise Unreachable(f"no connection to {where}", hint=hint, maybe_applied=False) from None
        except (raised.HTTPError, OSError, ValueError) as error:
            sent = write and (body is None or body.begun)
            raise self._failure(error, write, maybe_applied=sent) from None

    def _failure(self, error: Exception, write: bool, *, maybe_applied: bool) -> BackendError:
        import urllib3.exceptions as raised

        where = self.where
        if isinstance(error, raised.TimeoutError | TimeoutError):
            return TimedOut(f"no answer from {where} in time", maybe_applied=maybe_applied)
        if _is_distrust(error):
            words = f"{where} shows a certificate that is not trusted, or speaks no TLS"
            hint = "check certificate-authority in the kubeconfig"
            return Unreachable(words, hint=hint, maybe_applied=maybe_applied)
        # urllib3 also blames the proxy if a connection through it breaks after the request was sent.
        if isinstance(error, raised.ProxyError) and not maybe_applied:
            return Unreachable(f"no way to {where} through the proxy", maybe_applied=False)
        words = f"the connection to {where} broke: {type(error).__name__}"
        return (TimedOut if write else Unreachable)(words, maybe_applied=maybe_applied)

    def _decoded(self, raw: bytes, lenient: bool, *, write: bool) -> dict[str, Any]:
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
        if lenient:
            return {"text": raw.decode("utf-8", "replace")[:2000]}
        words = f"{self.where} answered with something that is not a JSON object"
        raise Malformed(words, hint="is this the API server?", maybe_applied=write)


def _be_quiet() -> None:
    """Have urllib3 not warn at each request: that the certificate is not checked was decided in the kubeconfig, and
    ``doctor`` tells it."""
    import urllib3
    from urllib3.exceptions import InsecureRequestWarning

    urllib3.disable_warnings(InsecureRequestWarning)


def _timeout(connect: float, read: float) -> Any:
    import urllib3

    return urllib3.Timeout(connect=connect, read=read)


def _is_distrust(error: Exception) -> bool:
    """Whether TLS was never set up."""
    inner = error.args[0] if error.args else error
    return isinstance(inner, ssl.SSLCertVerificationError) or "WRONG_VERSION_NUMBER" in str(inner)


def _broken() -> tuple[type[Exception], ...]:
    """The exceptions of a kept connection that the server has closed in the meantime."""
    import urllib3.exceptions as raised

    return (raised.ProtocolError,)


def _unreadable() -> tuple[type[Exception], ...]:
    """The exceptions of reading a body."""
    import urllib3.exceptions as raised

    return raised.HTTPError, OSError, Malformed


def _read(answer: Any, deadline: float, limit: int) -> bytes:
    """The whole body; raises ``TimeoutError`` after ``deadline``, however slowly the server sends."""
    parts: list[bytes] = []
    size = 0
    while chunk := answer.read1(1 << 18):
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            raise Malformed(f"an answer of more than {limit >> 20} MiB")
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)


def _lines(answer: Any) -> Iterator[bytes]:
    rest = b""
    while chunk := answer.read1(1 << 18):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
