"""The MLflow adapter against a server on loopback whose answers MLflow's own entities write.

The server itself needs the full mlflow distribution, so this stands in for it: it routes the few calls that the adapter
makes to a real ``MlflowClient`` and writes what that gives as the server does, through MLflow's protocol messages.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backends.contracts import Adapter, Wiring
from backends.errors import BackendError, Conflict, Malformed, Rejected, TimedOut, Unauthenticated, Unreachable
from backends.registries.mlflow import MlflowRegistry
from backends.settings import Secret

PREFIX = "/api/2.0/mlflow/"


class Server:
    """``override`` (status, body) is answered in place of anything else; ``gate`` holds answers back."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.override: tuple[int, str] | None = None
        self.paths: list[str] = []
        self.authorisations: set[str | None] = set()
        self.gate = threading.Event()
        self.gate.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                server.paths.append(parts.path.removeprefix(PREFIX))
                server.authorisations.add(self.headers.get("Authorization"))
                server.gate.wait(20)
                name = f"{self.command} {parts.path.removeprefix(PREFIX)}"
                status, text = server.override or server.handled(name, {**query, **body})
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def do_DELETE(self) -> None:
                self.answer()

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def handled(self, name: str, asked: dict[str, str]) -> tuple[int, str]:
        from mlflow.exceptions import MlflowException

        routes: dict[str, Callable[[dict[str, str]], object]] = {
            "GET registered-models/search": self.models,
            "GET model-versions/search": self.versions,
            "GET runs/get": lambda ask: {"run": message(self.client.get_run(ask["run_id"]))},
            "GET registered-models/get": lambda ask: {
                "registered_model": message(self.client.get_registered_model(ask["name"]))
            },
            "POST registered-models/alias": lambda ask: self.client.set_registered_model_alias(**ask),
            "DELETE registered-models/alias": lambda ask: self.client.delete_registered_model_alias(**ask),
        }
        try:
            return 200, json.dumps(routes[name](asked) or {})
        except MlflowException as error:
            return error.get_http_status_code(), error.serialize_as_json()

    def models(self, ask: dict[str, str]) -> object:
        page = self.client.search_registered_models(
            max_results=min(2, int(ask["max_results"])), page_token=ask.get("page_token")
        )
        return {"registered_models": [message(one) for one in page], "next_page_token": (page.token or b"").decode()}

    def versions(self, ask: dict[str, str]) -> object:
        page = self.client.search_model_versions(
            ask["filter"],
            max_results=min(2, int(ask["max_results"])),
            order_by=[ask["order_by"]],
            page_token=ask.get("page_token"),
        )
        return {"model_versions": [message(one) for one in page], "next_page_token": (page.token or b"").decode()}


def message(entity: Any) -> Any:
    from mlflow.utils.proto_json_utils import message_to_json

    return json.loads(message_to_json(entity.to_proto()))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    uri = f"sqlite:///{tmp_path_factory.mktemp('server') / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment("training", artifact_location="s3://nowhere")
    for name in ("alpha", "beta", "gamma"):
        client.create_registered_model(name)
        for number in range(1, 4):
            run = client.create_run(experiment).info.run_id
            client.log_metric(run, "loss", number / 10)
            client.log_metric(run, "broken", float("nan"))
            client.log_param(run, "rate", 0.1)
            client.set_terminated(run)
            client.create_model_version(name, "s3://models", run, description=f"{name} {number}")
    client.set_registered_model_alias("alpha", "champion", "2")
    return client


@pytest.fixture
def server(world: Any) -> Iterator[Server]:
    made = Server(world)
    yield made
    made.gate.set()
    made.http.shutdown()
    made.http.server_close()


def adapter(server: Server, **options: object) -> MlflowRegistry:
    def no_source(kind: str, name: str) -> Adapter:
        raise LookupError(kind, name)

    defaults = {setting.key: setting.default for setting in MlflowRegistry.SETTINGS}
    given = {**defaults, "timeout": 3.0, "uri": server.url, **options}
    return MlflowRegistry(Wiring("mlflow", given, no_source, time.time))


def test_versions_aliases_and_runs_over_several_pages(server: Server) -> None:
    versions = adapter(server).versions()
    assert [str(one.ref) for one in versions] == [
        f"{name}/{n}" for name in ("alpha", "beta", "gamma") for n in (3, 2, 1)
    ]
    second = versions[1]
    assert second.aliases == ("champion",)
    assert second.metrics["loss"] == pytest.approx(0.2)
    assert second.metrics["broken"] != second.metrics["broken"], "NaN stays NaN"
    assert (second.params, second.description, second.status) == ({"rate": "0.1"}, "alpha 2", "READY")
    assert second.created == pytest.approx(time.time(), abs=3600)


def test_runs_are_read_once(server: Server) -> None:
    registry = adapter(server)
    first = registry.versions()
    server.paths.clear()
    assert registry.versions() == first
    assert "runs/get" not in server.paths


def test_an_alias_is_moved_once_and_not_over_somebody_else(server: Server) -> None:
    registry = adapter(server)
    (call,) = registry.compile_alias("alpha", "champion", "3", "2")
    assert registry.send(call).revision == "3"
    with pytest.raises(Conflict):
        registry.send(call)
    (undo,) = registry.compile_alias("alpha", "champion", "2", "3")
    registry.send(undo)
    (unset,) = registry.compile_alias("beta", "tried", "1", None)
    registry.send(unset)
    (gone,) = registry.compile_alias("beta", "tried", "", "1")
    registry.send(gone)
    assert [one.aliases for one in registry.versions() if one.aliases] == [("champion",)]
    (nobody,) = registry.compile_alias("nobody", "champion", "2", None)
    with pytest.raises(Rejected):
        registry.send(nobody)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, "", Unauthenticated),
        (503, "", Unreachable),
        (200, "<html>", Malformed),
        (200, "[]", Malformed),
        (200, '{"registered_models": 3}', Malformed),
        (200, '{"registered_models": [{"name": ["a"]}]}', Malformed),
        (200, '{"registered_models": [{"name": "a", "last_updated_timestamp": "soon"}]}', Malformed),
    ],
)
def test_what_a_server_gets_wrong_is_said(server: Server, status: int, body: str, kind: type[BackendError]) -> None:
    server.override = (status, body)
    with pytest.raises(kind):
        adapter(server).versions()
    assert adapter(server).probe()[-1].ok is False


def test_a_server_that_hangs_is_given_up(server: Server) -> None:
    server.gate.clear()
    began = time.monotonic()
    with pytest.raises(TimedOut):
        adapter(server, timeout=0.3).versions()
    assert time.monotonic() - began < 3


def test_a_registry_too_large_for_one_look_is_read_in_several(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = adapter(server)
    reading = registry._versions
    read: list[str] = []

    def slowly(store: Any, model: str, deadline: float) -> Any:
        read.append(model)
        if len(read) == 3:
            raise TimedOut("out of time")
        return reading(store, model, deadline)

    monkeypatch.setattr(registry, "_versions", slowly)
    with pytest.raises(TimedOut, match="1 of 3 models are still to be read"):
        registry.versions()
    assert len(registry.versions()) == 9
    assert read[2] == read[3], "it went on where it had stopped"


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"token": "MLFLOW_TEST_SECRET"}, "Bearer open sesame"),
        ({"username": "ada", "password": "MLFLOW_TEST_SECRET"}, "Basic YWRhOm9wZW4gc2VzYW1l"),
    ],
)
def test_credentials_are_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], header: str
) -> None:
    monkeypatch.setenv("MLFLOW_TEST_SECRET", "open sesame")
    given = {key: Secret(env=value) if key != "username" else value for key, value in options.items()}
    adapter(server, **given).versions()
    assert server.authorisations == {header}


def test_probe_says_what_it_found(server: Server) -> None:
    assert [one.ok for one in adapter(server).probe()] == [True, True, None]
