"""An API server that stops, moves, hangs, forgets or no longer knows us: said meanwhile, and over by itself."""

from __future__ import annotations

import json
import ssl
import stat
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.contracts import EndpointRef
from backends.errors import (
    BackendError,
    Forbidden,
    Malformed,
    RateLimited,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from backends.platforms.kubernetes import cluster as clusters
from backends.platforms.kubernetes import credentials
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.store import KindStore
from backends.serving.kserve import KServeServing
from backends.serving.kserve_facts import INFERENCE_SERVICE
from shiftdeck.config.loader import ContextConfig, SourceConfig
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.journal.journal import Journal
from shiftdeck.sources.polled_source import state_of
from shiftdeck.sources.source import SourceState, SourceStatus
from tests.faults import Fault, FaultProxy
from tests.kube.apiserver import ApiServer
from tests.kube.shell import wiring
from tests.waiting import wait_until

SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount")

LONG_S = 90.0
"""Backoff and a busy machine together stay below it; a minute is what an operator is promised at most."""


def create(server: ApiServer, namespace: str, name: str, percent: int = 10) -> None:
    traffic = [{"revisionName": "r2", "percent": percent}, {"revisionName": "r1", "percent": 100 - percent}]
    predictor = {"latestCreatedRevision": "r2", "latestReadyRevision": "r2", "latestRolledoutRevision": "r1"}
    server.create(
        INFERENCE_SERVICE,
        {
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"predictor": {"canaryTrafficPercent": percent}},
            "status": {
                "deploymentMode": "Knative",
                "conditions": [{"type": "Ready", "status": "True"}],
                "components": {"predictor": {**predictor, "traffic": traffic}},
                "modelStatus": {"states": {"activeModelState": "Loaded"}, "transitionStatus": "UpToDate"},
            },
        },
    )


@pytest.fixture
def namespace(apiserver: ApiServer) -> str:
    apiserver.apply_crd("kserve-inferenceservices")
    name = apiserver.namespace("outage")
    create(apiserver, name, "churn")
    return name


@pytest.fixture
def engine(apiserver: ApiServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(clusters, "PING_S", 1.0)
    options: dict[str, Any] = {"kubeconfig": apiserver.kubeconfig("anna"), "namespaces": (namespace,)}
    source = SourceConfig("serving", "k8s", "kserve", 1.0, 5.0, 60.0, options)
    context = ContextConfig("test", (source,), production=False)
    made = Engine(context, Journal(tmp_path / "journal.jsonl"))
    made.start()
    try:
        reaches(made, SourceState.OK)
        yield made
    finally:
        made.stop(1.0)


def status(view: View) -> SourceStatus:
    return next(one for one in view.sources if one.name == "k8s")


def reaches(engine: Engine, *states: SourceState) -> SourceStatus:
    view = engine.wait_for(lambda view: status(view).state in states, LONG_S)
    assert view is not None, f"not {states}: {status(engine.view)}"
    return status(view)


def names(view: View) -> set[str]:
    return {one.endpoint.ref.name for one in view.endpoints}


def test_a_server_that_stops_and_comes_back_on_another_port(
    apiserver: ApiServer, namespace: str, engine: Engine
) -> None:
    apiserver.stop_server()
    try:
        broken = reaches(engine, SourceState.UNREACHABLE)
        assert "127.0.0.1" in broken.error
        assert names(engine.view) == {"churn"}, "what was known stays to be seen, as old"
    finally:
        apiserver.start_server()
    reaches(engine, SourceState.OK)
    create(apiserver, namespace, "ranker")
    assert engine.wait_for(lambda view: names(view) == {"churn", "ranker"}, LONG_S)


def test_a_server_that_hangs(apiserver: ApiServer, namespace: str, engine: Engine) -> None:
    apiserver.pause_server(True)
    try:
        broken = reaches(engine, SourceState.UNREACHABLE, SourceState.STALE)
        assert broken.error
    finally:
        apiserver.pause_server(False)
    reaches(engine, SourceState.OK)


def test_every_fault_on_the_way_has_its_name_and_passes(
    apiserver: ApiServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "PING_S", 0.2)
    trusting = ssl.create_default_context(cafile=str(apiserver.folder / "ca.crt"))
    with FaultProxy(apiserver.url, slow_s=30.0, ssl=trusting) as proxy:
        kubeconfig = tmp_path / "kubeconfig"
        config = yaml.safe_load(apiserver.kubeconfig("anna").read_text())
        config["clusters"][0]["cluster"] = {"server": proxy.url}
        kubeconfig.write_text(yaml.safe_dump(config))
        serving = KServeServing(wiring(apiserver, namespace, kubeconfig=kubeconfig, timeout=2.0))
        ref = EndpointRef("k8s", namespace, "churn")

        def reads() -> bool:
            try:
                return [one.ref.name for one in serving.endpoints()] == ["churn"]
            except BackendError:
                return False

        def raised() -> BackendError | None:
            try:
                serving.endpoints()
            except BackendError as error:
                return error
            return None

        wait_until(reads, LONG_S, "the endpoint to be read")
        for fault, status, kind in (
            (Fault.STATUS, 401, Unauthenticated),
            (Fault.STATUS, 403, Forbidden),
            (Fault.STATUS, 429, RateLimited),
            (Fault.STATUS, 500, Unreachable),
            (Fault.STATUS, 503, Unreachable),
            (Fault.GARBAGE, 200, Malformed),
            (Fault.NOISE, 200, Unreachable),
            (Fault.TRUNCATED, 200, Unreachable),
            (Fault.GONE, 0, Unreachable),
            (Fault.HANG, 0, TimedOut),
            (Fault.SLOW, 0, TimedOut),
        ):
            proxy.set(fault, status=status)
            with pytest.raises(kind):
                serving.read(ref)
            said = wait_until(raised, LONG_S, f"{fault} {status} to be noticed")
            assert isinstance(said, BackendError)
            # Being asked whether one may is a POST, and an error to one says less; what the screen shows is the same.
            assert state_of(said) is state_of(kind("")), (fault, status, said)
            proxy.set(Fault.PASS)
            wait_until(reads, LONG_S, f"{fault} {status} to be over by itself")
        serving.close()


def test_a_token_that_has_expired_and_a_new_login(apiserver: ApiServer, engine: Engine) -> None:
    apiserver.kubeconfig("anna", credentials={"token": "of-yesterday"})
    try:
        broken = reaches(engine, SourceState.UNAUTHENTICATED)
        assert broken.hint == "log in again"
        assert "of-yesterday" not in f"{broken.error}{broken.hint}"
    finally:
        apiserver.kubeconfig("anna")
    reaches(engine, SourceState.OK)


def test_a_change_on_the_server_is_seen_without_being_asked_for(
    apiserver: ApiServer, namespace: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"kubeconfig": apiserver.kubeconfig("anna"), "namespaces": (namespace,)}
    source = SourceConfig("serving", "k8s", "kserve", 600.0, 20.0, 60.0, options)
    context = ContextConfig("test", (source,), production=False)
    engine = Engine(context, Journal(tmp_path / "journal.jsonl"))
    engine.start()
    try:
        reaches(engine, SourceState.OK)
        patch = {"spec": {"predictor": {"canaryTrafficPercent": 33}}}
        apiserver.patch(INFERENCE_SERVICE, namespace, "churn", patch)
        ref = EndpointRef("k8s", namespace, "churn")

        def seen(view: View) -> bool:
            one = view.endpoint(ref)
            return one is not None and one.endpoint.variants[1].desired == 33.0

        assert engine.wait_for(seen, 30.0)
    finally:
        engine.stop(1.0)


def test_a_version_that_the_server_has_forgotten_has_all_listed_again(apiserver: ApiServer, namespace: str) -> None:
    client = KubeClient(apiserver.kubeconfig("anna"), timeout_s=20.0)
    store = KindStore(client, INFERENCE_SERVICE, namespace=namespace, changed=lambda: None)
    store.start()
    try:
        wait_until(lambda: store.objects(), 30, "the first list")
        assert store.lists == 1
        apiserver.compact()
        store._version = "1"
        client._end_watches()
        wait_until(lambda: store.lists == 2, 30, "a second list")
        create(apiserver, namespace, "late")
        wait_until(lambda: (namespace, "late") in store.objects(), 30, "what came after it")
        assert store.error is None
    finally:
        store.stop()
        client.close()


def test_pages_are_put_together_and_deletions_seen(apiserver: ApiServer, namespace: str) -> None:
    for number in range(7):
        create(apiserver, namespace, f"model-{number}")
    client = KubeClient(apiserver.kubeconfig("anna"), timeout_s=20.0)
    store = KindStore(client, INFERENCE_SERVICE, namespace=namespace, page=3, changed=lambda: None)
    store.start()
    try:
        wait_until(lambda: len(store.objects()) == 8, 30, "all of three pages")
        apiserver.delete(INFERENCE_SERVICE, namespace, "model-3")
        wait_until(lambda: (namespace, "model-3") not in store.objects(), 30, "the deletion")
        assert store.lists == 1
        one = store.objects()[namespace, "churn"]
        assert "managedFields" not in one["metadata"]
    finally:
        store.stop()
        client.close()


# ── who asks ────────────────────────────────────────────────────────────────────────────────────────────────────


def plugin(folder: Path) -> tuple[dict[str, object], Path]:
    """An exec credential plug-in that hands out what stands in a file, for an hour, and counts its runs."""
    answer, script = folder / "answer.json", folder / "login"
    script.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\nanswer = pathlib.Path({str(answer)!r})\n"
        f"with open({str(folder / 'runs')!r}, 'a') as runs: runs.write('x')\n"
        "sys.exit(3) if not answer.exists() else print(answer.read_text())\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": str(script), "interactiveMode": "Never"}}, answer


def hand_out(answer: Path, token: str, valid_s: float = 3600.0) -> None:
    expires = (datetime.now(UTC) + timedelta(seconds=valid_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"token": token, "expirationTimestamp": expires}
    body = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    answer.write_text(json.dumps(body))


def test_an_exec_plugin_is_run_once_and_again_when_its_credential_expires(apiserver: ApiServer, tmp_path: Path) -> None:
    login, answer = plugin(tmp_path)
    now = [time.time()]
    client = KubeClient(apiserver.kubeconfig("ben", credentials=login), timeout_s=20.0, clock=lambda: now[0])
    try:
        with pytest.raises(Unauthenticated, match="ended with status 3"):
            client.request("GET", "/api/v1/namespaces")
        hand_out(answer, "ben-token")
        for _ in range(3):
            assert client.request("GET", "/api/v1/namespaces")["kind"] == "NamespaceList"
        assert (tmp_path / "runs").read_text() == "xx"
        now[0] += 3600.0
        client._reloaded = float("-inf")
        client.request("GET", "/api/v1/namespaces")
        assert (tmp_path / "runs").read_text() == "xxx"
    finally:
        client.close()
        apiserver.kubeconfig("ben")


def test_a_credential_that_is_refused_is_renewed_at_once(apiserver: ApiServer, tmp_path: Path) -> None:
    login, answer = plugin(tmp_path)
    client = KubeClient(apiserver.kubeconfig("ben", credentials=login), timeout_s=20.0)
    try:
        hand_out(answer, "revoked")
        with pytest.raises(Unauthenticated) as refused:
            client.request("GET", "/api/v1/namespaces")
        assert "revoked" not in str(refused.value)
        hand_out(answer, "ben-token")
        client._reloaded = float("-inf")
        assert client.request("GET", "/api/v1/namespaces")["kind"] == "NamespaceList"
    finally:
        client.close()
        apiserver.kubeconfig("ben")


@pytest.fixture
def pod(apiserver: ApiServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine as it is within a pod: no kubeconfig, the address in the environment. The folder of the pod's account,
    with the CA and without a token."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "ca.crt").write_bytes((apiserver.folder / "ca.crt").read_bytes())
    monkeypatch.setattr(credentials, "POD_ACCOUNT", folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(apiserver.port))
    return folder


def log_in(server: ApiServer, folder: Path, namespace: str, account: str) -> None:
    """Write a new token of that service account, as the kubelet does: another file takes the place of the old one."""
    server.create(SERVICE_ACCOUNT, {"metadata": {"namespace": namespace, "name": account}})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    answer = server.http.post(SERVICE_ACCOUNT.path(namespace, account, "token"), json=body)
    part = folder / "token.part"
    part.write_text(answer.raise_for_status().json()["status"]["token"])
    part.replace(folder / "token")


def test_within_a_pod_its_own_account_is_used_and_a_new_token_of_it_is_picked_up(
    apiserver: ApiServer, namespace: str, pod: Path
) -> None:
    services = INFERENCE_SERVICE.path(namespace)
    client = KubeClient(timeout_s=20.0)
    try:
        with pytest.raises(Unreachable, match="token file does not exist"):
            client.request("GET", services)
        log_in(apiserver, pod, namespace, "newcomer")
        with pytest.raises(Forbidden, match="list on inferenceservices"):
            client.request("GET", services)
        apiserver.bind("viewers", "Group", f"system:serviceaccounts:{namespace}")
        wait_until(lambda: _lists(client, services), LONG_S, "the group may read now")
        apiserver.delete(SERVICE_ACCOUNT, namespace, "newcomer")
        wait_until(lambda: _is_unknown(client, services), LONG_S, "a token of an account that is gone is refused")
        log_in(apiserver, pod, namespace, "second")
        assert _lists(client, services)
        token = (pod / "token").read_text()
        (pod / "token").write_text("revoked")
        with pytest.raises(Unauthenticated) as refused:
            client.request("GET", services)
        assert "revoked" not in str(refused.value)
        (pod / "token").write_text(token + "\n")
        assert _lists(client, services)
    finally:
        client.close()


def _lists(client: KubeClient, path: str) -> bool:
    try:
        return len(client.request("GET", path)["items"]) == 1
    except Forbidden:
        return False


def _is_unknown(client: KubeClient, path: str) -> bool:
    try:
        client.request("GET", path)
    except Unauthenticated:
        return True
    return False


def test_impersonation_asks_as_somebody_else(apiserver: ApiServer, namespace: str) -> None:
    client = KubeClient(apiserver.kubeconfig("admin"), impersonate="nobody", timeout_s=20.0)
    with pytest.raises(Forbidden, match="forbidden: list on inferenceservices"):
        client.request("GET", INFERENCE_SERVICE.path(namespace))
    client.close()


def test_a_context_that_is_not_there_is_told_as_such(apiserver: ApiServer) -> None:
    client = KubeClient(apiserver.kubeconfig("admin"), "staging")
    with pytest.raises(Unreachable, match="staging"):
        client.request("GET", "/version")


def test_a_certificate_that_is_not_trusted(apiserver: ApiServer, tmp_path: Path) -> None:
    config = yaml.safe_load(apiserver.kubeconfig("admin").read_text())
    del config["clusters"][0]["cluster"]["certificate-authority"]
    other = tmp_path / "config"
    other.write_text(yaml.safe_dump(config))
    client = KubeClient(other, timeout_s=20.0)
    with pytest.raises(Unreachable, match="certificate that is not trusted"):
        client.request("GET", "/version")


def test_a_certificate_that_is_not_to_be_checked_is_told_by_doctor_and_warned_of_at_no_request(
    apiserver: ApiServer, namespace: str, tmp_path: Path
) -> None:
    config = yaml.safe_load(apiserver.kubeconfig("admin").read_text())
    del config["clusters"][0]["cluster"]["certificate-authority"]
    config["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    other = tmp_path / "config"
    other.write_text(yaml.safe_dump(config))
    serving = KServeServing(wiring(apiserver, namespace, timeout=20.0, kubeconfig=other))
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            reach = serving.probe()[0]
    finally:
        serving.close()
    assert reach.ok, reach
    assert reach.detail.endswith(", its certificate is not checked")
    assert not [one for one in warned if "InsecureRequest" in one.category.__name__]


def test_a_kind_that_is_not_installed_is_absent_and_no_error(apiserver: ApiServer, namespace: str) -> None:
    """Knative and Gateway API may be missing: an InferenceService is read all the same."""
    serving = KServeServing(wiring(apiserver, namespace, timeout=20.0))
    try:
        (endpoint,) = serving.endpoints()
        assert endpoint.ref.name == "churn"
    finally:
        serving.close()
