"""Real model servers whose metrics the presets read: FastAPI with its instrumentator, from the environment that runs
the tests, and BentoML, from one of its own (``scripts/prepare-venv .venv/bentoml bentoml``)."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx

from tests.realservers.processes import Server, free_port
from tests.servers import require

ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).parent / "apps"
BENTOML = ROOT / ".venv" / "bentoml" / "bin"


def fastapi_server(folder: Path) -> Server:
    """Not started yet."""
    there = find_spec("prometheus_fastapi_instrumentator") and find_spec("fastapi")
    require(there, "no FastAPI with prometheus-fastapi-instrumentator: make setup")
    url = f"http://127.0.0.1:{(port := free_port())}"
    argv = [sys.executable, "-m", "uvicorn", "fastapi_churn:app", "--app-dir", str(APPS)]
    argv += ["--port", str(port), "--log-level", "warning"]
    return Server(argv, url, f"{url}/metrics", folder / f"fastapi-{port}.log")


def bentoml_server(folder: Path) -> Server:
    """One that was not built, so that it has no version. Not started yet."""
    require((BENTOML / "bentoml").exists(), "no BentoML: scripts/prepare-venv .venv/bentoml bentoml")
    home = folder / "bentoml"
    home.mkdir(parents=True)
    url = f"http://127.0.0.1:{(port := free_port())}"
    argv = [str(BENTOML / "python"), "-m", "bentoml", "serve", "bento_churn:Churn"]
    argv += ["--working-dir", str(APPS), "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "BENTOML_HOME": str(home),
        "PROMETHEUS_MULTIPROC_DIR": str(home / "counts"),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    (home / "counts").mkdir()
    return Server(argv, url, f"{url}/readyz", folder / "bentoml.log", environment=environment, ready_s=90.0)


def send(url: str, count: int, **query: str) -> None:
    """Send so many requests, one after the other; what they are answered with does not matter."""
    with httpx.Client(trust_env=False, timeout=20) as client:
        for _ in range(count):
            client.post(url, params=query, json={"fail": query.get("fail") == "1"})
