"""Which answers to a write prove that nothing was applied: one table, for every transport.

Each server here says what a test wants.
"""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.errors import BackendError, Malformed, nothing_applied
from backends.http import HttpClient
from backends.platforms.haproxy.runtime import Runtime
from backends.platforms.kubernetes import client as kube
from backends.platforms.kubernetes.calls import JSON_PATCH
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.kinds import Kind
from tests.kube.apiserver import ApiServer

LATE_S = 0.5
LIMIT = 64 * 1024
DIGITS = b'{"message": "no", "code": %b}' % (b"9" * 5_000)
NESTED = b"[" * 100_000
THING = Kind("example.com", "v1", "things", "Thing")
Say = Callable[[socket.socket], None]


class Server:
    """Reads one whole request on each connection, and then answers as ``say`` does."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                channel, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(channel,), daemon=True).start()

    def _answer(self, channel: socket.socket) -> None:
        with channel, suppress(OSError, ValueError):
            asked = b""
            while b"\r\n\r\n" not in asked and (part := channel.recv(65536)):
                asked += part
            head, _, body = asked.partition(b"\r\n\r\n")
            length = next(int(one[15:]) for one in head.lower().split(b"\r\n") if one.startswith(b"content-length:"))
            while len(body) < length and (part := channel.recv(65536)):
                body += part
            self.requests += 1
            self._say(channel)
            if self._say is never:
                self.ended.wait(60)

    def close(self) -> None:
        self.ended.set()
        self._listener.close()


def status(code: int, body: bytes = b'{"message": "no"}', *, length: int | None = None, **headers: str) -> Say:
    lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body) if length is None else length}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    answer = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return lambda channel: channel.sendall(answer)


def never(channel: socket.socket) -> None:
    """No answer."""


VALIDATION = "422 of validation"
REFUSED: dict[str, Say] = {
    **{str(code): status(code) for code in (400, 401, 403, 404)},
    VALIDATION: status(422, b'{"message": "Thing \\"a\\" is invalid: spec.weight: must be less than 101"}'),
    "a refusal whose body is cut": status(403, b'{"mess', length=400),
    "a refusal with a number of 5,000 digits": status(404, DIGITS),
    "a refusal that is nested too deeply": status(400, NESTED),
    "a refusal that is too long": status(403, b"x" * (LIMIT + 1)),
    "a refusal whose encoding does not decode": status(401, b"nonsense", Content_Encoding="gzip"),
    "a refusal in another encoding": status(403, gzip.compress(b'{"message": "no"}'), Content_Encoding="gzip"),
    "a refusal that is no text": status(400, bytes(range(256))),
    "a refusal without a body": status(404, b""),
}
PROVES_NOTHING: dict[str, Say] = {
    **{str(code): status(code) for code in (302, 307, 405, 408, 409, 410, 412, 425, 429, 500, 502, 503, 504, 599)},
    "a head that is cut": lambda channel: channel.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a body that is cut": status(200, b'{"kind', length=400),
    "an answer that is not HTTP": lambda channel: channel.sendall(bytes(range(256)) + b"\r\n\r\n"),
    "an answer that is too long": status(200, b"x" * (LIMIT + 1)),
    "an answer whose encoding does not decode": status(200, b"nonsense", Content_Encoding="gzip"),
    "no answer, and the connection closed": lambda channel: channel.close(),
    "no answer": never,
}
UNREADABLE: dict[str, Say] = {
    "an answer with a number of 5,000 digits": status(200, DIGITS),
    "an answer that is nested too deeply": status(200, NESTED),
    "an answer that is not JSON": status(200, b"<html>please log in"),
    "an answer that is no text": status(200, b"\xff\xfe"),
}
ANSWERS = {**REFUSED, **PROVES_NOTHING, **UNREADABLE}

Write = Callable[[], object]


@contextmanager
def by_httpx(port: int, _folder: Path) -> Iterator[Write]:
    client = HttpClient(f"http://127.0.0.1:{port}", timeout_s=LATE_S, max_body=LIMIT)
    try:
        yield lambda: client.request("PUT", "/weights", json={"v8": 25}).json()
    finally:
        client.close()


@contextmanager
def by_kubernetes(port: int, folder: Path, **cluster: object) -> Iterator[Write]:
    config = {
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{port}", **cluster}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    client = KubeClient(folder / "kubeconfig", timeout_s=LATE_S)
    try:
        yield lambda: client.request("PATCH", THING.path("ml", "a"), body=[], content_type=JSON_PATCH)
    finally:
        client.close()


Transport = Callable[[int, Path], Any]
OVER_HTTP: dict[str, Transport] = {"httpx": by_httpx, "kubernetes": by_kubernetes}


@pytest.fixture(autouse=True)
def _small_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "MAX_BODY", LIMIT)


def failed(write: Write) -> BackendError:
    with pytest.raises(BackendError) as caught:
        write()
    return caught.value


@pytest.mark.parametrize("transport", OVER_HTTP)
@pytest.mark.parametrize("answer", ANSWERS)
def test_only_a_refusal_proves_that_nothing_was_applied(transport: str, answer: str, tmp_path: Path) -> None:
    server = Server(ANSWERS[answer])
    try:
        with OVER_HTTP[transport](server.port, tmp_path) as write:
            error = failed(write)
    finally:
        server.close()
    # Over plain HTTP nothing tells a server's own 422 from that of something on the way.
    refused = answer in REFUSED and not (answer == VALIDATION and transport == "httpx")
    assert nothing_applied(error) is refused, repr(error)
    assert server.requests == 1, "a write is never sent twice"
    if answer in UNREADABLE:
        assert isinstance(error, Malformed)
    if answer.startswith("a refusal"):
        assert not isinstance(error, Malformed), "what the status says counts, whatever the body"


@pytest.mark.parametrize("transport", OVER_HTTP)
def test_what_was_never_sent_was_not_applied(transport: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with OVER_HTTP[transport](port, tmp_path) as write:
        assert nothing_applied(failed(write))


def test_what_tls_did_not_let_through_was_not_applied(tmp_path: Path) -> None:
    """The server speaks no TLS: the handshake fails before the request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            with suppress(OSError):
                while True:
                    channel, _ = listener.accept()
                    channel.recv(65536)
                    channel.sendall(b"220 ready\r\n")
                    channel.close()

        threading.Thread(target=greet, daemon=True).start()
        client = HttpClient(f"https://127.0.0.1:{port}", timeout_s=LATE_S)
        assert nothing_applied(failed(lambda: client.request("PUT", "/weights", json={})))
        client.close()
        with by_kubernetes(port, tmp_path, server=f"https://127.0.0.1:{port}") as write:
            assert nothing_applied(failed(write))


def test_a_connection_through_a_proxy_that_breaks_after_the_request_proves_nothing(tmp_path: Path) -> None:
    """urllib3 calls it an error of the proxy."""

    def reset(channel: socket.socket) -> None:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        channel.close()

    proxy = Server(reset)
    try:
        with by_kubernetes(9, tmp_path, **{"proxy-url": f"http://127.0.0.1:{proxy.port}"}) as write:
            error = failed(write)
    finally:
        proxy.close()
    assert proxy.requests == 1
    assert not nothing_applied(error), repr(error)


def test_a_test_of_a_patch_that_fails_proves_nothing(apiserver: ApiServer) -> None:
    """A proxy may have repeated the patch, and the first copy changed what the second tests."""
    client = KubeClient(apiserver.kubeconfig())
    namespace = apiserver.namespace("proof")
    path = Kind("", "v1", "configmaps", "ConfigMap").path(namespace, "a")
    apiserver.create(Kind("", "v1", "configmaps", "ConfigMap"), {"metadata": {"namespace": namespace, "name": "a"}})
    for operation, proves in (
        ({"op": "test", "path": "/metadata/uid", "value": "another"}, False),
        ({"op": "remove", "path": "/data/gone"}, False),
        ({"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}, False),
        ({"op": "replace", "path": "/metadata/uid", "value": "another"}, True),
    ):
        error = failed(
            lambda operation=operation: client.request(  # type: ignore[misc]
                "PATCH", path, body=[operation], content_type=JSON_PATCH
            )
        )
        assert nothing_applied(error) is proves, f"{operation}: {error!r}"
    client.close()


# ── HAProxy's socket ────────────────────────────────────────────────────────────────────────────────────────────

HAPROXY: dict[str, tuple[Callable[[socket.socket], None], bool]] = {
    "a level that does not allow it": (lambda channel: channel.sendall(b"Permission denied\n\n"), True),
    "no answer": (never, False),
    "the connection closed": (lambda channel: channel.close(), False),
    "an answer that is no text": (lambda channel: channel.sendall(b"\xff\xfe\n\n"), False),
}


@pytest.mark.parametrize("answer", HAPROXY)
def test_what_haproxys_socket_says_of_a_write(answer: str, tmp_path: Path) -> None:
    say, proves = HAPROXY[answer]
    path, done = str(tmp_path / "admin.sock"), threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            channel, _ = listener.accept()
            with channel, suppress(OSError):
                channel.recv(65536)
                say(channel)
                done.wait(10 if say is never else 0)

        threading.Thread(target=serve, daemon=True).start()
        runtime = Runtime(path, LATE_S)
        error = failed(lambda: runtime.ask("set server a/b weight 5", "show servers state", write=True))
        done.set()
    assert nothing_applied(error) is proves, repr(error)
    assert nothing_applied(failed(lambda: Runtime(str(tmp_path / "gone.sock"), LATE_S).ask("x", write=True)))


def test_a_read_applies_nothing_whatever_comes_back(tmp_path: Path) -> None:
    for say in (status(503), status(200, NESTED), never):
        server = Server(say)
        client = HttpClient(f"http://127.0.0.1:{server.port}", timeout_s=LATE_S)
        error = failed(lambda client=client: client.request("POST", "/search", json={}, reads=True).json())  # type: ignore[misc]
        assert nothing_applied(error), repr(error)
        client.close()
        server.close()
