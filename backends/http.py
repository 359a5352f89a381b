"""The HTTP client of adapters: it has a deadline and a size limit, and raises only ``backends.errors``.

``httpx`` is imported when a client is first used. Redirects are not followed: an adapter talks only to the address that
the operator configured.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backends.contracts import EMPTY
from backends.errors import (
    REFUSALS,
    BackendError,
    Conflict,
    Forbidden,
    Malformed,
    RateLimited,
    Rejected,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from backends.settings import Secret

if TYPE_CHECKING:
    import httpx

    from backends.http_transport import Deadline

MAX_BODY = 16 * 1024 * 1024  # bytes
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ_BACK = "it may have been applied all the same: read it back"
TOKEN_KEPT_S = 60.0  # how long a revealed token is used before it is read again


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole answer: its status is 2xx, or one of those that the caller accepts. Header names are in lower case.
    ``where`` names the server in messages. ``write``: the request was one that may change something."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    where: str
    write: bool = False

    def text(self) -> str:
        """The body as UTF-8.

        Raises:
            Malformed: it is not UTF-8.
        """
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._malformed(f"bytes that are not UTF-8 (byte {error.start})") from None

    def json(self) -> object:
        """The body as JSON.

        Raises:
            Malformed: it is not JSON.
        """
        text = self.text()
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise self._malformed(f"text that is not JSON ({error.msg}, {where})") from None
        except ValueError:  # Python parses no number of more than 4,300 digits
            raise self._malformed("JSON that holds a number of too many digits") from None
        except RecursionError:
            raise self._malformed("JSON that is nested too deeply") from None

    def _malformed(self, what: str) -> Malformed:
        return Malformed(f"{self.where} answered with {what}", maybe_applied=self.write)


class HttpClient:
    """Requests to one server. Thread-safe; holds keep-alive connections until ``close``.

    ``timeout_s`` bounds a call as a whole, however slowly the answer comes. ``token`` is sent as a bearer token; it is
    read again after a minute or a 401, so that a new login needs no restart. ``basic`` is a user name and a password,
    for servers with basic authentication.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float,
        token: Secret | None = None,
        basic: tuple[str, Secret] | None = None,
        headers: Mapping[str, str] = EMPTY,
        max_body: int = MAX_BODY,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._secret = token or (basic[1] if basic else None)
        self._user = basic[0] if basic and token is None else None
        self._headers = dict(headers)
        self._max_body = max_body
        self._lock = threading.Lock()
        self._client: tuple[httpx.Client, Deadline] | None = None
        self._revealed: tuple[float, str] | None = None
        self.where = _host(base_url)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: Mapping[str, str] = EMPTY,
        params: Mapping[str, str] = EMPTY,
        form: Mapping[str, str] | None = None,
        taken: Collection[int] = (),
        reads: bool = False,
    ) -> HttpResponse:
        """Send one request; it is never retried. All errors say by ``maybe_applied`` whether a write may have been
        applied. A refusal counts as soon as its status is known, even if its body cannot be read.

        ``path`` begins with a slash and is appended to ``base_url``. ``form``
        is the body in the encoding of web forms. Statuses in ``taken`` are accepted like a 2xx. ``reads`` says that a
        POST changes nothing (a search, for example).

        Raises:
            Unreachable: no connection, a 503, or another 5xx in answer to a read.
            TimedOut: no answer in time, or a write whose connection broke or that was answered by a 5xx other than 503.
            Unauthenticated, Forbidden, Conflict, Rejected, RateLimited: as the status says.
            Malformed: a redirect, an answer over the size limit, or an answer that is not HTTP.
        """
        write = not reads and method.upper() not in SAFE_METHODS
        sent = {**self._headers, **headers, **self._authorisation()}
        http, deadline = self._http()
        with self._failures(write, deadline):
            asked = http.stream(
                method, self.base_url + path, json=json, data=form, headers=sent, params=dict(params) or None
            )
            with deadline.within(time.monotonic() + self._timeout_s), asked as answer:
                body = self._body(answer, taken, write)
        response = HttpResponse(
            status=answer.status_code,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=body,
            where=self.where,
            write=write,
        )
        if not answer.is_success and answer.status_code not in taken:
            if response.status == 401:
                self._revealed = None
            raise refusal(response)
        return response

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client[0].close()

    def _http(self) -> tuple[httpx.Client, Deadline]:
        from backends.http_transport import DeadlineTransport, proxy_of
        from backends.lean_httpx import httpx

        with self._lock:
            if self._client is None:
                # Plain HTTP needs no certificates, and loading them takes as long as importing httpx.
                plain = self.base_url.startswith("http://")
                # A proxy from the environment cannot reach this machine's loopback.
                far = not _is_loopback(self.base_url)
                transport = DeadlineTransport(
                    ssl_context=None if plain else httpx.create_ssl_context(trust_env=far),
                    proxy=proxy_of(self.base_url) if far else None,
                )
                client = httpx.Client(timeout=self._timeout_s, follow_redirects=False, transport=transport)
                self._client = client, transport.deadline
            return self._client

    def _authorisation(self) -> Mapping[str, str]:
        if self._secret is None:
            return EMPTY
        now = time.monotonic()
        kept = self._revealed
        if kept is None or now - kept[0] > TOKEN_KEPT_S:
            value = self._secret.reveal()
            if self._user is not None:
                value = b64encode(f"{self._user}:{value}".encode()).decode("ascii")
            elif not (value.isascii() and value.isprintable()):
                raise Unauthenticated(f"the {self._secret.origin} holds something that cannot be a token")
            kept = self._revealed = (now, value)
        return {"Authorization": f"{'Bearer' if self._user is None else 'Basic'} {kept[1]}"}

    def _body(self, answer: httpx.Response, taken: Collection[int], write: bool) -> bytes:
        """The whole body. An error status stands by itself: its body is "" if it cannot be read."""
        from backends.lean_httpx import httpx

        try:
            return self._whole(answer, write)
        except (httpx.HTTPError, Malformed):
            if answer.is_success or answer.status_code in taken:
                raise
            return b""

    def _whole(self, answer: httpx.Response, write: bool) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in answer.iter_bytes():
            size += len(chunk)
            if size > self._max_body:
                words = f"{self.where} answered with more than {self._max_body // 1024} KiB"
                raise Malformed(words, maybe_applied=write)
            chunks.append(chunk)
        return b"".join(chunks)

    @contextmanager
    def _failures(self, write: bool, deadline: Deadline) -> Iterator[None]:
        """Turn httpx's exceptions into ``backends.errors``. The messages are our own: httpx's may quote a URL with
        credentials."""
        from backends.lean_httpx import httpx

        try:
            yield
        except BackendError:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as error:
            # A failed connection is a ConnectError, also if a proxy was asked for a tunnel before.
            connected = not isinstance(error, httpx.ConnectTimeout | httpx.ConnectError | httpx.ProxyError)
            raise self._failure(error, write, maybe_applied=write and connected and deadline.sent) from None

    def _failure(self, error: Exception, write: bool, *, maybe_applied: bool) -> BackendError:
        from backends.lean_httpx import httpx

        match error:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                words = f"no connection to {self.where} within {self._timeout_s:g} s"
                return TimedOut(words, maybe_applied=maybe_applied)
            case httpx.TimeoutException():
                words = f"no answer from {self.where} within {self._timeout_s:g} s"
                return TimedOut(words, maybe_applied=maybe_applied)
            case httpx.ConnectError() | httpx.ProxyError():
                words = f"no connection to {self.where}: {_reason(error)}"
                return Unreachable(words, maybe_applied=maybe_applied)
            case httpx.InvalidURL() | httpx.UnsupportedProtocol():
                words = f"the address of {self.where} is not an http or https URL"
                return Rejected(words, maybe_applied=maybe_applied)
            case httpx.LocalProtocolError() | UnicodeEncodeError():
                return Rejected(f"the request to {self.where} is not valid HTTP", maybe_applied=maybe_applied)
            case httpx.DecodingError():
                words = f"{self.where} answered with a body whose encoding does not decode"
                return Malformed(words, maybe_applied=maybe_applied)
            case httpx.NetworkError() | httpx.RemoteProtocolError():
                broke = any(word in str(error) for word in ("disconnected", "closed connection"))
                if isinstance(error, httpx.RemoteProtocolError) and not broke and not write:
                    return Malformed(f"{self.where} does not answer with HTTP", maybe_applied=False)
                kind = TimedOut if write else Unreachable
                words = f"the connection to {self.where} broke before it had answered"
                return kind(words, maybe_applied=maybe_applied)
        return Unreachable(f"no answer from {self.where}: {type(error).__name__}", maybe_applied=maybe_applied)


def refusal(response: HttpResponse) -> BackendError:
    """The error for a status that is not 2xx."""
    status, where, write = response.status, response.where, response.write
    said = _detail(response.body)
    message = f"{where} answered {status}" + (f": {said}" if said else "")
    maybe = write and status not in REFUSALS
    if status < 400:
        words = f"{where} answered {status}, a redirect, which is not followed"
        return Malformed(words, hint="check the url", maybe_applied=maybe)
    if status >= 500:
        kind = TimedOut if write and status != 503 else Unreachable
        return kind(message, hint=READ_BACK if write else "", maybe_applied=maybe)
    if status == 429:
        retry_after = _retry_after(response.headers.get("retry-after", ""))
        return RateLimited(message, retry_after=retry_after, maybe_applied=maybe)
    kinds: Mapping[int, type[BackendError]] = {
        401: Unauthenticated, 403: Forbidden, 408: TimedOut, 409: Conflict, 412: Conflict
    }  # fmt: skip
    return kinds.get(status, Rejected)(message, maybe_applied=maybe)


def _detail(body: bytes) -> str:
    """The server's own message: from the usual keys of a JSON object, else the first line of plain text."""
    text = body[:65536].decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):  # ValueError: no JSON, or a number of too many digits
        told = None
        if text.lstrip().startswith("<"):
            return ""
    if isinstance(told, dict):
        parts = [told[key] for key in ("error", "message", "detail") if isinstance(told.get(key), str)]
        text = ": ".join(part for part in parts if part)
    line = next((line for line in text.splitlines() if line.strip()), "")
    return "".join(char for char in line.strip() if char.isprintable())[:300]


def _retry_after(value: str) -> float | None:
    """Seconds from a ``Retry-After`` header (RFC 9110 §10.2.3: seconds or a date); ``None`` if there is none."""
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    """The cause of a failed connection in a few words: the operating system's message if there is one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate does not verify ({cause.verify_message})"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _host(url: str) -> str:
    """``host:port`` of a URL, without credentials, for messages."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "the server"
    if not host:
        return "the server"
    return f"{host}:{port}" if port else host


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
