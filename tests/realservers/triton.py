"""A stub of Triton, made from its published protocols (model repository, configuration, statistics): no model is run,
and no server of NVIDIA's stands behind it. It loads and unloads versions as the documents say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class StubModel:
    """A folder of a repository: ``there`` are its versions, ``policy`` is that of its own configuration, ``broken`` are
    the versions that cannot be loaded and ``loading`` those that somebody loads now. ``policies`` are by version those
    of its last load: the server updates a version that stays in place, and that keeps the configuration it was loaded
    with."""

    there: list[int]
    policy: dict[str, Any] = field(default_factory=lambda: {"latest": {"num_versions": 1}})
    broken: set[int] = field(default_factory=set)
    loaded: set[int] = field(default_factory=set)
    known: dict[int, str] = field(default_factory=dict)
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    policies: dict[int, dict[str, Any]] = field(default_factory=dict)
    loading: set[int] = field(default_factory=set)

    @property
    def told(self) -> dict[str, Any]:
        """The policy in the configuration that the server tells: that of the answering version's own last load, which
        is not the policy in force after a load that left that version as it was."""
        return self.policies[max(self.loaded)]

    def wanted(self, policy: dict[str, Any]) -> set[int]:
        if "specific" in policy:
            return {int(one) for one in policy["specific"]["versions"]}
        newest = sorted(self.there, reverse=True)
        return set(newest if "all" in policy else newest[: int(policy["latest"].get("num_versions", 1))])

    def load(self, policy: dict[str, Any]) -> str:
        """Have the versions of that policy; what goes wrong, or "": then nothing has changed."""
        wanted = self.wanted(policy)
        if missing := wanted - set(self.there):
            return f"version {min(missing)} is at specific version policy but not in the model repository"
        if bad := wanted & self.broken:
            self.known[min(bad)] = "Internal: out of memory"
            return f"failed to load, version {min(bad)}: out of memory"
        self.known = dict.fromkeys((*self.known, *self.loaded), "unloaded") | dict.fromkeys(wanted, "")
        self.policies |= dict.fromkeys(wanted - self.loaded, policy)
        self.loaded = wanted
        return ""

    def unload(self) -> None:
        self.known, self.loaded = dict.fromkeys((*self.known, *self.loaded), "unloaded"), set()


class StubTriton:
    """``mode`` is the model control mode. Use ``stub_triton``."""

    def __init__(self, models: dict[str, StubModel], mode: str = "explicit") -> None:
        self.models = models
        self.mode = mode
        self.loads: list[dict[str, Any]] = []
        self.asked: list[str] = []
        stub = self
        for one in models.values():
            one.load(one.policy)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = stub.answer(self.command, self.path, body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET  # noqa: N815 - the base class's name

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def infer(self, model: str, requests: int, failed: int = 0) -> int:
        """Requests that name no version: the one that answers them."""
        one = self.models[model]
        version = max(one.loaded)
        success, fail = one.counts.get(version, (0, 0))
        one.counts[version] = (success + requests - failed, fail + failed)
        return version

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        self.asked.append(path)
        parts = path.strip("/").split("/")
        match (method, parts):
            case ("GET", ["v2"]):
                return 200, {"name": "triton", "version": "2.51.0", "extensions": ["model_repository", "statistics"]}
            case ("POST", ["v2", "repository", "index"]):
                return 200, [entry for name, one in self.models.items() for entry in _index(name, one)]
            case ("GET", ["v2", "models", "stats"]):
                return 200, {"model_stats": [stat for name, one in self.models.items() for stat in _stats(name, one)]}
            case ("GET", ["v2", "models", name, "config"]) if name in self.models and self.models[name].loaded:
                return 200, {"name": name, "backend": "python", "version_policy": self.models[name].told}
            case ("POST", ["v2", "repository", "models", name, "load"]):
                return self._load(name, body)
        return 400, {"error": f"Request for unknown model: {path}"}

    def _load(self, name: str, body: bytes) -> tuple[int, object]:
        if self.mode != "explicit":
            return 503, {"error": "explicit model load / unload is not allowed if polling is enabled"}
        if name not in self.models:
            return 500, {"error": f"failed to load '{name}', failed to poll from model repository"}
        request = json.loads(body or b"{}")
        self.loads.append(request)
        config = json.loads(request.get("parameters", {}).get("config", "{}"))
        one = self.models[name]
        wrong = one.load(config.get("version_policy", one.policy))
        return (400, {"error": f"failed to load '{name}': {wrong}"}) if wrong else (200, {})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _index(name: str, one: StubModel) -> Iterator[dict[str, str]]:
    if not one.known:
        yield {"name": name}
    for version, reason in sorted(one.known.items()):
        ready = version in one.loaded
        state = "LOADING" if version in one.loading else "READY" if ready else "UNAVAILABLE"
        yield {
            "name": name, "version": str(version), "state": state,
            "reason": "" if ready else reason,
        }  # fmt: skip


def _stats(name: str, one: StubModel) -> Iterator[dict[str, Any]]:
    for version in sorted(one.loaded):
        success, fail = one.counts.get(version, (0, 0))

        def took(count: int, ms: int) -> dict[str, int]:
            return {"count": count, "ns": count * ms * 1_000_000}

        yield {
            "name": name, "version": str(version), "last_inference": 0, "inference_count": success,
            "execution_count": success, "batch_stats": [],
            "inference_stats": {
                "success": took(success, 50), "fail": took(fail, 5), "queue": took(success, 10),
                "compute_input": took(success, 1), "compute_infer": took(success, 38),
                "compute_output": took(success, 1), "cache_hit": took(0, 0),
            },
        }  # fmt: skip


@contextmanager
def stub_triton(models: dict[str, StubModel], mode: str = "explicit") -> Iterator[StubTriton]:
    made = StubTriton(models, mode)
    try:
        yield made
    finally:
        made.close()
