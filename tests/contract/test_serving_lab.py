"""The lab's adapter against the real lab, and through a proxy that fails as networks and servers fail."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from backends.contracts import (
    Adapter,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    Mirror,
    Pending,
    Phase,
    ProbeKind,
    Promote,
    Rehearsal,
    Role,
    Rollback,
    Settled,
    Split,
    Wiring,
)
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
    nothing_applied,
)
from backends.serving.lab import LabOptions, LabServing
from backends.settings import Secret
from tests.faults import Fault, FaultProxy
from tests.lab import RunningLab, fresh_lab
from tests.waiting import wait_until

SENTIMENT = EndpointRef("lab", "prod", "sentiment")
PRICING = EndpointRef("lab", "prod", "pricing")
FRAUD = EndpointRef("lab", "prod", "fraud")
SETTLE_S = 20.0


def no_source(kind: str, name: str) -> Adapter:
    raise AssertionError(f"the lab's adapter needs no other source, not {kind}.{name}")


@contextmanager
def adapter_of(url: str, timeout_s: float = 5.0, token: Secret | None = None) -> Iterator[LabServing]:
    one = LabServing(Wiring("lab", LabOptions(timeout_s, url=url, token=token), no_source, time.time))
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def serving(lab: RunningLab) -> Iterator[LabServing]:
    with adapter_of(lab.gateway) as one:
        yield one


@pytest.fixture
def proxied(lab: RunningLab) -> Iterator[tuple[LabServing, FaultProxy]]:
    """The adapter with half a second of patience, and the proxy between it and the lab."""
    with FaultProxy(lab.gateway, slow_s=2.0) as proxy, adapter_of(proxy.url, 0.5) as one:
        yield one, proxy


@pytest.fixture
def restored(serving: LabServing) -> Iterator[Callable[[EndpointRef], Endpoint]]:
    """Reads endpoints that the test then changes: their split, stable variant and mirror are put back."""
    before: dict[EndpointRef, Endpoint] = {}

    def read(ref: EndpointRef) -> Endpoint:
        before[ref] = serving.read(ref)
        return before[ref]

    yield read
    for ref, endpoint in before.items():
        stable = endpoint.in_role(Role.STABLE)
        assert stable is not None
        body = {
            "weights": {variant.name: variant.desired for variant in endpoint.variants},
            "mirror": {variant.name: variant.mirror for variant in endpoint.variants},
            "stable": stable.name,
        }
        serving.send(Call("PUT", f"/v1/endpoints/{ref.scope}/{ref.name}/traffic", body, {"If-Match": "*"}))
        _steady(serving, ref)


def _steady(serving: LabServing, ref: EndpointRef) -> Endpoint:
    def steady() -> Endpoint | None:
        endpoint = serving.read(ref)
        return endpoint if endpoint.phase is Phase.STEADY else None

    return wait_until(steady, SETTLE_S, f"{ref} to be steady")


def _carry_out(serving: LabServing, before: Endpoint, change: Change) -> tuple[list[str], Endpoint]:
    """Compile and send; what progress said until it settled or diverged, and the endpoint then."""
    (call,) = serving.compile(before, change)
    assert serving.send(call).revision != before.revision
    said: list[str] = []

    def over() -> Endpoint | None:
        now = serving.read(before.ref)
        progress = serving.progress(before, now, change)
        said.append(type(progress).__name__)
        return None if isinstance(progress, Pending) else now

    return said, wait_until(over, SETTLE_S, f"{change} to settle; it was {said[-1:]}")


def _weights(endpoint: Endpoint) -> dict[str, float | None]:
    return {variant.name: variant.observed for variant in endpoint.variants}


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_lists_what_the_lab_serves(serving: LabServing) -> None:
    for endpoint in serving.endpoints():
        _steady(serving, endpoint.ref)  # the test before may have left replicas that start
    endpoints = {endpoint.ref.name: endpoint for endpoint in serving.endpoints()}
    assert list(endpoints) == ["sentiment", "fraud", "ranker", "churn", "pricing", "eta"]
    roles = {name: [variant.role.value for variant in one.variants] for name, one in endpoints.items()}
    assert roles["sentiment"] == ["stable", "canary"]
    assert roles["fraud"] == ["stable", "shadow"]
    assert roles["ranker"] == ["stable", "candidate", "candidate"]
    assert roles["churn"] == ["stable"]
    assert all(
        variant.ready and variant.ready == variant.wanted for one in endpoints.values() for variant in one.variants
    )


def test_one_endpoint_is_read_as_it_is_listed(serving: LabServing) -> None:
    listed = next(endpoint for endpoint in serving.endpoints() if endpoint.ref == PRICING)
    assert serving.read(PRICING) == listed


def test_there_is_no_endpoint_of_another_name(serving: LabServing) -> None:
    with pytest.raises(Rejected, match="there is no endpoint prod/no such%one"):
        serving.read(EndpointRef("lab", "prod", "no such%one"))


def test_the_doctor_finds_that_it_may_read_and_write_and_changes_nothing(serving: LabServing) -> None:
    before = serving.endpoints()
    probes = serving.probe()
    assert [(probe.kind, probe.ok) for probe in probes] == [
        (ProbeKind.REACH, True),
        (ProbeKind.READ, True),
        (ProbeKind.WRITE, True),
    ]
    assert probes[0].latency_s is not None
    assert serving.endpoints() == before


# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_shift_is_pending_and_then_settled(serving: LabServing, restored: Callable[[EndpointRef], Endpoint]) -> None:
    said, now = _carry_out(serving, restored(PRICING), Split({"v21": 60.0, "v22": 40.0}))
    assert said[0] == "Pending"
    assert said[-1] == "Settled"
    assert _weights(now) == {"v21": 60.0, "v22": 40.0}
    assert now.releases[0].current
    assert now.releases[0].note == "shift"


def test_a_promotion_changes_roles_and_a_rollback_changes_them_back(
    serving: LabServing, restored: Callable[[EndpointRef], Endpoint]
) -> None:
    before = restored(PRICING)
    good = next(release for release in before.releases if release.good)
    said, promoted = _carry_out(serving, before, Promote("v22"))
    assert said[-1] == "Settled"
    assert {variant.name: variant.role for variant in promoted.variants} == {"v21": Role.IDLE, "v22": Role.STABLE}
    assert promoted.releases[0].note == "promote v22"
    said, back = _carry_out(serving, promoted, Rollback(good.id))
    assert said[-1] == "Settled"
    assert _weights(back) == {"v21": 100.0, "v22": 0.0}
    assert {variant.name: variant.role for variant in back.variants} == {"v21": Role.STABLE, "v22": Role.IDLE}
    assert back.releases[1].good is False


def test_the_command_in_a_plan_does_the_same(serving: LabServing, restored: Callable[[EndpointRef], Endpoint]) -> None:
    before = restored(SENTIMENT)
    (call,) = serving.compile(before, Split({"v7": 84.0, "v8": 16.0}))
    done = subprocess.run(
        ["bash", "-c", f"{call.command} --fail"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{call.command}\n{done.stderr}"
    assert {v.name: v.desired for v in serving.read(SENTIMENT).variants} == {"v7": 84.0, "v8": 16.0}
    with pytest.raises(Conflict):
        serving.send(call)


def test_mirroring_is_changed_and_stopped(serving: LabServing, restored: Callable[[EndpointRef], Endpoint]) -> None:
    said, now = _carry_out(serving, restored(FRAUD), Mirror("v13", 50.0))
    assert said[-1] == "Settled"
    said, now = _carry_out(serving, now, Mirror("v13", 0.0))
    assert said[-1] == "Settled"
    shadow = now.variant("v13")
    assert shadow is not None
    assert (shadow.role, shadow.mirror) == (Role.IDLE, 0.0)


def test_a_lost_update_is_a_conflict_and_overwrites_nothing(
    serving: LabServing, restored: Callable[[EndpointRef], Endpoint]
) -> None:
    before = restored(PRICING)
    (faster,) = serving.compile(before, Split({"v21": 80.0, "v22": 20.0}))
    (slower,) = serving.compile(before, Split({"v21": 0.0, "v22": 100.0}))
    serving.send(faster)
    with pytest.raises(Conflict, match="last changed by"):
        serving.send(slower)
    now = _steady(serving, PRICING)
    assert _weights(now) == {"v21": 80.0, "v22": 20.0}
    assert isinstance(serving.progress(before, now, Split({"v21": 0.0, "v22": 100.0})), Diverged)
    assert isinstance(serving.progress(before, now, Split({"v21": 80.0, "v22": 20.0})), Settled)


def test_what_the_gateway_refuses_is_rejected_with_its_reason(serving: LabServing) -> None:
    (call,) = serving.compile(serving.read(PRICING), Split({"v21": 60.0, "v22": 40.0}))
    assert isinstance(call.body, Mapping)
    wrong = Call(call.method, call.path, {"weights": {"v21": 60.0, "v22": 60.0}}, call.headers)
    with pytest.raises(Rejected, match="the weights sum to 120, not to 100"):
        serving.send(wrong)


def test_the_rival_is_met_as_a_conflict_and_a_new_plan_goes_through(
    serving: LabServing, restored: Callable[[EndpointRef], Endpoint]
) -> None:
    before = restored(SENTIMENT)
    change = Split({"v7": 100.0, "v8": 0.0})
    serving.set_drill("rival-operator", True)
    try:
        (call,) = serving.compile(before, change)
        with pytest.raises(Conflict, match="ana"):
            serving.send(call)
        now = serving.read(SENTIMENT)
        assert now.releases[0].by == "ana"
        said, _ = _carry_out(serving, now, change)
        assert said[-1] == "Settled"
    finally:
        serving.set_drill("rival-operator", False)


# ── drills ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_drills_are_played_through_the_adapter(serving: LabServing) -> None:
    assert isinstance(serving, Rehearsal)
    serving.set_drill("metrics-down", True)
    try:
        drills = {drill.name: drill for drill in serving.drills()}
        assert drills["metrics-down"].running
        assert drills["metrics-down"].since is not None
        assert abs(drills["metrics-down"].since - time.time()) < 5
        assert len(drills) == 9
        assert all(drill.summary for drill in drills.values())
    finally:
        serving.set_drill("metrics-down", False)
    assert not any(drill.running for drill in serving.drills())
    with pytest.raises(Rejected, match="no drill 'nope'"):
        serving.set_drill("nope", True)


# ── failures ────────────────────────────────────────────────────────────────────────────────────────────────────

KINDS = [
    (Fault.GONE, Unreachable),
    (Fault.HANG, TimedOut),
    (Fault.SLOW, TimedOut),
    (Fault.GARBAGE, Malformed),
    (Fault.NOISE, Malformed),
    (Fault.TRUNCATED, Unreachable),
]


@pytest.mark.parametrize(("fault", "kind"), KINDS)
def test_a_read_that_fails_says_how_and_the_next_one_works(
    proxied: tuple[LabServing, FaultProxy], fault: Fault, kind: type[BackendError]
) -> None:
    serving, proxy = proxied
    serving.endpoints()
    proxy.set(fault)
    began = time.monotonic()
    with pytest.raises(kind) as failed:
        serving.endpoints()
    assert time.monotonic() - began < 1.5, "every call has a deadline"
    assert not failed.value.maybe_applied, "a read applies nothing"
    assert serving.probe()[0].ok is False
    proxy.set(Fault.PASS)
    assert len(serving.endpoints()) == 6


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected), (401, Unauthenticated), (403, Forbidden), (404, Rejected), (409, Conflict), (412, Conflict),
        (422, Rejected), (429, RateLimited), (500, Unreachable), (502, Unreachable), (503, Unreachable),
        (302, Malformed),
    ],
)  # fmt: skip
def test_every_status_has_its_kind(
    proxied: tuple[LabServing, FaultProxy], status: int, kind: type[BackendError]
) -> None:
    serving, proxy = proxied
    proxy.set(Fault.STATUS, status=status)
    with pytest.raises(kind, match=str(status)):
        serving.endpoints()


def test_a_limit_says_when_to_come_back(proxied: tuple[LabServing, FaultProxy]) -> None:
    serving, proxy = proxied
    proxy.set(Fault.STATUS, status=429, headers={"Retry-After": "17"})
    with pytest.raises(RateLimited) as limited:
        serving.endpoints()
    assert limited.value.retry_after == 17


@pytest.mark.parametrize(
    ("fault", "applied"), [(Fault.LOST_ANSWER, True), (Fault.HANG, False)], ids=["answer lost", "request lost"]
)
def test_a_write_without_an_answer_may_have_been_applied_and_reading_back_tells(
    proxied: tuple[LabServing, FaultProxy],
    restored: Callable[[EndpointRef], Endpoint],
    fault: Fault,
    applied: bool,
) -> None:
    serving, proxy = proxied
    before = restored(PRICING)
    change = Split({"v21": 70.0, "v22": 30.0})
    (call,) = serving.compile(before, change)
    proxy.set(fault)
    with pytest.raises(TimedOut) as lost:
        serving.send(call)
    assert lost.value.maybe_applied
    proxy.set(Fault.PASS)
    now = _steady(serving, PRICING)
    assert (now.revision != before.revision) is applied
    assert isinstance(serving.progress(before, now, change), Settled if applied else Pending)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (408, TimedOut),
        (409, Conflict),
        (412, Conflict),
        (425, Rejected),
        (429, RateLimited),
        (500, TimedOut),
        (502, TimedOut),
        (503, Unreachable),
        (504, TimedOut),
    ],
)
def test_a_write_that_a_proxy_passed_on_and_says_has_failed_shows_when_it_is_read_back(
    lab: RunningLab,
    serving: LabServing,
    restored: Callable[[EndpointRef], Endpoint],
    status: int,
    kind: type[BackendError],
) -> None:
    change = Split({"v21": 70.0, "v22": 30.0})
    (call,) = serving.compile(restored(PRICING), change)
    serving.send(call)
    with FaultProxy(lab.gateway) as proxy, adapter_of(proxy.url) as through:
        proxy.set(Fault.STATUS, status=status)
        with pytest.raises(kind) as failed:
            through.send(call)
        assert not nothing_applied(failed.value)
        proxy.set(Fault.PASS)
        assert {one.name: one.desired for one in through.read(PRICING).variants} == dict(change.weights)


def test_a_write_to_nobody_was_not_applied(proxied: tuple[LabServing, FaultProxy]) -> None:
    serving, proxy = proxied
    (call,) = serving.compile(serving.read(PRICING), Split({"v21": 70.0, "v22": 30.0}))
    proxy.set(Fault.GONE)
    with pytest.raises(Unreachable, match="connection refused") as refused:
        serving.send(call)
    assert nothing_applied(refused.value)


def test_a_fence_makes_the_lost_call_fail_and_moves_nothing(
    serving: LabServing, restored: Callable[[EndpointRef], Endpoint]
) -> None:
    before = restored(PRICING)
    change = Split({"v21": 70.0, "v22": 30.0})
    (lost,) = serving.compile(before, change)
    fence = serving.fence(serving.read(PRICING), lost)
    assert fence is not None
    serving.send(fence)
    with pytest.raises(Conflict):
        serving.send(lost)
    now = serving.read(PRICING)
    assert [(one.name, one.role, one.desired, one.mirror) for one in now.variants] == [
        (one.name, one.role, one.desired, one.mirror) for one in before.variants
    ]
    assert now.releases == before.releases, "a fence is no release"
    assert now.revision != before.revision
    serving.send(*serving.compile(now, change))


def test_a_token_is_sent_and_never_told(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", "tok-5ecret")
    with _Bouncer() as bouncer, adapter_of(bouncer.url, 2.0, Secret(env="LAB_TOKEN")) as serving:
        with pytest.raises(Unauthenticated) as refused:
            serving.endpoints()
        assert bouncer.seen == ["Bearer tok-5ecret"]
        assert "5ecret" not in f"{refused.value} {refused.value.hint}"
        monkeypatch.setenv("LAB_TOKEN", "tok-n3w")
        with pytest.raises(Unauthenticated):
            serving.endpoints()
        assert bouncer.seen[-1] == "Bearer tok-n3w", "after a 401 the credential is read anew"
        monkeypatch.setenv("LAB_TOKEN", "tok\nInjected: yes")
        serving.probe()
        with pytest.raises(Unauthenticated, match="cannot be a token"):
            serving.endpoints()


class _Bouncer:
    """A server that refuses everybody and remembers the credentials."""

    def __init__(self) -> None:
        seen: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(self.headers.get("Authorization", ""))
                self.send_response(401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Quiet."""

        self.seen = seen
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> _Bouncer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_several_threads_share_one_adapter(serving: LabServing) -> None:
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(10):
                assert serving.read(PRICING).ref == PRICING
                assert len(serving.endpoints()) == 6
        except BaseException as error:  # noqa: BLE001 — brought back to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_a_lab_that_was_killed_is_unreachable() -> None:
    with fresh_lab() as running, adapter_of(running.gateway, 2.0) as serving:
        assert len(serving.endpoints()) == 6
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(5)
        with pytest.raises(Unreachable):
            serving.endpoints()
        reach = serving.probe()[0]
        assert reach.ok is False
        assert "shiftdeck demo" in reach.hint
