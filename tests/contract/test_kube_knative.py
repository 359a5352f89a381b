"""Knative Services on a real API server, from the command line, with a controller of ours in Knative's place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.serving.knative import SERVICE
from shiftdeck.journal.entry import EntryKind
from tests.kube.apiserver import ApiServer
from tests.kube.deck import Deck
from tests.kube.kserve_controllers import KnativeService
from tests.kube.shell import Said
from tests.waiting import wait_until

R1, R2 = "eta-00001", "eta-00002"


class Bench:
    """eta with two revisions, the second of which has all the traffic."""

    def __init__(self, server: ApiServer, folder: Path, patch: pytest.MonkeyPatch) -> None:
        for crd in ("knative-services", "knative-revisions"):
            server.apply_crd(crd)
        self.server = server
        self.namespace = server.namespace("knative")
        self.controller = KnativeService(server, self.namespace)
        self.deck = Deck(server, self.namespace, "knative", folder, patch)

    def deploy(self, number: int, **metadata: Any) -> None:
        template = {"spec": {"containers": [{"image": f"example.invalid/eta:{number}"}]}}
        if self.server.all_of(SERVICE, self.namespace):
            self.server.patch(SERVICE, self.namespace, "eta", {"spec": {"template": template}})
        else:
            metadata = {"namespace": self.namespace, "name": "eta", **metadata}
            self.server.create(SERVICE, {"metadata": metadata, "spec": {"template": template}})
        made = f"eta-{number:05}"
        wait_until(lambda: self.status().get("latestReadyRevisionName") == made, 20, f"revision {number}")

    def get(self) -> dict[str, Any]:
        return self.server.get(SERVICE, self.namespace, "eta")

    def status(self) -> Any:
        return self.get().get("status", {})

    def asked(self) -> dict[str, int]:
        traffic = self.get()["spec"]["traffic"]
        return {one.get("revisionName", "latest"): one["percent"] for one in traffic if one["percent"]}


@pytest.fixture
def bench(apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(apiserver, tmp_path, monkeypatch)
    with made.controller:
        yield made


def words(said: Said) -> str:
    return str(said.json["outcome"]["message"])


def test_rollback_shift_and_promote(bench: Bench) -> None:
    bench.deploy(1)
    bench.deploy(2)
    said = bench.deck.change("rollback", "eta", R1)
    assert (said.code, bench.asked()) == (0, {R1: 100}), said
    said = bench.deck.change("shift", "eta", f"{R2}=25")
    assert (said.code, bench.asked()) == (0, {R1: 75, "latest": 25}), said
    assert words(said).startswith("Knative routes")
    said = bench.deck.change("promote", "eta", R2)
    assert (said.code, bench.asked()) == (0, {"latest": 100}), said
    outcomes = [entry.data["outcome"] for entry in bench.deck.journal() if entry.kind is EntryKind.OUTCOME]
    assert outcomes == ["settled"] * 3


def test_a_ramp_is_followed_to_its_end(bench: Bench) -> None:
    bench.deploy(1, annotations={"serving.knative.dev/rollout-duration": "60s"})
    bench.deploy(2)
    wait_until(lambda: [one["percent"] for one in bench.status()["traffic"]] == [100], 20, "the first ramp")
    bench.controller.delay_s = 0.2
    writes = bench.controller.reconciles
    said = bench.deck.change("rollback", "eta", R1)
    assert said.code == 0, said
    assert bench.controller.reconciles - writes >= 5
    routed = {one["revisionName"]: one["percent"] for one in bench.status()["traffic"] if one["percent"]}
    assert routed == {R1: 100}


def test_a_controller_that_never_looks_leaves_the_outcome_open(bench: Bench) -> None:
    bench.deploy(1)
    bench.deploy(2)
    bench.controller.hold()
    bench.deck.settle_s = 1.0
    said = bench.deck.change("rollback", "eta", R1)
    assert said.code == 5, said
    assert bench.asked() == {R1: 100}
    assert f"Knative routes {R2} 100 %, {R1} 0 %" in words(said)


def test_a_service_that_kserve_owns_is_not_touched(bench: Bench) -> None:
    owner = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "eta", "uid": "u-1"}
    bench.deploy(1, ownerReferences=[owner])
    bench.deploy(2)
    said = bench.deck.change("rollback", "eta", R1)
    assert said.code not in (0, 5), said
    assert "KServe InferenceService eta owns it and would overwrite the change" in said.out + said.err
    assert "traffic" not in bench.get()["spec"]
