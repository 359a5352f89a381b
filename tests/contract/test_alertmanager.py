"""Alerts and silences against the real Alertmanager and Prometheus."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.alerts.alertmanager import AlertmanagerAlerts
from backends.alerts.prometheus import PrometheusAlerts
from backends.contracts import Alert, AlertState, Subject
from backends.errors import (
    BackendError,
    Forbidden,
    Malformed,
    RateLimited,
    Rejected,
    TimedOut,
    Unauthenticated,
    Unreachable,
    Unsupported,
)
from shiftdeck.changes.recovery import resolve
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.silence import SilencePlan, intent_data, plan_expiry, plan_silences
from shiftdeck.journal.journal import EntryKind, Journal
from tests.changing import carry_out, long_after, silences_of
from tests.faults import Fault, FaultProxy
from tests.realservers.exporters import exporting, triton
from tests.realservers.processes import Server
from tests.realservers.prometheus import alertmanager, prometheus
from tests.realservers.wiring import made
from tests.servers import require_program
from tests.waiting import wait_until

SEEN_S = 20.0
ERRORS = {"alertname": "HighErrorRate", "severity": "page", "scope": "prod", "endpoint": "ranker", "variant": "v10"}
SLOW = {"alertname": "Slow", "severity": "warning", "namespace": "prod", "inferenceservice": "ranker"}
DISK = {"alertname": "DiskFull", "severity": "warning", "instance": "node-a"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An Alertmanager with three alerts, one of which another one inhibits."""
    inhibit = [{"source_matchers": ["severity=page"], "target_matchers": ["alertname=Slow"]}]
    found = alertmanager(tmp_path_factory.mktemp("alertmanager"), inhibit=inhibit).start()
    fire(found.url, ERRORS, SLOW, DISK)
    yield found
    found.stop()


@pytest.fixture
def alerts(server: Server) -> Iterator[AlertmanagerAlerts]:
    found = made(AlertmanagerAlerts, url=server.url)
    yield found
    found.close()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def fire(url: str, *labels: Mapping[str, str], ends: str | None = None) -> None:
    """As Prometheus does it, also when an alert ends."""
    times = {"startsAt": datetime.now(UTC).isoformat()} if ends is None else {"endsAt": ends}
    body = [{"labels": one, "annotations": {"summary": "look"}, **times} for one in labels]
    request = urllib.request.Request(
        f"{url}/api/v2/alerts", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=5):
        pass


def named(alerts: AlertmanagerAlerts, name: str, state: AlertState) -> Alert:
    """That alert once it is in that state."""
    return wait_until(
        lambda: next((one for one in alerts.alerts() if (one.name, one.state) == (name, state)), None),
        SEEN_S,
        lambda: f"{name} to be {state}; there are {[(one.name, one.state) for one in alerts.alerts()]}",
    )


def plan(alerts: object, *which: Alert, reason: str = "known", seconds: float = 3600.0) -> SilencePlan:
    return plan_silences(
        which,
        lambda name: alerts,
        context="prod",
        ref="lab:prod/ranker",
        duration_s=seconds,
        reason=reason,
        author="ada",
        now=time.time(),
    )


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_firing_and_inhibited_joined_by_whichever_label_names_the_endpoint(alerts: AlertmanagerAlerts) -> None:
    slow = named(alerts, "Slow", AlertState.INHIBITED)
    assert slow.subject == Subject("ranker", "", "prod")
    errors = named(alerts, "HighErrorRate", AlertState.FIRING)
    assert errors.subject == Subject("ranker", "v10", "prod")
    assert (errors.severity, errors.summary, errors.source) == ("page", "look", "tested")
    assert errors.since is not None
    assert abs(errors.since - time.time()) < 120
    assert named(alerts, "DiskFull", AlertState.FIRING).subject is None
    reach, read = alerts.probe()
    assert reach.ok
    assert "3 alerts, 2 of them name an endpoint" in read.detail


ODD = {"alertname": "Odd", "path": "~admin", "note": 'a "b", c\\d', "line": "one\ntwo", "equal": "=~b", "plain": "prod"}


def test_the_line_to_be_copied_makes_the_silence_that_the_call_makes(
    server: Server, alerts: AlertmanagerAlerts
) -> None:
    """prometheus/alertmanager PR #4468, #3385: a value that begins with ~ and is not quoted is a pattern."""
    amtool = require_program("amtool", "prometheus-alertmanager")
    fire(server.url, ODD)
    odd = named(alerts, "Odd", AlertState.FIRING)
    call = alerts.compile_silence(odd, starts=time.time(), duration_s=60.0, author="ada", comment="known")
    words = [amtool, *shlex.split(call.command)[1:]]
    made = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout.split()[-1]
    by_call = alerts.send(call).revision
    found = {one.id: one.matchers for one in alerts.silences()}
    assert found[made] == found[by_call]
    assert found[made]["equal"] == "==~b", "told from a pattern"
    for silence in (made, by_call):
        alerts.send(alerts.compile_expire(silence))
    fire(server.url, ODD, ends=datetime.now(UTC).isoformat())
    wait_until(lambda: all(one.name != "Odd" for one in alerts.alerts()), SEEN_S, "the alert to end")


def test_only_those_that_are_asked_for(server: Server) -> None:
    some = made(AlertmanagerAlerts, url=server.url, filter=('severity="warning"', "alertname!=Slow"))
    assert [one.name for one in some.alerts()] == ["DiskFull"]
    with pytest.raises(Rejected):
        made(AlertmanagerAlerts, url=server.url, filter=("=",)).alerts()


def test_prometheus_own_alerts_where_there_is_no_alertmanager(tmp_path: Path) -> None:
    rules: list[Mapping[str, object]] = [
        {"alert": "Now", "expr": "nv_inference_request_success", "labels": {"endpoint": "{{ $labels.model }}"}},
        {"alert": "Later", "expr": "nv_inference_request_success > 0", "for": "1h"},
    ]
    with exporting(triton) as target:
        server = prometheus(tmp_path, {"triton": target.target}, rules=rules).start()
        try:
            own = made(PrometheusAlerts, url=server.url)

            def four() -> tuple[Alert, ...] | None:
                there = own.alerts()
                return there if len(there) == 4 else None

            found = wait_until(four, SEEN_S, "two alerts for each version")
            assert {(one.name, one.state) for one in found} == {
                ("Now", AlertState.FIRING),
                ("Later", AlertState.PENDING),
            }
            assert {one.subject for one in found if one.name == "Now"} == {
                Subject("sentiment", "1"),
                Subject("sentiment", "2"),
            }
            assert len({one.fingerprint for one in found}) == 4
            with pytest.raises(Unsupported, match="knows no silences"):
                plan(own, found[0])
        finally:
            server.stop()


# ── silences ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_silenced_journalled_and_ended(alerts: AlertmanagerAlerts, journal: Journal) -> None:
    firing = named(alerts, "HighErrorRate", AlertState.FIRING)
    outcome, seq = carry_out(plan(alerts, firing), silences_of(alerts), journal)
    assert (outcome.kind, seq) == (OutcomeKind.SETTLED, 1)
    quiet = named(alerts, "HighErrorRate", AlertState.SILENCED)
    (silence,) = [one for one in alerts.silences() if one.id in quiet.silenced_by]
    assert (silence.author, silence.comment, silence.state) == ("ada", "known", "active")
    assert dict(silence.matchers) == ERRORS, "that alert and no other"
    assert silence.ends - silence.starts == pytest.approx(3600, abs=2)
    named(alerts, "DiskFull", AlertState.FIRING)
    kinds = [entry.kind for entry in journal.tail(10)]
    assert sorted(kinds) == sorted([EntryKind.INTENT, EntryKind.SENT, EntryKind.OUTCOME])
    ending = plan_expiry(silence.id, "tested", lambda name: alerts, context="prod", ref="", reason="over", now=0.0)
    outcome, _ = carry_out(ending, silences_of(alerts), journal)
    assert outcome.kind is OutcomeKind.SETTLED
    named(alerts, "HighErrorRate", AlertState.FIRING)
    assert journal.verify().ok
    assert not journal.unfinished()


def test_what_would_be_sent_is_told_and_refused_where_it_makes_no_sense(alerts: AlertmanagerAlerts) -> None:
    firing = named(alerts, "DiskFull", AlertState.FIRING)
    (step,) = plan(alerts, firing, reason="it's known").steps
    assert step.call.command.startswith("amtool --alertmanager.url=http://127.0.0.1:")
    words = shlex.split(step.call.command)
    assert words[-3:] == ['alertname="DiskFull"', 'instance="node-a"', 'severity="warning"']
    for wrong in ({"reason": " "}, {"seconds": 0.0}, {"seconds": 1e9}):
        with pytest.raises(Rejected):
            plan(alerts, firing, **wrong)
    with pytest.raises(Rejected):
        plan(alerts)


def test_the_commands_in_a_plan_do_the_same(server: Server, alerts: AlertmanagerAlerts) -> None:
    """Also where labels hold what a shell and amtool have a meaning for."""
    require_program("amtool", "prometheus-alertmanager")
    odd = {
        "alertname": "Odd",
        "path": "~admin",
        "note": 'a "b", c\\d',
        "words": "it's $HOME `id`; two words",
        "sum": "a=b",
    }
    fire(server.url, odd)
    firing = named(alerts, "Odd", AlertState.FIRING)
    (step,) = plan(alerts, firing, reason="it's known; $HOME").steps
    typed(step.call.command)
    by_hand = wait_until(lambda: next(iter(named(alerts, "Odd", AlertState.SILENCED).silenced_by), ""), SEEN_S, "it")
    (ours,) = [one for one in alerts.silences() if one.id == by_hand]
    assert (ours.matchers, ours.author, ours.comment) == (odd, "ada", "it's known; $HOME")
    assert ours.ends - ours.starts == pytest.approx(3600.0, abs=5.0)
    typed(alerts.compile_expire(by_hand).command)
    named(alerts, "Odd", AlertState.FIRING)


def typed(command: str) -> None:
    """As a human would who copied it."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_a_read_only_context_sends_nothing_and_keeps_the_refusal(alerts: AlertmanagerAlerts, journal: Journal) -> None:
    before = alerts.silences()
    firing = named(alerts, "DiskFull", AlertState.FIRING)
    outcome, seq = carry_out(plan(alerts, firing), silences_of(alerts), journal, refusal="read-only")
    assert (outcome.kind, seq) == (OutcomeKind.REFUSED, 1)
    assert alerts.silences() == before
    assert [entry.kind for entry in journal.tail(5)] == [EntryKind.NOTE]


def test_an_answer_that_is_lost_is_read_back_and_not_sent_again(
    server: Server, alerts: AlertmanagerAlerts, journal: Journal
) -> None:
    firing = named(alerts, "DiskFull", AlertState.FIRING)
    with FaultProxy(server.url) as proxy:
        behind = made(AlertmanagerAlerts, url=proxy.url)
        proxy.set(Fault.LOST_ANSWER, only="POST")
        outcome, _ = carry_out(plan(behind, firing, reason="lost"), silences_of(behind), journal)
        assert outcome.kind is OutcomeKind.SETTLED
        landed = [one for one in alerts.silences() if one.comment == "lost"]
        assert len(landed) == 1
        alerts.send(alerts.compile_expire(landed[0].id))
        for fault, status, kind in (
            (Fault.STATUS, 403, OutcomeKind.FAILED),
            (Fault.STATUS, 500, OutcomeKind.FAILED),
            (Fault.GONE, 0, OutcomeKind.FAILED),
        ):
            proxy.set(fault, status=status, only="" if fault is Fault.GONE else "POST")
            outcome, _ = carry_out(plan(behind, firing, reason="no"), silences_of(behind), journal)
            assert outcome.kind is kind, outcome
        proxy.set(Fault.LOST_ANSWER)
        outcome, _ = carry_out(plan(behind, firing, reason="blind"), silences_of(behind), journal)
        assert outcome.kind is OutcomeKind.UNKNOWN, "it can neither be seen nor be ruled out"
    assert not [one for one in alerts.silences() if one.comment == "no"]
    for one in alerts.silences():
        if one.comment == "blind":
            alerts.send(alerts.compile_expire(one.id))


def test_after_a_crash_the_next_start_says_what_became_of_it(alerts: AlertmanagerAlerts, journal: Journal) -> None:
    firing = named(alerts, "DiskFull", AlertState.FIRING)
    flight = journal.begin(context="prod", ref="", data=intent_data(plan(alerts, firing, reason="crashed")))
    flight.leave()
    (finding,) = resolve(journal, "prod", lambda: [silences_of(alerts)])
    assert finding.outcome is None, "the call may still be on its way"
    (finding,) = resolve(journal, "prod", lambda: [silences_of(alerts)], long_after())
    assert finding.outcome is OutcomeKind.FAILED
    sent = plan(alerts, firing, reason="crashed")
    journal.begin(context="prod", ref="lab:prod/ranker", data=intent_data(sent)).leave()
    made_one = alerts.send(sent.steps[0].call)
    (finding,) = resolve(journal, "prod", lambda: [silences_of(alerts)])
    assert finding.outcome is OutcomeKind.SETTLED
    assert not journal.unfinished()
    alerts.send(alerts.compile_expire(made_one.revision))


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (Fault.STATUS, 401, Unauthenticated),
        (Fault.STATUS, 403, Forbidden),
        (Fault.STATUS, 429, RateLimited),
        (Fault.STATUS, 500, Unreachable),
        (Fault.GARBAGE, 200, Malformed),
        (Fault.NOISE, 200, Malformed),
        (Fault.TRUNCATED, 200, Unreachable),
        (Fault.GONE, 0, Unreachable),
        (Fault.HANG, 0, TimedOut),
        (Fault.SLOW, 0, TimedOut),
        (Fault.DRIP, 0, TimedOut),
    ],
)
def test_every_fault_has_its_name_and_passes(
    server: Server, fault: Fault, status: int, kind: type[BackendError]
) -> None:
    with FaultProxy(server.url) as proxy:
        behind = made(AlertmanagerAlerts, url=proxy.url, timeout=0.4 if kind is TimedOut else 5.0)

        def reads() -> bool:
            with suppress(TimedOut):  # a busy machine, and a short deadline
                return len(behind.alerts()) >= 3
            return False

        wait_until(reads, SEEN_S, "the alerts")
        proxy.set(fault, status=status)
        with pytest.raises(kind):
            behind.alerts()
        with pytest.raises(kind):
            behind.silences()
        assert behind.probe()[0].ok is False
        proxy.set(Fault.PASS)
        wait_until(reads, SEEN_S, "the alerts again")
        behind.close()


def test_a_server_that_is_killed_and_started_again(tmp_path: Path) -> None:
    server = alertmanager(tmp_path).start()
    try:
        alerts = made(AlertmanagerAlerts, url=server.url)
        fire(server.url, DISK)
        named(alerts, "DiskFull", AlertState.FIRING)
        server.kill()
        with pytest.raises(Unreachable):
            alerts.alerts()
        server.start()
        assert alerts.alerts() == (), "it forgets alerts, until Prometheus sends them again"
        fire(server.url, DISK)
        named(alerts, "DiskFull", AlertState.FIRING)
    finally:
        server.stop()
