"""Flagger's gates through a real API server's proxy, with a load tester and a controller of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backends.contracts import Endpoint, EndpointRef, Phase
from backends.serving.flagger import CANARY, FlaggerServing
from tests.kube.apiserver import ApiServer
from tests.kube.shell import WHY, KubeShell, eventually, wiring
from tests.kube.workloads import FlaggerController, LoadTester


class World:
    """One Canary that waits at its first gate."""

    def __init__(self, server: ApiServer, folder: Path, tester: LoadTester, namespace: str) -> None:
        self.server, self.namespace, self.tester = server, namespace, tester
        gates = f"http://loadtester.{namespace}"
        hooks = ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion")
        webhooks = [{"name": hook, "type": hook, "url": f"{gates}/gate/check"} for hook in hooks]
        webhooks.append({"name": "back", "type": "rollback", "url": f"{gates}/rollback/check"})
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}
        spec = {
            "targetRef": target,
            "service": {"port": 80},
            "analysis": {"interval": "1m", "threshold": 5, "maxWeight": 40, "stepWeight": 20, "webhooks": webhooks},
        }
        server.create(CANARY, {"metadata": {"namespace": namespace, "name": "podinfo"}, "spec": spec})
        self.ref = EndpointRef("k8s", namespace, "podinfo")
        self.serving = FlaggerServing(wiring(server, namespace))
        self.shell = KubeShell(server, folder, "flagger", namespace)
        self.controller = FlaggerController(server, namespace, tester)

    def until(self, condition: Any, what: str) -> Endpoint:
        return eventually(self.serving, self.ref, condition, what)

    def type(self, verb: str, *rest: str) -> Any:
        return self.shell.type(verb, "podinfo", *rest, *WHY)


@contextmanager
def world(server: ApiServer, folder: Path) -> Iterator[World]:
    server.apply_crd("flagger")
    namespace = server.namespace("flagger")
    with LoadTester().serving(server, namespace, "loadtester") as tester:
        made = World(server, folder, tester, namespace)
        with made.controller:
            try:
                made.until(lambda one: one.phase is Phase.PAUSED, "waiting at its first gate")
                yield made
            finally:
                made.serving.close()


def test_the_gates_are_opened_and_closed(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        said = made.type("advance")
        assert said.code == 0, said
        assert "the gate stays open" in said.words
        assert "Waiting → Progressing" in said.words
        made.until(lambda one: one.message.startswith("Succeeded"), "promoted, for the gate stayed open")
        assert made.shell.last()[0] == "settled"


def test_a_pause_closes_the_gate_and_the_rollback_gate_takes_it_back(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.controller.delay_s = 3.0  # so that it is on its way for long enough to be seen
        made.tester.asked("gate", "open", f"podinfo.{made.namespace}")
        made.until(lambda one: one.phase is Phase.PROGRESSING, "on its way")
        made.controller.hold()
        assert made.type("pause").code == 0
        assert made.tester.open == set()
        made.controller.delay_s = 0.0
        made.controller.release()
        said = made.type("abort")
        assert said.code == 0, said
        assert made.until(lambda one: True, "read").phase is Phase.FAILED
        assert "POST /api/v1/namespaces" in said.words
        assert made.shell.last()[0] == "settled"


def test_a_direct_change_is_refused_with_the_reason(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        said = made.type("shift", "canary=50")
        assert said.code == 3, said
        assert "Flagger sets the weights itself and would overwrite this" in said.words
