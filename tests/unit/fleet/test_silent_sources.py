"""A source that does not answer is a reason of every endpoint that rests on it, never silence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import Alert, AlertState, ModelRef, ModelVersion, Split, Subject
from shiftdeck.changes.access import Arming
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.config.loader import Access
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.health.verdict import Level
from shiftdeck.source_kinds.answers import MetricsReading
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceState, SourceStatus
from tests.fakes import FakeMetrics, FakeServing, FakeWorld, fake_context
from tests.unit.builders import gpu, score
from tests.unit.planned import check, plan, verdicts
from tests.views import fleet_view

SILENT = [
    SourceState.UNREACHABLE,
    SourceState.STALE,
    SourceState.FORBIDDEN,
    SourceState.UNAUTHENTICATED,
    SourceState.MALFORMED,
]
MODEL = ModelRef("sentiment-classifier", "8")
ABOUT = Subject("sentiment", "v8", "prod")
PAGE = Alert("Burning", AlertState.FIRING, "critical", subject=Subject("sentiment", "", "prod"), source="am")
TOLD = {
    "alerts": (Alert("Other", AlertState.FIRING, subject=Subject("gone", "", "prod"), source="am"),),
    "drift": (score(),),
    "accelerators": (gpu(subject=ABOUT),),
    "registries": (ModelVersion(MODEL),),
}


def seen(kind: str, state: SourceState, *, told: tuple[object, ...] | None = None, ever: bool = True) -> View:
    """The world with one further source "am" of that kind, last read 40 seconds ago, or never."""

    world = FakeWorld()
    now = world.clock()
    current = FakeMetrics(world).current(60.0)

    def answered(name: str, kind: str, value: object) -> Snapshot[object]:
        return Snapshot(value, SourceStatus(name, kind, name, SourceState.OK, now, now, 1.0))

    status = SourceStatus("am", kind, "am", state, now - 40.0 if ever else None, now - 40.0, 1.0)
    value = (TOLD[kind] if told is None else told) if ever else None
    readings = Readings(
        {
            "serving": {"lab": answered("lab", "serving", FakeServing(world).endpoints())},
            "metrics": {"gateway": answered("gateway", "metrics", MetricsReading(current, current))},
            kind: {"am": Snapshot(value, status)},
        }
    )
    return fleet_view(fake_context(), readings, Arming(Access.READ_WRITE, True), now)


def of(view: View, name: str) -> EndpointView:
    return next(one for one in view.endpoints if one.ref.name == name)


def reasons(view: View, name: str) -> list[str]:
    return [reason.words(view.at) for reason in of(view, name).verdict.reasons]


@pytest.mark.parametrize("state", SILENT)
@pytest.mark.parametrize("kind", ["alerts", "drift", "accelerators"])
def test_what_the_verdict_rests_on_and_does_not_answer_makes_it_no_data(kind: str, state: SourceState) -> None:
    what = {"accelerators": "gpus"}.get(kind, kind)
    view = seen(kind, state)
    assert f"{what} unknown: am {state} 40s" in reasons(view, "sentiment")
    assert of(view, "sentiment").verdict.level is Level.NO_DATA


@pytest.mark.parametrize("kind", ["drift", "accelerators"])
def test_what_never_told_of_an_endpoint_is_no_reason_of_it(kind: str) -> None:
    assert reasons(seen(kind, SourceState.UNREACHABLE), "churn") == []


@pytest.mark.parametrize("kind", ["alerts", "drift", "accelerators"])
def test_what_never_answered_may_be_about_any_endpoint(kind: str) -> None:
    view = seen(kind, SourceState.UNREACHABLE, ever=False)
    assert of(view, "churn").verdict.level is Level.NO_DATA


def test_a_registry_is_told_and_leaves_the_verdict() -> None:
    view = seen("registries", SourceState.UNREACHABLE, ever=False)
    assert any("registry unknown: am unreachable" in one for one in reasons(view, "sentiment"))
    assert of(view, "sentiment").verdict.level is Level.OK


@pytest.mark.parametrize("kind", TOLD)
def test_a_source_that_answers_is_no_reason(kind: str) -> None:
    assert not [one for one in reasons(seen(kind, SourceState.OK, told=()), "sentiment") if "unknown" in one]


def test_a_kept_alert_shows_how_old_it_is() -> None:
    assert "alert Burning" in reasons(seen("alerts", SourceState.OK, told=(PAGE,)), "sentiment")
    old = seen("alerts", SourceState.UNREACHABLE, told=(PAGE,))
    assert reasons(old, "sentiment") == ["alert Burning, read 40s ago", "alerts unknown: am unreachable 40s"]
    assert of(old, "sentiment").verdict.level is Level.CRITICAL


# ── plans ───────────────────────────────────────────────────────────────────────────────────────────────────────

FORWARD, BACK = Split({"v7": 75.0, "v8": 25.0}), Split({"v7": 100.0, "v8": 0.0})


@pytest.mark.parametrize(
    ("alert", "verdict"),
    [
        (PAGE, CheckVerdict.BLOCK),
        (replace(PAGE, subject=ABOUT), CheckVerdict.BLOCK),
        (replace(PAGE, subject=Subject("sentiment", "v7", "prod")), CheckVerdict.WARN),
        (replace(PAGE, severity="warning"), CheckVerdict.WARN),
        (replace(PAGE, state=AlertState.SILENCED), CheckVerdict.PASS),
        (replace(PAGE, subject=Subject("churn", "", "prod")), CheckVerdict.PASS),
    ],
)
def test_a_plan_checks_the_alerts_of_the_endpoint_and_of_what_gains(alert: Alert, verdict: CheckVerdict) -> None:
    fleet = seen("alerts", SourceState.OK, told=(alert,))
    found = check(plan(FakeWorld(), "sentiment", FORWARD, fleet=fleet), "alerts")
    assert found.verdict is verdict
    assert ("Burning" in found.evidence) is (verdict is not CheckVerdict.PASS)


def test_a_plan_says_when_alerts_cannot_be_read() -> None:
    fleet = seen("alerts", SourceState.UNREACHABLE, ever=False)
    found = check(plan(FakeWorld(), "sentiment", FORWARD, fleet=fleet), "alerts")
    assert found.verdict is CheckVerdict.UNKNOWN
    assert found.evidence.startswith("they cannot be read: am unreachable")
    kept = check(
        plan(FakeWorld(), "sentiment", FORWARD, fleet=seen("alerts", SourceState.STALE, told=(PAGE,))), "alerts"
    )
    assert kept.verdict is CheckVerdict.BLOCK, "what fired when they were last read may fire still"
    assert "cannot be read" in kept.evidence
    assert "Burning" in kept.evidence


def test_a_way_back_rests_on_no_alert() -> None:
    fleet = seen("alerts", SourceState.OK, told=(PAGE,))
    assert "alerts" not in verdicts(plan(FakeWorld(), "sentiment", BACK, fleet=fleet))
