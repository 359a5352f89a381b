"""Telling other operators that somebody is at work on an endpoint, where its system can. It never keeps anybody from
anything: who cannot be asked is unknown, and what cannot be told is left unsaid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from backends.contracts import Courteous, EndpointRef, Serving
from backends.errors import BackendError, Unsupported
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.plan import Plan
from shiftdeck.common.durations import age

NAME = "nobody else at work"


def courteous(plan: Plan, serving: Serving, now: float) -> Plan:
    """The plan with a check of who else is at work; as it was where nothing can be sent, or the system cannot tell."""
    if plan.unable or not isinstance(serving, Courteous):
        return plan
    try:
        held = serving.at_work(plan.ref)
    except Unsupported:
        return plan
    except BackendError as error:
        return _with(plan, Check(NAME, CheckVerdict.UNKNOWN, error.message))
    if held is None:
        return _with(plan, Check(NAME, CheckVerdict.PASS, "told to others while this is applied"))
    who, _, _ = held.by.partition("/")
    since = f" since {age(max(0.0, now - held.since))}" if held.since is not None else ""
    return _with(plan, Check(NAME, CheckVerdict.WARN, f"{who} is{since}: ask before you go on"))


def _with(plan: Plan, check: Check) -> Plan:
    return replace(plan, checks=(*plan.checks, check))


@contextmanager
def at_work(serving: Serving, ref: EndpointRef, for_s: float) -> Iterator[None]:
    """Say so for as long as this takes. Left by an exception nothing is taken back: what was begun may go on by itself,
    and what was said ends after ``for_s`` seconds."""
    if not isinstance(serving, Courteous):
        yield
        return
    with suppress(Exception):  # not even a defect here may keep a change from being made
        serving.begin_work(ref, for_s)
    yield
    with suppress(Exception):  # see above
        serving.end_work(ref)
