"""One entry of the journal for scripts."""

from __future__ import annotations

from shiftdeck.common.moments import utc
from shiftdeck.journal.entry import Entry
from tui.cli.json_output import iso


def entry_json(entry: Entry) -> dict[str, object]:
    """One entry; ``at`` is ISO 8601 in UTC, and null where the calendar has no such moment."""
    return {
        "seq": entry.seq,
        "at": None if utc(entry.at) is None else iso(entry.at),
        "kind": str(entry.kind),
        "context": entry.context,
        "ref": entry.ref,
        "operator": entry.operator,
        "host": entry.host,
        "data": dict(entry.data),
        "hash": entry.hash,
    }
