"""Argo Rollouts on a real API server, with a controller of ours: each action by the command line, with the journal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.contracts import Abort, Advance, Change, Endpoint, EndpointRef, Pause, Phase
from backends.errors import Conflict
from backends.platforms.kubernetes.kinds import EVENT
from backends.serving.rollout_state import ROLLOUT
from backends.serving.rollouts import RolloutsServing
from tests.kube.apiserver import ApiServer
from tests.kube.argo import ArgoController, hash_of, rollout
from tests.kube.shell import WHY, KubeShell, eventually, wiring
from tests.waiting import wait_until

STEPS: list[dict[str, Any]] = [
    {"setWeight": 10},
    {"pause": {}},
    {"setWeight": 25},
    {"analysis": {"templates": [{"templateName": "success-rate"}]}},
    {"setWeight": 50},
    {"pause": {}},
]
CANARY: dict[str, Any] = {"canary": {"steps": STEPS, "trafficRouting": {"nginx": {"stableIngress": "sentiment"}}}}
OLD, NEW = "registry.example/sentiment:v7", "registry.example/sentiment:v8"


def template(image: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "model", "image": image}]}}


OLD_HASH, NEW_HASH = hash_of(template(OLD)), hash_of(template(NEW))


class World:
    """One Rollout in a namespace of its own, under a controller that is at work, and the command line on it."""

    def __init__(self, server: ApiServer, folder: Path, strategy: dict[str, Any], **how: Any) -> None:
        server.apply_crd("argo-rollouts")
        server.apply_crd("argo-analysisruns")
        self.server = server
        self.namespace = server.namespace("argo")
        self.folder = folder
        self.ref = EndpointRef("k8s", self.namespace, "sentiment")
        server.create(ROLLOUT, rollout(self.namespace, "sentiment", OLD, strategy))
        self.controller = ArgoController(server, self.namespace, **how)
        self.serving = RolloutsServing(wiring(server, self.namespace))
        self.shell = KubeShell(server, folder, "rollouts", self.namespace)

    def push(self, image: str) -> None:
        """A new version, as a deploy does."""
        self.server.patch(ROLLOUT, self.namespace, "sentiment", {"spec": {"template": template(image)}})

    def until(self, condition: Any, what: str) -> Endpoint:
        return eventually(self.serving, self.ref, condition, what)

    def steady(self) -> Endpoint:
        return self.until(lambda one: one.phase is Phase.STEADY, "steady")

    def at_first_pause(self) -> Endpoint:
        self.steady()
        self.push(NEW)
        return self.until(lambda one: one.phase is Phase.PAUSED and weight(one) == 10.0, "at its first pause")

    def rollout(self) -> dict[str, Any]:
        return self.server.get(ROLLOUT, self.namespace, "sentiment")

    def analysing(self) -> bool:
        status: dict[str, Any] = self.rollout()["status"].get("canary", {}).get("currentStepAnalysisRunStatus") or {}
        return status.get("status") == "Running"

    def type(self, *words: str) -> Any:
        verb, *rest = words
        return self.shell.type(verb, "sentiment", *rest, *WHY)


@contextmanager
def world(server: ApiServer, folder: Path, strategy: dict[str, Any] | None = None, **how: Any) -> Iterator[World]:
    made = World(server, folder, CANARY if strategy is None else strategy, **how)
    with made.controller:
        try:
            yield made
        finally:
            made.serving.close()


def weight(endpoint: Endpoint) -> float | None:
    canary = endpoint.variant(NEW_HASH)
    return canary.observed if canary is not None else None


@pytest.mark.parametrize("how", [{}, {"delay_s": 0.4}, {"late_weights": True}], ids=["quick", "slow", "out of order"])
def test_a_rollout_is_taken_along_its_steps(apiserver: ApiServer, tmp_path: Path, how: dict[str, Any]) -> None:
    with world(apiserver, tmp_path, **how) as made:
        made.at_first_pause()
        said = made.type("advance")
        assert said.code == 0, said
        assert "step 4 of 6: analysis success-rate" in said.words
        assert weight(made.until(lambda one: True, "read")) == 25.0
        assert made.shell.last() == ("settled", "abort")
        made.controller.analysis = "Successful"
        made.until(lambda one: weight(one) == 50.0 and one.phase is Phase.PAUSED, "at its last pause")
        said = made.type("advance")
        assert said.code == 0, said
        assert made.rollout()["status"]["stableRS"] == NEW_HASH
        made.steady()


def test_a_promotion_says_what_it_skips_and_its_way_back_is_the_stable_revision(
    apiserver: ApiServer, tmp_path: Path
) -> None:
    with world(apiserver, tmp_path) as made:
        made.at_first_pause()
        assert made.type("advance").code == 0
        wait_until(made.analysing, 20, "the analysis of step 4 under way")
        said = made.type("promote", NEW_HASH, "--no-alias")
        assert said.code == 0, said
        assert "skips step 4 of 6: analysis success-rate" in said.words
        assert made.shell.last() == ("settled", "roll back to release 1")
        assert made.rollout()["status"]["stableRS"] == NEW_HASH


def test_an_abort_and_then_the_undo_that_it_asks_for(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.at_first_pause()
        said = made.type("abort")
        assert said.code == 0, said
        assert "the next sync will deploy it again; roll back to revision 1" in said.words
        assert made.rollout()["spec"]["template"]["spec"]["containers"][0]["image"] == NEW
        assert made.until(lambda one: True, "read").phase is Phase.DEGRADED
        said = made.type("rollback")
        assert said.code == 0, said
        assert made.rollout()["spec"]["template"]["spec"]["containers"][0]["image"] == OLD
        assert made.steady().message == ""
        assert made.shell.last()[0] == "settled"


def test_an_aborted_rollout_is_begun_again(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.at_first_pause()
        assert made.type("abort").code == 0
        said = made.type("retry")
        assert said.code == 0, said
        made.until(lambda one: one.phase is Phase.PAUSED and weight(one) == 10.0, "at its first pause again")


def test_pause_and_resume(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.at_first_pause()
        assert made.type("advance").code == 0
        said = made.type("pause")
        assert said.code == 0, said
        assert made.rollout()["spec"]["paused"] is True
        made.controller.analysis = "Successful"
        held = made.until(lambda one: one.phase is Phase.PAUSED, "paused")
        assert "paused by an operator" in held.message
        assert made.shell.last() == ("settled", "resume")
        said = made.type("resume")
        assert said.code == 0, said
        assert "spec.paused true → false" in said.words


def test_back_to_an_older_revision_is_a_rollout_of_its_own(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.at_first_pause()
        assert made.type("advance", "--full").code == 0
        made.steady()
        said = made.type("rollback", "1")
        assert said.code == 0, said
        assert "a rollout of its own through 6 steps" in said.words
        assert "advance it, or promote it in full" in said.words
        now = made.until(lambda one: True, "read")
        old = now.variant(OLD_HASH)
        assert old is not None
        assert old.observed == 10.0


def test_an_inconclusive_analysis_is_gone_past(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.controller.analysis = "Inconclusive"
        made.at_first_pause()
        assert made.type("advance").code == 0
        made.until(lambda one: "inconclusive" in one.message, "inconclusive")
        said = made.type("advance")
        assert said.code == 0, said
        assert weight(made.until(lambda one: True, "read")) == 50.0


def test_a_failed_analysis_is_told_with_its_reason(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.at_first_pause()
        assert made.type("advance").code == 0
        made.controller.analysis = "Failed"
        failed = made.until(lambda one: one.phase is Phase.DEGRADED, "aborted by its analysis")
        assert 'Metric "success-rate" assessed Failed' in failed.message
        said = made.type("promote", NEW_HASH, "--no-alias")
        assert said.code == 3, said
        assert "it was aborted: retry it, or roll back" in said.words


def test_blue_green_is_promoted_at_its_pause(apiserver: ApiServer, tmp_path: Path) -> None:
    strategy = {"blueGreen": {"activeService": "sentiment", "autoPromotionEnabled": False}}
    with world(apiserver, tmp_path, strategy) as made:
        made.steady()
        made.push(NEW)
        made.until(lambda one: "waits for its promotion" in one.message, "up")
        said = made.type("advance")
        assert said.code == 0, said
        assert made.rollout()["status"]["blueGreen"]["activeSelector"] == NEW_HASH


def test_a_controller_that_does_nothing_is_reported_as_such(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.at_first_pause()
        made.controller.hold()
        said = made.type("abort", "--timeout", "2")
        assert said.code == 5, said
        assert "not in effect after 2 s" in said.words
        assert made.shell.last()[0] == "unknown"


def test_a_status_that_the_controller_counts_in_does_not_stop_an_abort(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        endpoint = made.at_first_pause()
        made.controller.hold()
        (call,) = made.serving.compile(endpoint, Abort())
        apiserver.patch(ROLLOUT, made.namespace, "sentiment", {"status": {"availableReplicas": 3}}, "status")
        made.serving.send(call)
        assert made.rollout()["status"]["abort"] is True


def test_what_a_change_rests_on_guards_it(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        endpoint = made.at_first_pause()
        made.controller.hold()
        (advance,) = made.serving.compile(endpoint, Advance())
        (abort,) = made.serving.compile(endpoint, Abort())
        assert made.serving.preview(advance) == "dry run accepted"
        made.push("registry.example/sentiment:v9")
        for call in (advance, abort):
            with pytest.raises(Conflict):
                made.serving.send(call)
            with pytest.raises(Conflict):
                made.serving.preview(call)


def test_two_operators_and_no_lost_update(apiserver: ApiServer, tmp_path: Path) -> None:
    """Both read, both send: whatever the order, one of two that contradict each other is told."""
    with world(apiserver, tmp_path) as made:
        first = made.at_first_pause()
        made.controller.hold()
        base = made.rollout()
        other = RolloutsServing(wiring(apiserver, made.namespace, user="ben"))
        pairs: list[tuple[Change, Change]] = [(Advance(), Abort()), (Abort(), Advance()), (Pause(), Abort())]
        try:
            for number in range(60):
                apiserver.patch(
                    ROLLOUT,
                    made.namespace,
                    "sentiment",
                    {"spec": {"paused": None}, "status": None},
                )
                status = {**base["status"], "abort": None}
                apiserver.patch(ROLLOUT, made.namespace, "sentiment", {"status": status}, "status")
                endpoint = made.serving.read(made.ref)
                told: list[str] = []
                barrier = threading.Barrier(2)

                def send(serving: RolloutsServing, change: Change) -> None:
                    (call,) = serving.compile(endpoint, change)  # noqa: B023 - joined within the turn of the loop
                    barrier.wait()  # noqa: B023
                    try:
                        serving.send(call)
                        told.append("sent")  # noqa: B023
                    except Conflict:
                        told.append("conflict")  # noqa: B023

                mine, theirs = pairs[number % len(pairs)]
                threads = [
                    threading.Thread(target=send, args=(made.serving, mine)),
                    threading.Thread(target=send, args=(other, theirs)),
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(30)
                assert sorted(told) == ["conflict", "sent"], (number, mine, theirs)
        finally:
            other.close()
        assert first.ref == made.ref


def test_a_viewer_sees_everything_and_is_told_what_is_missing(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.at_first_pause()
        viewer = KubeShell(apiserver, tmp_path, "rollouts", made.namespace, user="viewer")
        said = viewer.type("abort", "sentiment", *WHY)
        assert said.code == 3, said
        assert f"forbidden: patch on rollouts.argoproj.io/status in {made.namespace}" in said.words
        assert viewer.journal()[-1].data["outcome"] == "refused"


def test_an_event_on_the_rollout_says_who_did_what(apiserver: ApiServer, tmp_path: Path) -> None:
    with world(apiserver, tmp_path) as made:
        made.at_first_pause()
        assert made.type("abort").code == 0
        events = [one for one in apiserver.all_of(EVENT, made.namespace) if one["involvedObject"]["kind"] == "Rollout"]
        assert any("status.abort → true" in one["message"] for one in events)
