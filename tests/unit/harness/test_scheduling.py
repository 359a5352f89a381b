"""Which tests a worker gets next: those that need a server which it has started."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.scheduling import ByServer, rank, server_of

CONTRACT = Path(__file__).parents[2] / "contract"
LABS = ("tests/e2e/test_app.py", "tests/contract/test_cli_lab.py")
KUBES = ("tests/contract/test_kube_wire.py", "tests/contract/test_kube_images.py")
OTHERS = ("tests/contract/test_http.py", "tests/unit/lab/test_lab_traffic.py", "tests/unit/serving/test_kube_istio.py")


def test_the_server_is_told_by_the_name() -> None:
    assert [server_of(name) for name in (*LABS, *KUBES, *OTHERS)] == ["lab"] * 2 + ["kube"] * 2 + [""] * 3


@pytest.mark.parametrize(
    ("fixture", "server"),
    [("lab: RunningLab", "lab"), ("lab_at_rest: RunningLab", "lab"), ("apiserver: ApiServer", "kube")],
)
def test_all_that_ask_for_a_server_are_known(fixture: str, server: str) -> None:
    for path in CONTRACT.glob("test_*.py"):
        if fixture in path.read_text(encoding="utf-8"):
            assert server_of(f"tests/contract/{path.name}") == server


@pytest.mark.parametrize(
    ("scope", "mine", "others", "expected"),
    [
        (LABS[0], {"lab"}, {}, 0),
        (LABS[0], {"lab"}, {"lab": 2}, 0),
        (LABS[0], {"kube"}, {"lab": 1}, 1),
        (LABS[0], {"kube"}, {"lab": 2}, 2),
        (KUBES[0], {"lab"}, {}, 1),
        (KUBES[0], {"lab"}, {"kube": 1}, 2),
        (OTHERS[0], {"kube"}, {"lab": 2}, 1),
    ],
)
def test_what_my_server_is_for_goes_first_and_what_enough_others_have_last(
    scope: str, mine: set[str], others: dict[str, int], expected: int
) -> None:
    assert rank(scope, mine, others) == expected


class Worker:
    """A worker as the scheduler sees it."""

    shutting_down = False

    def __init__(self) -> None:
        self.given: list[int] = []
        self.gateway = SimpleNamespace(id=f"gw{id(self)}")

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduled(tests: list[str], count: int) -> tuple[ByServer, list[Worker]]:
    """A scheduler that has given the first tests out to so many workers."""
    config: Any = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=False), getvalue=lambda name: [f"{count}*popen"]
    )
    log: Any = SimpleNamespace(loadscopesched=lambda *_: None, loadfilesched=lambda *_: None)
    scheduler = ByServer(config, log)
    workers = [Worker() for _ in range(count)]
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    return scheduler, workers


def test_each_worker_stays_with_its_server_until_there_is_nothing_else() -> None:
    tests = [
        *(f"{LABS[1]}::test_{n}" for n in range(3)),
        f"{KUBES[0]}::test",
        "tests/e2e/test_app.py::test_a",
        f"{KUBES[1]}::test",
        "tests/e2e/test_app.py::test_b",
        f"{OTHERS[0]}::test",
    ]
    scheduler, workers = scheduled(tests, 2)
    first, second = workers
    done = {id(worker): 0 for worker in workers}
    order: dict[int, list[str]] = {id(worker): [] for worker in workers}
    while not all(len(worker.given) == done[id(worker)] for worker in workers):
        for worker in workers:
            if done[id(worker)] < len(worker.given):
                index = worker.given[done[id(worker)]]
                done[id(worker)] += 1
                order[id(worker)].append(tests[index])
                scheduler.mark_test_complete(worker, index)
    assert sorted(order[id(first)] + order[id(second)]) == sorted(tests), "each runs once"
    assert {server_of(name) for name in order[id(first)]} == {"lab"}
    assert [server_of(name) for name in order[id(second)]][:2] == ["kube", "kube"]


def test_a_worker_that_ends_in_a_test_is_replaced_and_the_test_is_not_repeated() -> None:
    tests = [f"{OTHERS[0]}::test_{n}" for n in range(4)] + [f"tests/contract/test_{n}.py::test" for n in range(4)]
    scheduler, [dead] = scheduled(tests, 1)
    ran = [tests[index] for index in dead.given[:2]]
    for index in dead.given[:2]:
        scheduler.mark_test_complete(dead, index)
    at = scheduler.remove_node(dead)
    assert at == f"{OTHERS[0]}::test_2"
    other = Worker()
    scheduler.add_node(other)
    scheduler.add_node_collection(other, tests)
    scheduler.schedule()
    done = 0
    while done < len(other.given) and (done + 1 < len(other.given) or other.shutting_down):
        ran.append(tests[other.given[done]])
        scheduler.mark_test_complete(other, other.given[done])
        done += 1
    assert sorted([*ran, at]) == sorted(tests), "all others run once"
    assert other.shutting_down
