"""The newest release of each system that the adapters were tried with: the one whose server or published definitions
the tests run against. What is newer mostly works, and is told by ``doctor``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from backends.errors import BackendError
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.objects import annotations_of, labels_of

Release = tuple[int, int]
"""Major and minor version."""

KUBERNETES: Release = (1, 20)
TRIED: Mapping[str, tuple[str, Release]] = {
    "gateway.networking.k8s.io": ("Gateway API", (1, 6)),
    "networking.istio.io": ("Istio", (1, 30)),
    "serving.knative.dev": ("Knative Serving", (1, 23)),
}
"""By API group. The definitions of other systems do not tell their release."""

DEFINITIONS = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
BUNDLE = "gateway.networking.k8s.io/bundle-version"
VERSION = "app.kubernetes.io/version"

_RELEASE = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?!\d)")


def release_of(told: str) -> Release | None:
    """The release in a version as systems write it: "v1.31.2+k3s1", "1.23"."""
    found = _RELEASE.match(told)
    return (int(found[1]), int(found[2])) if found else None


def newer(told: str, tried: Release) -> str:
    """ "newer than 1.20, the newest that was tried", or "" if it is not newer, or not known."""
    release = release_of(told)
    return f"newer than {tried[0]}.{tried[1]}, the newest that was tried" if release and release > tried else ""


def defined(definition: object) -> str:
    """The release that a CRD tells, or ""."""
    told = annotations_of(definition).get(BUNDLE) or labels_of(definition).get(VERSION)
    return told if isinstance(told, str) else ""


def untried(client: KubeClient, kind: Kind) -> str:
    """The release of a kind's system, in words, if it is newer than those that were tried; "" if it is not, or is not
    told, or may not be asked for."""
    if kind.group not in TRIED:
        return ""
    name, tried = TRIED[kind.group]
    try:
        told = defined(client.request("GET", DEFINITIONS.path(name=kind.resource)))
    except BackendError:
        return ""
    words = newer(told, tried)
    return f"{name} {told} is {words}" if words else ""
