"""A real MLflow server on SQLite, from an environment of its own, and what a data scientist does with it.

``scripts/prepare-venv .venv/mlflow-server mlflow-server`` makes that environment, and CI does.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.realservers.processes import Server, free_port
from tests.servers import require

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "mlflow-server" / "bin"
READY_S = 120.0  # two workers import all of MLflow, on a machine that may be busy

USER, PASSWORD = "operator", "open-sesame-12"  # the server asks for twelve characters


def mlflow_server(folder: Path, *, basic_auth: bool = False) -> Server:
    """A server with two workers, whose artifacts it proxies. Not started yet."""
    require((BIN / "mlflow").exists(), "no MLflow server: scripts/prepare-venv .venv/mlflow-server mlflow-server")
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{(port := free_port())}"
    argv = [str(BIN / "python"), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "2"]
    argv += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**_quiet(), "PATH": f"{BIN}:{os.environ.get('PATH', '')}"}
    if basic_auth:
        argv += ["--app-name", "basic-auth"]
        written = folder / "auth.ini"
        written.write_text(
            "[mlflow]\ndefault_permission = READ\nadmin_username = admin\n"
            f"admin_password = {PASSWORD}\ndatabase_uri = sqlite:///{folder / 'auth.db'}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        environment |= {"MLFLOW_AUTH_CONFIG_PATH": str(written), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests"}
    return Server(argv, url, f"{url}/health", folder / "mlflow.log", environment=environment, ready_s=READY_S)


def _quiet() -> dict[str, str]:
    """The environment without anybody's own settings for MLflow, and without what it would send or begin by itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return {
        **kept,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
