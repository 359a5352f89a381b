"""One entry of the journal, and its form as a line.

A line is canonical JSON (sorted keys, no spaces, UTF-8): each entry has exactly one form, so a change of any byte
changes the entry. ``hash`` is SHA-256 over the canonical JSON of all other fields. One of them is ``prev``, the hash of
the line before.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SHOWN_DEPTH = 32
CUT = "…"

LARGEST_SEQ = 2**53

GENESIS = "0" * 64
"""``prev`` of the first entry."""


BY_LOOK = "by_look"
"""The key of an outcome that rests on what the system showed, and not on its answer."""

REOPENED = "reopened"
"""The key of an outcome that supersedes an earlier one of the same intent."""


class EntryKind(StrEnum):
    INTENT = "intent"  # a change is about to be sent
    SENT = "sent"  # the system accepted a call of the change
    OUTCOME = "outcome"  # how the change ended; ``data["intent"]`` is the intent's number. The newest one counts
    NOTE = "note"  # anything else: a refusal, a repaired journal


@dataclass(frozen=True, slots=True)
class Entry:
    """``seq`` counts from 1. ``at`` is in Unix seconds. ``ref`` is an endpoint as text, or "". ``data`` holds JSON
    values. ``prev`` and ``hash`` are SHA-256 in hexadecimal."""

    seq: int
    at: float
    kind: EntryKind
    context: str
    ref: str
    operator: str
    host: str
    data: Mapping[str, object] = field(default_factory=dict)
    prev: str = GENESIS
    hash: str = ""

    @property
    def intent(self) -> int | None:
        """The number of the intent that a SENT or OUTCOME belongs to; an INTENT's own number."""
        if self.kind is EntryKind.INTENT:
            return self.seq
        number = self.data.get("intent")
        return number if isinstance(number, int) else None


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was read. ``computed`` is the hash that the entry should have."""

    entry: Entry
    computed: str

    @property
    def sound(self) -> bool:
        return self.entry.hash == self.computed


def canonical(value: Mapping[str, object]) -> bytes:
    """Raises:
    ValueError: a number is not finite, a text has no UTF-8 form, or it is nested too deeply.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return text.encode("utf-8")


def seal(entry: Entry) -> tuple[Entry, bytes]:
    """``entry`` with its hash, and its line with the newline."""
    fields = {name: getattr(entry, name) for name in _FIELDS}
    del fields["hash"]
    fields["hash"] = hashlib.sha256(canonical(fields)).hexdigest()
    sealed = Entry(**fields)
    return sealed, canonical(fields) + b"\n"


def parse_line(line: bytes) -> Entry:
    """The entry on a line without its newline, for showing it. Its hash is not checked.

    Data that is nested more than ``SHOWN_DEPTH`` deep is cut, halves of characters are replaced, and a time that is no
    float is infinite, so that every reader can show what is left.

    Raises:
        ValueError: the line is no entry.
    """
    fields = _fields_of(line)
    if line.count(b"{") + line.count(b"[") > SHOWN_DEPTH or b"\\ud" in line.lower():
        fields = _presentable(fields, SHOWN_DEPTH)
    return _entry_of(fields | {"at": _float(fields["at"])})


def read_line(line: bytes) -> Line:
    """The entry on a line without its newline, and the hash that it should have.

    Raises:
        ValueError: the line is no entry, or is not in canonical form.
    """
    fields = _fields_of(line)
    if canonical(fields) != line:
        raise ValueError("not written as an entry is")
    entry = _entry_of(fields)
    del fields["hash"]
    return Line(entry, hashlib.sha256(canonical(fields)).hexdigest())


def _fields_of(line: bytes) -> dict[str, Any]:
    try:
        fields = _DECODER.decode(line.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(fields, dict) or fields.keys() != _FIELDS.keys():
        raise ValueError("not the fields of an entry")
    if any(not isinstance(fields[name], kind) for name, kind in _FIELDS.items()):
        raise ValueError("not the types of an entry")
    if not 0 < fields["seq"] < LARGEST_SEQ:
        raise ValueError("not the number of an entry")
    return fields


def _presentable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return CUT
    if isinstance(value, list):
        return [_presentable(one, depth - 1) for one in value]
    return {_presentable(name, depth): _presentable(one, depth - 1) for name, one in value.items()}


def _float(at: float) -> float:
    try:
        return float(at)
    except OverflowError:
        return math.inf


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _entry_of(fields: dict[str, Any]) -> Entry:
    return Entry(**fields | {"kind": EntryKind(fields["kind"])})


_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "seq": int,
    "at": (int, float),
    "kind": str,
    "context": str,
    "ref": str,
    "operator": str,
    "host": str,
    "data": dict,
    "prev": str,
    "hash": str,
}

_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
