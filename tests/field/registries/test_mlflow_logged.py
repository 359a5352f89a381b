"""Models that MLflow 3 logs on their own: their metrics are theirs, and not those of the run beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from backends.contracts import ModelVersion
from backends.registries.mlflow_look import NAMED_S, Look
from backends.registries.mlflow_store import Logged, Run, logged_id
from tests.unit.registries.test_mlflow_look import NEVER, InMemory, _version

RUN = "0123456789abcdef0123456789abcdef"


def made(*sources: str, run: str = RUN) -> InMemory:
    """A model with a version of each source, all of one run."""
    store = InMemory(["m"])
    numbered = enumerate(sources, 1)
    store.table["m"] = [replace(_version("m", str(number), run), source=source) for number, source in numbered][::-1]
    store.measured[RUN] = Run(metrics={"f1": 0.95, "seconds": 7.0})
    return store


def metrics(store: InMemory, look: Look | None = None) -> list[Mapping[str, float]]:
    found: tuple[ModelVersion, ...] = (look or Look(frozenset(), 20)).versions(store, NEVER)
    return [one.metrics for one in found[::-1]]


def test_two_models_of_one_run_have_their_own_metrics() -> None:
    """mlflow/mlflow #16788, PR #14417: the run's newest value was shown for both."""
    store = made("models:/m-1", "models:/m-2")
    store.models_logged = {"m-1": Logged({"f1": 0.40}), "m-2": Logged({"f1": 0.95})}
    assert metrics(store) == [{"f1": 0.40}, {"f1": 0.95}]


def test_a_model_without_a_run_has_its_metrics() -> None:
    """mlflow/mlflow #18489, #25728."""
    store = made("models:/m-1", run="")
    store.models_logged = {"m-1": Logged({"f1": 0.93})}
    assert metrics(store) == [{"f1": 0.93}]


def test_what_the_run_of_a_single_model_measured_is_the_models_too() -> None:
    store = made("models:/m-1")
    store.models_logged = {"m-1": Logged({"f1": 0.40})}
    assert metrics(store) == [{"f1": 0.40, "seconds": 7.0}]
    assert metrics(made("runs:/x/model")) == [{"f1": 0.95, "seconds": 7.0}], "as MLflow 2 has it"


def test_a_run_with_several_models_tells_nothing_of_one_whose_metrics_are_not_known() -> None:
    store = made("models:/m-1", "models:/m-2")
    store.models_logged = {"m-1": Logged({"f1": 0.40})}
    assert metrics(store) == [{"f1": 0.40}, {}]


def test_metrics_that_are_logged_later_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("backends.registries.mlflow_look.time.monotonic", lambda: now)
    store, look = made("models:/m-1", run=""), Look(frozenset(), 20)
    assert metrics(store, look) == [{}]
    store.models_logged = {"m-1": Logged({"f1": 0.93})}
    metrics(store, look)
    assert store.asked["logged"] == 1
    now += NAMED_S + 1
    assert metrics(store, look) == [{"f1": 0.93}]


@pytest.mark.parametrize(
    ("source", "model"),
    [("models:/m-1f", "m-1f"), ("models:/m-1f/model", "m-1f"), ("models:/other/3", ""), ("s3://m-1", ""), ("", "")],
)
def test_sources_of_versions(source: str, model: str) -> None:
    assert logged_id(source) == model
