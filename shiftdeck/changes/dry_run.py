"""A dry run of a plan's calls, before the operator confirms it, on systems that offer one."""

from __future__ import annotations

from dataclasses import replace

from backends.contracts import Previews, Serving
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
    Unsupported,
)
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.plan import Friction, Plan

NAME = "server accepts"

_NO_ANSWER = (Unreachable, TimedOut, RateLimited, Malformed, Unsupported)
_MAY_DEPEND = (Rejected, Conflict)


def with_dry_run_check(plan: Plan, serving: Serving) -> Plan:
    """The plan with a check from a dry run of each call. The plan is returned unchanged if there is nothing to send, or
    if the system has no dry run. A refused dry run also ends the confirmation by Enter alone."""
    if plan.unable or not isinstance(serving, Previews):
        return plan
    check = _check(plan, serving)
    if check is None:
        return plan
    easy = plan.friction is Friction.ENTER and check.verdict is CheckVerdict.BLOCK
    return replace(plan, checks=(*plan.checks, check), friction=Friction.CHOOSE if easy else plan.friction)


def _check(plan: Plan, serving: Previews) -> Check | None:
    said = ""
    unknown = ""
    calls = [step.call for step in plan.steps if step.kind == "serving"]
    for number, call in enumerate(calls):
        try:
            said = serving.preview(call)
        except _NO_ANSWER as error:
            unknown = error.message
        except BackendError as error:
            # The dry run of a later call sees an endpoint that the earlier calls have not changed yet.
            if number > 0 and isinstance(error, _MAY_DEPEND):
                unknown = f"call {number + 1} of {len(calls)} cannot be tried before the others: {error}"
            else:
                return Check(NAME, CheckVerdict.BLOCK, _words(error))
    if not calls:
        return None
    return Check(NAME, CheckVerdict.UNKNOWN, unknown) if unknown else Check(NAME, CheckVerdict.PASS, said)


def _words(error: BackendError) -> str:
    asked = isinstance(error, Forbidden | Unauthenticated) and error.hint
    return f"{error} ({error.hint})" if asked else str(error)
