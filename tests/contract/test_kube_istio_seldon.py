"""Istio and Seldon on a real API server, from the command line: what they do not tell is said to be not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.serving.istio import DESTINATION_RULE, VIRTUAL_SERVICE
from backends.serving.seldon import SELDON_DEPLOYMENT
from backends.serving.seldon_experiment import EXPERIMENT
from tests.kube.apiserver import ApiServer
from tests.kube.deck import Deck, message
from tests.kube.route_controllers import ExperimentController, SeldonController
from tests.waiting import wait_until

# ── Istio: no controller writes anything that tells ─────────────────────────────────────────────────────────────


@pytest.fixture
def istio(apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deck:
    for name in ("istio-virtualservices", "istio-destinationrules"):
        apiserver.apply_crd(name)
    namespace = apiserver.namespace("istio")
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v9", "v10")]
    spec = {"host": "ranker", "subsets": subsets}
    apiserver.create(DESTINATION_RULE, {"metadata": {"namespace": namespace, "name": "ranker"}, "spec": spec})
    route = [{"destination": {"host": "ranker", "subset": "v9"}}]
    given = {"hosts": ["ranker"], "http": [{"route": route}]}
    apiserver.create(VIRTUAL_SERVICE, {"metadata": {"namespace": namespace, "name": "ranker"}, "spec": given})
    return Deck(apiserver, namespace, "istio", tmp_path, monkeypatch)


def http(deck: Deck) -> Any:
    return deck.server.get(VIRTUAL_SERVICE, deck.namespace, "ranker")["spec"]["http"][0]


def test_istio_from_a_single_destination_to_a_promotion(istio: Deck) -> None:
    assert istio.split("ranker") == {"v9": 100, "v10": 0}, "a single destination takes all, and subsets are known"
    said = istio.change("shift", "ranker", "v10=10")
    assert said.code == 0, said
    assert "Istio does not tell when its proxies do, only metrics confirm" in message(said)
    assert [(one["destination"]["subset"], one["weight"]) for one in http(istio)["route"]] == [("v9", 90), ("v10", 10)]
    assert all(one["observed"] is None for one in istio.endpoint("ranker")["variants"])
    assert istio.change("promote", "ranker", "v10").code == 0
    assert [one["weight"] for one in http(istio)["route"]] == [0, 100]
    assert istio.change("shift", "ranker", "v9=90", "v10=10").code == 0
    assert [one["weight"] for one in http(istio)["route"]] == [90, 10]
    assert istio.outcomes() == ["settled"] * 3


def test_istio_mirrors_start_and_stop(istio: Deck) -> None:
    assert istio.change("mirror", "ranker", "v10", "12.5").code == 0
    assert http(istio)["mirror"] == {"host": "ranker", "subset": "v10"}
    assert http(istio)["mirrorPercentage"] == {"value": 12.5}
    assert istio.change("mirror", "ranker", "v10", "0").code == 0
    assert http(istio)["mirrorPercentage"] == {"value": 0}
    assert istio.change("shift", "ranker", "v10=5").code == 0


def test_a_virtual_service_that_flagger_writes_is_left_to_it(istio: Deck) -> None:
    owner = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "ranker", "uid": "1", "controller": True}
    istio.server.patch(VIRTUAL_SERVICE, istio.namespace, "ranker", {"metadata": {"ownerReferences": [owner]}})
    said = istio.change("shift", "ranker", "v10=10")
    assert said.code == 3, said
    assert "Canary ranker writes this VirtualService: change it there" in message(said)


# ── Seldon ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def seldon(apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deck:
    """Of a cluster that has v1 only, as far as this adapter sees."""
    apiserver.apply_crd("seldon-seldondeployments")
    return Deck(apiserver, apiserver.namespace("seldon"), "seldon", tmp_path, monkeypatch)


@pytest.fixture
def seldon2(apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deck:
    for name in ("seldon-experiments", "seldon-models"):
        apiserver.apply_crd(name)
    return Deck(apiserver, apiserver.namespace("seldon"), "seldon2", tmp_path, monkeypatch)


def deployed(deck: Deck) -> Any:
    return deck.server.get(SELDON_DEPLOYMENT, deck.namespace, "iris")["spec"]["predictors"]


def test_seldon_v1_from_shadow_to_promotion(seldon: Deck) -> None:
    predictors = [
        {"name": "v7", "traffic": 100, "graph": {"name": "m", "modelUri": "gs://models/iris/7"}},
        {"name": "v8", "traffic": 0, "graph": {"name": "m", "modelUri": "gs://models/iris/8"}},
    ]
    metadata = {"namespace": seldon.namespace, "name": "iris"}
    seldon.server.create(SELDON_DEPLOYMENT, {"metadata": metadata, "spec": {"predictors": predictors}})
    with SeldonController(seldon.server, seldon.namespace, delay_s=0.2):
        assert seldon.change("mirror", "iris", "v8", "20").code == 0
        assert (deployed(seldon)[1]["shadow"], deployed(seldon)[1]["traffic"]) == (True, 20)
        assert seldon.change("mirror", "iris", "v8", "0").code == 0
        assert deployed(seldon)[1]["shadow"] is False
        said = seldon.change("shift", "iris", "v8=25")
        assert said.code == 0, said
        assert message(said).startswith("Seldon says that it is available; it does not tell when its proxies follow")
        refused = seldon.change("shift", "iris", "v8=12.5")
        assert refused.code == 3, refused
        assert "whole percentages only" in message(refused)
        assert seldon.change("promote", "iris", "v8").code == 0
        assert [one["traffic"] for one in deployed(seldon)] == [0, 100]


def test_seldon_v1_that_never_answers(seldon: Deck) -> None:
    predictors = [{"name": "v7", "traffic": 100}, {"name": "v8", "traffic": 0}]
    metadata = {"namespace": seldon.namespace, "name": "iris"}
    given = {"metadata": metadata, "spec": {"predictors": predictors}, "status": {"state": "Creating"}}
    seldon.server.create(SELDON_DEPLOYMENT, given)
    seldon.settle_s = 1.0
    said = seldon.change("shift", "iris", "v8=25")
    assert said.code == 5, said
    assert "not in effect after 1 s: creating" in message(said)


def test_seldon_v2_weights_and_mirror(seldon2: Deck) -> None:
    spec = {
        "default": "iris-7",
        "candidates": [{"name": "iris-7", "weight": 90}, {"name": "iris-8", "weight": 10}],
        "mirror": {"name": "iris-9", "percent": 10},
    }
    seldon2.server.create(EXPERIMENT, {"metadata": {"namespace": seldon2.namespace, "name": "iris"}, "spec": spec})

    def experiment() -> Any:
        return seldon2.server.get(EXPERIMENT, seldon2.namespace, "iris")["spec"]

    with ExperimentController(seldon2.server, seldon2.namespace):
        said = seldon2.change("shift", "iris", "iris-8=25")
        assert said.code == 0, said
        assert [one["weight"] for one in experiment()["candidates"]] == [75, 25]
        assert seldon2.change("mirror", "iris", "iris-9", "30").code == 0
        assert experiment()["mirror"]["percent"] == 30
        assert seldon2.change("promote", "iris", "iris-8").code == 0
        assert [one["weight"] for one in experiment()["candidates"]] == [0, 100]
        wait_until(lambda: seldon2.endpoint("iris")["phase"] == "steady", 10, "the experiment to be ready")
    assert seldon2.outcomes() == ["settled"] * 3
