"""The HTTP client that adapters share, against a server that says whatever a test wants, byte by byte."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import formatdate
from pathlib import Path

import pytest

from backends.errors import Malformed, RateLimited, Rejected, TimedOut, Unauthenticated, Unreachable
from backends.http import HttpClient
from backends.http_transport import proxy_of
from backends.settings import Secret
from tests.waiting import wait_until

Script = Callable[[socket.socket, bytes], None]


class Scripted:
    """Answers each request as ``script`` says; ``requests`` keeps what came, heads only."""

    def __init__(self, script: Script) -> None:
        self.requests: list[bytes] = []
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                channel, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(channel,), daemon=True).start()

    def _answer(self, channel: socket.socket) -> None:
        with channel, suppress(OSError):
            while head := channel.recv(65536):
                self.requests.append(head)
                self._script(channel, head)

    def close(self) -> None:
        self._listener.close()


@contextmanager
def scripted(script: Script, timeout_s: float = 1.0, **options: object) -> Iterator[tuple[HttpClient, Scripted]]:
    server = Scripted(script)
    client = HttpClient(server.url, timeout_s=timeout_s, **options)  # type: ignore[arg-type]
    try:
        yield client, server
    finally:
        client.close()
        server.close()


def saying(status: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Script:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in (headers or {}).items())]
    answer = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return lambda channel, _head: channel.sendall(answer)


def test_an_answer_comes_with_its_headers_and_body() -> None:
    with scripted(saying("200 OK", b'{"a": [1, 2]}', {"ETag": '"17"'})) as (client, server):
        answer = client.request("GET", "/path", params={"q": "a b&c"}, headers={"X-Intent": "plan"})
        assert answer.json() == {"a": [1, 2]}
        assert answer.headers["etag"] == '"17"'
        assert server.requests[0].startswith(b"GET /path?q=a+b%26c HTTP/1.1\r\n")
        assert b"x-intent: plan" in server.requests[0].lower()


def test_connections_are_kept() -> None:
    ports: set[int] = set()

    def script(channel: socket.socket, head: bytes) -> None:
        ports.add(channel.getpeername()[1])
        saying("200 OK")(channel, head)

    with scripted(script) as (client, _):
        for _ in range(5):
            client.request("GET", "/")
    assert len(ports) == 1


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<html>", "not JSON"),
        (b"", "not JSON"),
        (b'{"a": \xff}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_json_is_malformed_and_says_where(body: bytes, what: str) -> None:
    with scripted(saying("200 OK", body)) as (client, _), pytest.raises(Malformed, match=what):
        client.request("GET", "/").json()


def test_an_answer_over_the_limit_is_not_read_to_its_end() -> None:
    server = scripted(saying("200 OK", b"x" * 5000), max_body=2048)
    with server as (client, _), pytest.raises(Malformed, match="more than 2 KiB"):
        client.request("GET", "/")


@pytest.mark.parametrize(
    "begins",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Endless: ", id="headers"),
        pytest.param(b"HTTP/1.1 200 ", id="status"),
    ],
)
def test_an_answer_that_trickles_ends_with_the_deadline(begins: bytes) -> None:
    cut = threading.Event()

    def trickle(channel: socket.socket, _head: bytes) -> None:
        with suppress(OSError):
            channel.sendall(begins)
            for _ in range(1000):  # a minute, unless the client hangs up
                channel.sendall(b"x")
                cut.wait(0.06)
        cut.set()

    with scripted(trickle, timeout_s=0.4) as (client, server):
        read = given_up(client, server, "GET")
        assert cut.wait(30)  # and the connection is let go
        write = given_up(client, server, "PUT")
    assert (read.maybe_applied, write.maybe_applied) == (False, True)


def given_up(client: HttpClient, server: Scripted, method: str) -> TimedOut:
    """How a call ended that the server has heard of: on a busy machine the deadline may pass before that."""

    def heard() -> TimedOut | None:
        with pytest.raises(TimedOut) as raised:
            client.request(method, "/", json=None if method == "GET" else {})
        return raised.value if any(head.startswith(method.encode()) for head in server.requests) else None

    return wait_until(heard, 30, f"the server to hear of a {method}")


def test_a_late_answer_ends_its_own_call_only() -> None:
    def script(channel: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET /slow"):
            channel.sendall(b"HTTP/1.1 200 ")
        else:
            saying("200 OK", b"{}")(channel, head)

    with scripted(script, timeout_s=0.4) as (client, _):
        with pytest.raises(TimedOut):
            client.request("GET", "/slow")
        assert client.request("GET", "/").status == 200


def test_a_redirect_is_not_followed() -> None:
    with scripted(saying("302 Found", headers={"Location": "/login?token=5ecret"})) as (client, server):
        with pytest.raises(Malformed, match="redirect") as refused:
            client.request("GET", "/")
        assert len(server.requests) == 1
        assert "5ecret" not in str(refused.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": "bad_sum", "detail": "the weights sum to 90"}', "bad_sum: the weights sum to 90"),
        (b'{"message": "no such thing"}', "no such thing"),
        (b"plain words\nsecond line", "plain words"),
        (b"<html>a page</html>", "400"),
        (b"\x1b[31mred\x07", "[31mred"),
        (b"\xff\xfe", "400"),
        (b"", "400"),
    ],
)
def test_what_a_server_says_of_a_refusal_is_passed_on_in_one_safe_line(body: bytes, said: str) -> None:
    with scripted(saying("400 Bad Request", body)) as (client, _), pytest.raises(Rejected) as refused:
        client.request("PUT", "/", json={})
    assert said in refused.value.message
    assert refused.value.message.isprintable()
    assert "page" not in refused.value.message


@pytest.mark.parametrize(
    ("value", "seconds"), [("12", 12.0), ("soon", None), ("", None), ("-3", None), ("9" * 400, None)]
)
def test_how_long_to_wait_is_read_from_the_answer(value: str, seconds: float | None) -> None:
    with (
        scripted(saying("429 Too Many", headers={"Retry-After": value})) as (client, _),
        pytest.raises(RateLimited) as limited,
    ):
        client.request("GET", "/")
    assert limited.value.retry_after == seconds


def test_how_long_to_wait_may_be_a_date() -> None:
    date = formatdate(time.time() + 60, usegmt=True)
    with (
        scripted(saying("429 Too Many", headers={"Retry-After": date})) as (client, _),
        pytest.raises(RateLimited) as limited,
    ):
        client.request("GET", "/")
    assert limited.value.retry_after is not None
    assert 50 < limited.value.retry_after < 61


def test_a_connection_that_closes_without_a_word_is_unreachable_to_a_read_and_unknown_to_a_write() -> None:
    def hang_up(channel: socket.socket, _head: bytes) -> None:
        channel.close()

    with scripted(hang_up) as (client, _):
        with pytest.raises(Unreachable):
            client.request("GET", "/")
        with pytest.raises(TimedOut) as lost:
            client.request("PUT", "/", json={"a": 1})
        assert lost.value.maybe_applied


def test_a_token_from_a_file_is_sent_as_a_bearer(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc-123\n")
    with scripted(saying("200 OK"), token=Secret(file=file)) as (client, server):
        client.request("GET", "/")
        assert b"Authorization: Bearer abc-123\r\n" in server.requests[0]
        file.unlink()
        client.request("GET", "/")


@pytest.mark.parametrize("value", ["tok\r\nInjected: yes", "tök", "a\x00b"])
def test_what_cannot_be_a_token_is_neither_sent_nor_shown(tmp_path: Path, value: str) -> None:
    file = tmp_path / "token"
    file.write_text(value, newline="")
    with scripted(saying("200 OK"), token=Secret(file=file)) as (client, server):
        with pytest.raises(Unauthenticated) as refused:
            client.request("GET", "/")
        assert server.requests == []
        assert value not in str(refused.value)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://", "http://[::1", "http://127.0.0.1:99999"])
def test_an_address_that_is_none_is_one_of_our_errors(url: str) -> None:
    with pytest.raises((Rejected, Unreachable)):
        HttpClient(url, timeout_s=1.0).request("GET", "/")


def test_credentials_in_an_address_never_show() -> None:
    client = HttpClient("http://me:pa55word@127.0.0.1:1", timeout_s=1.0)
    with pytest.raises(Unreachable) as refused:
        client.request("GET", "/")
    assert "pa55word" not in str(refused.value)
    assert "127.0.0.1:1" in str(refused.value)
    client.close()


def test_a_proxy_from_the_environment_is_not_asked_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with scripted(saying("200 OK", b"{}")) as (client, _):
        assert client.request("GET", "/").status == 200


# ── proxies ─────────────────────────────────────────────────────────────────────────────────────────────────────────

FAR = "models.example.invalid"


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    """A proxy that the environment names, which answers as ``script`` says."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def make(script: Script, variable: str = "HTTP_PROXY", login: str = "") -> Scripted:
        server = Scripted(script)
        monkeypatch.setenv(variable, server.url.replace("://", f"://{login}"))
        return server

    return make


def test_a_proxy_from_the_environment_is_asked_for_other_machines(proxied: Callable[..., Scripted]) -> None:
    proxy = proxied(saying("200 OK", b"{}"), login="ana:pa%20ss@")
    client = HttpClient(f"http://{FAR}/base", timeout_s=1.0)
    assert client.request("GET", "/path").status == 200
    client.close()
    proxy.close()
    assert proxy.requests[0].startswith(f"GET http://{FAR}/base/path HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic YW5hOnBhIHNz\r\n" in proxy.requests[0]


def test_a_proxy_that_trickles_ends_with_the_deadline(proxied: Callable[..., Scripted]) -> None:
    def trickle(channel: socket.socket, _head: bytes) -> None:
        channel.sendall(b"HTTP/1.1 200 ")
        for _ in range(1000):
            channel.sendall(b"x")
            gone.wait(0.06)

    gone = threading.Event()
    proxy = proxied(trickle, variable="HTTPS_PROXY")
    client = HttpClient(f"https://{FAR}", timeout_s=0.4)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        client.request("GET", "/")
    assert time.monotonic() - began < 10
    gone.set()
    client.close()
    proxy.close()
    assert proxy.requests[0].startswith(f"CONNECT {FAR}:443 HTTP/1.1\r\n".encode())


def test_a_proxy_that_refuses_is_unreachable(proxied: Callable[..., Scripted]) -> None:
    proxy = proxied(saying("407 Proxy Authentication Required"), variable="https_proxy", login="ana:pa55word@")
    client = HttpClient(f"https://{FAR}", timeout_s=1.0)
    with pytest.raises(Unreachable) as refused:
        client.request("GET", "/")
    assert "pa55word" not in f"{refused.value!r}"
    client.close()
    proxy.close()


@pytest.mark.parametrize(
    ("set_to", "url", "proxy"),
    [
        ({"ALL_PROXY": "proxy:3128"}, f"http://{FAR}", "http://proxy:3128"),
        ({"ALL_PROXY": "proxy:1", "HTTPS_PROXY": "https://tls:2"}, f"https://{FAR}", "https://tls:2"),
        ({"HTTP_PROXY": "http://proxy:1"}, f"https://{FAR}", None),
        ({"ALL_PROXY": "http://proxy:1", "NO_PROXY": "example.invalid"}, f"http://{FAR}", None),
        ({"ALL_PROXY": "http://proxy:1", "NO_PROXY": "a.example, .example.invalid"}, f"http://me:pw@{FAR}:8080", None),
        ({"ALL_PROXY": "http://proxy:1", "NO_PROXY": "*"}, f"http://{FAR}", None),
        ({"ALL_PROXY": "http://proxy:1", "NO_PROXY": "other.invalid"}, f"http://{FAR}", "http://proxy:1"),
        ({"ALL_PROXY": "http://proxy:1"}, "http://[::1", None),
    ],
)
@pytest.mark.usefixtures("proxied")
def test_which_proxy_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
    set_to: Mapping[str, str],
    url: str,
    proxy: str | None,
) -> None:
    for name, value in set_to.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == proxy


@pytest.mark.parametrize("address", ["socks5://ana:pa55word@127.0.0.1:1", "gopher://ana:pa55word@127.0.0.1:1"])
def test_a_proxy_of_another_kind_is_refused_without_its_credentials(
    proxied: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    proxied(saying("200 OK")).close()
    monkeypatch.setenv("HTTP_PROXY", address)
    with pytest.raises(Rejected) as refused:
        HttpClient(f"http://{FAR}", timeout_s=1.0).request("GET", "/")
    assert "proxy" in refused.value.message
    assert "pa55word" not in f"{refused.value!r}"
