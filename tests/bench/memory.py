"""Memory: of the app on a large fleet, against what it imports; and what refreshes of the app leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from backends.child import Child
from tests.bench.app import opened
from tests.bench.emulator import Emulator
from tests.bench.groups import Run
from tests.bench.kubernetes import fill_services
from tests.bench.session import Session
from tests.bench.table import Row
from tests.bench.usage import Usage
from tests.kube.apiserver import ApiServer, find_assets
from tests.realservers.mlflow import fill

MB = 1e6
SETTLED_S = 20.0
MODELS, VERSIONS = 200, 5

IMPORTS = (
    "textual.app",
    "kubernetes.client",
    "kubernetes.config",
    "mlflow",
    "httpx",
    "prometheus_api_client",
    "plotext",
)
"""What the app may come to import, each of which the reference imports and does nothing with."""

BARE = """
import {imports}
import sys
print("imported", flush=True)
sys.stdin.readline()
"""

MAKE_TABLES = """
import sys
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
MlflowClient(sys.argv[1], sys.argv[1]).search_registered_models()
MlflowClient(sys.argv[1], sys.argv[1]).search_experiments()
"""


def measure(run: Run) -> Iterator[Row]:
    yield from _in_use(run)
    yield from _growth(run)


# ── in use ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _in_use(run: Run) -> Iterator[Row]:
    count = run.times(1000, 200)
    what = f"resident, {count:,} InferenceServices and an MLflow registry"
    assets = find_assets()
    if assets is None:
        yield Row(what, None, "MB", note="no kube-apiserver here")
        return
    bare = _bare_rss()
    server = ApiServer(assets, run.room("apiserver"))
    try:
        server.start()
        fill_services(server, count)
        uri = _registry(run.room("registry"))
        config = run.folder / "shiftdeck.toml"
        config.write_text(
            f'journal = "{run.folder / "journal.jsonl"}"\n[contexts.bench.registries.mlflow]\nuri = "{uri}"\n'
            f'[contexts.bench.serving.kserve]\nkubeconfig = "{server.kubeconfig("viewer")}"\n',
            encoding="utf-8",
        )
        with opened(config) as session:
            session.wait(lambda screen: _counted(screen, count), 120.0, "all endpoints")
            time.sleep(SETTLED_S)
            used, processes = session.usage.memory(), len(session.usage.processes())
    finally:
        server.stop()
    note = f"{processes} process{'es' if processes > 1 else ''}, PSS {used.pss / MB:.0f} MB"
    imports = "a process that only imports"
    yield Row(what, used.rss / MB, "MB", 1.3, bare / MB, imports, note)
    wrote = used.rss + _writer_rss(uri)
    what = "the same for two minutes after something was written to the registry"
    yield Row(what, wrote / MB, "MB", 1.3, bare / MB, imports, "2 processes")


def _counted(screen: Emulator, count: int) -> bool:
    return f"ENDPOINTS {count}" in screen.text and "● kserve" in screen.lines[0] and "● mlflow" in screen.lines[0]


def _registry(folder: Path) -> str:
    """An MLflow registry in SQLite, filled; its address."""
    database = folder / "mlflow.db"
    uri = f"sqlite:///{database}"
    subprocess.run([sys.executable, "-c", MAKE_TABLES, uri], check=True, capture_output=True, timeout=120)
    fill(database, MODELS, VERSIONS)
    return uri


def _writer_rss(uri: str) -> int:
    """Resident bytes of the process that MLflow is imported into, once it has looked at the registry."""
    child = Child("backends.registries.mlflow_process", "MLflow")
    here = psutil.Process()
    before = set(here.children())
    try:
        child.ask({"uri": uri, "do": "prepare", "with": [], "left_s": 60.0}, 70.0)
        (process,) = set(here.children()) - before
        return Usage(process.pid).memory().rss
    finally:
        child.close()


def _bare_rss() -> int:
    """Resident bytes of a process in which all that is imported, and nothing else was done."""
    program = BARE.format(imports=", ".join(IMPORTS))
    with Session([sys.executable, "-c", program]) as session:
        session.wait(lambda screen: "imported" in screen.text, 60.0, "the imports")
        return session.usage.memory().rss


# ── growth ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _growth(run: Run) -> Iterator[Row]:
    refreshes = run.times(100_000, 3_000)
    argv = [sys.executable, "-m", "tests.bench.refreshes", str(refreshes)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=1800)
    told = json.loads(done.stdout)
    note = f"{told['written'] / refreshes:.0f} bytes written for each, to nowhere"
    grown = max(0.0, (told["end"] - told["warm"]) / MB)
    yield Row(f"memory grown by {refreshes:,} refreshes of the app", grown, "MB", 2.0, note=note)
