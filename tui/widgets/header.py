"""The top line: the context, its access, and the state of each source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.style import Style
from rich.text import Text

from shiftdeck.changes.access import Arming
from shiftdeck.common.durations import age
from shiftdeck.config.loader import Access
from shiftdeck.engine.view import View
from shiftdeck.sources.source import SourceState, SourceStatus
from tui.render.columns import placed
from tui.render.theme import Look
from tui.widgets.canvas import Lines

SECONDS_FROM = 120
"""From this width on the clock shows seconds, unless the refresh is paused. On a narrow screen, which often has a slow
link, they would be most of the written bytes."""


def header_line(view: View, look: Look, width: int, *, slow: bool = False) -> Text:
    """The line in the longest form that fits. The ages of healthy sources are dropped first, then their names. Failing
    sources are never dropped."""
    left = look.text((" shiftdeck ", "brand"), (f"  {view.context} ", "strong"))
    left.append(" PRODUCTION " if view.production else " not production ", _kind(view, look))
    forms = source_forms(view.sources, view.at, look)
    full, access = _rights(view, look, width, slow=slow)
    tries = [(form, full) for form in forms[:-1]] + [(form, access) for form in forms[:-1]]
    for form, right in (*tries, (forms[-1], full), (forms[-1], access)):
        if left.cell_len + form.cell_len + right.cell_len + 5 <= width:
            line = left.copy()
            line.append("  ")
            line.append_text(form)
            line.append(" " * (width - line.cell_len - right.cell_len - 1))
            line.append_text(right)
            return line
    line = left.copy()
    line.append("  ")
    line.append_text(forms[-1])
    return placed(line, width)


def _kind(view: View, look: Look) -> Style:
    return look["production" if view.production else "staging"]


def source_forms(statuses: Sequence[SourceStatus], now: float, look: Look) -> list[Text]:
    """The states of all sources in forms of decreasing length."""
    well = [status for status in statuses if status.state is SourceState.OK]
    other = [status for status in statuses if status.state is not SourceState.OK]
    loud = [status for status in other if status.state is not SourceState.OFF]
    named = [_source(status, now, look, aged=False) for status in loud]
    return [
        _joined([_source(status, now, look, aged=True) for status in statuses]),
        _joined([_source(status, now, look, aged=False) for status in statuses]),
        _joined([*_together(well, look), *(_source(status, now, look, aged=False) for status in other)]),
        _joined([*_together(well, look), *named]),
        *([_joined(named)] if named else []),
        _summary(loud, look) if loud else _joined(_together(well, look)),
    ]


def _summary(loud: Sequence[SourceStatus], look: Look) -> Text:
    sources = "source" if len(loud) == 1 else "sources"
    if all(status.state is SourceState.STARTING for status in loud):
        return look.text((f"{look.symbols.source_off} {len(loud)} {sources} starting", "muted"))
    return look.text((f"{look.symbols.critical} {len(loud)} {sources} in trouble", "critical"))


def _together(well: Sequence[SourceStatus], look: Look) -> list[Text]:
    if not well:
        return []
    return [look.text((look.symbols.source_on, "ok"), (f" {len(well)} ok", "muted"))]


def _joined(parts: Sequence[Text]) -> Text:
    line = Text(no_wrap=True, end="")
    for number, part in enumerate(parts):
        line.append("  " if number else "")
        line.append_text(part)
    return line


def _source(status: SourceStatus, now: float, look: Look, *, aged: bool) -> Text:
    """ "● mlflow 4s", "✖ gateway unreachable 2m", "○ nvml off"."""
    symbol, style = look.source(status.state)
    if status.state is SourceState.OK:
        old = f" {age(status.age_s(now))}" if aged else ""
        return look.text((symbol, style), (f" {status.name}{old}", "muted"))
    if status.state in (SourceState.OFF, SourceState.STARTING):
        return look.text((f"{symbol} {status.name} {status.state}", style))
    since = status.at if status.at is not None else status.since
    return look.text((f"{symbol} {status.name} {status.state} {age(now - since)}", style))


def _rights(view: View, look: Look, width: int, *, slow: bool) -> tuple[Text, Text]:
    """The access with the clock, and without."""
    access = access_text(view.arming, view.at, look)
    if view.paused:
        access = look.text((" paused ", "armed"), "  ").append_text(access)
    if view.clock_jump is not None:
        access = look.text((view.clock_jump.brief, "warning"), "  ").append_text(access)
    if slow:
        access = look.text(("slow link", "warning"), "  ").append_text(access)
    at = datetime.fromtimestamp(view.at, UTC)
    clock = f"{at:%H:%M:%S}Z" if width >= SECONDS_FROM and not view.paused else f"{at:%H:%M}Z"
    full = access.copy()
    full.append(f"  {clock}", look["muted"])
    return full, access


def access_text(arming: Arming, now: float, look: Look) -> Text:
    """ "read-write", "read-only", or "armed 14m" with the remaining time."""
    if arming.writable and arming.until is not None:
        return look.text((f" armed {age(arming.until - now)} ", "armed"))
    if arming.writable:
        return look.text(("read-write", "text"))
    return look.text(
        ("read-only", "muted"), (f", {look.key('arm')} arms", "muted") if arming.access is Access.ARM else ""
    )


class Header(Lines):
    """The top line. While only ages change in it, it is written at most once a second."""

    DEFAULT_CSS = "Header { height: 1; }"

    def __init__(self, look: Look) -> None:
        super().__init__(look, id="header")
        self._state: object = None

    def show_view(self, view: View, *, slow: bool = False) -> None:
        """Show a new view. ``slow`` is whether the app draws for a slow link."""
        states = tuple((status.name, status.state) for status in view.sources)
        state = (int(view.at), states, view.arming, view.paused, view.clock_jump, view.context, view.production, slow)
        if state != self._state:
            self._state = state
            self.show(lambda width: (header_line(view, self.look, width, slow=slow),))
