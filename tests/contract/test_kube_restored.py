"""A server whose versions went back, as after etcd was restored, one that serves a kind at another version, and another
server: what was read before is not trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backends.platforms.kubernetes import store as stores
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.served import OtherVersions
from backends.platforms.kubernetes.store import KindStore
from tests.contract.test_kube_wire import Fake, client, elsewhere, fake, store
from tests.waiting import wait_until

__all__ = ["client", "elsewhere", "fake", "store"]

Answer = tuple[int, dict[str, str], bytes]

TOO_LARGE = {
    "kind": "Status",
    "status": "Failure",
    "reason": "Timeout",
    "code": 504,
    "message": "Too large resource version: 1200, current: 1001",
    "details": {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]},
}


def listed(version: str, weight: int) -> Answer:
    thing = {"metadata": {"namespace": "ml", "name": "a", "resourceVersion": version}, "spec": {"weight": weight}}
    return 200, {}, json.dumps({"metadata": {"resourceVersion": version}, "items": [thing]}).encode()


def weight(store: KindStore) -> Any:
    return next((one["spec"]["weight"] for one in store.objects().values()), None)


def restored(fake: Fake, *refused: Answer) -> None:
    """Before the first watch: version 1200 and weight 90. Afterwards: version 1001 and weight 100; the first watch from
    1200 is refused so, where it is."""
    answers: list[Answer] = list(refused)
    restored: list[bool] = []

    def answer(path: str, query: dict[str, str]) -> Answer | None:
        if "watch" not in query:
            return listed("1001", 100) if restored else listed("1200", 90)
        restored.append(True)
        return answers.pop() if answers and query["resourceVersion"] == "1200" else None

    fake.answer = answer


def test_a_watch_from_a_version_that_the_server_has_not_reached_has_all_listed_again(
    fake: Fake, store: KindStore
) -> None:
    """kubernetes/kubernetes 107133."""
    restored(fake, (504, {}, json.dumps(TOO_LARGE).encode()))
    store.start()
    wait_until(lambda: weight(store) == 100, 20, "the objects as they are after the restore")
    wait_until(lambda: "resourceVersion=1001" in fake.requests[-1][0], 20, "a watch from there")


@pytest.mark.parametrize("code", [500, 503, 504])
def test_a_watch_that_ends_with_an_error_has_all_listed_again(fake: Fake, store: KindStore, code: int) -> None:
    restored(fake)
    fake.events = [{"type": "ERROR", "object": {"kind": "Status", "code": code, "reason": "InternalError"}}]
    store.start()
    wait_until(lambda: weight(store) == 100, 20, "the objects as they are after the restore")


def test_a_watch_that_says_nothing_is_checked_by_the_version_of_a_small_list(fake: Fake, store: KindStore) -> None:
    """kubernetes/kubernetes 107457: the server accepts the watch, and is silent for as long as it is behind."""
    restored(fake)
    fake.ended.set()  # each watch ends at once, without an event
    store.start()
    wait_until(lambda: weight(store) == 100, 20, "the objects as they are after the restore")
    assert any(path.endswith("limit=1") for path, _ in fake.requests)


def test_a_server_that_is_ahead_is_not_listed_again(fake: Fake, store: KindStore) -> None:
    fake.answer = lambda path, query: listed("1300", 90) if query.get("limit") == "1" else None
    fake.ended.set()
    store.start()
    wait_until(lambda: len([path for path, _ in fake.requests if "watch" in path]) >= 2, 20, "a second watch")
    assert store.lists == 1


def test_a_bookmark_of_an_older_version_has_all_listed_again(fake: Fake, store: KindStore) -> None:
    restored(fake)
    fake.events = [{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "1001"}}}]
    store.start()
    wait_until(lambda: weight(store) == 100, 20, "the objects as they are after the restore")


def test_after_a_long_outage_all_is_listed_again(fake: Fake, store: KindStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may have been restored, and have passed the last version that was seen."""
    monkeypatch.setattr(stores, "LONG_OUTAGE_S", 0.3)
    watches: list[str] = []

    def answer(path: str, query: dict[str, str]) -> Answer | None:
        if "watch" not in query:
            return listed("1300", 100) if watches else listed("1200", 90)
        watches.append(query["resourceVersion"])
        return (503, {}, b"") if len(watches) < 4 else None

    fake.answer = answer
    store.start()
    wait_until(lambda: weight(store) == 100, 20, "the objects as they are after the outage")


def test_a_kind_at_other_versions_only_is_no_absent_kind(fake: Fake, store: KindStore) -> None:
    """fluxcd/flagger 1602 and kserve/kserve 4886: the objects are there, and cannot be read."""
    known: dict[str, object] = {
        "/apis/example.com": {"versions": [{"version": "v1beta1"}, {"version": "v1alpha1"}]},
        "/apis/example.com/v1beta1": {"resources": [{"name": "things"}, {"name": "things/status"}]},
        "/apis/example.com/v1alpha1": {"resources": [{"name": "others"}]},
    }
    fake.answer = lambda path, query: (
        (200, {}, json.dumps(known[path]).encode()) if path in known else (404, {}, b"404 page not found")
    )
    store.start()
    error = wait_until(lambda: store.error, 20, "the error")
    assert isinstance(error, OtherVersions)
    assert error.message == "things.example.com is served as v1beta1 only, and is read as v1"
    assert not store.absent


def test_a_watch_that_is_resumed_on_another_cluster_is_not_taken_for_that_of_the_first(
    fake: Fake, elsewhere: Fake, store: KindStore, tmp_path: Any
) -> None:
    """Nobody else has asked since the kubeconfig changed."""
    fake.events = [{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}]
    store.start()
    wait_until(lambda: any("watch=" in path for path, _ in fake.requests), 20, "the watch")
    elsewhere.kubeconfig(tmp_path)
    fake.ended.set()
    wait_until(lambda: set(store.objects()) == {("ml", "b")}, 20, "the list of the second server, and no more")


def test_between_two_clusters_nothing_of_the_first_is_shown(
    fake: Fake, elsewhere: Fake, client: KubeClient, store: KindStore, tmp_path: Any
) -> None:
    """The second has not answered yet: its objects are waited for, those of the first are no longer there."""
    slow = [True]
    elsewhere.answer = lambda path, query: (500, {}, b"") if slow and path != "/version" else None
    store.start()
    wait_until(lambda: set(store.objects()) == {("ml", "a")}, 20, "the list of the first server")
    assert store.wait(0.0)
    stamp = store.stamp()
    elsewhere.kubeconfig(tmp_path)
    client.request("GET", "/version")
    assert not store.objects()
    assert not store.namespaces()
    assert not store.within("ml")
    assert store.stamp() != stamp
    wait_until(lambda: store.error, 20, "the failure of the second server, told at once")
    slow.clear()
    assert wait_until(lambda: set(store.objects()), 20, "the list of the second server") == {("ml", "b")}
