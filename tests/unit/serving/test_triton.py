"""Triton's answers: whatever they hold, nothing but our errors comes of them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given

from backends.contracts import Promote, Rollback
from backends.errors import BackendError, Malformed
from backends.metrics.triton import TritonMetrics
from backends.serving.triton import TritonServing
from backends.serving.triton_wire import Version, config_of, index_of, policy_of, statistics_of
from tests.examples import examples
from tests.foreign import json_of
from tests.realservers.wiring import made

SERVING = made(TritonServing, url="http://127.0.0.1:9")
METRICS = made(TritonMetrics, url="http://127.0.0.1:9")
FOREIGN = json_of(
    "name", "version", "state", "reason", "READY", "UNAVAILABLE", "version_policy", "specific", "versions", "latest",
    "num_versions", "model_stats", "inference_stats", "success", "fail", "count", "ns", "1", "2",
)  # fmt: skip


@examples(300)
@given(FOREIGN, FOREIGN)
def test_no_answer_makes_anything_but_our_errors(one: object, other: object) -> None:
    with suppress(BackendError):
        for counted in statistics_of(one):
            list(METRICS._written(counted))
    with suppress(BackendError):
        config_of(one)
    versions = (Version("2", "READY"), Version("1", "UNAVAILABLE", "unloaded"), Version("x", "READY"))
    with suppress(BackendError):
        found = index_of(one if isinstance(one, list) else [one])
        for model, told in ({"m": versions} | found).items():
            endpoint = SERVING.explain(model, told, config_of(other))
            for change in (Promote("1"), Rollback("2")):
                with suppress(BackendError):
                    SERVING.forecast(endpoint, change)
                    SERVING.compile(endpoint, change)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 1),
        ({"version_policy": {"latest": {"num_versions": 2}}}, 2),
        ({"version_policy": {"latest": {}}}, 1),
        ({"version_policy": {"all": {}}}, None),
        ({"version_policy": {"specific": {"versions": ["1", 3]}}}, ("1", "3")),
    ],
)
def test_version_policies(config: dict[str, object], expected: object) -> None:
    assert policy_of(config) == expected


@pytest.mark.parametrize(
    "policy", ["all", {"newest": {}}, {"specific": {"versions": 1}}, {"latest": {"num_versions": "x"}}]
)
def test_what_is_no_policy(policy: object) -> None:
    with pytest.raises(Malformed):
        config_of({"version_policy": policy})


def test_versions_are_numbers_and_the_greatest_comes_first() -> None:
    answer = [{"name": "m", "version": version, "state": "READY"} for version in ("2", "10", "9")]
    assert [one.name for one in index_of(answer)["m"]] == ["10", "9", "2"]
