"""The check of the alerts that fire for an endpoint that gets a change forward. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from backends.contracts import Alert, AlertState
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.proposal import Proposal
from shiftdeck.common.durations import age
from shiftdeck.fleet.view import trouble
from shiftdeck.health.judge import is_page
from shiftdeck.source_kinds.table import ALERTS


def alerts_firing(proposal: Proposal) -> Iterator[Check]:
    """An alert that pages blocks if it is about the endpoint or about a variant that gets more traffic; every other
    alert that fires warns. Without an alerts source there is no check."""
    now = proposal.fleet.at
    statuses = [status for status in proposal.fleet.sources if status.kind == ALERTS.name]
    if not statuses:
        return
    silent = ", ".join(words for status in statuses if (words := trouble(status, now)))
    firing = [alert for alert in proposal.view.alerts if alert.state is AlertState.FIRING]
    told = ", ".join(_words(alert, now) for alert in firing)
    concerned = {"", *(view.name for view in proposal.gaining)}
    if any(is_page(alert) and _about(alert) in concerned for alert in firing):
        verdict = CheckVerdict.BLOCK
    elif firing:
        verdict = CheckVerdict.WARN
    else:
        verdict = CheckVerdict.UNKNOWN if silent else CheckVerdict.PASS
    if silent:
        told = f"they cannot be read: {silent}" + (f"; last: {told}" if told else "")
    yield Check("alerts", verdict, told or "none fires")


def _about(alert: Alert) -> str:
    return alert.subject.variant if alert.subject else ""


def _words(alert: Alert, now: float) -> str:
    more = [_about(alert), alert.severity, age(now - alert.since) if alert.since is not None else ""]
    about = " ".join(word for word in more if word)
    return f"{alert.name} ({about})" if about else alert.name
