"""Telling others that one is at work: seen in the plan, and never in the way of a change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import EndpointRef, Held
from backends.errors import BackendError, Forbidden, Unreachable, Unsupported
from backends.platforms.kubernetes.leases import held_by, lease_name, lease_of
from shiftdeck.changes.advisory_lock import NAME, at_work, with_advisory_check
from shiftdeck.changes.check import Check, CheckVerdict
from tests.fake_adapters import FakeServing
from tests.foreign import json_of
from tests.unit.builders import NOW
from tests.unit.changes.test_dry_run import plan

REF = EndpointRef("kserve", "prod", "churn")


class Colleague:
    """Only what a courtesy asks of an adapter."""

    def __init__(self, held: Held | BackendError | None = None, fails: Exception | None = None) -> None:
        self.held = held
        self.fails = fails
        self.asked: list[str] = []

    def at_work(self, ref: EndpointRef) -> Held | None:
        if isinstance(self.held, BackendError):
            raise self.held
        return self.held

    def begin_work(self, ref: EndpointRef, for_s: float) -> Held | None:
        self.asked.append(f"begin {for_s:g}")
        if self.fails is not None:
            raise self.fails
        return None

    def end_work(self, ref: EndpointRef) -> None:
        self.asked.append("end")
        if self.fails is not None:
            raise self.fails


@pytest.mark.parametrize(
    ("held", "verdict", "evidence"),
    [
        (None, CheckVerdict.PASS, "none at work; they are told while this is applied"),
        (Held("ana@bastion/17", NOW - 130), CheckVerdict.WARN, "ana@bastion is at work since 2m: ask before you go on"),
        (Held("ana"), CheckVerdict.WARN, "ana is at work: ask before you go on"),
        (Forbidden("forbidden: get on leases"), CheckVerdict.UNKNOWN, "forbidden: get on leases"),
        (Unreachable("no connection"), CheckVerdict.UNKNOWN, "no connection"),
    ],
)
def test_who_else_is_at_work_is_a_check(held: Held | BackendError | None, verdict: CheckVerdict, evidence: str) -> None:
    one = with_advisory_check(plan(), Colleague(held), NOW)  # type: ignore[arg-type]  # it is asked for nothing else
    assert one.checks == (Check(NAME, verdict, evidence),)
    assert not one.blocked


def test_what_cannot_tell_adds_no_check() -> None:
    one = plan()
    assert with_advisory_check(one, Colleague(Unsupported("off")), NOW) is one  # type: ignore[arg-type]
    assert with_advisory_check(one, FakeServing.__new__(FakeServing), NOW) is one
    read_only = plan(checks=(Check("read-write", CheckVerdict.BLOCK, "read-only"),))
    assert with_advisory_check(read_only, Colleague(), NOW) is read_only  # type: ignore[arg-type]


@pytest.mark.parametrize("fails", [None, Forbidden("no"), ZeroDivisionError("a defect")])
def test_it_is_said_before_and_taken_back_after_whatever_comes_of_saying_so(fails: Exception | None) -> None:
    colleague = Colleague(fails=fails)
    with at_work(colleague, REF, 60.0):  # type: ignore[arg-type]
        colleague.asked.append("work")
    assert colleague.asked == ["begin 60", "work", "end"]


def test_work_that_goes_on_without_us_is_not_taken_back() -> None:
    colleague = Colleague()
    with pytest.raises(KeyboardInterrupt), at_work(colleague, REF, 60.0):  # type: ignore[arg-type]
        raise KeyboardInterrupt
    assert colleague.asked == ["begin 60"]


JSON = json_of("holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", "leaseTransitions", most=10)


@given(st.fixed_dictionaries({}, optional={"metadata": JSON, "spec": JSON}))
def test_whatever_a_lease_holds_it_can_be_read_and_taken(lease: dict[str, object]) -> None:
    held_by(lease, NOW)
    taken = lease_of(lease, "prod", "churn", "ana@bastion/17", 60.0, NOW)
    held = held_by(taken, NOW + 59)
    assert held is not None
    assert held.by == "ana@bastion/17"
    assert held_by(taken, NOW + 61) is None


def test_two_systems_endpoints_of_one_name_are_two() -> None:
    assert lease_name("kserve", "churn") != lease_name("gateway", "churn")
    assert len(lease_name("kserve", "x" * 300)) == 253
