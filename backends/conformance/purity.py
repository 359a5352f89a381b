"""Checks that a call is pure: it does no I/O and does not change its arguments."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum

FORBIDDEN = (
    "socket.",
    "open",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.listdir",
    "os.scandir",
    "urllib.Request",
    "sqlite3.connect",
)
"""Audit events of I/O, by the beginning of their names (https://docs.python.org/3/library/audit_events.html)."""

_watched = threading.local()


class DidIO(AssertionError):
    """The adapter did I/O in a function that must not do any."""


@contextmanager
def no_io() -> Iterator[None]:
    """I/O on this thread raises ``DidIO`` at once, and again at the end of the block, because the adapter may catch the
    first exception.

    The interpreter's audit hooks see every socket, file and child process, also of extension modules. A hook cannot be
    removed, so one hook serves the whole process, and it ignores events outside of such blocks.
    """
    _install()
    seen: list[str] = []
    before = getattr(_watched, "seen", None)
    _watched.seen = seen
    try:
        yield
    finally:
        _watched.seen = before
    if seen:
        raise DidIO(", ".join(seen))


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    seen: list[str] | None = getattr(_watched, "seen", None)
    if seen is None or not event.startswith(FORBIDDEN):
        return
    words = f"{event} {arguments[0]!r}" if arguments and isinstance(arguments[0], str | bytes | list) else event
    seen.append(words)
    raise DidIO(words)


_installing = threading.Lock()
_installed = False


def _install() -> None:
    global _installed
    with _installing:
        if not _installed:
            sys.addaudithook(_audit)
            _installed = True


def picture(value: object) -> object:
    """A copy of a whole value for a later comparison, including fields that the value's own ``==`` ignores."""
    if isinstance(value, Enum) or value is None or isinstance(value, str | bytes | bool | int | float):
        return type(value).__name__, repr(value)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, tuple((one.name, picture(getattr(value, one.name))) for one in fields(value))
    if isinstance(value, Mapping):
        return "mapping", tuple(sorted(((repr(key), picture(one)) for key, one in value.items()), key=repr))
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(picture(one) for one in value)
    if isinstance(value, set | frozenset):
        return "set", tuple(sorted(repr(picture(one)) for one in value))
    return type(value).__name__, id(value)
