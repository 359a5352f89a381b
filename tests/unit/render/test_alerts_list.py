"""What the list of alerts says: those that fire first, whose they are, and nothing too wide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import Alert, AlertState, Subject
from shiftdeck.engine.view import View
from tests.fakes import FakeWorld
from tests.unit.panes import FULL, PLAIN, fleet, one, style_at, text
from tui.render.alerts import alert_lines, in_order
from tui.render.theme import Look

NOW = 1_000_000.0


def alert(name: str, state: AlertState, since: float, severity: str = "page", endpoint: str = "sentiment") -> Alert:
    subject = Subject(endpoint, "v8", "prod") if endpoint else None
    return Alert(name, state, severity, "it fails\tbadly", NOW - since, {}, subject, name, "alertmanager")


ALERTS = (
    replace(alert("Quiet", AlertState.SILENCED, 60.0), silenced_by=("1",), silenced_until=NOW + 2530.0),
    alert("Old", AlertState.FIRING, 7200.0, "warning", endpoint="nobody"),
    alert("New", AlertState.FIRING, 14.0),
    alert("Soon", AlertState.PENDING, 5.0, endpoint=""),
)


def paged() -> View:
    """The fleet with these alerts, one of which joined to an endpoint."""
    view = fleet(FakeWorld())
    joined = replace(one(view), alerts=(ALERTS[2],))
    return replace(view, at=NOW, alerts=ALERTS, endpoints=(joined, *view.endpoints))


def test_those_that_fire_come_first_and_the_newest_of_them() -> None:
    assert [found.name for found in in_order(ALERTS)] == ["New", "Old", "Soon", "Quiet"]


def test_whose_they_are_and_whether_that_is_known() -> None:
    heads, new, old, soon, quiet = alert_lines(paged(), in_order(ALERTS), FULL, 140)
    assert "endpoint" in heads.plain
    assert "lab:prod/sentiment" in new.plain
    assert "14s" in new.plain
    assert style_at(new, "firing") >= {"critical"}
    assert "nobody, not joined" in old.plain
    assert style_at(old, "firing") >= {"warning"}
    assert "pending" in soon.plain
    assert style_at(quiet, "Quiet") >= {"muted"}
    assert "silenced, 42m left" in quiet.plain


@pytest.mark.parametrize("look", [FULL, PLAIN])
@pytest.mark.parametrize("width", [36, 60, 80, 120, 200])
def test_it_fits(look: Look, width: int) -> None:
    lines = alert_lines(paged(), in_order(ALERTS), look, width)
    assert all(line.cell_len <= width for line in lines), text(lines)
    assert all(found.name in text(lines) and str(found.state) in text(lines) for found in ALERTS)


def test_no_alert_is_no_line() -> None:
    assert alert_lines(paged(), (), FULL, 80) == []
