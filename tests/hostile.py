"""Adapters that say hostile things: every text in their answers ends with what would steer a terminal, and no name is
what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from typing import Any

from backends.contracts import EndpointRef

FORGED = "FAKE ✔ healthy"
HOSTILE = f"\x1b[2J\x1b]0;owned\x07\x1b[8m\x9b31m\u202e\u200b\r\n{FORGED}\x00\ud800"
"""Clear the screen, set the title, conceal, C1, right to left, no width, a line of its own, NUL, half a character."""

KEPT = frozenset({"kind", "OPTIONS", "name", "world"})
SENT = ("compile", "send", "fence", "close")
"""What is called to change something is left as it is: the tests look at what is shown."""


def spoilt(value: Any) -> Any:
    """``value`` with every text in it spoilt, at any depth; the name of our own source is ours."""
    if type(value) is str:
        return value + HOSTILE if value else value
    if isinstance(value, tuple):
        return tuple(map(spoilt, value))
    if isinstance(value, Mapping):
        return {spoilt(key): spoilt(held) for key, held in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        ours = {"backend"} if isinstance(value, EndpointRef) else {"native"}
        names = [one.name for one in fields(value) if one.init and one.name not in ours]
        return replace(value, **{name: spoilt(getattr(value, name)) for name in names})
    return value


def spoiling(cls: type[Any]) -> type[Any]:
    """The adapter's class, with all that it answers spoilt."""
    methods = {
        name: _spoilt_call(getattr(cls, name))
        for name in dir(cls)
        if not name.startswith(("_", *SENT)) and name not in KEPT and callable(getattr(cls, name))
    }
    return type(cls.__name__, (cls,), methods)


def _spoilt_call(call: Callable[..., object]) -> Callable[..., object]:
    @wraps(call)
    def spoilt_call(*args: Any, **kwargs: Any) -> object:
        return spoilt(call(*args, **kwargs))

    return spoilt_call
