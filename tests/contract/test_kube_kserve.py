"""InferenceServices on a real API server, from the command line, with controllers of ours in KServe's place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.platforms.kubernetes.kinds import EVENT
from backends.serving.kserve_facts import INFERENCE_SERVICE
from shiftdeck.journal.entry import EntryKind
from tests.kube.apiserver import ApiServer
from tests.kube.controller import TestController
from tests.kube.deck import Deck
from tests.kube.kserve_controllers import KServeKnative, KServeStandard
from tests.kube.shell import Said
from tests.waiting import wait_until

R1, R2 = "churn-predictor-00001", "churn-predictor-00002"
STANDARD = {"serving.kserve.io/deploymentMode": "Standard"}


class Bench:
    def __init__(
        self, server: ApiServer, folder: Path, patch: pytest.MonkeyPatch, controller: type[TestController]
    ) -> None:
        for crd in ("kserve-inferenceservices", "knative-revisions", "gateway-httproutes"):
            server.apply_crd(crd)
        self.server = server
        self.namespace = server.namespace("kserve")
        self.controller: Any = controller(server, self.namespace)
        self.deck = Deck(server, self.namespace, "kserve", folder, patch)

    def get(self) -> dict[str, Any]:
        return self.server.get(INFERENCE_SERVICE, self.namespace, "churn")

    def predictor(self) -> Any:
        return self.get()["spec"]["predictor"]

    def status(self) -> Any:
        return self.get().get("status", {}).get("components", {}).get("predictor", {})

    def create(self, spec: dict[str, Any], **metadata: Any) -> None:
        metadata = {"namespace": self.namespace, "name": "churn", **metadata}
        self.server.create(INFERENCE_SERVICE, {"metadata": metadata, "spec": spec})

    def deploy(self, version: str, **fields: Any) -> None:
        model = {"modelFormat": {"name": "sklearn"}, "storageUri": f"s3://models/churn/{version}"}
        spec = {"predictor": {"model": model, **fields}}
        if self.server.all_of(INFERENCE_SERVICE, self.namespace):
            self.server.patch(INFERENCE_SERVICE, self.namespace, "churn", {"spec": spec})
        else:
            self.create(spec)

    def rolled_out(self, revision: str) -> None:
        there = f"{revision} to be rolled out"
        wait_until(lambda: self.status().get("latestRolledoutRevision") == revision, 20, there)

    def routed(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for one in self.status().get("traffic", []):
            found[one["revisionName"]] = found.get(one["revisionName"], 0) + one["percent"]
        return {name: percent for name, percent in found.items() if percent}


def words(said: Said) -> str:
    return str(said.json["outcome"]["message"])


def outcomes(bench: Bench) -> list[str]:
    return [str(entry.data["outcome"]) for entry in bench.deck.journal() if entry.kind is EntryKind.OUTCOME]


@pytest.fixture
def knative(apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """v7 rolled out, v8 at 10 %."""
    made = Bench(apiserver, tmp_path, monkeypatch, KServeKnative)
    with made.controller:
        made.deploy("7")
        made.rolled_out(R1)
        made.deploy("8", canaryTrafficPercent=10)
        wait_until(lambda: made.routed() == {R1: 90, R2: 10}, 20, "the canary")
        yield made


def test_shift_promote_and_a_rollback_in_two_reconciles(knative: Bench) -> None:
    said = knative.deck.change("shift", "churn", f"{R2}=25")
    assert (said.code, knative.routed()) == (0, {R1: 75, R2: 25}), said
    assert knative.deck.change("promote", "churn", R2).code == 0
    assert knative.routed() == {R2: 100}
    assert "canaryTrafficPercent" not in knative.predictor()
    knative.controller.wait_idle()
    knative.controller.delay_s = 0.3
    writes = knative.controller.reconciles
    said = knative.deck.change("rollback", "churn", R1)
    assert (said.code, knative.routed()) == (0, {R1: 100}), said
    knative.controller.wait_idle()
    assert knative.controller.reconciles == writes + 2
    assert knative.predictor()["canaryTrafficPercent"] == 0
    assert outcomes(knative) == ["settled"] * 3
    sent = [str(entry.data["call"]) for entry in knative.deck.journal() if entry.kind is EntryKind.SENT]
    assert sent[0] == f"canaryTrafficPercent 10 → 25 ({R1} 90 → 75, {R2} 10 → 25)"
    assert sent[1].startswith("canaryTrafficPercent 25 → unset")
    notes = [one["message"] for one in knative.server.all_of(EVENT, knative.namespace)]
    assert f"{sent[0]} (by ana with shiftdeck)" in notes


def test_what_stands_behind_each_revision_is_shown(knative: Bench) -> None:
    first, second = knative.deck.endpoint("churn")["variants"]
    assert [first["name"], second["name"]] == [R1, R2]
    assert "churn" in str(second["model"])
    assert (second["desired"], second["observed"], second["ready"]) == (10.0, 10.0, 2)


def test_the_plan_asks_the_server(knative: Bench) -> None:
    said = knative.deck.type("shift", "churn", f"{R2}=25", "--dry-run", "--json")
    (check,) = [one for one in said.json["plan"]["checks"] if one["name"] == "server accepts"]
    assert (check["verdict"], check["evidence"]) == ("pass", "dry run accepted")
    assert knative.predictor()["canaryTrafficPercent"] == 10


def test_a_mark_that_moves_before_the_traffic_is_not_taken_for_it(knative: Bench) -> None:
    knative.controller.early, knative.controller.delay_s = True, 0.3
    said = knative.deck.change("promote", "churn", R2)
    assert (said.code, knative.routed()) == (0, {R2: 100}), said


def test_a_controller_that_never_looks_leaves_the_outcome_open(knative: Bench) -> None:
    knative.controller.hold()
    knative.deck.settle_s = 1.0
    said = knative.deck.change("shift", "churn", f"{R2}=25")
    assert said.code == 5, said
    assert f"Knative routes {R1} 90 %, {R2} 10 %" in words(said)


def test_a_model_that_does_not_load_is_no_success(knative: Bench) -> None:
    knative.deck.change("promote", "churn", R2)
    knative.deploy("broken-9", canaryTrafficPercent=10)
    wait_until(lambda: knative.status().get("latestCreatedRevision") == "churn-predictor-00003", 20, "a third revision")
    endpoint = knative.deck.endpoint("churn")
    assert endpoint["phase"] == "failed"
    knative.deck.settle_s = 1.0
    said = knative.deck.change("shift", "churn", "churn-predictor-00003=50")
    assert said.code == 5, said
    assert "ModelLoadFailed: broken" in words(said)
    assert knative.routed() == {R2: 100}


def test_somebody_elses_number_is_told_and_not_overwritten(knative: Bench) -> None:
    knative.controller.hold()
    original = knative.controller.server.patch

    def rival() -> bool:
        if knative.predictor().get("canaryTrafficPercent") != 25:
            return False
        original(INFERENCE_SERVICE, knative.namespace, "churn", {"spec": {"predictor": {"canaryTrafficPercent": 60}}})
        return True

    thread = threading.Thread(target=lambda: wait_until(rival, 20, "our change"))
    thread.start()
    said = knative.deck.change("shift", "churn", f"{R2}=25")
    thread.join()
    assert said.code == 5, said
    assert "canaryTrafficPercent is now 60" in words(said)
    assert knative.predictor()["canaryTrafficPercent"] == 60


# ── Standard mode ───────────────────────────────────────────────────────────────────────────────────────────────


def predictor(name: str, version: str) -> dict[str, Any]:
    model = {
        "name": "kserve-container",
        "modelFormat": {"name": "sklearn"},
        "storageUri": f"s3://models/churn/{version}",
    }
    return {"name": name, "model": model}


@pytest.fixture
def standard(apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """v7 stable, v8 at 10 %."""
    made = Bench(apiserver, tmp_path, monkeypatch, KServeStandard)
    canary = [{"predictor": predictor("v8", "8"), "trafficPercent": 10}]
    made.create({"predictor": {**predictor("v7", "7"), "minReplicas": 2}, "canary": canary}, annotations=STANDARD)
    with made.controller:
        wait_until(lambda: made.get().get("status"), 20, "a status")
        yield made


def test_standard_shift_promote_and_back(standard: Bench) -> None:
    said = standard.deck.change("shift", "churn", "v8=25")
    assert said.code == 0, said
    assert standard.get()["spec"]["canary"][0]["trafficPercent"] == 25
    assert words(said).startswith("the route has v7 75 %, v8 25 %")
    said = standard.deck.change("rollback", "churn", "v7")
    assert (said.code, standard.get()["spec"]["canary"][0]["trafficPercent"]) == (0, 0), said
    said = standard.deck.change("promote", "churn", "v8")
    assert said.code == 0, said
    assert "canary" not in standard.get()["spec"]
    assert (standard.predictor()["name"], standard.predictor()["minReplicas"]) == ("v8", 2)
    assert outcomes(standard) == ["settled"] * 3


def test_dropping_the_canary(standard: Bench) -> None:
    said = standard.deck.change("abort", "churn")
    assert said.code == 0, said
    assert "canary" not in standard.get()["spec"]


def test_a_status_that_echoes_the_spec_settles_nothing(standard: Bench) -> None:
    standard.controller.routeless = True
    standard.deck.settle_s = 1.0
    said = standard.deck.change("shift", "churn", "v8=25")
    assert said.code == 5, said
    assert standard.get()["spec"]["canary"][0]["trafficPercent"] == 25
    assert "the route has v7 90 %, v8 10 %" in words(said)


def test_a_canary_that_is_not_ready_gets_nothing_and_is_waited_for(standard: Bench) -> None:
    standard.controller.unready = ("v8",)
    standard.deck.settle_s = 1.0
    said = standard.deck.change("shift", "churn", "v8=25")
    assert said.code == 5, said
    assert "waiting for replicas of v8" in words(said)
