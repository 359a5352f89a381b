"""``python -m tests.bench.kubernetes [--objects N]``: the engine over N InferenceServices and N Rollouts.

A real API server holds them, with a ReplicaSet for each Rollout, in 40 namespaces. A process of its own runs the engine
and reports. Measured: until everything is in a view; requests; from the server's answer to a change until a view shows
it; memory; processor time when quiet and under a storm of status writes.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from backends.platforms.kubernetes.kinds import REPLICA_SET, Kind
from backends.serving.kserve_facts import INFERENCE_SERVICE
from tests.kube.apiserver import ApiServer, find_assets

ROLLOUT = Kind("argoproj.io", "v1alpha1", "rollouts", "Rollout")
NAMESPACES = 40
CHANGES = 30
QUIET_S = 20.0
STORM_S = 20.0
STORM_RATE = 20.0


# ── the process that is measured ────────────────────────────────────────────────────────────────────────────────


def watch(kubeconfig: str, expected: int) -> None:
    """Run the engine; a line of JSON for each thing worth telling. A line on stdin has the figures told."""
    import psutil

    from backends.platforms.kubernetes.cluster import _shared
    from shiftdeck.config.loader import ContextConfig, SourceConfig
    from shiftdeck.engine.engine import Engine
    from shiftdeck.engine.view import View
    from shiftdeck.journal.journal import Journal

    process = psutil.Process()
    options = {"kubeconfig": Path(kubeconfig), "namespaces": ()}
    sources = tuple(SourceConfig("serving", name, name, 10.0, 30.0, 60.0, options) for name in ("kserve", "rollouts"))

    def tell(**words: object) -> None:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()

    def figures() -> dict[str, object]:
        cpu = process.cpu_times()
        clusters = list(_shared.values())
        stores = [store for one in clusters for group in one._stores.values() for store in group]
        return {
            "rss_mb": round(process.memory_info().rss / 1e6, 1),
            "cpu_s": round(cpu.user + cpu.system, 2),
            "requests": sum(one.client.requests for one in clusters),
            "lists": {store.kind.plural: store.lists for store in stores},
            "objects": {store.kind.plural: len(store.objects()) for store in stores},
        }

    seen: dict[str, float | None] = {}

    def look(view: View) -> None:
        for one in view.endpoints:
            endpoint = one.endpoint
            if endpoint.ref.name == "isvc-0":
                weight = endpoint.variants[1].desired
                if seen.get("isvc-0") != weight:
                    seen["isvc-0"] = weight
                    tell(event="seen", value=weight, at=time.time())
                return

    tell(event="begun", **figures())
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(ContextConfig("bench", sources, production=False), Journal(Path(folder) / "journal.jsonl"))
        began = time.monotonic()
        engine.subscribe(look)
        engine.start()
        full = engine.wait_for(lambda view: len(view.endpoints) >= expected, 300)
        tell(event="full", seconds=round(time.monotonic() - began, 2), whole=full is not None, **figures())
        for _ in sys.stdin:
            view = engine.view
            states = {one.name: str(one.state) for one in view.sources}
            tell(
                event="figures",
                views=view.number,
                states=states,
                latency={one.name: one.latency_s for one in view.sources},
                **figures(),
            )
        engine.stop(0.0)


# ── what it is measured against ─────────────────────────────────────────────────────────────────────────────────


def inference_service(namespace: str, number: int) -> dict[str, Any]:
    name = f"isvc-{number}"
    old, new = f"{name}-predictor-00001", f"{name}-predictor-00002"
    resources = {"limits": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}, "requests": {"cpu": "2"}}
    model = {"modelFormat": {"name": "sklearn"}, "storageUri": f"s3://models/{name}/8", "resources": resources}
    traffic = [
        {"revisionName": new, "latestRevision": True, "percent": 10, "url": f"http://{new}.{namespace}.example.com"},
        {"revisionName": old, "latestRevision": False, "percent": 90, "tag": "prev", "url": f"http://prev-{name}"},
    ]
    conditions = [
        {"type": one, "status": "True", "lastTransitionTime": "2026-11-20T10:00:00Z", "severity": "Info"}
        for one in ("Ready", "PredictorReady", "IngressReady", "RoutesReady", "LatestDeploymentReady")
    ]
    predictor = {"latestCreatedRevision": new, "latestReadyRevision": new, "latestRolledoutRevision": old}
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": {"team": "ml", "app": name}},
        "spec": {"predictor": {"canaryTrafficPercent": 10, "minReplicas": 1, "model": model}},
        "status": {
            "deploymentMode": "Knative",
            "url": f"http://{name}.{namespace}.example.com",
            "conditions": conditions,
            "components": {"predictor": {**predictor, "traffic": traffic, "url": f"http://{name}"}},
            "modelStatus": {"states": {"activeModelState": "Loaded"}, "transitionStatus": "UpToDate"},
        },
    }


def rollout(namespace: str, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    name = f"rollout-{number}"
    labels = {"app": name}
    container = {"name": "model", "image": f"example.invalid/{name}:8", "ports": [{"containerPort": 8080}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    steps = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {"duration": "10m"}}]
    strategy = {"canary": {"steps": steps, "stableService": f"{name}-stable", "canaryService": f"{name}-canary"}}
    status = {
        "phase": "Healthy",
        "currentPodHash": "abc",
        "stableRS": "abc",
        "currentStepIndex": 4,
        "observedGeneration": "1",
        "replicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
    }
    meta = {"namespace": namespace, "name": name, "labels": labels}
    selector = {"matchLabels": labels}
    thing = {
        "metadata": meta,
        "spec": {"replicas": 2, "selector": selector, "template": template, "strategy": strategy},
        "status": status,
    }
    hashed = {**labels, "rollouts-pod-template-hash": "abc"}
    replica_set = {
        "metadata": {
            "namespace": namespace,
            "name": f"{name}-abc",
            "labels": hashed,
            "annotations": {"rollout.argoproj.io/revision": "1"},
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": hashed},
            "template": {"metadata": {"labels": hashed}, "spec": {"containers": [container]}},
        },
    }
    return thing, replica_set


def fill_services(server: ApiServer, count: int) -> None:
    """InferenceServices alone."""
    server.apply_crd("kserve-inferenceservices")
    namespaces = [server.namespace("bench") for _ in range(NAMESPACES)]

    def make(number: int) -> None:
        server.create(INFERENCE_SERVICE, inference_service(namespaces[number % NAMESPACES], number))

    with ThreadPoolExecutor(6) as pool:
        for _ in pool.map(make, range(count)):
            pass


def fill(server: ApiServer, count: int) -> None:
    for name in ("kserve-inferenceservices", "argo-rollouts"):
        server.apply_crd(name)
    namespaces = [server.namespace("bench") for _ in range(NAMESPACES)]

    def make(number: int) -> None:
        namespace = namespaces[number % NAMESPACES]
        server.create(INFERENCE_SERVICE, inference_service(namespace, number))
        thing, replica_set = rollout(namespace, number)
        made = server.create(ROLLOUT, thing)
        owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": made["metadata"]["name"]}
        uid = {"uid": made["metadata"]["uid"], "controller": True}
        replica_set["metadata"]["ownerReferences"] = [{**owner, **uid}]
        server.create(REPLICA_SET, replica_set)

    with ThreadPoolExecutor(6) as pool:
        for number, _ in enumerate(pool.map(make, range(count))):
            if number % 200 == 0:
                sys.stderr.write(f"\r{number} of {count} made")
    sys.stderr.write("\r")


class Child:
    """The measured process. ``events`` are what it tells."""

    def __init__(self, kubeconfig: Path, expected: int) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.bench.kubernetes",
            "--watch",
            str(kubeconfig),
            "--objects",
            str(expected),
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events: queue.Queue[Mapping[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def wait_for(self, event: str, timeout_s: float = 300.0) -> Mapping[str, Any]:
        while True:
            found = self.events.get(timeout=timeout_s)
            if found["event"] == event:
                return found

    def figures(self) -> Mapping[str, Any]:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.wait_for("figures")

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)


def changes(server: ApiServer, child: Child) -> Iterator[float]:
    """Seconds from the server's answer to a change until a view shows it."""
    namespace = next(
        one["metadata"]["namespace"] for one in server.all_of(INFERENCE_SERVICE) if one["metadata"]["name"] == "isvc-0"
    )
    for number in range(CHANGES):
        percent = 11 + number
        server.patch(INFERENCE_SERVICE, namespace, "isvc-0", {"spec": {"predictor": {"canaryTrafficPercent": percent}}})
        done = time.time()
        while (seen := child.wait_for("seen", 60))["value"] != percent:
            pass
        yield max(0.0, seen["at"] - done)


def storm(server: ApiServer, seconds: float, rate: float) -> int:
    things = server.all_of(INFERENCE_SERVICE)
    began, sent = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        meta = things[1 + sent % (len(things) - 1)]["metadata"]
        status = {"status": {"url": f"http://storm/{sent}"}}
        server.patch(INFERENCE_SERVICE, meta["namespace"], meta["name"], status, "status")
        sent += 1
        time.sleep(max(0.0, began + sent / rate - time.monotonic()))
    return sent


def measure(count: int) -> dict[str, Any]:
    assets = find_assets()
    assert assets is not None, "no kube-apiserver and etcd: see tests/kube/apiserver.py"
    with tempfile.TemporaryDirectory(prefix="shiftdeck-bench-", ignore_cleanup_errors=True) as folder:
        server = ApiServer(assets, Path(folder))
        try:
            server.start()
            fill(server, count)
            child = Child(server.kubeconfig("viewer"), 2 * count)
            begun, full = child.wait_for("begun"), child.wait_for("full")
            latencies = sorted(changes(server, child))
            time.sleep(3.0)
            before = child.figures()
            time.sleep(QUIET_S)
            quiet = child.figures()
            written = storm(server, STORM_S, STORM_RATE)
            stormy = child.figures()
            child.end()
        finally:
            server.stop()
    return {
        "objects": full["objects"],
        "all in a view after s": full["seconds"],
        "processor time for that, s": round(full["cpu_s"] - begun["cpu_s"], 2),
        "memory before, MB": begun["rss_mb"],
        "memory with all, MB": full["rss_mb"],
        "memory at the end, MB": stormy["rss_mb"],
        "lists by kind": stormy["lists"],
        "requests until full": full["requests"],
        f"requests in {QUIET_S:g} quiet s": quiet["requests"] - before["requests"],
        "change to view, median ms": round(1000 * median(latencies)),
        "change to view, p95 ms": round(1000 * latencies[int(0.95 * (len(latencies) - 1))]),
        "processor when quiet, %": round(100 * (quiet["cpu_s"] - before["cpu_s"]) / QUIET_S, 1),
        f"processor at {written / STORM_S:.0f} writes/s, %": round(
            100 * (stormy["cpu_s"] - quiet["cpu_s"]) / STORM_S, 1
        ),
        "views in the storm": stormy["views"] - quiet["views"],
        "states": stormy["states"],
        "explaining all takes, s": stormy["latency"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kubernetes", description=__doc__)
    parser.add_argument("--objects", type=int, default=2000, help="of each kind (default: 2000)")
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.watch:
        watch(given.watch, given.objects)
        return
    found = measure(given.objects)
    for name, value in found.items():
        sys.stdout.write(f"{name:34}{value}\n")
    Path("bench-kubernetes.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
