"""When the child process that has MLflow is given time to import it, and when a call's own deadline holds."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from backends.errors import TimedOut
from backends.registries import mlflow_sqlite
from backends.registries.mlflow_sqlite import SqliteStore


class FakeChild:
    """Notes what it is asked and how long it is given, and answers nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, float]] = []
        self.there = False
        self.fails: TimedOut | None = None

    def ask(self, request: Mapping[str, object], timeout_s: float) -> object:
        self.asked.append((request["do"], timeout_s))
        self.there = True
        if self.fails is not None:
            raise self.fails
        return None

    def awake(self) -> bool:
        return self.there


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> FakeChild:
    found = FakeChild()
    monkeypatch.setattr(mlflow_sqlite, "Child", lambda *_, **__: found)
    return found


def write(store: SqliteStore) -> None:
    store.write("/registered-models/alias", "POST", {}, time.monotonic() + 5.0)


def words(child: FakeChild) -> list[object]:
    return [do for do, _ in child.asked]


def test_only_a_child_that_is_new_has_time_to_import_mlflow(child: FakeChild) -> None:
    store = SqliteStore("sqlite:////nowhere.db")
    write(store)
    write(store)
    assert words(child) == ["prepare", "write", "write"]
    given = [timeout_s for _, timeout_s in child.asked]
    assert given[0] > mlflow_sqlite.START_S > 10.0 > max(given[1:])


def test_a_child_that_was_ended_is_prepared_again(child: FakeChild) -> None:
    store = SqliteStore("sqlite:////nowhere.db")
    write(store)
    child.there = False
    write(store)
    assert words(child) == ["prepare", "write"] * 2


def test_a_locked_registry_costs_the_next_write_no_more_than_its_own_deadline(child: FakeChild) -> None:
    store = SqliteStore("sqlite:////nowhere.db")
    write(store)
    child.fails = TimedOut("the registry is locked", maybe_applied=True)
    for _ in range(2):
        with pytest.raises(TimedOut):
            write(store)
    assert words(child) == ["prepare", "write", "write", "write"]
    assert max(timeout_s for _, timeout_s in child.asked[1:]) < 10.0
