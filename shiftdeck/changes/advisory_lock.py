"""An advisory lock: tells other operators who is at work on an endpoint, if the endpoint's system can hold such a note.

It never prevents a change. If the note cannot be read, the check is unknown. If it cannot be written, no error shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from backends.contracts import Courteous, EndpointRef, Serving
from backends.errors import BackendError, Unsupported
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.plan import Plan
from shiftdeck.common.durations import age

NAME = "other operators"


def with_advisory_check(plan: Plan, serving: Serving, now: float) -> Plan:
    """The plan with a check of whether another operator is at work. The plan is returned unchanged if it can never be
    sent, or if the system has no advisory locks."""
    if plan.unable or not isinstance(serving, Courteous):
        return plan
    try:
        held = serving.at_work(plan.ref)
    except Unsupported:
        return plan
    except BackendError as error:
        return _with(plan, Check(NAME, CheckVerdict.UNKNOWN, error.message))
    if held is None:
        return _with(plan, Check(NAME, CheckVerdict.PASS, "none at work; they are told while this is applied"))
    who, _, _ = held.by.partition("/")
    since = f" since {age(max(0.0, now - held.since))}" if held.since is not None else ""
    return _with(plan, Check(NAME, CheckVerdict.WARN, f"{who} is at work{since}: ask before you go on"))


def _with(plan: Plan, check: Check) -> Plan:
    return replace(plan, checks=(*plan.checks, check))


@contextmanager
def at_work(serving: Serving, ref: EndpointRef, for_s: float) -> Iterator[None]:
    """Hold the advisory lock while the ``with`` block runs. It is not released when the block raises: the change may
    still be taking effect, and the lock expires after ``for_s`` seconds."""
    if not isinstance(serving, Courteous):
        yield
        return
    with suppress(Exception):  # a defect here must not prevent the change
        serving.begin_work(ref, for_s)
    yield
    with suppress(Exception):  # see above
        serving.end_work(ref)
