"""The lab's models are trained and evaluated for real, and what they learn from is what their baseline says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from backends.lab.baseline import ROWS, reference
from backends.lab.catalogue import catalogue, newest, trained_keys
from backends.lab.drills import DRIFT_FACTOR, Drills
from backends.lab.families import FAMILIES, Family
from backends.lab.learn import Trained, evaluate, recipe, train
from backends.lab.meters import bins_of
from backends.lab.world import ENDPOINTS

SEED = 7
FAMILY = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def psi(live: list[int], base: list[int]) -> float:
    """Population stability index, with half a count added to each bin."""
    total = 0.0
    for one, other in zip(live, base, strict=True):
        p = (one + 0.5) / (sum(live) + 0.5 * len(live))
        q = (other + 0.5) / (sum(base) + 0.5 * len(base))
        total += (p - q) * math.log(p / q)
    return total


@FAMILY
def test_the_newest_version_predicts_what_it_has_not_seen(family: Family) -> None:
    metrics = train(family, recipe(0), SEED).metrics
    if family.task == "classify":
        assert metrics["auc"] > 0.8
        assert metrics["log_loss"] < 0.6
    else:
        assert metrics["r2"] > 0.85


@FAMILY
def test_newer_versions_are_better(family: Family) -> None:
    loss = "log_loss" if family.task == "classify" else "rmse"
    old, new = (train(family, recipe(age), SEED).metrics[loss] for age in (3, 0))
    assert new < old


def test_training_is_repeatable() -> None:
    family = FAMILIES["fraud-detector"]
    assert train(family, recipe(1), SEED) == train(family, recipe(1), SEED)


def test_metrics_are_those_of_the_textbook() -> None:
    metrics = evaluate("classify", [0.9, 0.8, 0.3, 0.6, 0.1], [1, 1, 1, 0, 0])
    assert metrics["f1"] == pytest.approx(2 / 3)
    assert metrics["auc"] == pytest.approx(5 / 6)
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    errors = evaluate("regress", [1.0, 2.0, 6.0], [1.0, 4.0, 4.0])
    assert errors["rmse"] == pytest.approx(math.sqrt(8 / 3))
    assert errors["mae"] == pytest.approx(4 / 3)
    assert errors["r2"] == pytest.approx(-1 / 3)


@pytest.fixture(scope="module")
def trained() -> dict[tuple[str, str], Trained]:
    return {(key.model, str(key.version)): train(FAMILIES[key.model], recipe(key.age), SEED) for key in trained_keys()}


def served(trained: Mapping[tuple[str, str], Trained]) -> dict[tuple[str, str], Any]:
    return {
        (spec.model, variant.version): trained[spec.model, variant.version].model
        for spec in ENDPOINTS
        for variant in spec.variants
    }


def test_the_baseline_has_every_feature_of_every_served_version(trained: dict[tuple[str, str], Trained]) -> None:
    entries: Any = reference(served(trained), SEED)["features"]
    expected = {(model, version, feature) for model, version in served(trained) for feature in bins_of(FAMILIES[model])}
    assert {(one["model"], one["version"], one["feature"]) for one in entries} == expected
    for one in entries:
        live = bins_of(FAMILIES[one["model"]])[one["feature"]]
        assert one["bounds"] == [*live.bounds, None]
        assert sum(one["counts"]) == ROWS
        assert max(one["counts"]) < 0.75 * ROWS, f"{one['feature']} is nearly constant: its drift would not show"


@pytest.mark.parametrize("drifting", [False, True])
def test_only_under_the_drill_do_amounts_leave_their_baseline(
    trained: dict[tuple[str, str], Trained], drifting: bool
) -> None:
    entries: Any = reference(served(trained), SEED)["features"]
    drills, family, rng = Drills(), FAMILIES["fraud-detector"], Random(99)
    if drifting:
        drills.start("feature-drift", 0.0)
    bins = bins_of(family)
    for _ in range(600):
        drawn = dict(zip((feature.name for feature in family.features), family.draw(rng), strict=True))
        for name, value in drills.distort(family.model, drawn).items():
            bins[name].add(value)
    scores = {
        one["feature"]: psi(bins[one["feature"]].counts, one["counts"])
        for one in entries
        if (one["model"], one["version"]) == (family.model, "12") and one["feature"] != "prediction"
    }
    assert (scores.pop("amount") > 0.5) is drifting
    assert max(scores.values()) < 0.1
    assert DRIFT_FACTOR > 1


def test_the_registry_has_every_version_up_to_the_newest_that_is_served(
    trained: dict[tuple[str, str], Trained],
) -> None:
    now = 2_000_000_000.0
    models: Any = catalogue(trained, now, SEED)
    assert [model["name"] for model in models] == [spec.model for spec in ENDPOINTS]
    for model, spec in zip(models, ENDPOINTS, strict=True):
        versions = model["versions"]
        assert [one["version"] for one in versions] == [str(n) for n in range(1, newest(spec) + 1)]
        created = [one["created"] for one in versions]
        assert created == sorted(created)
        assert created[-1] < now * 1000
        assert model["aliases"]["champion"] == spec.stable.removeprefix("v")
        assert versions[-1]["run"]["metrics"].keys() == trained[spec.model, versions[-1]["version"]].metrics.keys()
    assert models[0]["aliases"] == {"champion": "7", "challenger": "8"}
    assert models[1]["aliases"]["challenger"] == "13"
    assert "challenger" not in models[3]["aliases"]
