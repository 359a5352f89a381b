"""Common to all tests: markers, no connection beyond loopback, and nothing of the developer's own configuration."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import socketserver
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends import text
from tests import against, examples, hangs
from tests.servers import in_ci

MARKERS = ("e2e: drives the real program in a real terminal, on the lab; slow",)
LONGEST = (
    "test_flows",
    "test_painting",
    "test_main_screen",
    "test_own_drawing",
    "test_endpoint_screen",
    "test_steps",
    "test_actions",
    "test_drift_screen",
    "test_stalled_terminal",
    "test_kube_outages",
    "test_mlflow_server",
    "test_whole_stack",
    "test_real_stack",
    "test_drift_lab",
    "test_app",
    "test_lab_gateway",
    "test_cli_lab",
    "test_command_line",
    "test_outages",
    "test_kube_rollouts",
    "test_mlflow_sqlite",
    "test_prometheus",
    "test_packaging",
    "test_serving_lab",
    "test_modules_run",
    "test_drift_evidently",
)
OURS = ("SHIFTDECK_CONFIG", "SHIFTDECK_CONTEXT", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "NO_COLOR")


# A shell starts what runs in the background with SIGINT ignored, and programs that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Textual believes these before it asks the terminal, and pytest-xdist sets both in its workers.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)


class LeftLoopback(AssertionError):
    """A test tried to talk to another machine."""


examples.load()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(hangs)
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In CI, before the short summary: what the tests ran against."""
    if in_ci():
        terminalreporter.section("ran against")
        for line in against.lines():
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The quick ones first, so that a plain mistake shows in seconds; of the others the longest files first, so that no
    worker is left alone with one at the end."""
    if config.getoption("random_order_enabled", default=False):
        return
    order = {"unit": 0, "field": 0, "conformance": 0, "app": 1, "contract": 2, "e2e": 2, "soak": 2}
    here = Path(__file__).parent
    items.sort(key=lambda item: (order.get(_tier(item.path, here), 2), _place_of(item.path)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    from tests.scheduling import ByServer

    return ByServer(config, log) if config.getvalue("dist") == "loadfile" else None


def _place_of(path: Path) -> int:
    return LONGEST.index(path.stem) if path.stem in LONGEST else len(LONGEST)


def _tier(path: Path, here: Path) -> str:
    return path.relative_to(here).parts[0] if path.is_relative_to(here) else ""


def is_loopback(address: object) -> bool:
    """Whether a socket's address stays on this machine: a loopback host, or no host at all (a UNIX socket)."""
    if not isinstance(address, tuple):
        return True
    return _is_loopback_host(address[0])


def _is_loopback_host(host: object) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name is None or name in ("", "localhost"):
        return True
    if not isinstance(name, str):
        return False
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Connections, datagrams and look-ups that would leave this machine fail at once, with who was meant."""
    patch = pytest.MonkeyPatch()
    for method in ("connect", "connect_ex"):
        patch.setattr(socket.socket, method, _guarded(getattr(socket.socket, method)))
    patch.setattr(socket.socket, "sendto", _guarded(socket.socket.sendto, last=True))
    resolve = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_loopback_host(host):
            raise LeftLoopback(f"a test looked {host!r} up: tests stay on loopback")
        return resolve(host, *args, **kwargs)

    patch.setattr(socket, "getaddrinfo", look_up)
    yield
    patch.undo()


def _guarded(method: Callable[..., Any], *, last: bool = False) -> Callable[..., Any]:
    def call(self: socket.socket, *args: Any) -> Any:
        address = args[-1] if last else args[0]
        if not is_loopback(address):
            raise LeftLoopback(f"a test wanted to reach {address!r}: tests stay on loopback")
        return method(self, *args)

    return call


@pytest.fixture(scope="session", autouse=True)
def clients_may_give_up() -> Iterator[None]:
    """A server of a test whose client hangs up, as on a busy machine, prints no traceback: in CPython before 3.11.8 a
    thread that does can break another that parses source (gh-106905), as pytest does to show a failure."""
    told = socketserver.BaseServer.handle_error

    def handle_error(self: socketserver.BaseServer, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            told(self, request, client_address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socketserver.BaseServer, "handle_error", handle_error)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home: no test, nor a program that a test starts, reads or writes the developer's own files."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    for variable, folder in (("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state"), ("XDG_CACHE_HOME", "cache")):
        patch.setenv(variable, str(home / folder))
    for variable in OURS:
        patch.delenv(variable, raising=False)
    # A proxy from the environment would carry a test's requests off, and a registry's client reports home by default.
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        patch.delenv(variable)
    patch.setenv("DO_NOT_TRACK", "true")
    yield home
    patch.undo()


@pytest.fixture(autouse=True)
def colours_of_its_own() -> Iterator[None]:
    """``--no-color`` is for one call only: none of it stays for the tests that come after."""
    os.environ.pop("NO_COLOR", None)
    yield
    os.environ.pop("NO_COLOR", None)


@pytest.fixture(autouse=True)
def credentials_of_its_own() -> Iterator[None]:
    """What a test reads as a credential is masked in that test only: it may be a common word."""
    yield
    text._known.clear()
