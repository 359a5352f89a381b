"""The gate for foreign text: every text of an adapter's answer is made fit to be shown before anything reads it.

What a system is addressed or guarded by stays as it is, and is made fit where it is shown: ``Endpoint.native``, the
tags of a version, and the labels of an alert.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, cast

from backends.text import masked, one_line

T = TypeVar("T")

DEEPEST = 30
"""What is nested deeper is left out: the journal takes entries of any content."""

MESSAGES = frozenset(
    {"actions", "cautions", "comment", "data", "description", "detail", "fault", "hint", "message", "note"}
    | {"signature_note", "summary", "trouble", "why", "words"}
)
"""The fields that hold sentences, in which credentials are masked. Elsewhere they are not: a name that holds a word
which is somebody's credential must still be found by it."""

EXACT = frozenset({("Endpoint", "native"), ("ModelVersion", "tags"), ("Alert", "labels"), ("Silence", "matchers")})


def shown(value: T) -> T:
    """``value`` with every text in it fit to be shown, at any depth. What has nothing to change is returned itself, so
    that identity still tells what is new."""
    return cast("T", _shown(value))


class AnswerGate:
    """``shown`` of the answers of one source, at the cost of what is new in them: an item that was in the last answer
    is not looked at again. Not thread-safe."""

    def __init__(self) -> None:
        self._items: dict[int, tuple[object, object]] = {}
        self._last: tuple[object, object] | None = None

    def shown(self, answer: object) -> object:
        if self._last is not None and self._last[0] is answer:
            return self._last[1]
        made = self._tuple(answer) if isinstance(answer, tuple) else shown(answer)
        self._last = (answer, made)
        return made

    def _tuple(self, answer: tuple[object, ...]) -> object:
        before, self._items = self._items, {}
        for item in answer:
            known = before.get(id(item))
            self._items[id(item)] = known if known is not None and known[0] is item else (item, shown(item))
        made = tuple(self._items[id(item)][1] for item in answer)
        return answer if all(one is other for one, other in zip(made, answer, strict=True)) else made


def _shown(value: object, depth: int = 0, said: bool = True) -> Any:
    if depth > DEEPEST:
        return "…"
    if isinstance(value, str):
        # An enumeration's member is a text of ours.
        return one_line(masked(value) if said else value) if type(value) is str else value
    if isinstance(value, tuple):
        made = [_shown(item, depth + 1, said) for item in value]
        if all(one is other for one, other in zip(made, value, strict=True)):
            return value
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    if isinstance(value, list):
        return [_shown(item, depth + 1, said) for item in value]
    if isinstance(value, Mapping):
        return _mapping(value, depth + 1, said)
    if isinstance(value, frozenset):
        made_set = frozenset(_shown(item, depth + 1, said) for item in value)
        return value if made_set == value else made_set
    if is_dataclass(value) and not isinstance(value, type):
        return _dataclass(value, depth + 1)
    return value


def _mapping(value: Mapping[object, object], depth: int, said: bool) -> object:
    made = {_shown(key, depth, False): _shown(held, depth, said) for key, held in value.items()}
    same = len(made) == len(value) and all(made.get(key, value) is held for key, held in value.items())
    return value if same else made


def _dataclass(value: Any, depth: int) -> object:
    news = {}
    for name in _names(cast("Hashable", type(value))):
        held = getattr(value, name)
        made = _shown(held, depth, name in MESSAGES)
        if made is not held:
            news[name] = made
    return replace(value, **news) if news else value


@cache
def _names(of: Any) -> tuple[str, ...]:
    """The fields of a dataclass that may hold text which is only shown."""
    return tuple(one.name for one in fields(of) if one.init and (of.__name__, one.name) not in EXACT)
