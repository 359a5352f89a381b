"""Two operators at one object, and one who may only look."""

from __future__ import annotations

import json
import random
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from backends.contracts import EndpointRef, Split
from backends.errors import Conflict
from backends.platforms.kubernetes.client import KubeClient
from backends.serving.kserve import KServeServing
from backends.serving.kserve_facts import INFERENCE_SERVICE
from shiftdeck.config.loader import load
from shiftdeck.journal.entry import EntryKind
from tests.contract.test_kube_outages import create
from tests.kube.apiserver import ApiServer
from tests.kube.shell import KubeShell, wiring
from tui.cli.main import cli

INTERLEAVINGS = 200


@pytest.fixture
def namespace(apiserver: ApiServer) -> str:
    apiserver.apply_crd("kserve-inferenceservices")
    return apiserver.namespace("operators")


class Operator:
    """Reads, plans one percent more than was read, and sends; a conflict has the next round begin anew."""

    def __init__(self, serving: KServeServing, ref: EndpointRef) -> None:
        self.serving, self.ref = serving, ref
        self.call: Any = None
        self.won = self.lost = 0

    def read(self) -> None:
        endpoint = self.serving.read(self.ref)
        percent = endpoint.variants[1].desired
        assert percent is not None
        change = Split({"r1": 99.0 - percent, "r2": percent + 1.0})
        (self.call,) = self.serving.compile(endpoint, change)

    def send(self) -> None:
        try:
            self.serving.send(self.call)
        except Conflict:
            self.lost += 1
        else:
            self.won += 1


@pytest.fixture
def operators(apiserver: ApiServer, namespace: str) -> Iterator[tuple[Operator, Operator]]:
    create(apiserver, namespace, "churn", 0)
    ref = EndpointRef("k8s", namespace, "churn")
    given = [
        KServeServing(wiring(apiserver, namespace, user=user, timeout=20.0, events=False)) for user in ("anna", "ben")
    ]
    yield Operator(given[0], ref), Operator(given[1], ref)
    for one in given:
        one.close()


def percent(apiserver: ApiServer, namespace: str) -> int:
    found: int = apiserver.get(INFERENCE_SERVICE, namespace, "churn")["spec"]["predictor"]["canaryTrafficPercent"]
    return found


def test_of_two_who_read_the_same_exactly_one_wins_however_they_interleave(
    apiserver: ApiServer, namespace: str, operators: tuple[Operator, Operator]
) -> None:
    """Each adds one to what it read: a lost update would leave less than the number of changes that went through."""
    dice = random.Random(20261121)
    for number in range(INTERLEAVINGS):
        patch = {"spec": {"predictor": {"canaryTrafficPercent": 0}}}
        apiserver.patch(INFERENCE_SERVICE, namespace, "churn", patch)
        rounds = dice.randint(1, 2)
        steps = [[one.read, one.send] * rounds for one in operators]
        won, lost, order = sum(one.won for one in operators), sum(one.lost for one in operators), []
        while any(steps):
            who = dice.choice([index for index in (0, 1) if steps[index]])
            order.append(who)
            steps[who].pop(0)()
            if dice.random() < 0.2:  # a controller writes a status in between, which is nobody's update
                status = {"status": {"url": f"http://churn/{dice.random()}"}}
                apiserver.patch(INFERENCE_SERVICE, namespace, "churn", status, "status")
        won, lost = sum(one.won for one in operators) - won, sum(one.lost for one in operators) - lost
        assert won + lost == 2 * rounds
        assert percent(apiserver, namespace) == won, f"interleaving {number}: {order}"
        if order[:2] in ([0, 1], [1, 0]) and rounds == 1:
            assert (won, lost) == (1, 1), f"interleaving {number}: {order}"
    assert all(one.won > 20 and one.lost > 20 for one in operators), "the dice must have thrown both"


def test_at_the_very_same_moment_exactly_one_wins(
    apiserver: ApiServer, namespace: str, operators: tuple[Operator, Operator]
) -> None:
    for _ in range(20):
        barrier = threading.Barrier(2)
        before, won = percent(apiserver, namespace), sum(one.won for one in operators)

        def act(one: Operator, barrier: threading.Barrier = barrier) -> None:
            one.read()
            barrier.wait(20)
            one.send()

        threads = [threading.Thread(target=act, args=(one,)) for one in operators]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sum(one.won for one in operators) - won == 1
        assert percent(apiserver, namespace) == before + 1


def test_a_viewer_sees_everything_and_attempts_nothing(
    apiserver: ApiServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(apiserver, namespace, "churn", 10)
    sent: list[tuple[str, str]] = []
    request = KubeClient.request

    def recorded(self: KubeClient, method: str, path: str, **options: Any) -> Any:
        sent.append((method, path))
        return request(self, method, path, **options)

    monkeypatch.setattr(KubeClient, "request", recorded)
    shell = KubeShell(apiserver, tmp_path, "kserve", namespace, user="viewer")
    words = f"forbidden: patch on inferenceservices.serving.kserve.io in {namespace}"
    (endpoint,) = shell.type("status", "--json", "--observe", "0").json["endpoints"]
    assert [one["observed"] for one in endpoint["variants"]] == [90.0, 10.0]
    for typed in (("shift", "churn", "r2=50"), ("promote", "churn", "r2"), ("rollback", "churn", "r1")):
        more = ("--yes", "--json", "--override", "--reason", "a test", "--observe", "0")
        said = shell.type(*typed, *more)
        assert said.code not in (0, 5), said
        assert words in said.out + said.err
    assert percent(apiserver, namespace) == 10
    assert not [entry for entry in shell.journal() if entry.kind is EntryKind.SENT]
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert {(method, path) for method, path in sent if method != "GET"} == {("POST", reviews)}


def test_doctor_names_each_permission_that_is_missing(apiserver: ApiServer, namespace: str, tmp_path: Path) -> None:
    create(apiserver, namespace, "churn", 10)
    said = KubeShell(apiserver, tmp_path, "kserve", namespace, user="viewer").type("doctor", "--no-color")
    shown = " ".join((said.out + said.err).split())
    assert f"forbidden: patch on inferenceservices.serving.kserve.io in {namespace}" in shown
    assert "apiGroups [serving.kserve.io], resources [inferenceservices], verbs [patch]" in shown
    none = KubeShell(apiserver, tmp_path, "kserve", namespace, user="nobody").type("doctor", "--no-color")
    shown = " ".join((none.out + none.err).split())
    assert f"forbidden: list, watch, get on inferenceservices.serving.kserve.io in {namespace}" in shown
    assert "resources [inferenceservices], verbs [list, watch, get]" in shown


def test_init_finds_what_the_cluster_has_and_what_it_writes_works(
    apiserver: ApiServer, namespace: str, tmp_path: Path
) -> None:
    create(apiserver, namespace, "churn", 10)
    path = tmp_path / "config.toml"
    env = {"KUBECONFIG": str(apiserver.kubeconfig("anna")), "HOME": str(tmp_path)}
    done = CliRunner().invoke(cli, ["init", "--output", str(path)], env=env, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "Kubernetes: context test has inferenceservices.serving.kserve.io" in done.output
    found = load(path).contexts["production"].source("serving", "kserve")
    assert found is not None
    assert (found.options["context"], found.options["kubeconfig"]) == ("test", Path(env["KUBECONFIG"]))
    shown = CliRunner().invoke(cli, ["--config", str(path), "status", "--json", "--observe", "0"], env=env)
    assert shown.stdout, shown.output
    refs = [one["ref"] for one in json.loads(shown.stdout)["endpoints"]]
    assert f"kserve:{namespace}/churn" in refs


def test_init_says_what_keeps_a_cluster_from_being_asked(tmp_path: Path) -> None:
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text("current-context: gone\nclusters: []\ncontexts: []\nusers: []\n")
    path = tmp_path / "config.toml"
    env = {"KUBECONFIG": str(nowhere), "HOME": str(tmp_path)}
    done = CliRunner().invoke(cli, ["init", "--output", str(path)], env=env, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.output.count("has no context 'gone'") == 1
    assert "serving" not in tomllib.loads(path.read_text()).get("contexts", {}).get("production", {})


def test_a_capture_has_an_endpoint_without_its_names(apiserver: ApiServer, namespace: str, tmp_path: Path) -> None:
    create(apiserver, namespace, "churn", 10)
    create(apiserver, namespace, "fraud", 20)
    path = tmp_path / "capture.json"
    said = KubeShell(apiserver, tmp_path, "kserve", namespace, user="viewer").type(
        "capture", "churn", "--output", str(path)
    )
    assert said.code == 0, said
    assert f"{path} is written; read it before you send it" in said.words
    told = json.loads(path.read_text())
    assert told["kubernetes"].startswith("v1.")
    assert told["faithful"] is True
    assert [one["observed"] for one in told["seen"]["variants"]] == [90.0, 10.0]
    assert len([one for one in told["objects"] if one["resource"] == "inferenceservices.serving.kserve.io"]) == 1
    assert "churn" not in path.read_text()
    assert namespace not in path.read_text()
