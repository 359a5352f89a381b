"""Controllers of ours that play Flagger, its load tester, and the Deployment and autoscaler controllers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from backends.platforms.kubernetes.kinds import DEPLOYMENT, POD, REPLICA_SET, SERVICE, Kind
from backends.serving.autoscalers import HPA
from backends.serving.deployment_revisions import HASH_LABEL, REVISION
from backends.serving.flagger import CANARY
from tests.kube.apiserver import ApiServer
from tests.kube.argo import owner_of
from tests.kube.controller import TestController
from tests.kube.tunnel import POD_ADDRESS

ENDPOINTS = Kind("", "v1", "endpoints", "Endpoints")


class DeploymentController(TestController):
    """Makes the ReplicaSet of a template, scales to it at once, and counts: one reconcile for each, as the real one."""

    kind: ClassVar[Kind] = DEPLOYMENT

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        spec, metadata = thing["spec"], thing["metadata"]
        status = dict(thing.get("status") or {})
        if spec.get("paused"):
            return {**status, "observedGeneration": metadata["generation"]}
        current = self._current(thing)
        if metadata.get("annotations", {}).get(REVISION) != current["metadata"]["annotations"][REVISION]:
            revision = current["metadata"]["annotations"][REVISION]
            body = {"metadata": {"annotations": {REVISION: revision}}}
            self.server.patch(DEPLOYMENT, self.namespace, metadata["name"], body)
            return None
        replicas = spec["replicas"]
        for one in self._owned(thing):
            wanted = replicas if one["metadata"]["uid"] == current["metadata"]["uid"] else 0
            if one["spec"]["replicas"] != wanted or one["status"].get("readyReplicas", 0) != wanted:
                self._scale(one["metadata"]["name"], wanted)
        ready = {"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas}
        return {"observedGeneration": metadata["generation"], **ready, "availableReplicas": replicas}

    def _owned(self, thing: Mapping[str, Any]) -> list[dict[str, Any]]:
        uid = thing["metadata"]["uid"]
        found = self.server.all_of(REPLICA_SET, self.namespace)
        return [one for one in found if one["metadata"].get("ownerReferences", [{}])[0].get("uid") == uid]

    def _current(self, thing: Mapping[str, Any]) -> dict[str, Any]:
        """The ReplicaSet of the template; it gets the newest revision, also where it is there already."""
        template = thing["spec"]["template"]
        containers = [(one["name"], one["image"]) for one in template["spec"]["containers"]]
        pod_hash = hashlib.sha256(json.dumps(containers).encode()).hexdigest()[:9]
        owned = self._owned(thing)
        revisions = {one["metadata"]["name"]: int(one["metadata"]["annotations"][REVISION]) for one in owned}
        newest = max(revisions.values(), default=0)
        name = f"{thing['metadata']['name']}-{pod_hash}"
        if name in revisions and revisions[name] == newest:
            return next(one for one in owned if one["metadata"]["name"] == name)
        annotations = {REVISION: str(newest + 1)}
        if name in revisions:
            return self.server.patch(REPLICA_SET, self.namespace, name, {"metadata": {"annotations": annotations}})
        labels = {**template["metadata"]["labels"], HASH_LABEL: pod_hash}
        metadata = {**template["metadata"], "labels": labels}
        return self.server.create(
            REPLICA_SET,
            {
                "metadata": {
                    "namespace": self.namespace,
                    "name": name,
                    "labels": labels,
                    "annotations": annotations,
                    "ownerReferences": [owner_of(thing, DEPLOYMENT)],
                },
                "spec": {
                    "replicas": 0,
                    "selector": {"matchLabels": labels},
                    "template": {**template, "metadata": metadata},
                },
            },
        )

    def _scale(self, name: str, wanted: int) -> None:
        self.server.patch(REPLICA_SET, self.namespace, name, {"spec": {"replicas": wanted}})
        status = {"status": {"replicas": wanted, "readyReplicas": wanted}}
        self.server.patch(REPLICA_SET, self.namespace, name, status, "status")


class Autoscaler(TestController):
    """Keeps its Deployment within its bounds, and leaves alone what is at zero."""

    kind: ClassVar[Kind] = HPA

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        name = thing["spec"]["scaleTargetRef"]["name"]
        replicas = self.server.get(DEPLOYMENT, self.namespace, name)["spec"]["replicas"]
        wanted = min(max(replicas, thing["spec"].get("minReplicas", 1)), thing["spec"]["maxReplicas"])
        if replicas and wanted != replicas:
            self.server.patch(DEPLOYMENT, self.namespace, name, {"spec": {"replicas": wanted}})
        return None


class LoadTester:
    """Flagger's load tester, as far as gates go: ``/gate/{open,close,check}`` and ``/rollback/{…}``."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        tester = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                _, folder, verb = self.path.split("/")
                self.send_response(tester.asked(folder, verb, f"{body['name']}.{body['namespace']}"))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def asked(self, folder: str, verb: str, canary: str) -> int:
        """The HTTP status of the answer."""
        key = f"{folder} {canary}"
        if verb == "open":
            self.open.add(key)
        elif verb == "close":
            self.open.discard(key)
        else:
            return 200 if key in self.open else 403
        return 202

    @contextmanager
    def serving(self, server: ApiServer, namespace: str, name: str) -> Iterator[LoadTester]:
        """As a Service of the cluster, until the end."""
        self._thread.start()
        metadata = {"namespace": namespace, "name": name}
        port = {"name": "http", "port": 80, "targetPort": self.port}
        server.create(SERVICE, {"metadata": metadata, "spec": {"ports": [port]}})
        container = {"name": "loadtester", "image": "loadtester"}
        status = {"phase": "Running", "podIP": POD_ADDRESS, "podIPs": [{"ip": POD_ADDRESS}]}
        server.create(POD, {"metadata": metadata, "spec": {"containers": [container]}, "status": status})
        # The API server proxies to addresses of pods only, and looks whether the pod has that address.
        pod = {"kind": "Pod", "namespace": namespace, "name": name}
        address = {"ip": POD_ADDRESS, "targetRef": pod}
        subset = {"addresses": [address], "ports": [{"name": "http", "port": self.port}]}
        server.create(ENDPOINTS, {"metadata": metadata, "subsets": [subset]})
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)


class FlaggerController(TestController):
    """A canary in steps of 20 % up to 40 %, which asks the gates of ``tester`` in Flagger's order: rollback first, then
    what holds the phase that it is in."""

    kind: ClassVar[Kind] = CANARY

    def __init__(self, server: ApiServer, namespace: str, tester: LoadTester, *, delay_s: float = 0.0) -> None:
        super().__init__(server, namespace, delay_s=delay_s)
        self._tester = tester

    def reconcile(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        status = dict(thing.get("status") or {"phase": "Waiting", "canaryWeight": 0, "failedChecks": 0})
        name, phase = f"{thing['metadata']['name']}.{self.namespace}", status["phase"]
        hooks = {one["type"] for one in thing["spec"]["analysis"]["webhooks"]}
        if phase not in ("Waiting", "Progressing", "WaitingPromotion", "Promoting", "Finalising"):
            return status
        held = phase in ("Waiting", "Progressing", "WaitingPromotion")
        if held and "rollback" in hooks and self._tester.asked("rollback", "check", name) == 200:
            return {**status, "phase": "Failed", "canaryWeight": 0}
        if held and self._tester.asked("gate", "check", name) != 200:
            return status
        weight = status.get("canaryWeight", 0)
        if phase == "Progressing" and weight < 40:
            return {**status, "canaryWeight": weight + 20}
        after = {
            "Waiting": "Progressing",
            "Progressing": "WaitingPromotion",
            "WaitingPromotion": "Promoting",
            "Promoting": "Finalising",
            "Finalising": "Succeeded",
        }[phase]
        gone = after in ("Finalising", "Succeeded")
        return {**status, "phase": after, "canaryWeight": 0 if gone else weight}
