"""The lines of the lists of journal entries and of sources. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from shiftdeck.common.durations import age, format_duration
from shiftdeck.common.moments import utc_text
from shiftdeck.journal.journal import Entry, EntryKind
from shiftdeck.journal.verify import Verification
from shiftdeck.sources.source import SourceStatus
from tui.render import format as fmt
from tui.render.columns import Column, grid
from tui.render.text import hang, line, wrap
from tui.render.theme import Look

LABEL = 12

SOURCES = (
    Column(),
    Column("source"),
    Column("kind", rank=4),
    Column("adapter", rank=5),
    Column("state"),
    Column("age", right=True),
    Column("every", right=True, rank=3),
    Column("took", right=True, rank=2),
)


def source_lines(statuses: Sequence[SourceStatus], now: float, look: Look, width: int) -> list[list[Text]]:
    """The headings, then for each source a line, and below it its error and hint, and what its data lacks."""
    rows = [_source(status, now, look) for status in statuses]
    lines = grid(SOURCES, rows, width, look, heads=True)
    made = [lines[:1]]
    for status, head in zip(statuses, lines[1:], strict=True):
        words = "; ".join(part for part in (status.error, status.hint) if part)
        said = [words, *status.remarks] if words else status.remarks
        below = [part for one in said for part in wrap(look.text((one, "muted")), width - 4)]
        made.append([head, *(line(Text("    "), part) for part in below)])
    return made


def _source(status: SourceStatus, now: float, look: Look) -> tuple[Text, ...]:
    symbol, style = look.source(status.state)
    old = status.age_s(now)
    since = "" if status.fresh else f" {age(now - status.since)}"
    usual = "" if status.usual_s is None else f", else {format_duration(status.usual_s)}"
    return (
        look.text((symbol, style)),
        look.text((status.name, "strong")),
        look.text((status.kind, "muted")),
        look.text((status.adapter, "muted")),
        look.text((f"{status.state}{since}", style)),
        look.text(("no data" if old is None else age(old), "text")),
        look.text((format_duration(status.every_s), "muted" if status.usual_s is None else "text"), (usual, "muted")),
        look.text((fmt.latency(status.latency_s), "muted")),
    )


# ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────────


def verified(result: Verification, look: Look, width: int) -> list[Text]:
    """The result of verifying the journal."""
    if result.ok:
        words = f"{look.symbols.passed} verified: {result.entries} entries, the chain is whole"
        return wrap(look.text((words, "ok")), width)
    lines = wrap(look.text((f"{look.symbols.blocked} the journal was altered or is damaged:", "critical")), width)
    for problem in result.problems:
        place = f"line {problem.line}" if problem.line else "beside it"
        lines += hang(look.text((place, "critical")), look.text(problem.message), width, LABEL)
    return lines


def entry_lines(entries: Sequence[Entry], look: Look, width: int) -> list[Text]:
    """All entries of one change: the intent, the sent calls and the outcome."""
    made: list[Text] = []
    for entry in entries:
        when = f"{utc_text(entry.at)}Z"
        made += [] if not made else [Text()]
        made += wrap(
            look.text(
                (f"#{entry.seq} {entry.kind}", "strong"), (f"  {when}  {entry.operator} on {entry.host}", "muted")
            ),
            width,
        )
        where = " ".join(part for part in (entry.context, entry.ref) if part)
        if where and entry.kind is not EntryKind.SENT:
            made += hang(look.text(("endpoint", "muted")), look.text(where), width, LABEL)
        made += list(_data(entry.data, look, width))
        made += hang(look.text(("hash", "muted")), look.text((entry.hash, "muted")), width, LABEL)
    return made


def _data(data: Mapping[str, object], look: Look, width: int) -> Iterator[Text]:
    for name, value in data.items():
        if value in ("", None, [], {}) or name in ("plan", "intent"):
            continue
        label = look.text((name.replace("_", " "), "muted"))
        if name == "checks" and isinstance(value, list):
            for check in value:
                yield from hang(label, _check(check, look), width, LABEL)
                label = Text()
        elif name == "calls" and isinstance(value, list):
            for call in value:
                yield from hang(label, look.text(_call(call)), width, LABEL)
                label = Text()
        else:
            yield from hang(label, look.text(_plain(value)), width, LABEL)


def _check(check: object, look: Look) -> Text:
    if not isinstance(check, Mapping):
        return look.text(_plain(check))
    styles = {"pass": ("passed", "ok"), "warn": ("warning", "warning"), "block": ("blocked", "critical")}
    symbol, style = styles.get(str(check.get("verdict")), ("unknown", "nodata"))
    words = f"{check.get('name', '')}: {check.get('evidence', '')}"
    return look.text((getattr(look.symbols, symbol), style), " ", words)


def _call(call: object) -> str:
    if not isinstance(call, Mapping):
        return _plain(call)
    words = f"{call.get('method', '')} {call.get('path', '')} {_plain(call.get('body'))}"
    guard = call.get("guard")
    return f"{words}  guard {guard}" if guard else words


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and all(isinstance(one, int | float | str | None) for one in value.values()):
        return ", ".join(f"{name} {fmt.DASH if one is None else one}" for name, one in value.items())
    return json.dumps(value, ensure_ascii=False, default=str)
