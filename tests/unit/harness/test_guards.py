"""The rules that tests themselves keep to."""

from __future__ import annotations

import socket

import pytest

from tests.conftest import LeftLoopback, is_loopback
from tests.servers import require, require_program
from tests.waiting import wait_until


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80, 0, 0), ("example.org", 80)])
def test_no_test_reaches_another_machine(address: tuple[object, ...]) -> None:
    family = socket.AF_INET6 if len(address) > 2 else socket.AF_INET
    with socket.socket(family) as channel, pytest.raises(LeftLoopback):
        channel.connect(address)


def test_no_test_looks_up_a_name() -> None:
    with pytest.raises(LeftLoopback, match=r"example\.org"):
        socket.create_connection(("example.org", 443))


def test_no_test_sends_a_datagram_elsewhere() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel, pytest.raises(LeftLoopback):
        channel.sendto(b"statsd:1|c", ("192.0.2.1", 8125))


@pytest.mark.parametrize("address", [("127.0.0.1", 1), ("127.8.8.8", 1), ("::1", 1, 0, 0), ("localhost", 1), "/run/x"])
def test_loopback_is_allowed(address: object) -> None:
    assert is_loopback(address)


def test_a_missing_server_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        require(False, "no such thing")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such thing"):
        require(False, "no such thing")
    with pytest.raises(pytest.fail.Exception, match="surely-not-there"):
        require_program("surely-not-there")


def test_waiting_gives_the_value_or_says_what_it_waited_for() -> None:
    assert wait_until(lambda: "there", 0, "it") == "there"
    with pytest.raises(AssertionError, match="the bus"):
        wait_until(lambda: None, 0.02, "the bus", every_s=0.01)
