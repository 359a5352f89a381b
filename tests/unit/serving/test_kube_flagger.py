"""Flagger's Canary: what is read of its statuses, and what its gates allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from backends.contracts import (
    Abort,
    Action,
    Advance,
    Change,
    Diverged,
    Endpoint,
    ModelRef,
    Pause,
    Pending,
    Phase,
    Promote,
    Resume,
    Role,
    Rollback,
    Settled,
    Split,
)
from backends.errors import Rejected, Unsupported
from backends.platforms.kubernetes.kinds import DEPLOYMENT
from backends.serving.flagger import CANARY, Flagger
from tests.unit.kube_objects import Cluster, only

SYSTEM = Flagger()
CHECK = "http://flagger-loadtester.test/gate/check"
GATES = (
    {"name": "start", "type": "confirm-rollout", "url": CHECK},
    {"name": "more", "type": "confirm-traffic-increase", "url": CHECK},
    {"name": "gate", "type": "confirm-promotion", "url": CHECK},
    {"name": "back", "type": "rollback", "url": "http://flagger-loadtester.test/rollback/check"},
    {"name": "load", "type": "rollout", "url": "http://flagger-loadtester.test/"},
)
PROXY = "/api/v1/namespaces/test/services/flagger-loadtester:80/proxy"


def deployment(tag: str, replicas: int) -> dict[str, Any]:
    container = {"name": "model", "image": f"registry.example/podinfo:{tag}"}
    template = {"metadata": {"labels": {"app": "podinfo"}}, "spec": {"containers": [container]}}
    return {"spec": {"replicas": replicas, "template": template}, "status": {"readyReplicas": replicas}}


def read(
    phase: str = "Progressing",
    weight: int | None = 20,
    *,
    webhooks: tuple[Mapping[str, Any], ...] = GATES,
    spec: Mapping[str, Any] | None = None,
    **status: Any,
) -> Endpoint:
    given = {"phase": phase, "failedChecks": 1, "lastPromotedSpec": "6d5f", **status}
    if weight is not None:
        given["canaryWeight"] = weight
    whole = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "analysis": {"threshold": 5, "maxWeight": 50, "stepWeight": 10, "webhooks": list(webhooks)},
        **(spec or {}),
    }
    made = Cluster().add(CANARY, "podinfo", {"spec": whole, "status": given})
    made.add(DEPLOYMENT, "podinfo-primary", deployment("6.0.0", 3)).add(DEPLOYMENT, "podinfo", deployment("6.0.1", 1))
    return only(SYSTEM, made)


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_canary_under_analysis() -> None:
    endpoint = read()
    primary, canary = endpoint.variants
    assert (primary.name, primary.role, primary.observed, primary.ready) == ("primary", Role.STABLE, 80.0, 3)
    assert (canary.name, canary.role, canary.observed) == ("canary", Role.CANARY, 20.0)
    assert canary.model == ModelRef("podinfo", "6.0.1")
    assert [one.desired for one in endpoint.variants] == [None, None], "nobody asks for a weight: Flagger sets it"
    assert "1 of 5 failed checks" in endpoint.message


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("Initializing", Phase.PROGRESSING),
        ("Initialized", Phase.STEADY),
        ("Waiting", Phase.PAUSED),
        ("Progressing", Phase.PROGRESSING),
        ("WaitingPromotion", Phase.PAUSED),
        ("Promoting", Phase.PROGRESSING),
        ("Finalising", Phase.PROGRESSING),
        ("Succeeded", Phase.STEADY),
        ("Failed", Phase.FAILED),
        ("Terminating", Phase.PROGRESSING),
        ("SomethingNew", Phase.UNKNOWN),
    ],
)
def test_every_phase(phase: str, expected: Phase) -> None:
    assert read(phase).phase is expected


def test_weight_0_is_left_out_of_the_status() -> None:
    assert [one.observed for one in read("Succeeded", None).variants] == [100.0, 0.0]
    assert [one.role for one in read("Succeeded", None).variants] == [Role.STABLE, Role.IDLE]


def test_what_flagger_has_not_seen_has_no_shares() -> None:
    made = Cluster().add(CANARY, "new", {"spec": {"targetRef": {"kind": "Deployment", "name": "new"}}})
    endpoint = only(SYSTEM, made)
    assert [one.observed for one in endpoint.variants] == [None, None]
    assert "not seen by Flagger yet" in endpoint.message


def test_suspension_is_said_and_stops_every_gate() -> None:
    endpoint = read(spec={"suspend": True})
    assert "suspended" in endpoint.message
    assert None not in endpoint.actions.values()


# ── what can be done ────────────────────────────────────────────────────────────────────────────────────────────


def test_direct_changes_are_refused_with_the_reason() -> None:
    endpoint = read()
    for change in (Split({"primary": 50.0, "canary": 50.0}), Promote("canary"), Rollback("6d5f")):
        with pytest.raises(Rejected, match="Flagger"):
            SYSTEM.compile(endpoint, change)
    assert Action.MIRROR not in endpoint.actions


@pytest.mark.parametrize(
    ("phase", "change", "path", "summary"),
    [
        ("Waiting", Advance(), "/gate/open", "confirm-rollout gate: open"),
        ("Progressing", Resume(), "/gate/open", "confirm-traffic-increase gate: open"),
        ("Progressing", Pause(), "/gate/close", "confirm-traffic-increase gate: close"),
        ("WaitingPromotion", Advance(), "/gate/open", "confirm-promotion gate: open"),
        ("WaitingPromotion", Abort(), "/rollback/open", "rollback gate: open"),
        ("Progressing", Abort(), "/rollback/open", "rollback gate: open"),
    ],
)
def test_the_gates_of_the_load_tester(phase: str, change: Change, path: str, summary: str) -> None:
    (call,) = SYSTEM.compile(read(phase), change)
    assert (call.method, call.path) == ("POST", PROXY + path)
    assert call.body == {"name": "podinfo", "namespace": "prod"}
    assert call.summary == summary
    assert call.guard == "", "a gate has none, and says so"
    assert call.command.endswith(f"kubectl create --raw {PROXY}{path} -f -")


def test_permission_is_needed_where_the_load_tester_is() -> None:
    (need,) = SYSTEM.needs(read(), Action.ABORT)
    assert (need.verb, need.resource, need.namespace) == ("create", "services/proxy", "test")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://gates.ops:8080/gate/check", "/api/v1/namespaces/ops/services/gates:8080/proxy/gate/open"),
        ("http://gates.ops.svc/gate/check", "/api/v1/namespaces/ops/services/gates:80/proxy/gate/open"),
        ("http://gates.ops.svc.cluster.local/gate/check", "/api/v1/namespaces/ops/services/gates:80/proxy/gate/open"),
    ],
)
def test_how_a_load_tester_is_named(url: str, path: str) -> None:
    (call,) = SYSTEM.compile(read("Waiting", webhooks=({"type": "confirm-rollout", "url": url},)), Advance())
    assert call.path == path


@pytest.mark.parametrize(
    "url",
    [
        "https://approvals.example.com/gate/check",
        "http://approvals.example.com.au/gate/check",
        "http://gates.ops/approve",
        "http://gates/gate/check",
        "http://gates.ops:99999/gate/check",
        "",
    ],
)
def test_a_webhook_of_somebody_else_is_left_alone(url: str) -> None:
    endpoint = read("Waiting", webhooks=({"type": "confirm-rollout", "url": url},))
    assert "no load tester's gate" in (endpoint.actions[Action.ADVANCE] or "")


def test_without_gates_nothing_can_be_done_and_why_is_said() -> None:
    endpoint = read(webhooks=())
    assert "no confirm-traffic-increase webhook" in (endpoint.actions[Action.PAUSE] or "")
    assert "no rollback webhook" in (endpoint.actions[Action.ABORT] or "")
    assert None not in endpoint.actions.values()
    idle = read("Succeeded", None)
    assert "nothing is being rolled out: Succeeded" in (idle.actions[Action.ABORT] or "")


def test_skipping_all_is_not_among_what_it_can() -> None:
    with pytest.raises(Unsupported):
        SYSTEM.compile(read("Waiting"), Advance(full=True))


def test_a_gate_that_stays_open_is_said_beforehand() -> None:
    assert "stays open" in SYSTEM.forecast(read("Waiting"), Advance()).cautions[0]
    told = SYSTEM.forecast(read(), Abort())
    assert told.weights == {"primary": 100.0, "canary": 0.0}
    assert f"POST {PROXY}/rollback/close" in told.cautions[0]
    assert SYSTEM.forecast(read("Waiting"), Advance()).weights is None


# ── how far it is ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "change", "now", "expected"),
    [
        (("Waiting", 0), Advance(), ("Waiting", 0), Pending),
        (("Waiting", 0), Advance(), ("Progressing", 0), Settled),
        (("WaitingPromotion", 50), Advance(), ("Promoting", 50), Settled),
        (("Progressing", 20), Resume(), ("Progressing", 30), Settled),
        (("Progressing", 20), Resume(), ("Failed", 0), Diverged),
        (("Progressing", 20), Abort(), ("Progressing", 20), Pending),
        (("Progressing", 20), Abort(), ("Failed", 0), Settled),
        (("Progressing", 20), Abort(), ("Succeeded", 0), Diverged),
        (("Progressing", 20), Pause(), ("Progressing", 20), Settled),
        (("Progressing", 20), Pause(), ("Failed", 0), Diverged),
    ],
)
def test_progress(before: tuple[str, int], change: Change, now: tuple[str, int], expected: type) -> None:
    assert type(SYSTEM.progress(read(*before), read(*now), change)) is expected
