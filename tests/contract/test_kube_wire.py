"""What real API servers do rarely: a server of ours that does it at once, and a proxy in front of it."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from backends.errors import BackendError, Malformed, RateLimited, TimedOut, Unreachable
from backends.platforms.kubernetes import store as stores
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.credentials import run_exec_plugin
from backends.platforms.kubernetes.failures import Missing
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.store import KindStore
from tests.waiting import wait_until

THING = Kind("example.com", "v1", "things", "Thing")


class Fake:
    """An API server with a list of things. ``answer`` may take a request over: (status, headers, body) or ``None``."""

    def __init__(self, name: str = "a") -> None:
        self.requests: list[tuple[str, float]] = []
        self.answer: Callable[[str, dict[str, str]], tuple[int, dict[str, str], bytes] | None] = lambda path, query: (
            None
        )
        self.events: list[dict[str, Any]] = []
        self.ended = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                fake.requests.append((self.path, time.monotonic()))
                taken = fake.answer(parts.path, query)
                if taken is not None:
                    self._send(*taken)
                elif "watch" in query:
                    self._watch()
                else:
                    items = [{"metadata": {"namespace": "ml", "name": name, "resourceVersion": "5"}}]
                    self._send(200, {}, json.dumps({"metadata": {"resourceVersion": "7"}, "items": items}).encode())

            do_PATCH = do_GET  # noqa: N815 - as the base class has it

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _watch(self) -> None:
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                while fake.events:
                    self.wfile.write(json.dumps(fake.events.pop(0)).encode() + b"\n")
                self.wfile.flush()
                fake.ended.wait(30)
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def kubeconfig(self, folder: Path, **cluster: object) -> Path:
        path = folder / "kubeconfig"
        config = {
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url, **cluster}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me"}}],
            "users": [{"name": "me", "user": {"token": "geheim"}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def stop(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.stop()


@pytest.fixture
def elsewhere() -> Iterator[Fake]:
    """Another API server, with another thing."""
    made = Fake("b")
    yield made
    made.stop()


@pytest.fixture
def client(fake: Fake, tmp_path: Path) -> Iterator[KubeClient]:
    made = KubeClient(fake.kubeconfig(tmp_path), timeout_s=5.0)
    yield made
    made.close()


@pytest.fixture
def store(client: KubeClient) -> Iterator[KindStore]:
    made = KindStore(client, THING, changed=lambda: None)
    yield made
    made.stop()
    client.close()


def listings(fake: Fake) -> list[float]:
    return [at for path, at in fake.requests if "watch=" not in path]


def test_a_server_that_asks_to_be_left_alone_is_left_alone_for_as_long(fake: Fake, store: KindStore) -> None:
    fake.answer = lambda path, query: (429, {"Retry-After": "2"}, b"") if len(fake.requests) == 1 else None
    store.start()
    wait_until(lambda: isinstance(store.error, RateLimited), 10, "the refusal to be told")
    store.kick()
    wait_until(lambda: store.objects(), 20, "the list")
    first, second = listings(fake)[:2]
    assert second - first >= 1.5
    assert store.error is None


@pytest.mark.parametrize("as_event", [True, False])
def test_a_watch_that_is_gone_has_all_listed_again(fake: Fake, store: KindStore, as_event: bool) -> None:
    gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
    if as_event:
        fake.events = [{"type": "ERROR", "object": gone}]
    else:
        refused = [True]

        def once(path: str, query: dict[str, str]) -> tuple[int, dict[str, str], bytes] | None:
            return (410, {}, json.dumps(gone).encode()) if "watch" in query and refused and refused.pop() else None

        fake.answer = once
    store.start()
    wait_until(lambda: store.lists == 2, 20, "a second list")
    assert store.objects()


def test_a_watch_goes_on_from_the_last_version_that_it_saw(fake: Fake, store: KindStore) -> None:
    fake.events = [
        {"type": "ADDED", "object": {"metadata": {"namespace": "ml", "name": "b", "resourceVersion": "9"}}},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "12"}}},
    ]
    fake.ended.set()
    store.start()
    resumed = "resourceVersion=12"
    wait_until(lambda: any(resumed in path for path, _ in fake.requests), 20, "the watch to be resumed")
    assert set(store.objects()) == {("ml", "a"), ("ml", "b")}
    assert store.lists == 1


def test_after_a_turn_to_another_cluster_nothing_of_the_first_is_left(
    fake: Fake, elsewhere: Fake, client: KubeClient, store: KindStore, tmp_path: Path
) -> None:
    """What was listed, and the version up to which that is, mean nothing on another server."""
    store.start()
    wait_until(lambda: set(store.objects()) == {("ml", "a")}, 20, "the list of the first server")
    elsewhere.kubeconfig(tmp_path)
    client.request("GET", "/version")
    wait_until(lambda: set(store.objects()) == {("ml", "b")}, 20, "the list of the second server, and no more")
    assert store.lists == 2
    assert len(listings(elsewhere)) == 2, "the version and one list"
    assert store.error is None


def test_a_kind_that_is_installed_later_is_found(fake: Fake, store: KindStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "ABSENT_EVERY_S", 0.2)
    fake.answer = lambda path, query: (404, {}, b"404 page not found")
    store.start()
    wait_until(lambda: store.absent, 10, "the kind to be missed")
    assert store.error is None
    assert not store.objects()
    fake.answer = lambda path, query: None
    wait_until(lambda: store.objects(), 10, "the kind to be found")


def test_an_answer_that_is_not_from_an_api_server(fake: Fake, client: KubeClient) -> None:
    fake.answer = lambda path, query: (200, {"Content-Type": "text/html"}, b"<html>please log in</html>")
    with pytest.raises(Malformed, match="not a JSON object"):
        client.request("GET", THING.path())
    assert client.request("GET", "/api/v1/namespaces/a/services/b/proxy/gate")["text"].startswith("<html>")
    fake.answer = lambda path, query: (404, {}, b"404 page not found")
    with pytest.raises(Missing):
        client.request("GET", THING.path())


def test_a_write_without_an_answer_may_have_been_applied_and_a_read_has_not(fake: Fake, client: KubeClient) -> None:
    release = threading.Event()

    def hang(path: str, query: dict[str, str]) -> None:
        release.wait(10)

    fake.answer = hang
    try:
        with pytest.raises(TimedOut) as write:
            client.request("PATCH", THING.path("ml", "a"), body={}, timeout_s=0.5)
        with pytest.raises(TimedOut) as read:
            client.request("GET", THING.path("ml", "a"), timeout_s=0.5)
    finally:
        release.set()
    assert write.value.maybe_applied
    assert not read.value.maybe_applied
    assert len([path for path, _ in fake.requests]) == 2, "neither is sent twice"


def test_a_proxy_of_the_kubeconfig_is_gone_through(fake: Fake, tmp_path: Path) -> None:
    proxy = Fake()
    try:
        path = fake.kubeconfig(tmp_path, **{"proxy-url": proxy.url})
        client = KubeClient(path, timeout_s=5.0)
        assert client.request("GET", THING.path())["metadata"]["resourceVersion"] == "7"
        assert proxy.requests
        assert not fake.requests
        assert proxy.requests[0][0].startswith(fake.url)
        client.close()
    finally:
        proxy.stop()


def test_nobody_there(tmp_path: Path) -> None:
    gone = Fake()
    path = gone.kubeconfig(tmp_path)
    gone.stop()
    with pytest.raises(Unreachable, match="no connection to 127"):
        KubeClient(path, timeout_s=2.0).request("GET", THING.path())
    with pytest.raises(Unreachable, match="there is no kubeconfig"):
        KubeClient(tmp_path / "nowhere").request("GET", THING.path())
    (tmp_path / "broken").write_text("users: [ {token: geheim, \n - :")
    with pytest.raises(Unreachable, match="is not YAML") as broken:
        KubeClient(tmp_path / "broken").request("GET", THING.path())
    assert "geheim" not in str(broken.value)


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError, AttributeError, OSError])
def test_what_the_package_says_of_a_kubeconfig_may_quote_a_token_and_is_not_shown(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def quoting(self: object, configuration: object) -> None:
        raise error("cannot make sense of geheim")

    monkeypatch.setattr("kubernetes.config.kube_config.KubeConfigLoader.load_and_set", quoting)
    with pytest.raises(Unreachable) as unusable:
        KubeClient(fake.kubeconfig(tmp_path)).request("GET", "/version")
    assert error.__name__ in unusable.value.message
    assert "geheim" not in f"{unusable.value.message}{unusable.value.hint}"


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate-data": "geheim", "client-key-data": "geheim"},
        {"token": ["geheim"]},
        {"auth-provider": {"name": "oidc", "config": {"id-token": "geheim.geheim.geheim"}}},
        "geheim",
    ],
    ids=["no certificate", "no text", "no id token", "no table"],
)
def test_a_kubeconfig_that_makes_no_sense_shows_no_secret(fake: Fake, tmp_path: Path, user: object) -> None:
    path = fake.kubeconfig(tmp_path)
    config = yaml.safe_load(path.read_text())
    config["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(config))
    fake.answer = lambda path, query: (401, {}, b"")
    with pytest.raises(BackendError) as unusable:
        KubeClient(path).request("GET", "/version")
    assert "geheim" not in f"{unusable.value.message}{unusable.value.hint}"


def test_a_credential_plugin_is_not_given_what_the_operator_types(tmp_path: Path) -> None:
    """One that asks is at the end of its input: the keys are the app's, and a question would be drawn over."""
    script = tmp_path / "login"
    script.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        'print(json.dumps({"kind": "ExecCredential", "status": {"token": repr(sys.stdin.readline())}}))\n'
    )
    script.chmod(0o700)
    reading, writing = os.pipe()
    os.write(writing, b"typed by the operator\n")
    os.close(writing)
    terminal = os.dup(0)
    os.dup2(reading, 0)
    try:
        found = run_exec_plugin({"command": str(script), "apiVersion": "v1"}, None)
        assert found.token == "''", "it read an end of input"
        assert os.read(0, 100) == b"typed by the operator\n", "what was typed is still there"
    finally:
        os.dup2(terminal, 0)
        os.close(terminal)
        os.close(reading)
