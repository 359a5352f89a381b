"""The night it is needed, on the whole stack of real servers: HAProxy splits real requests between model servers, whose
versions an MLflow server registers and whose images lie in a container registry; Prometheus scrapes HAProxy, the lab,
and exporters shaped like Triton, KServe and DCGM, and pages through Alertmanager. The app is driven through it: page,
endpoint on top, compare, roll back, the alert resolves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot

from backends.contracts import AlertState, EndpointRef
from shiftdeck.config.loader import load
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.health.verdict import Level
from shiftdeck.journal.journal import Journal
from shiftdeck.sources.source import SourceState
from tests.app.driving import confirming_after
from tests.lab import RunningLab
from tests.realservers.exporters import dcgm, exporting, kserve, triton
from tests.realservers.haproxy import Haproxy, haproxy
from tests.realservers.mlflow import Scientist, mlflow_server
from tests.realservers.models import serving
from tests.realservers.processes import Server
from tests.realservers.prometheus import alertmanager, prometheus
from tests.realservers.registry import Pusher, registry
from tui.app.app import ShiftdeckApp

REF = EndpointRef("edge", "", "moderation")
MODEL = "moderation-classifier"
SEEN_S = 90.0
COUNTED = 'haproxy_server_http_responses_total{proxy="moderation"'
BY = "sum by (proxy, server)"
RULE = {
    "alert": "HighErrorRate",
    "expr": f'{BY} (rate({COUNTED}, code="5xx"}}[10s])) / {BY} (rate({COUNTED}}}[10s])) > 0.1',
    "labels": {"severity": "page", "endpoint": "{{ $labels.proxy }}", "variant": "{{ $labels.server }}"},
    "annotations": {"summary": "{{ $labels.server }} of {{ $labels.proxy }} fails"},
}


@dataclass(frozen=True, slots=True)
class Stack:
    config: Path
    proxy: Haproxy
    registry: Server
    prometheus: Server


@pytest.fixture(autouse=True)
def read_at_once() -> Iterator[None]:
    with confirming_after(0.0):
        yield


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, lab_at_rest: RunningLab) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("machines")
    with ExitStack() as closing:

        def started(server: Server) -> Server:
            server.start()
            closing.callback(server.stop)
            return server

        models = closing.enter_context(serving("v7", "v8"))
        models["v8"].fails = 3
        proxy = haproxy(
            folder / "haproxy",
            {
                "moderation": [
                    "balance roundrobin",
                    f"server v7 {models['v7'].address} weight 80",
                    f"server v8 {models['v8'].address} weight 20",
                ],
                "churn": ["balance roundrobin", f"server v1 {models['v7'].address}"],
            },
        )
        started(proxy.server)
        models_of = started(mlflow_server(folder / "mlflow", workers=1))
        train(Scientist(models_of.url))
        images = started(registry(folder / "registry"))
        pusher = Pusher(images.url)
        running = {tag: pusher.image("models/moderation", tag, f"{tag} as deployed") for tag in ("v7", "v8")}
        pusher.image("models/moderation", "v8", "v8 as somebody pushed it since")
        alerts = started(alertmanager(folder / "alertmanager"))
        targets = {"haproxy": proxy.metrics, "lab": lab_at_rest.metrics}
        for name, render in (("triton", triton), ("kserve", kserve), ("dcgm", dcgm)):
            targets[name] = closing.enter_context(exporting(render)).target
        metrics = started(
            prometheus(
                folder / "prometheus",
                targets,
                rules=[RULE],
                alertmanager=alerts.url.removeprefix("http://"),
                scrape="500ms",
            )
        )
        host = images.url.removeprefix("http://")
        named = ", ".join(
            f'"moderation/{tag}" = "{host}/models/moderation:{tag}@{digest}"' for tag, digest in running.items()
        )
        config = folder / "shiftdeck.toml"
        config.write_text(
            f"""
journal = "journal.jsonl"
[contexts.machines]
access = "read-write"
[contexts.machines.slo]
errors = "3%"
min_samples = 20
[contexts.machines.serving.edge]
adapter = "haproxy"
socket = "{proxy.socket()}"
models = {{ "moderation/*" = "{MODEL}" }}
images = {{ {named} }}
every = "500ms"
[contexts.machines.serving.lab]
url = "{lab_at_rest.gateway}"
every = "1s"
[contexts.machines.registries.mlflow]
uri = "{models_of.url}"
every = "5s"
[contexts.machines.metrics.prometheus]
url = "{metrics.url}"
preset = "haproxy, triton, kserve, lab"
scrape = "500ms"
every = "1s"
window = "10s"
share_window = "3s"
[contexts.machines.accelerators.dcgm]
metrics = "prometheus"
every = "1s"
[contexts.machines.alerts.alertmanager]
url = "{alerts.url}"
every = "1s"
[contexts.machines.images.registry]
adapter = "oci"
url = "{images.url}"
every = "2s"
"""
        )
        ended = threading.Event()

        def ask() -> None:
            while not ended.wait(0.1):
                try:
                    proxy.ask("moderation", 5)
                except OSError:
                    continue  # HAProxy is being started again

        callers = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
        for caller in callers:
            caller.start()
        yield Stack(config, proxy, images, metrics)
        ended.set()
        for caller in callers:
            caller.join(SEEN_S)


def train(scientist: Scientist) -> None:
    """Eight versions of the model that is served, of which the last two have aliases."""
    experiment = scientist.experiment("moderation")
    scientist.model(MODEL)
    for number in range(1, 9):
        run = scientist.run(experiment, metrics={"f1": 0.8 + number / 100})
        assert scientist.register(MODEL, run) == str(number)
    scientist.alias(MODEL, "champion", "7")
    scientist.alias(MODEL, "challenger", "8")


@dataclass(frozen=True, slots=True)
class Seat:
    """In front of the app."""

    app: ShiftdeckApp
    pilot: Pilot[int]

    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + SEEN_S
        while not condition():
            assert time.monotonic() < deadline, f"{what}; {self.app.view.sources}; the screen is\n{self.text()}"
            await self.pilot.pause(0.1)

    async def sees(self, *words: str) -> None:
        await self.until(lambda: all(word in self.text() for word in words), f"never seen together: {words}")

    def is_in(self, source: str, state: SourceState) -> bool:
        found = self.app.view.source(source)
        return found is not None and found.state is state

    @property
    def endpoint(self) -> EndpointView | None:
        return self.app.view.endpoint(REF)


def test_page_compare_roll_back_resolve(stack: Stack) -> None:
    asyncio.run(_the_night(stack))


async def _the_night(stack: Stack) -> None:
    app = ShiftdeckApp(load(stack.config))
    async with app.run_test(size=(140, 50)) as pilot:
        seat = Seat(app, pilot)
        try:
            await seat.until(lambda: paged(seat), "a page on the endpoint")
            assert app.view.endpoints[0].ref == REF, "the endpoint that is paged about is on top"
            assert app.view.endpoints[0].verdict.level is Level.CRITICAL
            await seat.until(lambda: compared(seat), "both variants' requests, images and the GPUs")
            await pilot.press("home", "enter")
            await seat.sees("VARIANTS", "v8 against v7", "moved", "and the replicas run", "@champion", "@challenger")
            await seat.sees("alert HighErrorRate")
            await pilot.press("r")
            await seat.sees("ROLL BACK", "weight v8 20 → 0", "a reload or restart brings v7 80 %, v8 20 % back")
            await pilot.press("enter")
            await seat.sees("settled")
            await seat.until(lambda: not app.view.alerts, "the alert to resolve")
            await seat.until(lambda: at_rest(seat), "v7 to get everything by Prometheus' own count")
            assert set(stack.proxy.ask("moderation", 20)) == {"v7"}, "who asks is answered by v7 alone"
            outcome = Journal(load(stack.config).journal).tail(1)[0].data
            assert (outcome["outcome"], outcome["confirmed"]) == ("settled", True)
        finally:
            app.engine.stop(2.0)


def paged(seat: Seat) -> bool:
    found = seat.endpoint
    return found is not None and any(one.state is AlertState.FIRING for one in found.alerts)


def compared(seat: Seat) -> bool:
    found = seat.endpoint
    beside = seat.app.view.endpoint(EndpointRef("lab", "prod", "churn"))
    if found is None or beside is None or beside.variants[0].metrics is None or not seat.app.view.gpus:
        return False
    return all(
        one.metrics is not None and one.metrics.samples >= 20 and one.image is not None and one.version is not None
        for one in found.variants
    )


def at_rest(seat: Seat) -> bool:
    found = seat.endpoint
    v7 = found.variant("v7") if found is not None else None
    well = all(status.state is SourceState.OK for status in seat.app.view.sources)
    return well and v7 is not None and v7.variant.measured == 100.0


def test_what_goes_and_comes_back(stack: Stack) -> None:
    """HAProxy comes back with the weights of its configuration, and the canary with them."""
    asyncio.run(_outages(stack))


async def _outages(stack: Stack) -> None:
    app = ShiftdeckApp(load(stack.config))
    async with app.run_test(size=(140, 50)) as pilot:
        seat = Seat(app, pilot)
        try:
            await seat.until(lambda: seat.endpoint is not None and app.view.loaded, "all to be read")
            stack.proxy.say("set weight moderation/v8 0")
            await seat.until(
                lambda: seat.endpoint is not None and "set at run time" in seat.endpoint.endpoint.message,
                "weights that a restart forgets",
            )
            for server, name in ((stack.registry, "registry"), (stack.proxy.server, "edge")):
                server.kill()
                app.engine.refresh(name)
                await seat.until(partial(seat.is_in, name, SourceState.UNREACHABLE), f"{name} to be missed")
                assert seat.is_in("prometheus", SourceState.OK), "one that fails holds up no other"
                assert seat.endpoint is not None, "the last good answer stays"
                server.start()
                app.engine.refresh(name)
                await seat.until(partial(seat.is_in, name, SourceState.OK), f"{name} to be back")
            await seat.until(
                lambda: seat.endpoint is not None and seat.endpoint.variants[1].variant.desired == 20.0,
                "the configured weights",
            )
        finally:
            app.engine.stop(2.0)
