"""The journal as a list of changes, newest first, with their operators and outcomes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.text import Text

from shiftdeck.common.moments import utc_text
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.journal.entry import Entry, EntryKind
from tui.render import format as fmt
from tui.render.columns import Column, grid
from tui.render.content import Content
from tui.render.theme import Look

OUTCOMES = {
    "settled": ("passed", "ok"),
    "refused": ("blocked", "warning"),
    "conflict": ("blocked", "warning"),
    "failed": ("blocked", "critical"),
    "unknown": ("unknown", "warning"),
    "superseded": ("unknown", "warning"),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """One change, or one note. ``outcome`` is "" if there is none yet. ``seconds`` is the duration of the change."""

    seq: int
    at: float
    operator: str
    ref: str
    change: str
    outcome: str = ""
    message: str = ""
    seconds: float | None = None
    reason: str = ""


def deeds(entries: Iterable[Entry]) -> list[Deed]:
    """Intents with their outcomes, and notes, newest first."""
    given = sorted(entries, key=lambda entry: entry.seq)
    outcomes = {entry.intent: entry for entry in given if entry.kind is EntryKind.OUTCOME}
    intents = {entry.seq for entry in given if entry.kind is EntryKind.INTENT}
    found = []
    for entry in given:
        if entry.kind is EntryKind.INTENT:
            found.append(_deed(entry, outcomes.get(entry.seq)))
        elif entry.kind is EntryKind.NOTE or (entry.kind is EntryKind.OUTCOME and entry.intent not in intents):
            found.append(_deed(entry, entry))
    return found[::-1]


def _deed(entry: Entry, ended: Entry | None) -> Deed:
    data = ended.data if ended is not None else {}
    seconds = data.get("seconds")
    change = _text(entry, "change") or (f"entry {entry.intent}" if entry.intent is not None else "note")
    return Deed(
        seq=entry.seq,
        at=entry.at,
        operator=entry.operator,
        ref=entry.ref,
        change=change,
        outcome=str(data.get("outcome") or ""),
        message=str(data.get("message") or ""),
        seconds=seconds if isinstance(seconds, float) else None,
        reason=_text(entry, "reason"),
    )


def _text(entry: Entry, key: str) -> str:
    value = entry.data.get(key)
    return "" if value is None else str(value)


def moment(at: float, now: float) -> str:
    """ "03:14:22" today, "06-12 03:14" before. UTC."""
    same_day = utc_text(at, "%F") == utc_text(now, "%F")
    return utc_text(at, "%H:%M:%S" if same_day else "%m-%d %H:%M")


def journal(view: View, look: Look, width: int) -> Content:
    """The changes of all endpoints among the newest entries of the journal."""
    found = deeds(view.journal)
    if not found:
        lines = [look.text(("no change has been recorded yet", "muted"))]
        return Content("JOURNAL", Text(), lines)
    underway = {run.seq for run in view.runs if not run.done}
    return Content("JOURNAL", look.text(("UTC", "muted")), deed_lines(found, underway, view.at, look, width))


def pane(view: View, selected: EndpointView | None, look: Look, width: int, height: int) -> Content:
    """The pane of the main screen."""
    return journal(view, look, width)


def depends(view: View, selected: EndpointView | None) -> object:
    """All values that the pane depends on."""
    underway = tuple(run.seq for run in view.runs if not run.done)
    return view.journal, underway, int(view.at / 86_400.0)


def deed_lines(found: Sequence[Deed], underway: Iterable[int | None], now: float, look: Look, width: int) -> list[Text]:
    """A row for each change."""
    running = set(underway)
    rows = [_row(deed, deed.seq in running, now, look) for deed in found]
    columns = (
        Column(),
        Column(rank=3),
        Column(),
        Column(),
        Column(),
        Column(right=True, rank=2),
        Column(rank=4, flexible=True, least=12),
    )
    return grid(columns, rows, width, look)


def _row(deed: Deed, running: bool, now: float, look: Look) -> tuple[Text, ...]:
    name, style = OUTCOMES.get(deed.outcome, ("dot", "muted"))
    if running:
        shown = look.text((f"{look.symbols.arrow} under way", "key"))
    elif not deed.outcome and deed.change != "note":
        shown = look.text((f"{look.symbols.unknown} no outcome", "warning"))
    else:
        shown = look.text((f"{getattr(look.symbols, name)} {deed.outcome}".rstrip(), style))
    seconds = "" if deed.seconds is None else f"{deed.seconds:.1f} s" if deed.seconds < 10 else f"{deed.seconds:.0f} s"
    place = deed.ref.rpartition("/")[2]
    detail = deed.message or deed.reason
    return (
        look.text((moment(deed.at, now), "muted")),
        look.text((deed.operator, "text")),
        look.text((place, "strong")),
        look.text((fmt.fit(deed.change, 48), "text")),
        shown,
        look.text((seconds, "muted")),
        look.text((detail, "muted")),
    )
