"""A serving system that can try a call is asked before the operator is."""

from __future__ import annotations

import pytest

from backends.contracts import Call, EndpointRef, Rollback, Split
from backends.errors import BackendError, Conflict, Forbidden, Rejected, TimedOut, Unsupported
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.dry_run import with_dry_run_check
from shiftdeck.changes.plan import Friction, Plan, Step
from tests.fake_adapters import FakeServing
from tests.unit.builders import NOW, canary, endpoint, stable


class Trial:
    """Only what previewing asks of an adapter."""

    def __init__(self, *answers: str | BackendError) -> None:
        self.answers = list(answers)

    def preview(self, call: Call) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, BackendError):
            raise answer
        return answer


def plan(calls: int = 1, *, friction: Friction = Friction.CHOOSE, checks: tuple[Check, ...] = ()) -> Plan:
    steps = tuple(Step("kserve", "serving", Call("PATCH", f"/{number}", {})) for number in range(calls))
    alias = Step("mlflow", "registries", Call("POST", "/alias", {}))
    one = endpoint(stable(), canary())
    change = Split({"v7": 75.0, "v8": 25.0}) if friction is not Friction.ENTER else Rollback("1")
    return Plan(
        id="p",
        context="lab",
        production=True,
        ref=EndpointRef("kserve", "prod", "churn"),
        change=change,
        before=one,
        rows=(),
        steps=(*steps, alias),
        checks=checks,
        friction=friction,
        created=NOW,
        way_back="",
    )


def check_of(one: Plan, trial: Trial) -> Check:
    (check,) = with_dry_run_check(one, trial).checks  # type: ignore[arg-type]  # it is asked for nothing but previews
    return check


def test_what_the_server_says_is_a_check() -> None:
    assert check_of(plan(), Trial("dry run accepted")) == Check("server accepts", CheckVerdict.PASS, "dry run accepted")


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Rejected("admission webhook said no"), CheckVerdict.BLOCK),
        (Conflict("the object has been modified"), CheckVerdict.BLOCK),
        (Forbidden("forbidden: patch on isvc"), CheckVerdict.BLOCK),
        (TimedOut("no answer"), CheckVerdict.UNKNOWN),
        (Unsupported("webhook does not support dry run"), CheckVerdict.UNKNOWN),
    ],
)
def test_a_refusal_blocks_and_silence_is_not_known(error: BackendError, verdict: CheckVerdict) -> None:
    check = check_of(plan(), Trial(error))
    assert check.verdict is verdict
    assert error.message in check.evidence


def test_a_later_call_may_only_fit_after_the_ones_before_it() -> None:
    check = check_of(plan(2), Trial("dry run accepted", Rejected("weights add up to 110")))
    assert check.verdict is CheckVerdict.UNKNOWN
    assert "call 2 of 2" in check.evidence
    assert check_of(plan(2), Trial("ok", Forbidden("forbidden: patch"))).verdict is CheckVerdict.BLOCK


def test_enter_alone_does_not_confirm_what_the_server_would_refuse() -> None:
    refused = with_dry_run_check(plan(friction=Friction.ENTER), Trial(Rejected("no")))  # type: ignore[arg-type]
    assert refused.friction is Friction.CHOOSE
    accepted = with_dry_run_check(plan(friction=Friction.ENTER), Trial("ok"))  # type: ignore[arg-type]
    assert accepted.friction is Friction.ENTER


def test_nothing_is_tried_where_nothing_can_be_sent() -> None:
    read_only = plan(checks=(Check("read-write", CheckVerdict.BLOCK, "read-only"),))
    assert with_dry_run_check(read_only, Trial()) is read_only  # type: ignore[arg-type]
    empty = plan(0)
    assert with_dry_run_check(empty, Trial()) is empty  # type: ignore[arg-type]


def test_a_system_that_cannot_try_calls_adds_no_check() -> None:
    one = plan()
    assert with_dry_run_check(one, FakeServing.__new__(FakeServing)) is one
