"""Kubernetes without a server: paths, calls, looking into objects, and what an answer stands for."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import (
    BackendError,
    Conflict,
    Forbidden,
    Malformed,
    RateLimited,
    Rejected,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from backends.platforms.kubernetes import objects
from backends.platforms.kubernetes.calls import add, expect, json_patch, pointer
from backends.platforms.kubernetes.events import event_of
from backends.platforms.kubernetes.failures import TEST_FAILED, Gone, Missing, failure
from backends.platforms.kubernetes.kinds import DEPLOYMENT, POD, Kind
from backends.platforms.kubernetes.owners import gitops_owner
from backends.platforms.kubernetes.store import OWNER, trim
from tests.foreign import json_of

ROLLOUT = Kind("argoproj.io", "v1alpha1", "rollouts", "Rollout")
PATH = "/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/churn/status"


def test_paths() -> None:
    assert ROLLOUT.path("ml", "churn", "status") == PATH
    assert ROLLOUT.path() == "/apis/argoproj.io/v1alpha1/rollouts"
    assert POD.path("ml") == "/api/v1/namespaces/ml/pods"
    assert (DEPLOYMENT.resource, POD.resource, POD.api_version) == ("deployments.apps", "pods", "v1")
    assert ROLLOUT.path("../x", "a/b").endswith("/namespaces/..%2Fx/rollouts/a%2Fb")


def test_the_command_is_what_a_shell_takes() -> None:
    call = json_patch(
        ROLLOUT, "ml", "churn", [expect("/spec/a", "it's")], revision="17", summary="", subresource="status"
    )
    words = shlex.split(call.command)
    assert words[:4] == ["kubectl", "patch", "rollouts.argoproj.io", "churn"]
    assert {"--subresource=status", "--field-manager=shiftdeck", "--type=json"} <= set(words)
    assert json.loads(words[-1]) == call.body


def test_pointers_are_escaped() -> None:
    assert pointer("metadata", "annotations", "a/b~c", 0) == "/metadata/annotations/a~1b~0c/0"
    assert add("/x", 1)["op"] == "add"


# ── objects ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(json_of("metadata", "status", "spec", "conditions", "type", "labels", "managedFields"))
def test_whatever_a_server_sends_is_looked_into_without_harm(thing: object) -> None:
    assert isinstance(objects.text(thing, "metadata", "name"), str)
    assert isinstance(objects.items(thing, "status", "conditions"), tuple)
    assert isinstance(objects.conditions(thing), dict)
    assert isinstance(objects.labels_of(thing), dict)
    assert isinstance(objects.owner_references(thing), tuple)
    objects.number(thing, "spec"), objects.whole(thing, "spec"), objects.created_of(thing)
    if isinstance(thing, dict):
        gitops_owner(thing)
        trim(thing)


def test_numbers() -> None:
    assert objects.whole({"observedGeneration": "12"}, "observedGeneration") == 12
    assert objects.whole({"a": True}, "a") is None
    assert objects.number({"a": float("nan")}, "a") is None
    assert objects.number({"a": 0}, "a") == 0.0
    assert objects.number({"a": 10**400}, "a") is objects.whole({"a": 10**400}, "a") is None


def test_times() -> None:
    assert objects.seconds_of("2026-11-20T10:00:00Z") == 1795168800.0
    assert objects.seconds_of("yesterday") is None
    assert objects.seconds_of("2026-11-20T10:00:00") is None


# ── who owns it ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:ml/x"}}, "Argo CD application shop"),
        (
            {"labels": {"app.kubernetes.io/instance": "shop"}, "managedFields": [{"manager": "argocd-controller"}]},
            "Argo CD application shop",
        ),
        ({"labels": {"app.kubernetes.io/instance": "shop"}, "managedFields": [{"manager": "helm"}]}, ""),
        (
            {
                "labels": {
                    "kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                }
            },
            "Flux Kustomization flux-system/apps",
        ),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "churn"}}, "Flux HelmRelease churn"),
        ({}, ""),
    ],
)
def test_who_would_revert_a_change(metadata: dict[str, Any], owner: str) -> None:
    assert gitops_owner({"metadata": metadata}) == owner
    assert trim({"metadata": dict(metadata)}).get(OWNER, "") == owner


def test_what_nobody_reads_is_dropped() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{…}", "mine": "kept"}
    trimmed = trim({"metadata": {"name": "x", "managedFields": [{}], "annotations": annotations}})
    assert trimmed == {"metadata": {"name": "x", "annotations": {"mine": "kept"}}}


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def said(status: int, message: str = "", method: str = "PATCH", **more: Any) -> BackendError:
    body = json.dumps({"kind": "Status", "message": message, **more}).encode()
    return failure(method, PATH, status, {}, body, "api:6443")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (said(401), Unauthenticated, "does not accept the credentials"),
        (
            said(403, 'rollouts "churn" is forbidden: User "v" cannot patch resource "rollouts/status" in API group'),
            Forbidden,
            "forbidden: patch on rollouts.argoproj.io/status in ml",
        ),
        (said(403, 'admission webhook "guard" denied the request: frozen'), Rejected, "frozen"),
        (said(403, "exceeded quota: gpus"), Rejected, "exceeded quota"),
        (said(404, "not found"), Missing, "not found"),
        (said(409, "the object has been modified"), Conflict, "has been modified"),
        (said(410, "too old resource version", "GET"), Gone, "too old"),
        (said(422, "spec.weight: Invalid value"), Rejected, "Invalid value"),
        (said(422, TEST_FAILED), Conflict, "changed since it was read"),
        (said(500, "etcdserver: leader changed"), TimedOut, "leader changed"),
        (said(500, "etcdserver: leader changed", "GET"), Unreachable, "leader changed"),
        (said(500, 'failed calling webhook "x": no endpoints'), Unreachable, "failed calling webhook"),
        (said(503, "the server is currently unable"), Unreachable, "unable"),
        (said(504, "request timeout"), TimedOut, "request timeout"),
        (said(302), Malformed, "HTTP 302"),
    ],
)
def test_what_an_answer_stands_for(error: BackendError, kind: type, words: str) -> None:
    assert type(error) is kind
    assert words in error.message
    if isinstance(error, TimedOut):
        assert error.maybe_applied


def test_a_server_that_asks_to_be_left_alone_says_for_how_long() -> None:
    error = failure("GET", PATH, 429, {"Retry-After": "7"}, b"", "api")
    assert isinstance(error, RateLimited)
    assert error.retry_after == 7.0
    error = said(429, "too many", details={"retryAfterSeconds": 3})
    assert isinstance(error, RateLimited)
    assert error.retry_after == 3.0
    for told in ("²", "9" * 5000, "soon"):
        error = failure("GET", PATH, 429, {"Retry-After": told}, b"", "api")
        assert isinstance(error, RateLimited)
        assert error.retry_after is None


@given(st.integers(300, 599), st.binary(max_size=40))
def test_any_answer_stands_for_something(status: int, body: bytes) -> None:
    assert isinstance(failure("GET", PATH, status, {}, body, "api"), BackendError)


def test_an_event_names_the_object_and_fits() -> None:
    thing = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"namespace": "ml", "name": "x" * 250, "uid": "u", "resourceVersion": "3"},
    }
    event = event_of(thing, "y" * 5000, datetime(2026, 11, 20, tzinfo=UTC))
    assert event["involvedObject"]["kind"] == "Rollout"
    assert event["involvedObject"]["uid"] == "u"
    assert len(event["metadata"]["generateName"]) < 253
    assert len(event["message"]) <= 1000
