"""A hand-over report as a Markdown table: what was changed, by whom, why, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable

from shiftdeck.common.moments import utc_text
from shiftdeck.journal.entry import REOPENED, Entry, EntryKind

LATER = {"recovered": "found out later", REOPENED: "reopened"}
"""What an outcome says of how it was found, by its key."""

_HEAD = ("time (UTC)", "operator", "endpoint", "change", "outcome", "reason")


def to_markdown(entries: Iterable[Entry]) -> str:
    """One row for each change and each note, in the order of the journal whatever the order of ``entries``.

    Reads ``change``, ``reason`` and ``override`` from the data of an intent, and ``outcome``, ``message`` and
    ``recovered`` from that of an outcome or a note.
    """
    given = sorted(entries, key=lambda entry: entry.seq)
    outcomes = {entry.intent: entry for entry in given if entry.kind is EntryKind.OUTCOME}
    intents = {entry.seq for entry in given if entry.kind is EntryKind.INTENT}
    rows = [_row(entry, outcomes.get(entry.seq)) for entry in given if _has_row(entry, intents)]
    lines = [_HEAD, tuple("---" for _ in _HEAD), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _has_row(entry: Entry, intents: set[int]) -> bool:
    if entry.kind is EntryKind.OUTCOME:
        return entry.intent not in intents
    return entry.kind is not EntryKind.SENT


def _row(entry: Entry, outcome: Entry | None) -> tuple[str, ...]:
    where = " ".join(part for part in (entry.context, entry.ref) if part)
    change = _text(entry, "change")
    if not change and entry.kind is EntryKind.OUTCOME:
        change = f"(entry {entry.intent})"
    ended = entry if entry.kind is not EntryKind.INTENT else outcome
    reason = _text(entry, "reason")
    override = _text(entry, "override")
    if override:
        reason = f"{reason} (override: {override})" if reason else f"override: {override}"
    return tuple(_cell(text) for text in (utc_text(entry.at), entry.operator, where, change, _ending(ended), reason))


def _ending(entry: Entry | None) -> str:
    if entry is None:
        return "no outcome recorded"
    words = ": ".join(part for part in (_text(entry, "outcome"), _text(entry, "message")) if part)
    later = "".join(f" ({told})" for key, told in LATER.items() if entry.data.get(key) is True)
    return f"{words}{later}"


def _text(entry: Entry, key: str) -> str:
    value = entry.data.get(key)
    return "" if value is None else str(value)


def _cell(text: str) -> str:
    # Foreign text must neither break the table nor reach the terminal as a control sequence.
    plain = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(plain.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
