"""The panes of the endpoint screen that have no module of their own, and the layout of all its panes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from backends.contracts import AlertState, EndpointRef, Phase
from shiftdeck.changes.plan import describe
from shiftdeck.changes.release_memory import Memory, remembered_view
from shiftdeck.changes.run import traffic_runs
from shiftdeck.common.durations import age
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.health.verdict import Level
from tui.render import choices, source_status
from tui.render.content import Content
from tui.render.gpu import gpu_lines, of_endpoint
from tui.render.journal import deed_lines, deeds
from tui.render.main_layout import Box, Plan
from tui.render.run import running_lines
from tui.render.text import ends, hang, line, wrap
from tui.render.theme import Look

MEDIUM, WIDE = 112, 170
"""The widths from which panes are in two columns, and in three."""

GAP = 2

Row = Sequence[tuple[tuple[str, ...], int]]
"""Neighbouring columns: the panes in each, from top to bottom, and the column's relative width."""

NARROW_ROWS: Sequence[Row] = [
    [((name,), 1)]
    for name in ("why", "variants", "change", "p95", "errors", "share", "drift", "gpu", "releases", "journal")
]
MEDIUM_ROWS: Sequence[Row] = (
    [(("variants",), 3), (("why", "drift"), 2)],
    [(("change",), 1)],
    [(("p95",), 1), (("errors",), 1)],
    [(("share",), 1), (("releases", "gpu"), 1)],
    [(("journal",), 1)],
)
WIDE_ROWS: Sequence[Row] = (
    [(("variants",), 5), (("why", "releases"), 5), (("drift", "gpu"), 4)],
    [(("change",), 1)],
    [(("p95",), 1), (("errors",), 1), (("share",), 1)],
    [(("journal",), 1)],
)

PANES = ("why", "variants", "change", "p95", "errors", "share", "drift", "gpu", "releases", "journal")
CHARTS = ("p95", "errors", "share")


def rows_for(width: int) -> Sequence[Row]:
    """The rows of panes on a screen of that width."""
    return WIDE_ROWS if width >= WIDE else MEDIUM_ROWS if width >= MEDIUM else NARROW_ROWS


def widths(row: Row, width: int) -> list[int]:
    """The width of each column of a row."""
    parts = sum(part for _, part in row)
    room = width - GAP * (len(row) - 1)
    given = [room * part // parts for _, part in row]
    given[-1] += room - sum(given)
    return given


def pane_widths(width: int) -> dict[str, int]:
    """The width of each pane on a screen of that width."""
    return {
        name: wide
        for row in rows_for(width)
        for (names, _), wide in zip(row, widths(row, width), strict=True)
        for name in names
    }


def placed(width: int, height: int, needed: Mapping[str, int]) -> Plan:
    """The place of each pane. ``needed`` is the number of rows that each pane needs, with its title; a pane that needs
    none is left out. The charts get the rest of the height. A plan higher than ``height`` is scrolled."""
    rows: list[Row] = []
    for row in rows_for(width):
        columns = [(tuple(name for name in names if needed.get(name, 0) > 0), part) for names, part in row]
        rows += [kept] if (kept := [one for one in columns if one[0]]) else []
    heights = [max(sum(needed[name] for name in names) + len(names) - 1 for names, _ in row) for row in rows]
    spare = height - sum(heights) - max(0, len(rows) - 1)
    charted = [at for at, row in enumerate(rows) if any(name in CHARTS for names, _ in row for name in names)]
    for number, at in enumerate(charted):
        if spare > 0:
            heights[at] += spare // len(charted) + (number < spare % len(charted))
    boxes: dict[str, Box] = {}
    y = 0
    for row, high in zip(rows, heights, strict=True):
        x = 0
        for (names, _), wide in zip(row, widths(row, width), strict=True):
            boxes |= _stacked(names, Box(x, y, wide, high), needed)
            x += wide + GAP
        y += high + 1
    return Plan(boxes)


def _stacked(names: Sequence[str], column: Box, needed: Mapping[str, int]) -> dict[str, Box]:
    """The places of the panes of one column, from top to bottom. The last pane takes the rest of the column."""
    boxes: dict[str, Box] = {}
    y = column.y
    for name in names:
        last = name == names[-1]
        high = column.y + column.height - y if last else needed[name]
        boxes[name] = Box(column.x, y, column.width, high)
        y += high + 1
    return boxes


# ── contents ────────────────────────────────────────────────────────────────────────────────────────────────────


def title(view: View, ref: EndpointRef, look: Look, width: int) -> list[Text]:
    """The endpoint with its verdict, and the phase of its control plane."""
    selected = view.endpoint(ref)
    name = look.text((f"{ref.backend}:{ref.scope}/", "muted"), (ref.name, "strong"))
    if selected is None:
        return [line(look.text((f"{look.symbols.nodata} ", "nodata")), name)]
    symbol, style = look.level(selected.verdict.level)
    endpoint = selected.endpoint
    words = [str(endpoint.phase), endpoint.message, f"owned by {endpoint.owner}" if endpoint.owner else ""]
    told = f" {look.symbols.dot} ".join(word for word in words if word)
    head = line(look.text((f"{symbol} {selected.verdict.level}  ", style)), name)
    return ends(head, look.text((told, "muted" if endpoint.phase is Phase.STEADY else "strong")), width)


def missing(view: View, ref: EndpointRef, look: Look, width: int) -> list[Text]:
    """Why the endpoint is not known."""
    serving = source_status.of_kind(view, "serving")
    lines = source_status.notes(serving, view.at, look, width)
    starting = any(status.at is None and not status.error for status in serving)
    if starting:
        words = f"{ref} is not known yet: waiting for {ref.backend}{look.symbols.ellipsis}"
        return [*lines, *wrap(look.text((words, "muted")), width)]
    lines += wrap(look.text((f"{ref} is not known: no serving system reports it.", "strong")), width)
    known = ", ".join(str(one.ref) for one in view.endpoints[:20])
    lines += wrap(look.text((f"Known are {known}." if known else "No endpoint is known at all.", "muted")), width)
    return [*lines, *wrap(look.text(("It is shown here as soon as it is there.", "muted")), width)]


def why(view: View, selected: EndpointView | None, look: Look, width: int) -> Content:
    """Every reason of the verdict, and the alerts."""
    if selected is None:
        return Content("WHY", Text(), ())
    lines: list[Text] = []
    for reason in selected.verdict.reasons:
        # What is not known and not judged has the symbol of "no data": green is for what is known.
        symbol, style = look.level(Level.NO_DATA if reason.level is Level.OK else reason.level)
        lines += hang(look.text((symbol, style)), look.text((reason.words(view.at), style)), width, 2)
    for alert in selected.alerts:
        firing = alert.state is AlertState.FIRING
        since = f" {age(view.at - alert.since)}" if alert.since is not None else ""
        label = look.text(("alert ", "muted"), (alert.name, "strong" if firing else "muted"))
        words = f"{alert.state}{since}{f', {alert.severity}' if alert.severity else ''}: {alert.summary}"
        lines += hang(label, look.text((words, "text" if firing else "muted")), width, min(label.cell_len + 2, 24))
    if not lines:
        symbol, style = look.level(selected.verdict.level)
        lines = [look.text((f"{symbol} nothing is wrong", style))]
    return Content("WHY", Text(), lines)


def gpus(view: View, selected: EndpointView | None, look: Look, width: int) -> Content:
    """The accelerators that the endpoint's pods hold."""
    statuses = source_status.of_kind(view, "accelerators")
    lines = source_status.notes(statuses, view.at, look, width)
    own = of_endpoint(view.gpus, selected)
    if not own:
        nothing = f"none of {len(view.gpus)} is known to be held by this endpoint"
        return Content("GPU", Text(), lines + source_status.why_empty(statuses, "GPU data", nothing, look, width))
    rows = gpu_lines(own, len(own), look, width, view.at)
    subtitle = f"{len(own)} of {len(view.gpus)}" + (" simulated" if any(one.simulated for one in own) else "")
    shown = rows if source_status.fresh(statuses) else source_status.aged(rows, look)
    return Content("GPU", look.text((subtitle, "muted")), lines + shown)


def releases(view: View, selected: EndpointView | None, look: Look, width: int) -> Content:
    """The releases of the endpoint, newest first."""
    if selected is None:
        return Content("RELEASES", Text(), ())
    if not selected.endpoint.releases:
        return Content("RELEASES", Text(), [look.text(("this system keeps no releases", "muted"))])
    remembering = remembered_view(selected, view.memory.get(str(selected.ref), Memory()), view.at)
    found = choices.releases(remembering, view.at, look)
    lines = [one[1:] for one in choices.table(found, look, width + 1)]
    shown = lines if source_status.fresh([selected.source]) else source_status.aged(lines, look)
    return Content("RELEASES", look.text((look.key("rollback"), "key"), (" rolls back", "muted")), shown)


def change(view: View, ref: EndpointRef, look: Look, width: int) -> Content:
    """The change of this endpoint under way, or the last one that this program made; empty if there is none."""
    runs = [run for run in traffic_runs(view.runs) if run.plan.ref == ref]
    run = next((run for run in runs if not run.done), max(runs, key=lambda one: one.started, default=None))
    if run is None:
        return Content("CHANGE", Text(), ())
    words = describe(run.plan.change)
    told = f"{words} {look.symbols.dot} {age(view.at - run.updated)} ago" if run.done else words
    return Content("CHANGE", look.text((told, "muted")), running_lines(run, view.at, look, width))


def journal(view: View, ref: EndpointRef, look: Look, width: int) -> Content:
    """The changes of this endpoint among the newest entries of the journal."""
    found = [deed for deed in deeds(view.journal) if deed.ref == str(ref)]
    if not found:
        return Content("JOURNAL", Text(), [look.text(("nothing was changed here lately", "muted"))])
    underway = {run.seq for run in view.runs if not run.done}
    return Content("JOURNAL", look.text(("UTC", "muted")), deed_lines(found, underway, view.at, look, width))
