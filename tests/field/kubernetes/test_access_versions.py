"""Releases as servers and definitions write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.platforms.kubernetes.tried import KUBERNETES, TRIED, defined, newer, release_of


@pytest.mark.parametrize(
    ("told", "release"),
    [
        ("v1.31.2", (1, 31)),
        ("v1.29.3+k3s1", (1, 29)),
        ("v1.30.4-gke.1348000", (1, 30)),
        ("v1.28.9-eks-036c24b", (1, 28)),
        ("1.23", (1, 23)),
        ("v0.0.0-dev", (0, 0)),  # kubernetes-sigs/gateway-api, config/crd on main
        ("devel", None),  # knative/serving, config/core on main
        ("", None),
    ],
)
def test_the_release_of_a_version(told: str, release: tuple[int, int] | None) -> None:
    assert release_of(told) == release


def test_what_is_newer_than_was_tried_is_told() -> None:
    assert newer("v1.99.0", KUBERNETES) == "newer than 1.20, the newest that was tried"
    assert newer("v2.0.0", KUBERNETES)
    assert not newer("v1.20.15", KUBERNETES), "a patch release of the same"
    assert not newer("v1.9.0", KUBERNETES), "by number, not by text"
    assert not newer("devel", KUBERNETES)


def test_where_a_definition_tells_its_release() -> None:
    gateway = {"metadata": {"annotations": {"gateway.networking.k8s.io/bundle-version": "v1.7.0"}}}
    assert newer(defined(gateway), TRIED["gateway.networking.k8s.io"][1])
    knative = {"metadata": {"labels": {"app.kubernetes.io/version": "1.23.1"}}}
    assert defined(knative) == "1.23.1"
    assert not newer(defined(knative), TRIED["serving.knative.dev"][1])
    assert not defined({"metadata": {"labels": {"app.kubernetes.io/version": 7}}})


@given(st.text(max_size=30))
def test_any_version_is_a_release_or_none(told: str) -> None:
    found = release_of(told)
    assert found is None or all(number >= 0 for number in found)
