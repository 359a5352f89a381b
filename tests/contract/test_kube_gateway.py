"""HTTPRoutes on a real API server, from the command line, with a gateway controller of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.platforms.kubernetes.kinds import EVENT, HTTP_ROUTE
from backends.serving.gateway import GatewayServing
from shiftdeck.journal.entry import EntryKind
from tests.kube.apiserver import ApiServer
from tests.kube.deck import Deck, message
from tests.kube.route_controllers import GatewayController
from tests.waiting import wait_until


class Bench:
    def __init__(self, server: ApiServer, folder: Path, patch: pytest.MonkeyPatch) -> None:
        server.apply_crd("gateway-httproutes")
        self.server = server
        self.namespace = server.namespace("gateway")
        self.controller = GatewayController(server, self.namespace)
        self.deck = Deck(server, self.namespace, "gateway", folder, patch)

    def route(self, name: str, *rules: dict[str, Any], parents: tuple[str, ...] = ("public",), **metadata: Any) -> None:
        spec = {"parentRefs": [{"name": parent} for parent in parents], "rules": list(rules)}
        self.server.create(
            HTTP_ROUTE, {"metadata": {"namespace": self.namespace, "name": name, **metadata}, "spec": spec}
        )

    def rules(self, name: str) -> Any:
        return self.server.get(HTTP_ROUTE, self.namespace, name)["spec"]["rules"]

    def weights(self, name: str, rule: int = 0) -> list[int]:
        return [one["weight"] for one in self.rules(name)[rule]["backendRefs"]]


def split(v9: int, v10: int) -> dict[str, Any]:
    refs = [{"name": "ranker-v9", "port": 80, "weight": v9}, {"name": "ranker-v10", "port": 80, "weight": v10}]
    return {"backendRefs": refs}


@pytest.fixture
def bench(apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(apiserver, tmp_path, monkeypatch)
    with made.controller:
        yield made


def test_shift_promote_and_the_way_back(bench: Bench) -> None:
    bench.route("ranker", split(9, 1))
    said = bench.deck.change("shift", "ranker", "ranker-v10=25")
    assert (said.code, bench.weights("ranker")) == (0, [75, 25]), said
    assert message(said).startswith("accepted by public; that requests follow it, only metrics show")
    assert bench.deck.change("promote", "ranker", "ranker-v10").code == 0
    assert bench.weights("ranker") == [0, 100]
    assert bench.deck.change("shift", "ranker", "ranker-v9=90", "ranker-v10=10").code == 0
    assert bench.weights("ranker") == [90, 10]
    assert bench.deck.outcomes() == ["settled"] * 3
    (sent, *_) = bench.deck.of_kind(EntryKind.SENT)
    assert sent.data["call"] == "weight ranker-v9 9 → 75, ranker-v10 1 → 25"
    notes = [one["message"] for one in bench.server.all_of(EVENT, bench.namespace)]
    assert "weight ranker-v9 9 → 75, ranker-v10 1 → 25 (by ana with shiftdeck)" in notes


def test_every_rule_with_these_backends_is_rewritten(bench: Bench) -> None:
    pinned = {
        "matches": [{"headers": [{"name": "x-canary", "value": "1"}]}],
        "backendRefs": [{"name": "ranker-v10", "port": 80}],
    }
    batch = {"matches": [{"path": {"type": "PathPrefix", "value": "/batch"}}], **split(1, 1)}
    bench.route("ranker", pinned, split(9, 1), batch)
    said = bench.deck.change("shift", "ranker", "ranker-v10=50")
    assert said.code == 0, said
    assert (bench.weights("ranker", 1), bench.weights("ranker", 2)) == ([5, 5], [1, 1])
    assert bench.rules("ranker")[0]["backendRefs"][0]["name"] == "ranker-v10"


def test_a_mirror_is_started_changed_and_stopped(bench: Bench) -> None:
    bench.route("ranker", split(100, 0))
    for percent, written in (
        ("20", {"percent": 20}),
        ("12.5", {"fraction": {"numerator": 12500, "denominator": 100000}}),
    ):
        said = bench.deck.change("mirror", "ranker", "ranker-v10", percent)
        assert said.code == 0, said
        (mirror,) = bench.rules("ranker")[0]["filters"]
        assert mirror["requestMirror"] == {"backendRef": mirror["requestMirror"]["backendRef"], **written}
    assert bench.deck.change("mirror", "ranker", "ranker-v10", "0").code == 0
    assert bench.rules("ranker")[0]["filters"][0]["requestMirror"]["percent"] == 0
    assert bench.deck.outcomes() == ["settled"] * 3


def test_slow_parents_that_answer_backwards_are_waited_for(bench: Bench) -> None:
    bench.controller.delay_s, bench.controller.backwards = 0.2, True
    bench.route("ranker", split(9, 1), parents=("public", "internal"))
    said = bench.deck.change("shift", "ranker", "ranker-v10=25")
    assert message(said).startswith("accepted by public, internal"), said
    parents = bench.server.get(HTTP_ROUTE, bench.namespace, "ranker")["status"]["parents"]
    assert all(one["observedGeneration"] == 2 for parent in parents for one in parent["conditions"])


def test_a_controller_that_never_answers_leaves_the_outcome_open(bench: Bench) -> None:
    bench.route("ranker", split(9, 1))
    taken = "the route to be accepted"
    wait_until(lambda: bench.deck.endpoint("ranker")["variants"][0]["observed"] == 90, 10, taken)
    bench.controller.hold()
    bench.deck.settle_s = 1.0
    said = bench.deck.change("shift", "ranker", "ranker-v10=25")
    assert said.code == 5, said
    assert "public has answered for generation 1 of 2" in message(said)
    assert bench.deck.endpoint("ranker")["variants"][0]["observed"] is None


def test_a_backend_that_is_not_found_is_no_success(bench: Bench) -> None:
    bench.controller.unknown = ("ranker-v10",)
    bench.route("ranker", split(9, 1))
    bench.deck.settle_s = 1.0
    said = bench.deck.change("shift", "ranker", "ranker-v10=25")
    assert said.code == 5, said
    assert "ResolvedRefs is False: no service ranker-v10" in message(said)


def test_a_route_that_gitops_owns_is_warned_of_in_the_plan(bench: Bench) -> None:
    tracked = {"argocd.argoproj.io/tracking-id": "shop:gateway.networking.k8s.io/HTTPRoute:prod/ranker"}
    bench.route("ranker", split(9, 1), annotations=tracked)
    flux = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    bench.route("eta", split(9, 1), labels=flux)
    for name, owner in (("ranker", "Argo CD application shop"), ("eta", "Flux Kustomization flux-system/apps")):
        said = bench.deck.type("shift", name, "ranker-v10=25", "--dry-run", "--json")
        (check,) = [one for one in said.json["plan"]["checks"] if one["name"] == "owner"]
        assert check["verdict"] == "warn"
        assert check["evidence"] == f"{owner} reconciles this object and may revert the change"
        assert bench.weights(name) == [9, 1]


def test_a_change_that_gitops_reverts_is_told_as_such(bench: Bench) -> None:
    """Our patch is accepted, and put back before the gateway has said anything."""
    tracked = {"argocd.argoproj.io/tracking-id": "shop:gateway.networking.k8s.io/HTTPRoute:prod/ranker"}
    bench.route("ranker", split(9, 1), annotations=tracked)
    wait_until(lambda: bench.deck.endpoint("ranker")["variants"][0]["observed"] == 90, 10, "the route to be accepted")
    reconcile = bench.controller.reconcile

    def revert(thing: Any) -> Any:
        if [one["weight"] for one in thing["spec"]["rules"][0]["backendRefs"]] == [75, 25]:
            bench.server.patch(HTTP_ROUTE, bench.namespace, "ranker", {"spec": {"rules": [split(9, 1)]}})
            return None
        return reconcile(thing)

    bench.controller.reconcile = revert  # type: ignore[method-assign]  # a test's own
    said = bench.deck.change("shift", "ranker", "ranker-v10=25")
    assert said.code == 5, said
    assert "as before: Argo CD application shop put it back" in message(said)


def test_somebody_else_first_is_a_conflict_and_is_not_overwritten(bench: Bench) -> None:
    """The change is planned, then another client writes, then ours is sent: the server refuses it."""
    bench.route("ranker", split(9, 1))
    wait_until(lambda: bench.deck.endpoint("ranker")["variants"][0]["observed"] == 90, 10, "the route to be accepted")
    send = GatewayServing.send

    def late(self: GatewayServing, call: Any) -> Any:
        bench.server.patch(HTTP_ROUTE, bench.namespace, "ranker", {"spec": {"rules": [split(6, 4)]}})
        return send(self, call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GatewayServing, "send", late)
        said = bench.deck.change("shift", "ranker", "ranker-v10=25")
    assert said.code == 4, said
    assert bench.weights("ranker") == [6, 4]
    assert bench.deck.outcomes() == ["conflict"]


def test_a_viewer_sees_everything_and_may_change_nothing(
    apiserver: ApiServer, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.route("ranker", split(9, 1))
    deck = Deck(apiserver, bench.namespace, "gateway", tmp_path, monkeypatch, user="viewer")
    assert deck.split("ranker") == {"ranker-v9": 90, "ranker-v10": 10}
    said = deck.change("shift", "ranker", "ranker-v10=25")
    assert said.code == 3, said
    assert "forbidden: patch on httproutes.gateway.networking.k8s.io in " in message(said)
    assert deck.of_kind(EntryKind.SENT) == []
    assert bench.weights("ranker") == [9, 1]
