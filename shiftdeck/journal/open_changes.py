"""The changes of which the journal knows no outcome. Pure.

The whole journal has to be looked through, so a line is parsed only where a search for bytes does not tell enough. A
quote inside a text is escaped: the bytes of a key stand for a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shiftdeck.journal.entry import Entry, EntryKind, parse_line

UNKNOWN = "unknown"
"""The outcome that says that none is known."""

_KIND = b'"kind":"'
_INTENT, _OUTCOME = b"intent", b"outcome"
_OTHERS = (b"sent", b"note")
_UNKNOWN = b'"outcome":"unknown"'
_OF = b'"intent":'
_OF_NUMBER = re.compile(rb'"intent":([0-9]{1,15})[,}]')
_SEQ = re.compile(rb',"seq":([0-9]{1,15})\}')


@dataclass(frozen=True, slots=True)
class OpenChange:
    """An intent, and the newest of its outcomes if that says "unknown"; ``None``: it has no outcome."""

    intent: Entry
    outcome: Entry | None = None


def open_changes(lines: Iterable[bytes]) -> tuple[OpenChange, ...]:
    """The changes without a known outcome, oldest first. ``lines`` are without newlines, and the newest comes first."""
    ended: set[int] = set()
    unknown: dict[int, Entry] = {}
    found: list[OpenChange] = []
    for line in lines:
        kind, number = _seen(line)
        if kind in _OTHERS or (kind == _INTENT and number in ended):
            continue
        if kind == _OUTCOME and number is not None:
            if number not in unknown:
                ended.add(number)
            continue
        entry = entry_or_none(line)
        if entry is None or entry.intent is None or entry.intent in ended:
            continue
        if entry.kind is EntryKind.INTENT:
            found.append(OpenChange(entry, unknown.get(entry.seq)))
        elif entry.kind is EntryKind.OUTCOME and entry.intent not in unknown:
            if is_known(entry):
                ended.add(entry.intent)
            else:
                unknown[entry.intent] = entry
    return tuple(reversed(found))


def is_known(outcome: Entry | None) -> bool:
    """Whether that outcome says how the change ended."""
    return outcome is not None and outcome.data.get("outcome") != UNKNOWN


def entry_or_none(line: bytes) -> Entry | None:
    try:
        return parse_line(line)
    except ValueError:
        return None


def _seen(line: bytes) -> tuple[bytes, int | None]:
    """The kind of a line, and the number of the intent that it is, or that it is a known outcome of; "" and ``None``
    where it has to be parsed for that. In the canonical form nothing that follows the kind has such a key."""
    begin = line.rfind(_KIND) + len(_KIND)
    kind = line[begin : line.find(b'"', begin)] if begin >= len(_KIND) else b""
    found = None
    if kind == _INTENT:
        found = _SEQ.search(line, begin)
    elif kind == _OUTCOME and _UNKNOWN not in line and line.count(_OF) == 1:
        found = _OF_NUMBER.search(line)
    return kind, int(found[1]) if found is not None else None
