"""The fault proxy fails as it says, so that a test which passes behind it means something."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.faults import Fault, FaultProxy, Treatment
from tests.waiting import wait_until


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[bytes]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen.append(body)
        self.send_response_only(412)
        self.send_header("ETag", self.headers["If-Match"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Quiet."""


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    _Echo.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with FaultProxy(f"http://127.0.0.1:{server.server_address[1]}", slow_s=0.3) as made:
        yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=5.0) as made:
        yield made


def ask(client: httpx.Client, timeout: float = 5.0) -> httpx.Response:
    return client.put("/a?b=c", content=b"the body", headers={"If-Match": '"17"'}, timeout=timeout)


def test_passes_status_headers_and_body_on_both_ways(client: httpx.Client, proxy: FaultProxy) -> None:
    answer = ask(client)
    assert (answer.status_code, answer.headers["etag"], answer.content) == (412, '"17"', b"the body")
    assert proxy.requests == 1


def test_a_fault_reaches_connections_that_are_open_already(client: httpx.Client, proxy: FaultProxy) -> None:
    ask(client)
    proxy.set(Fault.STATUS, status=429, headers={"Retry-After": "7"})
    answer = ask(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_slow_answers_late(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.set(Fault.SLOW)
    assert ask(client).elapsed.total_seconds() >= 0.3
    with pytest.raises(httpx.ReadTimeout):
        ask(client, timeout=0.1)


def test_hang_never_answers(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.set(Fault.HANG)
    with pytest.raises(httpx.ReadTimeout):
        ask(client, timeout=0.2)
    assert _Echo.seen == []


def test_gone_refuses_and_comes_back_at_the_same_address(client: httpx.Client, proxy: FaultProxy) -> None:
    ask(client)
    url = proxy.url
    proxy.set(Fault.GONE)
    with pytest.raises((httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError)):
        ask(client)
    with pytest.raises(httpx.ConnectError):
        ask(client)
    proxy.set(Fault.PASS)
    assert proxy.url == url
    assert ask(client).status_code == 412


def test_garbage_is_well_formed_http_and_noise_is_not(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.set(Fault.GARBAGE)
    assert "Sign in" in ask(client).text
    proxy.set(Fault.NOISE)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(client)


def test_truncated_promises_more_than_it_sends(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.set(Fault.TRUNCATED)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(client)
    connection = http.client.HTTPConnection("127.0.0.1", int(proxy.url.rpartition(":")[2]), timeout=5)
    connection.request("PUT", "/", b"the body", {"If-Match": '"1"'})
    with pytest.raises(http.client.IncompleteRead) as caught:
        connection.getresponse().read()
    connection.close()
    assert caught.value.partial == b"the "


def test_a_lost_answer_was_acted_on(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.set(Fault.LOST_ANSWER)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(client)
    assert _Echo.seen == [b"the body"]


def test_an_answer_of_any_status_to_what_was_acted_on(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.set(Fault.STATUS, status=503, applied=True)
    assert ask(client).status_code == 503
    assert _Echo.seen == [b"the body"]
    [write] = proxy.writes
    assert (write.method, write.path, write.body) == ("PUT", "/a?b=c", b"the body")
    assert (write.status, write.taken) == (412, False)


def test_what_is_held_reaches_the_server_though_the_client_has_gone(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.set(Fault.PASS, held_s=0.4)
    with pytest.raises(httpx.ReadTimeout):
        ask(client, timeout=0.1)
    assert _Echo.seen == []
    assert not proxy.idle
    wait_until(lambda: proxy.idle, 10, "the proxy to pass it on")
    assert _Echo.seen == [b"the body"]


def test_told_twice_the_second_answer_is_given(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.set(Fault.TWICE)
    assert ask(client).status_code == 412
    assert _Echo.seen == [b"the body", b"the body"]


def test_an_empty_answer_says_yes_and_no_more(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.set(Fault.EMPTY)
    answer = ask(client)
    assert (answer.status_code, answer.content) == (200, b"")
    assert _Echo.seen == []


def test_single_requests_can_be_treated_in_their_own_way(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.decide = lambda method, path, body: Treatment(Fault.STATUS, 429) if path.startswith("/a") else None
    assert ask(client).status_code == 429
    assert client.put("/b", content=b"other", headers={"If-Match": '"1"'}).status_code == 412


def test_an_answer_before_the_server_is_told(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.decide = lambda method, path, body: Treatment(Fault.STATUS, 504, after_s=0.3)
    assert ask(client).status_code == 504
    assert _Echo.seen == []
    wait_until(lambda: proxy.idle, 10, "the proxy to pass it on")
    assert _Echo.seen == [b"the body"]


def test_an_answer_that_is_old_when_it_comes(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.decide = lambda method, path, body: Treatment(late_s=0.3)
    answer = ask(client)
    assert answer.elapsed.total_seconds() >= 0.3
    assert (answer.status_code, answer.content) == (412, b"the body")
