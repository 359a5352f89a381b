"""A real MLflow server on SQLite, from an environment of its own, and what a data scientist does with it.

``scripts/prepare-venv .venv/mlflow-server mlflow-server`` makes that environment, and CI does.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.realservers.processes import Server, free_port
from tests.servers import require

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "mlflow-server" / "bin"
READY_S = 120.0  # its workers import all of MLflow, on a machine that may be busy

ADMIN, PASSWORD = "admin", "open-sesame-12"  # the server asks for twelve characters


AUTH = ("--app-name", "basic-auth")
"""What makes a server check passwords itself."""


def mlflow_server(folder: Path, *, basic_auth: bool = False, workers: int = 2) -> Server:
    """A server whose artifacts it proxies. Not started yet."""
    require((BIN / "mlflow").exists(), "no MLflow server: scripts/prepare-venv .venv/mlflow-server mlflow-server")
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{(port := free_port())}"
    argv = [str(BIN / "python"), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", f"{workers}"]
    argv += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**_quiet(), "PATH": f"{BIN}:{os.environ.get('PATH', '')}"}
    if basic_auth:
        argv += AUTH
        written = folder / "auth.ini"
        written.write_text(
            "[mlflow]\ndefault_permission = READ\nadmin_username = "
            f"{ADMIN}\n"
            f"admin_password = {PASSWORD}\ndatabase_uri = sqlite:///{folder / 'auth.db'}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        environment |= {"MLFLOW_AUTH_CONFIG_PATH": str(written), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests"}
    return Server(argv, url, f"{url}/health", folder / "mlflow.log", environment=environment, ready_s=READY_S)


def hash_quickly(folder: Path) -> None:
    """Have the server of that folder check passwords with one round of hashing. By default each request costs a third
    of a second of processor, for it hashes the password several times with scrypt."""
    salt = "tests"
    digest = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), 1).hex()
    with closing(sqlite3.connect(folder / "auth.db", timeout=30)) as tables, tables:
        tables.execute("UPDATE users SET password_hash = ?", (f"pbkdf2:sha256:1${salt}${digest}",))


def _quiet() -> dict[str, str]:
    """The environment without anybody's own settings for MLflow, and without what it would send or begin by itself."""
    # Without bytecode each start would compile all of MLflow.
    unwanted = ("MLFLOW_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {
        **kept,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


@dataclass(frozen=True, slots=True)
class Scientist:
    """Trains and registers, over REST as MLflow's own client does."""

    url: str
    auth: tuple[str, str] | None = None

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        """Any call of the REST API below ``/api/2.0``."""
        answer = httpx.request(
            method, f"{self.url}/api/2.0{path}", json=body, auth=self.auth, timeout=30, trust_env=False
        )
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}

    def experiment(self, name: str, folder: str = "") -> str:
        """``folder``: where its artifacts are, if not where the server keeps them."""
        where = {"artifact_location": folder} if folder else {}
        return str(self.ask("POST", "/mlflow/experiments/create", {"name": name, **where})["experiment_id"])

    def run(
        self,
        experiment: str,
        *,
        metrics: Mapping[str, float | str] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        dataset: tuple[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
        ended: bool = True,
    ) -> str:
        """Train; gives the run's id. ``dataset`` is a name and a digest, ``files`` are by path."""
        told = [{"key": key, "value": value} for key, value in {"mlflow.user": "ada", **(tags or {})}.items()]
        asked = {"experiment_id": experiment, "start_time": 1, "user_id": "ada", "tags": told}
        info = self._run(self.ask("POST", "/mlflow/runs/create", asked))
        run = info["run_id"]
        measured = [{"key": k, "value": v, "timestamp": 1, "step": 0} for k, v in (metrics or {}).items()]
        given = [{"key": key, "value": value} for key, value in (params or {}).items()]
        self.ask("POST", "/mlflow/runs/log-batch", {"run_id": run, "metrics": measured, "params": given})
        if dataset:
            read = {"name": dataset[0], "digest": dataset[1], "source_type": "s3", "source": "{}"}
            context = [{"key": "mlflow.data.context", "value": "training"}]
            inputs = [{"dataset": read, "tags": context}]
            self.ask("POST", "/mlflow/runs/log-inputs", {"run_id": run, "datasets": inputs})
        for path, content in (files or {}).items():
            self.put(info["artifact_uri"], path, content)
        if ended:
            self.ask("POST", "/mlflow/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 2})
        return run

    def put(self, folder: str, path: str, content: bytes) -> None:
        """Write an artifact below a folder's URI: through the server, or on this disk."""
        if not folder.startswith("mlflow-artifacts:"):
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            return
        place = f"{self.url}/api/2.0/mlflow-artifacts/artifacts{folder.removeprefix('mlflow-artifacts:')}/{path}"
        assert httpx.put(place, content=content, auth=self.auth, timeout=30, trust_env=False).status_code == 200

    def folder(self, run: str) -> str:
        """The URI of a run's artifacts."""
        return self._run(self.ask("GET", f"/mlflow/runs/get?run_id={run}"))["artifact_uri"]

    def model(self, name: str) -> None:
        self.ask("POST", "/mlflow/registered-models/create", {"name": name})

    def register(self, model: str, run: str, *, tags: Mapping[str, str] | None = None) -> str:
        """A version of what the run left in its folder ``model``; gives its number."""
        told = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        body = {"name": model, "source": f"{self.folder(run)}/model", "run_id": run, "tags": told}
        answer = self.ask("POST", "/mlflow/model-versions/create", body)["model_version"]
        assert isinstance(answer, dict)
        return str(answer["version"])

    def alias(self, model: str, alias: str, version: str) -> None:
        self.ask("POST", "/mlflow/registered-models/alias", {"name": model, "alias": alias, "version": version})

    @staticmethod
    def _run(answer: Mapping[str, object]) -> dict[str, str]:
        run = answer["run"]
        assert isinstance(run, dict)
        return dict(run["info"])


def mlmodel(inputs: Mapping[str, str], outputs: Mapping[str, str], optional: tuple[str, ...] = ()) -> bytes:
    """The part of an ``MLmodel`` file that tells the signature, as MLflow 3 writes it: type by column."""

    def columns(types: Mapping[str, str]) -> str:
        return json.dumps(
            [{"type": kind, "name": name, "required": name not in optional} for name, kind in types.items()]
        )

    told = {"inputs": columns(inputs), "outputs": columns(outputs), "params": None}
    return json.dumps({"flavors": {}, "signature": told}).encode()  # YAML is a superset of JSON


def fill(database: Path, models: int, versions: int) -> None:
    """Write many models straight into a server's tables: over REST it would take minutes."""
    at = 1_700_000_000_000
    names = [f"model-{number:03d}" for number in range(models)]
    pairs = [(name, number) for name in names for number in range(1, versions + 1)]
    runs = {pair: f"{index:032x}" for index, pair in enumerate(pairs, start=1)}
    with closing(sqlite3.connect(database, timeout=30)) as tables, tables:
        tables.executemany(
            "INSERT INTO registered_models (name, creation_time, last_updated_time, workspace)"
            " VALUES (?,?,?,'default')",
            [(name, at, at) for name in names],
        )
        tables.executemany(
            "INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri,"
            " experiment_id) VALUES (?, 'r', 'ada', 'FINISHED', 1, 2, 'active', 'mlflow-artifacts:/0/x', 0)",
            [(run,) for run in runs.values()],
        )
        tables.executemany(
            "INSERT INTO model_versions (name, version, creation_time, last_updated_time, current_stage, source,"
            " run_id, status, workspace) VALUES (?,?,?,?,'None','s3://x',?,'READY','default')",
            [(name, number, at, at, runs[name, number]) for name, number in pairs],
        )
        tables.executemany(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?,?,1,0,0,?)",
            [(key, number / 100, runs[name, number]) for name, number in pairs for key in ("f1", "auc", "loss")],
        )
        tables.executemany(
            "INSERT INTO params (key, value, run_uuid) VALUES ('depth', '7', ?)", [(run,) for run in runs.values()]
        )
