"""How many requests a refresh makes: as many for a thousand endpoints as for ten.

The server is a stub that answers as each system does, for a fleet of a given size, and counts what it is asked.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from backends.accelerators.dcgm import DcgmAccelerators
from backends.alerts.alertmanager import AlertmanagerAlerts
from backends.alerts.prometheus import PrometheusAlerts
from backends.drift.gauges import GaugeDrift
from backends.errors import TimedOut
from backends.metrics.openmetrics import OpenMetrics
from backends.metrics.prometheus import PrometheusMetrics
from backends.registries.mlflow import MlflowRegistry
from backends.registries.mlflow_look import MODELS_PAGE, REREAD
from backends.serving.kserve import KServeServing
from backends.serving.kserve_facts import INFERENCE_SERVICE
from backends.serving.lab import LabServing
from tests.realservers.wiring import made
from tests.waiting import wait_until

SIZES = (10, 1000)


class Fleet:
    """A server for ``count`` endpoints; ``asked`` are the paths of the requests that it got, watches left out."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[str] = []
        self.ended = threading.Event()
        fleet = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # header and body go out together: apart, each answer waits for an acknowledgement

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                if "watch" in query:
                    self.send_response(200)
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.flush()
                    fleet.ended.wait(30)
                    self.close_connection = True
                    return
                fleet.asked.append(parts.path)
                found = fleet.answer(parts.path, query)
                body = (found if isinstance(found, str) else json.dumps(found)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - as the base class has it

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def names(self) -> list[str]:
        return [f"e{number}" for number in range(self.count)]

    def answer(self, path: str, query: dict[str, str]) -> object:
        if path.endswith("/query"):
            data = {"resultType": "vector", "result": list(self._series(query["query"]))}
            return {"status": "success", "data": data}
        if path.endswith("selfsubjectaccessreviews"):
            return {"status": {"allowed": True}}
        return {
            "/metrics": self._page,
            "/v1/endpoints": self._lab,
            "/api/v2/alerts": self._alerts,
            "/api/v1/alerts": lambda: {"status": "success", "data": {"alerts": self._rules()}},
            "/api/2.0/mlflow/registered-models/search": lambda: self._models(query),
            "/api/2.0/mlflow/model-versions/search": lambda: self._versions(query),
            INFERENCE_SERVICE.path(""): self._services,
        }.get(path, lambda: {"metadata": {"resourceVersion": "7"}, "items": []})()

    def _series(self, query: str) -> Iterator[dict[str, object]]:
        now = time.time()
        for name in self.names:
            labels = {"endpoint": name, "variant": "v1", "scope": "prod", "mirrored": "false", "feature": "amount"}
            if "_bucket" in query:
                for bound, value in (("0.1", "90"), ("+Inf", "100")):
                    yield {"metric": {**labels, "le": bound}, "value": [now, value]}
            else:
                value = str(now) if "timestamp(" in query else "0.1"
                gpu = {"Hostname": "node", "gpu": name, "UUID": name, "modelName": "A100"}
                yield {"metric": {**labels, **gpu, "code": "200"}, "value": [now, value]}

    def _page(self) -> str:
        lines = ["# TYPE model_requests_total counter", "# TYPE model_request_duration_seconds histogram"]
        for name in self.names:
            who = f'endpoint="{name}",variant="v1",scope="prod"'
            lines.append(f'model_requests_total{{{who},code="200"}} 100')
            lines += [f'model_request_duration_seconds_bucket{{{who},le="{bound}"}} 100' for bound in ("0.1", "+Inf")]
        return "\n".join([*lines, ""])

    def _lab(self) -> object:
        variant = {
            "name": "v1",
            "role": "stable",
            "model": "m",
            "version": "1",
            "image": "",
            "replicas": {"wanted": 1, "ready": 1},
            "weight": {"desired": 100.0, "observed": 100.0},
            "mirror": 0.0,
        }
        whole = {"scope": "prod", "generation": 1, "phase": "steady", "message": "", "stable": "v1", "mode": "split"}
        rest: dict[str, object] = {"runbook": "", "variants": [variant], "releases": []}
        return {"endpoints": [{**whole, **rest, "name": name} for name in self.names]}

    def _alerts(self) -> object:
        status = {"state": "active", "silencedBy": [], "inhibitedBy": []}
        return [
            {**self._alert(name), "startsAt": "2026-11-20T03:14:22Z", "status": status, "fingerprint": name}
            for name in self.names
        ]

    def _rules(self) -> list[object]:
        more = {"state": "firing", "value": "1", "activeAt": "2026-11-20T03:14:22Z"}
        return [{**self._alert(name), **more} for name in self.names]

    @staticmethod
    def _alert(name: str) -> dict[str, object]:
        return {"labels": {"alertname": "Slow", "endpoint": name}, "annotations": {}}

    def _models(self, query: dict[str, str]) -> object:
        names, token = self._paged(query)
        models = [{"name": name, "last_updated_timestamp": 1, "aliases": []} for name in names]
        return {"registered_models": models, "next_page_token": token}

    def _versions(self, query: dict[str, str]) -> object:
        named = query.get("filter", "").split("'")[1:2]
        names, token = (named, "") if named else self._paged(query)
        common = {"version": "1", "creation_timestamp": 1, "last_updated_timestamp": 1}
        return {"model_versions": [{"name": name, **common} for name in names], "next_page_token": token}

    def _paged(self, query: dict[str, str]) -> tuple[list[str], str]:
        begin, size = int(query.get("page_token") or 0), int(query["max_results"])
        return self.names[begin : begin + size], str(begin + size) if begin + size < self.count else ""

    def _services(self) -> object:
        def one(name: str) -> object:
            meta = {"namespace": "prod", "name": name, "resourceVersion": "5", "generation": 1}
            return {"metadata": meta, "spec": {"predictor": {"model": {"storageUri": f"s3://models/{name}/1"}}}}

        return {"metadata": {"resourceVersion": "7"}, "items": [one(name) for name in self.names]}

    def kubeconfig(self, folder: Path) -> Path:
        path = folder / f"kubeconfig-{self.count}"
        config = {
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me"}}],
            "users": [{"name": "me", "user": {"token": "none"}}],
        }
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path


@contextmanager
def serving(count: int) -> Iterator[Fleet]:
    fleet = Fleet(count)
    try:
        yield fleet
    finally:
        fleet.close()


Question = Callable[[], tuple[object, ...]]


def prometheus(fleet: Fleet) -> PrometheusMetrics:
    return made(PrometheusMetrics, url=fleet.url, preset="lab")


def through(cls: type, fleet: Fleet) -> object:
    return made(cls, {("metrics", "prom"): prometheus(fleet)}, metrics="prom")


ASKS: dict[str, Callable[[Fleet, Path], Question]] = {
    "prometheus, all": lambda fleet, _: lambda: prometheus(fleet).current(60.0),
    "prometheus, rates": lambda fleet, _: lambda: prometheus(fleet).rates(60.0),
    "openmetrics": lambda fleet, _: lambda: made(OpenMetrics, url=f"{fleet.url}/metrics").current(60.0),
    "lab": lambda fleet, _: made(LabServing, url=fleet.url).endpoints,
    "alertmanager": lambda fleet, _: made(AlertmanagerAlerts, url=fleet.url).alerts,
    "prometheus' alerts": lambda fleet, _: made(PrometheusAlerts, url=fleet.url).alerts,
    "dcgm": lambda fleet, _: through(DcgmAccelerators, fleet).gpus,  # type: ignore[attr-defined]
    "drift gauges": lambda fleet, _: through(GaugeDrift, fleet).scores,  # type: ignore[attr-defined]
    "kserve": lambda fleet, folder: made(KServeServing, kubeconfig=fleet.kubeconfig(folder)).endpoints,
}


@pytest.mark.parametrize("name", ASKS)
def test_a_refresh_asks_as_often_for_a_thousand_endpoints_as_for_ten(name: str, tmp_path: Path) -> None:
    asked = []
    for count in SIZES:
        with serving(count) as fleet:
            ask = ASKS[name](fleet, tmp_path)
            assert len(ask()) == count
            first = len(fleet.asked)
            assert len(ask()) == count
            asked.append((first, len(fleet.asked) - first))
    assert asked[0] == asked[1]


def test_latencies_are_asked_for_once_and_not_for_the_window_of_the_shares_as_well() -> None:
    with serving(10) as fleet:
        adapter = prometheus(fleet)
        current = adapter.current(300.0)
        before = len(fleet.asked)
        rates = adapter.rates(60.0)
        assert len(fleet.asked) - before < before
    assert {one.latency is None for one in current} == {False}
    assert {(one.latency, one.p95) for one in rates} == {(None, None)}
    assert {one.rps is None for one in rates} == {False}


def _all_read(registry: MlflowRegistry, count: int) -> bool:
    try:
        return len(registry.versions()) == count
    except TimedOut:  # the rest is read next time
        return False


def test_a_registry_that_has_not_changed_is_asked_for_its_models_by_the_page() -> None:
    """Versions are read once; then what is new shows in the models, of which a request tells two hundred. Some others
    are read anew, the same number in any registry."""
    asked = []
    for count in SIZES:
        with serving(count) as fleet:
            registry = made(MlflowRegistry, uri=fleet.url)
            wait_until(partial(_all_read, registry, count), 60, "all is read")
            before = len(fleet.asked)
            assert len(registry.versions()) == count
            asked.append(len(fleet.asked) - before)
            registry.close()
    assert asked == [REREAD + 1, REREAD + SIZES[1] // MODELS_PAGE]
