"""The notes of a pane on its sources. Pure. Old data is marked as old, and an empty pane says why it is empty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.text import Text

from shiftdeck.engine.view import View
from shiftdeck.fleet.view import trouble
from shiftdeck.sources.source import SourceState, SourceStatus
from tui.render.text import wrap
from tui.render.theme import Look

OLD_DATA = "showing data from"


def clock(at: float) -> str:
    """ "03:14:22Z"."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}Z"


def of_kind(view: View, kind: str) -> list[SourceStatus]:
    return [status for status in view.sources if status.kind == kind]


def states(view: View, *kinds: str) -> object:
    """All values of the sources of these kinds that a pane depends on. The time is one of them only while a source is
    not fresh."""
    statuses = [status for status in view.sources if status.kind in kinds]
    aging = any(not status.fresh for status in statuses)
    return tuple((s.name, s.state, s.error, s.hint) for s in statuses), int(view.at) if aging else 0


def fresh(statuses: Iterable[SourceStatus]) -> bool:
    """Whether the data of all sources are fresh. A source that is off has no data and does not count."""
    return all(status.fresh or status.state is SourceState.OFF for status in statuses)


def notes(statuses: Sequence[SourceStatus], now: float, look: Look, width: int) -> list[Text]:
    """A line for each source that is not fresh: its error, since when, and the time of the shown data."""
    lines = []
    for status in statuses:
        words = trouble(status, now)
        if not words or status.state is SourceState.STARTING:
            continue
        symbol, style = look.source(status.state)
        said = f"{symbol} {words}"
        if status.at is not None:
            said += f" {look.symbols.dash} {OLD_DATA} {clock(status.at)}"
        lines += wrap(look.text((said, style)), width)
    return lines


def why_empty(statuses: Sequence[SourceStatus], what: str, nothing: str, look: Look, width: int) -> list[Text]:
    """Why a pane is empty: no source is configured, no source has answered yet, the sources fail, or they have no
    data."""
    if not statuses:
        return wrap(look.text((f"no source of {what} is configured", "muted")), width)
    starting = [status.name for status in statuses if status.state is SourceState.STARTING]
    if starting:
        return wrap(look.text((f"reading {what} from {', '.join(starting)}{look.symbols.ellipsis}", "muted")), width)
    lines: list[Text] = []
    for status in statuses:
        if status.state is SourceState.OFF:
            said = f"{status.name} off" + (f": {status.error}" if status.error else "")
            lines += wrap(look.text((said, "muted")), width)
        elif not status.fresh:
            for words in filter(None, (status.error, status.hint)):
                lines += wrap(look.text((words, "muted")), width)
    return lines or wrap(look.text((nothing, "muted")), width)


def aged(lines: Iterable[Text], look: Look) -> list[Text]:
    """The same lines in grey: data that is no longer fresh."""
    greyed = []
    for line in lines:
        grey = line.copy()
        grey.stylize(look["muted"])
        greyed.append(grey)
    return greyed
