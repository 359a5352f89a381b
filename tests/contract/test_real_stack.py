"""The night it is needed, on real servers: Prometheus scrapes the lab and pages through Alertmanager; the endpoint is
on top; an alert is silenced from the app; the canary is rolled back; the alert resolves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backends.contracts import AlertState, EndpointRef, Rollback
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.way_back import last_good
from shiftdeck.config.loader import load
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.health.verdict import Level
from shiftdeck.journal.journal import Journal
from shiftdeck.sources.source import SourceState
from tests.app.driving import confirming_after
from tests.lab import Lab, RunningLab
from tests.realservers.processes import Server
from tests.realservers.prometheus import alertmanager, prometheus
from tui.app.app import ShiftdeckApp
from tui.screens.alerts import AlertsScreen, SilenceDialog

REF = EndpointRef("lab", "prod", "sentiment")
SEEN_S = 90.0
LIVE = 'model_requests_total{mirrored="false",endpoint="sentiment"}'
BY = "sum by (scope,endpoint,variant)"
ERRORS = f"""{BY} (rate({LIVE.replace("}", ',code=~"5.."}')}[10s])) / {BY} (rate({LIVE}[10s])) > 0.015"""
RULE = {
    "alert": "HighErrorRate",
    "expr": ERRORS,
    "labels": {"severity": "page"},
    "annotations": {"summary": "{{ $labels.variant }} of {{ $labels.endpoint }} fails"},
}


@dataclass(frozen=True, slots=True)
class Stack:
    config: Path
    prometheus: Server
    alertmanager: Server


@contextmanager
def stack(folder: Path, lab: RunningLab) -> Iterator[Stack]:
    alerts = alertmanager(folder / "alertmanager").start()
    try:
        metrics = prometheus(
            folder / "prometheus",
            {"lab": lab.metrics},
            rules=[RULE],
            alertmanager=alerts.url.removeprefix("http://"),
            scrape="500ms",
        ).start()
    except BaseException:
        alerts.stop()
        raise
    try:
        config = folder / "shiftdeck.toml"
        config.write_text(
            f"""
journal = "journal.jsonl"
[contexts.real]
access = "read-write"
[contexts.real.slo]
p95 = "2s"
errors = "3%"
min_samples = 20
[contexts.real.serving.lab]
url = "{lab.gateway}"
every = "1s"
[contexts.real.metrics.prometheus]
url = "{metrics.url}"
scrape = "500ms"
every = "1s"
window = "10s"
share_window = "3s"
[contexts.real.accelerators.dcgm]
metrics = "prometheus"
[contexts.real.drift.psi]
adapter = "histograms"
metrics = "prometheus"
histogram = "model_feature_value"
reference = "{lab.config.parent / "reference.json"}"
window = "10s"
min_samples = 30
[contexts.real.alerts.alertmanager]
url = "{alerts.url}"
every = "1s"
"""
        )
        yield Stack(config, metrics, alerts)
    finally:
        metrics.stop()
        alerts.stop()


@pytest.fixture(autouse=True)
def read_at_once() -> Iterator[None]:
    with confirming_after(0.0):
        yield


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, lab_at_rest: RunningLab) -> Iterator[Stack]:
    with closing(Lab(lab_at_rest)) as world, stack(tmp_path_factory.mktemp("stack"), lab_at_rest) as found:
        yield found
        world.reset()


@pytest.fixture
def bad_canary(lab_at_rest: RunningLab, running: Stack) -> Stack:
    """The stack while a bad canary gets its share, whether or not a test has rolled it back."""
    with closing(Lab(lab_at_rest)) as world:
        world.reset()
        world.drill("bad-canary", running=True)
    return running


def seen(engine: Engine, condition: object, what: str) -> View:
    view = engine.wait_for(condition, SEEN_S)  # type: ignore[arg-type]  # a function of a view
    assert view is not None, f"{what}; there were {engine.view.alerts}, {engine.view.sources}"
    return view


def pages(view: View) -> bool:
    found = view.endpoint(REF)
    return found is not None and any(one.state is AlertState.FIRING for one in found.alerts)


def told(view: View) -> bool:
    """Whether everything that Prometheus has is there: requests of both variants, drift, GPUs."""
    found = view.endpoint(REF)
    if found is None or not view.gpus:
        return False
    return all(one.metrics is not None and one.metrics.samples >= 20 and one.drift for one in found.variants)


def at_rest(view: View) -> bool:
    found = view.endpoint(REF)
    well = all(status.state is SourceState.OK for status in view.sources)
    return well and found is not None and found.variants[0].variant.measured == 100.0


def test_an_alert_is_silenced_from_the_app_and_the_silence_ended(bad_canary: Stack) -> None:
    import asyncio

    asyncio.run(_silence_in_the_app(bad_canary))


async def _silence_in_the_app(running: Stack) -> None:
    app = ShiftdeckApp(load(running.config))
    async with app.run_test(size=(120, 40)) as pilot:

        async def until(condition: object, what: str) -> None:
            for _ in range(int(SEEN_S / 0.1)):
                if condition():  # type: ignore[operator]  # a function without arguments
                    return
                await pilot.pause(0.1)
            raise AssertionError(f"{what}; the alerts are {app.view.alerts}")

        await until(lambda: pages(app.view), "a page on the endpoint")
        await pilot.press("a")
        await until(lambda: isinstance(app.screen, AlertsScreen), "the list")
        assert isinstance(app.screen, AlertsScreen)
        assert "HighErrorRate" in app.screen.as_text()
        assert str(REF) in app.screen.as_text()
        for key, state in (("Silence", AlertState.SILENCED), ("End it", AlertState.FIRING)):
            await pilot.press("enter")
            await until(lambda: isinstance(app.screen, SilenceDialog), f"the dialog to {key}")
            await pilot.press(*"known")
            apply = app.screen.query_one("#apply")
            await until(lambda apply=apply: not apply.disabled, "the plan")
            await pilot.press("enter")
            await until(lambda apply=apply: app.focused is apply, "Enter to lead to the button")
            assert isinstance(app.screen, SilenceDialog), "and not to press it"
            await pilot.press("enter")
            await until(lambda state=state: state in [one.state for one in app.view.alerts], f"the alert to be {state}")
            await until(lambda: isinstance(app.screen, AlertsScreen), "the list again")
    app.engine.stop(0.0)
    journal = Journal(load(running.config).journal)
    done = [entry.data["change"] for entry in journal.tail(20) if entry.kind == "intent"]
    assert any(str(one).startswith("silence HighErrorRate for 1h") for one in done)
    assert any(str(one).startswith("end silence") for one in done)


def test_the_same_from_the_command_line(bad_canary: Stack) -> None:
    def shiftdeck(*words: str) -> dict[str, Any]:
        program = str(Path(sys.executable).with_name("shiftdeck"))
        argv = [program, *words, "--config", str(bad_canary.config), "--json"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    sources = {source["name"]: source for source in shiftdeck("doctor")["sources"]}
    told = " ".join(probe["detail"] for probe in sources["prometheus"]["probes"])
    assert "lab: model_requests_total has" in told
    assert "variant from variant" in told, "doctor says which label joins to which variant"
    engine = Engine(load(bad_canary.config).contexts["real"], Journal(load(bad_canary.config).journal))
    engine.start()
    try:
        seen(engine, pages, "a page on the endpoint")
        dry = shiftdeck("silence", "sentiment", "--dry-run")
        assert (dry["outcome"], dry["plan"]["ref"]) == (None, str(REF))
        done = shiftdeck("silence", "HighErrorRate", "--for", "30m", "--reason", "known", "--yes")
        assert done["outcome"]["kind"] == "settled"
        view = seen(engine, lambda view: any(one.silenced_by for one in view.alerts), "the alert to be silenced")
        (silence,) = {silence for one in view.alerts for silence in one.silenced_by}
        ended = shiftdeck("silence", "--expire", silence, "--reason", "over", "--yes")
        assert ended["outcome"]["kind"] == "settled"
        seen(engine, pages, "the alert to fire again")
    finally:
        engine.stop(0.0)


def test_page_look_roll_back_resolve(bad_canary: Stack) -> None:
    config = load(bad_canary.config)
    engine = Engine(config.contexts["real"], Journal(config.journal))
    engine.start()
    try:
        view = seen(engine, pages, "a page on the endpoint")
        assert view.endpoints[0].ref == REF, "the endpoint that is paged about is on top"
        assert view.endpoints[0].verdict.level is Level.CRITICAL
        reasons = [reason.words(view.at) for reason in view.endpoints[0].verdict.reasons]
        assert "alert HighErrorRate" in reasons
        view = seen(engine, told, "metrics, drift and GPUs of both variants")
        assert {gpu.subject.endpoint for gpu in view.gpus if gpu.subject} >= {"sentiment"}
        found = view.endpoint(REF)
        assert found is not None
        v7, v8 = found.variant("v7"), found.variant("v8")
        assert v7 is not None
        assert v8 is not None
        assert v7.metrics is not None
        assert v8.metrics is not None
        assert v7.metrics.latency is not None, "so that the two can be compared"
        assert (v8.metrics.error_ratio or 0) > (v7.metrics.error_ratio or 0)
        release = last_good(found)
        assert release is not None
        plan = engine.plan(REF, Rollback(release.id))
        thread = engine.execute(plan, reason="HighErrorRate")
        thread.join(SEEN_S)
        run = engine.run_of(plan)
        assert run is not None
        assert run.outcome is not None
        assert (run.outcome.kind, run.outcome.confirmed) == (OutcomeKind.SETTLED, True), run.outcome
        seen(engine, lambda view: not view.alerts, "the alert to resolve")
        seen(engine, at_rest, "all to be well, and v7 to get everything by Prometheus' own count")
    finally:
        engine.stop(0.0)


def test_servers_that_go_and_come_back_blind_nobody_for_good(running: Stack) -> None:
    config = load(running.config)
    engine = Engine(config.contexts["real"], Journal(config.journal))
    engine.start()

    def state(name: str, wanted: SourceState) -> object:
        return lambda view: (found := view.source(name)) is not None and found.state is wanted

    try:
        seen(engine, lambda view: view.loaded and all(one.fresh for one in view.sources), "all to be well")
        for server, name in ((running.prometheus, "prometheus"), (running.alertmanager, "alertmanager")):
            server.kill()
            view = seen(engine, state(name, SourceState.UNREACHABLE), f"{name} to be missed")
            serving = view.source("lab")
            assert serving is not None
            assert serving.fresh, "one that fails holds up no other"
            if name == "prometheus":
                levels = {one.verdict.level for one in view.endpoints}
                assert Level.OK not in levels, "nothing that cannot be seen is green"
            server.start()
            engine.refresh(name)
            seen(engine, state(name, SourceState.OK), f"{name} to be back")
    finally:
        engine.stop(0.0)
