"""From the first full frame to the first live rows, against the backend's own answer and the import of its SDK.

The reference is a program that imports the SDK, asks once, and prints; timed from before the import.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from backends.serving.kserve_facts import INFERENCE_SERVICE
from tests.bench.app import opened
from tests.bench.groups import Run
from tests.bench.kubernetes import inference_service
from tests.bench.session import Session
from tests.bench.table import Row, middle
from tests.kube.apiserver import ApiServer, find_assets
from tests.lab import fresh_lab

ASK_GATEWAY = """
import time
began = time.perf_counter()
import httpx, sys
with httpx.Client(base_url=sys.argv[1]) as client:
    count = len(client.get("/v1/endpoints").json()["endpoints"])
print("took", time.perf_counter() - began, "end", count)
"""

ASK_API_SERVER = """
import time
began = time.perf_counter()
import sys
from kubernetes import client, config
api = client.CustomObjectsApi(config.new_client_from_config(sys.argv[1]))
found = api.list_cluster_custom_object("serving.kserve.io", "v1beta1", "inferenceservices")
print("took", time.perf_counter() - began, "end", len(found["items"]))
"""

TOOK = re.compile(r"took ([\d.e-]+) end")
SERVICES = 20


def asked_s(program: str, argument: str) -> float:
    """How long that program says that it took."""
    marks = {"took": lambda screen: TOOK.search(screen.text)}
    with Session([sys.executable, "-c", program, argument], cols=200, marks=marks) as one:
        one.mark_s("took")
        found = TOOK.search(one.screen.text)
        assert found is not None
        return float(found[1])


def waited(config: Path, program: str, argument: str, runs: int) -> tuple[list[float], list[float]]:
    """Seconds from frame to rows, and of the reference; in turn."""
    rows, reference = [], []
    for _ in range(runs):
        with opened(config) as session:
            # Where rows are there with the frame, nothing was waited for.
            rows.append(max(0.0, session.mark_s("rows") - session.mark_s("frame")))
        reference.append(asked_s(program, argument))
    return rows, reference


def measure(run: Run) -> Iterator[Row]:
    runs = run.times(9, 3)
    with fresh_lab() as lab:
        rows, reference = waited(lab.config, ASK_GATEWAY, lab.gateway, runs)
    name = "httpx and the gateway's answer"
    yield Row("first full frame → live rows, lab", middle(rows), "s", 1.3, middle(reference), name)
    assets = find_assets()
    if assets is None:
        yield Row("first full frame → live rows, API server", None, "s", note="no kube-apiserver here")
        return
    folder = run.room("apiserver")
    server = ApiServer(assets, folder)
    try:
        server.start()
        server.apply_crd("kserve-inferenceservices")
        namespace = server.namespace("bench")
        for number in range(SERVICES):
            server.create(INFERENCE_SERVICE, inference_service(namespace, number))
        kubeconfig = server.kubeconfig("viewer")
        config = run.folder / "kube.toml"
        config.write_text(
            f'journal = "{run.folder / "kube.jsonl"}"\n[contexts.kube.serving.kserve]\nkubeconfig = "{kubeconfig}"\n',
            encoding="utf-8",
        )
        rows, reference = waited(config, ASK_API_SERVER, str(kubeconfig), runs)
    finally:
        server.stop()
    name = "kubernetes and the server's answer"
    yield Row("first full frame → live rows, API server", middle(rows), "s", 1.3, middle(reference), name)
