"""KServe's LLM groups on a real API server, from the command line, with a controller of ours that reconciles them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.contracts import Call, Receipt
from backends.errors import Unreachable
from backends.serving.llminference import LLM, LLMInferenceServing
from shiftdeck.journal.entry import EntryKind
from tests.kube.apiserver import ApiServer
from tests.kube.deck import Deck, message
from tests.kube.route_controllers import GroupController
from tests.waiting import wait_until


class Bench:
    def __init__(self, server: ApiServer, folder: Path, patch: pytest.MonkeyPatch) -> None:
        server.apply_crd("kserve-llminferenceservices")
        self.server = server
        self.namespace = server.namespace("llm")
        self.controller = GroupController(server, self.namespace)
        self.deck = Deck(server, self.namespace, "llminference", folder, patch)

    def group(self, **members: int) -> None:
        for name, weight in members.items():
            spec = {
                "model": {"name": "llama-3", "uri": "hf://meta/llama:v3"},
                "router": {"route": {"group": "llama", "weight": weight}},
            }
            self.server.create(LLM, {"metadata": {"namespace": self.namespace, "name": name}, "spec": spec})
        wait_until(self.settled, 10, "the group's status")

    def settled(self) -> bool:
        return all("status" in one for one in self.server.all_of(LLM, self.namespace))

    def weights(self) -> dict[str, int]:
        return {
            one["metadata"]["name"]: one["spec"]["router"]["route"]["weight"]
            for one in self.server.all_of(LLM, self.namespace)
        }

    def sent(self) -> list[str]:
        return [str(entry.data["call"]) for entry in self.deck.of_kind(EntryKind.SENT)]


@pytest.fixture
def bench(apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(apiserver, tmp_path, monkeypatch)
    with made.controller:
        yield made


@pytest.fixture
def before_second(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Has something happen between the first call of a change and the second."""

    def arrange(happen: Callable[[], object]) -> None:
        send, calls = LLMInferenceServing.send, []

        def counted(self: LLMInferenceServing, call: Call) -> Receipt:
            calls.append(call)
            if len(calls) == 2:
                happen()
            return send(self, call)

        monkeypatch.setattr(LLMInferenceServing, "send", counted)

    return arrange


def test_two_calls_while_the_controller_writes_every_status_in_between(bench: Bench) -> None:
    """After the first call KServe reconciles all members: their resourceVersions are others before the second one."""
    bench.group(a=100, b=0)
    said = bench.deck.change("shift", "llama", "b=10")
    assert said.code == 0, said
    assert bench.weights() == {"a": 90, "b": 10}
    assert bench.sent() == ["weight of b 0 → 10 (then a 90.9 %, b 9.1 %)", "weight of a 100 → 90"]
    assert message(said).startswith("the routes of all 2 members have it")


def test_promotion_and_the_way_back(bench: Bench) -> None:
    bench.group(a=90, b=10)
    assert bench.deck.change("promote", "llama", "b").code == 0
    assert bench.weights() == {"a": 0, "b": 10}, "one call is enough"
    assert bench.deck.split("llama") == {"a": 0, "b": 100}
    assert bench.deck.change("shift", "llama", "a=90", "b=10").code == 0
    assert bench.weights() == {"a": 90, "b": 10}


def test_three_members(bench: Bench) -> None:
    bench.group(a=50, b=30, c=20)
    assert bench.deck.change("shift", "llama", "a=0", "b=30", "c=70").code == 0
    assert bench.sent() == [
        "weight of c 20 → 70 (then a 33.3 %, b 20 %, c 46.7 %)",
        "weight of a 50 → 0",
    ]


def test_members_that_follow_slowly_are_waited_for(bench: Bench) -> None:
    bench.controller.delay_s = 0.5
    bench.group(a=100, b=0)
    said = bench.deck.change("shift", "llama", "b=10")
    assert said.code == 0, said
    for one in bench.server.all_of(LLM, bench.namespace):
        assert {m["name"]: m["weight"] for m in one["status"]["router"]["group"]["members"]} == {"a": 90, "b": 10}


def test_a_controller_that_never_comes_leaves_the_outcome_open(bench: Bench) -> None:
    bench.group(a=100, b=0)
    bench.controller.hold()
    bench.deck.settle_s = 1.0
    said = bench.deck.change("shift", "llama", "b=10")
    assert said.code == 5, said
    assert "a is at generation 1 of 2; b is at generation 1 of 2" in message(said)
    observed = {one["name"]: one["observed"] for one in bench.deck.endpoint("llama")["variants"]}
    assert observed == {"a": 100, "b": 0}, "what is asked for is not what is in effect"


def test_a_rival_between_the_calls_is_not_overwritten_and_the_way_back_is_told(
    bench: Bench, before_second: Callable[[Callable[[], object]], None]
) -> None:
    bench.group(a=100, b=0)
    rival: dict[str, Any] = {"spec": {"router": {"route": {"weight": 80}}}}
    before_second(lambda: bench.server.patch(LLM, bench.namespace, "a", rival))
    said = bench.deck.change("shift", "llama", "b=10")
    assert said.code == 4, said
    assert bench.weights() == {"a": 80, "b": 10}
    words = message(said)
    assert words.startswith("1 of 2 calls sent, then: changed since the plan was made; nothing was sent over it")
    assert "sent: weight of b 0 → 10 (then a 90.9 %, b 9.1 %). Not sent: weight of a 100 → 90" in words
    assert words.endswith("The way back: shift a=100 b=0")
    assert len(bench.sent()) == 1


def test_the_way_back_from_half_a_change_is_the_one_call_that_is_out(
    bench: Bench, before_second: Callable[[Callable[[], object]], None]
) -> None:
    bench.group(a=100, b=0)

    def lost() -> None:
        raise Unreachable("no connection to the cluster")

    before_second(lost)
    said = bench.deck.change("shift", "llama", "b=10")
    assert said.code == 5, said
    assert "1 of 2 calls sent, then: no connection" in message(said)
    assert bench.weights() == {"a": 100, "b": 10}
    back = bench.deck.change("shift", "llama", "a=100", "b=0")
    assert back.code == 0, back
    assert bench.weights() == {"a": 100, "b": 0}
    fence, back_again = bench.sent()[1:]
    assert fence.startswith("a annotation shiftdeck.io/fence"), (
        "the call that was lost must not arrive after the way back"
    )
    assert back_again == "weight of b 10 → 0"


def test_the_intent_holds_every_call_with_its_guard_before_any_is_sent(bench: Bench) -> None:
    bench.group(a=100, b=0)
    assert bench.deck.change("shift", "llama", "b=10").code == 0
    (intent, *_) = bench.deck.journal()
    calls: Any = intent.data["calls"]
    assert [call["guard"] for call in calls] == ["generation 1", "generation 1"]
    assert [call["path"].partition("?")[0].rpartition("/")[2] for call in calls] == ["b", "a"]
    assert intent.data["before"]["weights"] == {"a": 100.0, "b": 0.0}  # type: ignore[index]  # a table in JSON
    assert intent.data["way_back"] == "shift a=100 b=0"
