"""Leases of the real API server as a courtesy among operators: seen, taken, let go, expired, and never in the way."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.contracts import Call, EndpointRef, Receipt
from backends.errors import Forbidden, Unsupported
from backends.platforms.kubernetes.access import Access
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.kinds import LEASE
from backends.platforms.kubernetes.leases import Leases, holder_of, lease_name
from backends.serving.istio import DESTINATION_RULE, VIRTUAL_SERVICE, IstioServing
from tests.kube.apiserver import ROLE, ROLE_BINDING, ApiServer
from tests.kube.shell import KubeShell, Said, wiring

NAME = lease_name("istio", "ranker")


@pytest.fixture
def namespace(apiserver: ApiServer) -> str:
    """With one VirtualService, for which no controller is needed: it is in effect as soon as it is written."""
    for name in ("istio-virtualservices", "istio-destinationrules"):
        apiserver.apply_crd(name)
    name = apiserver.namespace("leases")
    metadata = {"namespace": name, "name": "ranker"}
    subsets = [{"name": one, "labels": {"version": one}} for one in ("v9", "v10")]
    apiserver.create(DESTINATION_RULE, {"metadata": metadata, "spec": {"host": "ranker", "subsets": subsets}})
    route = [{"destination": {"host": "ranker", "subset": "v9"}}]
    apiserver.create(VIRTUAL_SERVICE, {"metadata": metadata, "spec": {"hosts": ["ranker"], "http": [{"route": route}]}})
    return name


@pytest.fixture
def client(apiserver: ApiServer) -> Iterator[KubeClient]:
    made = KubeClient(apiserver.kubeconfig("admin"), timeout_s=20.0)
    yield made
    made.close()


def of(client: KubeClient, who: str, now: float | None = None) -> Leases:
    return Leases(client, Access(client), f"{who}@bastion/1", lambda: time.time() if now is None else now)


def spec(apiserver: ApiServer, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = apiserver.get(LEASE, namespace, NAME)["spec"]
    return found


def shift(shell: KubeShell, to: str = "v10=10") -> Said:
    return shell.type("shift", "ranker", to, "--reason", "a test", "--override", "--yes")


def told(said: Said) -> str:
    """What a plan says of others."""
    (line,) = [line for line in said.out.splitlines() if "other operators" in line]
    return " ".join(line.split())


@pytest.fixture
def shell(apiserver: ApiServer, namespace: str, tmp_path: Path) -> KubeShell:
    made = KubeShell(apiserver, tmp_path, "istio", namespace)
    with made.config.open("a") as config:
        config.write("leases = true\n")
    return made


def test_one_at_a_time_until_let_go_or_expired(apiserver: ApiServer, client: KubeClient, namespace: str) -> None:
    ana, ben = of(client, "ana"), of(client, "ben")
    assert ben.held(namespace, NAME) is None
    assert ana.take(namespace, NAME, 60.0) is None
    held = ben.held(namespace, NAME)
    assert held is not None
    assert held.by == "ana@bastion/1"
    assert held.since is not None
    assert abs(held.since - time.time()) < 60
    assert ben.take(namespace, NAME, 60.0) == held
    ben.let_go(namespace, NAME)  # not ben's to let go
    assert ana.held(namespace, NAME) is None
    assert ana.take(namespace, NAME, 60.0) is None  # still at it, since then
    assert ben.held(namespace, NAME) == held
    ana.let_go(namespace, NAME)
    assert spec(apiserver, namespace)["holderIdentity"] == ""
    assert ben.take(namespace, NAME, 60.0) is None
    assert ana.held(namespace, NAME) is not None
    later = of(client, "ana", time.time() + 61.0)
    assert later.held(namespace, NAME) is None
    assert later.take(namespace, NAME, 60.0) is None
    assert spec(apiserver, namespace)["holderIdentity"] == "ana@bastion/1"
    assert spec(apiserver, namespace)["leaseTransitions"] == 3


def test_of_many_who_begin_at_once_one_holds_it(apiserver: ApiServer, client: KubeClient, namespace: str) -> None:
    everybody = [of(client, f"operator-{number}") for number in range(6)]
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda one=one: found.append(one.take(namespace, NAME, 60.0))) for one in everybody
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(one is None for one in found) == 1
    assert len(found) == 6


def test_a_plan_says_who_else_is_at_work_and_a_change_is_told_until_its_outcome(
    apiserver: ApiServer, client: KubeClient, namespace: str, shell: KubeShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile: list[str] = []
    send = IstioServing.send

    def look_and_send(self: IstioServing, call: Call) -> Receipt:
        meanwhile.append(spec(apiserver, namespace)["holderIdentity"])
        return send(self, call)

    monkeypatch.setattr(IstioServing, "send", look_and_send)
    monkeypatch.setenv("SHIFTDECK_OPERATOR", "cleo")
    ana = of(client, "ana")
    ana.take(namespace, NAME, 3600.0)
    said = shift(shell)
    assert said.code == 0, said
    assert re.search(r"ana@bastion is at work since \d+s: ask before you go on", told(said))
    assert meanwhile == ["ana@bastion/1"]  # she is left there, and is in nobody's way
    ana.let_go(namespace, NAME)
    said = shift(shell, "v10=20")
    assert said.code == 0, said
    assert "they are told while this is applied" in told(said)
    assert meanwhile[1] == holder_of("cleo")
    assert spec(apiserver, namespace)["holderIdentity"] == ""


def test_who_may_not_touch_leases_is_told_so_and_changes_all_the_same(
    apiserver: ApiServer, namespace: str, tmp_path: Path
) -> None:
    metadata = {"namespace": namespace, "name": "patcher"}
    verbs = ["get", "list", "watch", "patch"]
    rules = [
        {"apiGroups": [kind.group], "resources": [kind.plural], "verbs": verbs} for kind in IstioServing.system.kinds
    ]
    apiserver.create(ROLE, {"metadata": metadata, "rules": rules})
    role = {"apiGroup": ROLE.group, "kind": "Role", "name": "patcher"}
    subject = {"kind": "User", "name": "nobody", "apiGroup": ROLE.group}
    apiserver.create(ROLE_BINDING, {"metadata": metadata, "roleRef": role, "subjects": [subject]})
    shell = KubeShell(apiserver, tmp_path, "istio", namespace, user="nobody")
    with shell.config.open("a") as config:
        config.write("leases = true\nevents = false\n")
    said = shift(shell)
    assert said.code == 0, said
    assert "forbidden: get on leases.coordination.k8s.io" in told(said)
    route = apiserver.get(VIRTUAL_SERVICE, namespace, "ranker")["spec"]["http"][0]["route"]
    assert [one["weight"] for one in route] == [90, 10]


def test_who_may_only_look_at_leases_sees_who_is_at_work(
    apiserver: ApiServer, client: KubeClient, namespace: str
) -> None:
    viewer = KubeClient(apiserver.kubeconfig("viewer"), timeout_s=20.0)
    try:
        with pytest.raises(Forbidden, match=r"create on leases.*others cannot see"):
            of(viewer, "vic").held(namespace, NAME)
        of(client, "ana").take(namespace, NAME, 60.0)
        assert of(viewer, "vic").held(namespace, NAME) is not None
    finally:
        viewer.close()


def test_without_being_asked_for_nothing_is_read_or_written(
    apiserver: ApiServer, namespace: str, tmp_path: Path
) -> None:
    said = shift(KubeShell(apiserver, tmp_path, "istio", namespace))
    assert said.code == 0, said
    assert "other operators" not in said.out
    assert apiserver.all_of(LEASE, namespace) == []
    serving = IstioServing(wiring(apiserver, namespace))
    with pytest.raises(Unsupported):
        serving.at_work(EndpointRef("k8s", namespace, "ranker"))
    serving.close()
