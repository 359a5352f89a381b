"""The real controllers of Deployments and autoscalers, and a kubelet of ours that makes their pods ready."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from backends.platforms.kubernetes.kinds import POD, Kind
from tests.kube.apiserver import ApiServer, find_assets
from tests.kube.controller import TestController
from tests.servers import require

CONTROLLERS = "deployment,replicaset,horizontalpodautoscaling"
BROKEN = ":broken"
"""An image with this tag never becomes ready."""


class Kubelet(TestController):
    """Makes every pod ready, except those of a broken image."""

    kind: ClassVar[Kind] = POD

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if BROKEN in str(thing["spec"]["containers"][0]["image"]) or thing.get("status", {}).get("phase") == "Running":
            return None
        ready = [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")]
        return {"phase": "Running", "conditions": ready}


@contextmanager
def controller_manager(server: ApiServer) -> Iterator[None]:
    """Run ``kube-controller-manager`` with the controllers that move Deployments; skip where there is none."""
    assets = find_assets()
    program = assets / "kube-controller-manager" if assets is not None else None
    words = "no kube-controller-manager beside the kube-apiserver: it is in Kubernetes' server release"
    require(program is not None and program.exists(), words)
    assert program is not None
    arguments = [f"--kubeconfig={server.kubeconfig()}", "--use-service-account-credentials=false"]
    arguments += ["--leader-elect=false", "--bind-address=127.0.0.1", "--port=0", "--secure-port=0"]
    arguments += [f"--controllers={CONTROLLERS}", "--horizontal-pod-autoscaler-sync-period=2s"]
    with (server.folder / "kube-controller-manager.log").open("ab") as log:
        process = subprocess.Popen([str(program), *arguments], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)
