"""The lines of the list of alerts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from backends.contracts import Alert, AlertState
from shiftdeck.changes.silence import endpoint_of
from shiftdeck.common.durations import age
from shiftdeck.engine.view import View
from tui.render import format as fmt
from tui.render.columns import Column, grid
from tui.render.theme import Look

ALERTS = (
    Column(),
    Column("alert"),
    Column("endpoint", rank=1),
    Column("state"),
    Column("since", right=True, rank=2),
    Column("severity", rank=3),
    Column("from", rank=5),
    Column("", rank=4, flexible=True, least=12),
)
ORDER = {AlertState.FIRING: 0, AlertState.PENDING: 1, AlertState.INHIBITED: 2, AlertState.SILENCED: 3}


def in_order(alerts: Sequence[Alert]) -> list[Alert]:
    """The alerts in the order of the list: firing ones first, and the newest first in each state."""
    return sorted(alerts, key=lambda one: (ORDER[one.state], -(one.since or 0.0), one.name, one.fingerprint))


def alert_lines(view: View, alerts: Sequence[Alert], look: Look, width: int) -> list[Text]:
    """The headings, then a line for each alert; empty if there is no alert."""
    rows = [_cells(view, alert, look) for alert in alerts]
    return grid(ALERTS, rows, width, look, heads=True)


def _state(alert: Alert, now: float) -> str:
    """ "firing", "silenced, 42m left"."""
    if alert.silenced_until is None:
        return str(alert.state)
    return f"{alert.state}, {age(max(0.0, alert.silenced_until - now))} left"


def _cells(view: View, alert: Alert, look: Look) -> tuple[Text, ...]:
    firing = alert.state is AlertState.FIRING
    worst = firing and alert.severity in ("critical", "page", "error")
    style = "critical" if worst else "warning" if firing else "muted"
    symbol = look.symbols.critical if worst else look.symbols.warning if firing else look.symbols.source_off
    joined = endpoint_of(view, alert)
    subject = f"{alert.subject.endpoint}, not joined" if alert.subject is not None else fmt.DASH
    return (
        look.text((symbol, style)),
        look.text((alert.name, "strong" if firing else "muted")),
        look.text((joined or subject, "text" if joined else "muted")),
        look.text((_state(alert, view.at), style)),
        look.text((fmt.DASH if alert.since is None else age(view.at - alert.since), "text")),
        look.text((alert.severity, "muted")),
        look.text((alert.source, "muted")),
        look.text((alert.summary, "muted")),
    )
