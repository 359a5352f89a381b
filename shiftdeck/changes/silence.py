"""Keeping alerts quiet for a while, and ending that: planned, journalled and read back like any change.

The journal has the intent before anything is sent, every call that was taken, and the outcome; where this process ends
in between, ``judge_silences`` tells from the system what became of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from backends.contracts import Alert, Call, Silence, Silences
from backends.errors import BackendError, Malformed, Rejected, TimedOut, Unsupported
from shiftdeck.changes.run import Outcome, OutcomeKind
from shiftdeck.common.durations import format_duration
from shiftdeck.journal.journal import Journal, JournalError

SILENCES = "silences"
"""The key of a journal entry's data that tells silences from changes to endpoints."""

TOLERANCE_S = 2.0
"""Systems round the times of a silence, and begin one that was to begin in the past now."""

EXPIRED = "expired"

Read = Callable[[str], tuple[Silence, ...]]
"""The silences that a source knows of."""


@dataclass(frozen=True, slots=True)
class SilenceStep:
    """One call to one source. ``wanted`` is the silence that it makes (without an id), ``expires`` the id of the one
    that it ends."""

    source: str
    call: Call
    wanted: Silence | None = None
    expires: str = ""


@dataclass(frozen=True, slots=True)
class SilencePlan:
    """``ref`` is the endpoint concerned, as text, or "". ``until`` is ``None`` where silences are ended."""

    id: str
    context: str
    ref: str
    change: str
    reason: str
    steps: tuple[SilenceStep, ...]
    created: float
    until: float | None = None


def plan_silences(
    alerts: Sequence[Alert],
    adapter: Callable[[str], object],
    *,
    context: str,
    ref: str,
    duration_s: float,
    reason: str,
    author: str,
    now: float,
) -> SilencePlan:
    """Keep exactly these alerts quiet for ``duration_s`` seconds. Pure, but for making adapters.

    Raises:
        Rejected: no alert, no reason, or no such duration.
        Unsupported: the source of an alert knows no silences.
    """
    if not alerts:
        raise Rejected("there is no such alert", hint="shiftdeck status shows those that fire")
    steps = []
    for alert in alerts:
        adapted = _silencing(adapter(alert.source), alert.source)
        call = adapted.compile_silence(alert, starts=now, duration_s=duration_s, author=author, comment=reason)
        wanted = Silence("", alert.labels, now, now + duration_s, author, reason)
        steps.append(SilenceStep(alert.source, call, wanted))
    names = ", ".join(dict.fromkeys(alert.name for alert in alerts))
    change = f"silence {names} for {format_duration(duration_s)}"
    return SilencePlan(uuid.uuid4().hex[:12], context, ref, change, reason, tuple(steps), now, now + duration_s)


def plan_expiry(
    silence: str, source: str, adapter: Callable[[str], object], *, context: str, ref: str, reason: str, now: float
) -> SilencePlan:
    """End a silence before its time.

    Raises:
        Unsupported: the source knows no silences.
    """
    call = _silencing(adapter(source), source).compile_expire(silence)
    step = SilenceStep(source, call, expires=silence)
    return SilencePlan(uuid.uuid4().hex[:12], context, ref, f"end silence {silence}", reason, (step,), now)


def _silencing(adapter: object, source: str) -> Silences:
    if not isinstance(adapter, Silences):
        raise Unsupported(f"{source} knows no silences", hint="they are made in an Alertmanager: add it as a source")
    return adapter


# ── carrying out ────────────────────────────────────────────────────────────────────────────────────────────────


def carry_out(
    plan: SilencePlan, adapter: Callable[[str], object], journal: Journal, *, refusal: str
) -> tuple[Outcome, int | None]:
    """Record, send, read back, record; returns the outcome and the journal's number of the intent. ``refusal`` says
    why nothing may be changed now, or "". Raises nothing: what goes wrong is in the outcome."""
    data = intent_data(plan)
    if refusal:
        return _refused(plan, journal, data, refusal)
    try:
        flight = journal.begin(context=plan.context, ref=plan.ref, data=data)
    except (JournalError, TypeError) as error:  # TypeError: a call that JSON cannot hold
        return Outcome(OutcomeKind.REFUSED, f"nothing was sent: {error}"), None
    made: list[str] = []
    outcome: Outcome | None = None
    for sent, step in enumerate(plan.steps):
        outcome, found = _send(step, _silencing(adapter(step.source), step.source), sent)
        if outcome is not None:
            break
        made.append(found)
        try:
            flight.sent({"call": step.call.summary, "answer": found})
        except JournalError:
            continue  # the call is out; the outcome, if it can be recorded, says so as well
    if outcome is None:
        ended = "" if plan.until is None else f", {', '.join(made)}"
        outcome = Outcome(OutcomeKind.SETTLED, f"in effect{ended}", confirmed=True)
    try:
        flight.finish({"outcome": str(outcome.kind), "message": outcome.message, SILENCES: made})
    except JournalError as error:
        flight.leave()
        outcome = Outcome(outcome.kind, f"{outcome.message}; the outcome could not be recorded: {error}")
    return outcome, flight.seq


def _refused(plan: SilencePlan, journal: Journal, data: Mapping[str, object], why: str) -> tuple[Outcome, int | None]:
    try:
        entry = journal.note(context=plan.context, ref=plan.ref, data={**data, "outcome": "refused", "message": why})
    except JournalError:
        return Outcome(OutcomeKind.REFUSED, why), None
    return Outcome(OutcomeKind.REFUSED, why), entry.seq


def _send(step: SilenceStep, adapter: Silences, sent: int) -> tuple[Outcome | None, str]:
    """``None`` and the silence's id where the system shows it; else how it went wrong."""
    lost: BackendError | None = None
    try:
        adapter.send(step.call)
    except (TimedOut, Malformed) as error:
        if isinstance(error, TimedOut) and not error.maybe_applied:
            return _failed(error, sent), ""
        lost = error
    except BackendError as error:
        return _failed(error, sent), ""
    try:
        found = landed(step, adapter.silences())
    except BackendError as error:
        return Outcome(OutcomeKind.UNKNOWN, f"{lost or 'sent'}; it cannot be read back: {error}"), ""
    if found is None:
        if lost is not None:
            return _failed(lost, sent), ""
        return Outcome(OutcomeKind.UNKNOWN, "it was taken, and does not show"), ""
    return None, found


def _failed(error: BackendError, sent: int) -> Outcome:
    if sent:
        return Outcome(OutcomeKind.UNKNOWN, f"{sent} of the calls sent, then: {error}")
    return Outcome(OutcomeKind.FAILED, f"nothing was changed: {error}")


def landed(step: SilenceStep, silences: Sequence[Silence]) -> str | None:
    """The id of the silence that shows that the call took effect; ``None`` where nothing does."""
    if step.wanted is None:
        gone = all(one.id != step.expires or one.state == EXPIRED for one in silences)
        return step.expires if gone else None
    return next((one.id for one in silences if _same(one, step.wanted)), None)


def _same(one: Silence, wanted: Silence) -> bool:
    return (
        one.state != EXPIRED
        and dict(one.matchers) == dict(wanted.matchers)
        and one.author == wanted.author
        and one.comment == wanted.comment
        and abs(one.ends - wanted.ends) <= TOLERANCE_S
    )


# ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────────


def intent_data(plan: SilencePlan) -> dict[str, object]:
    """What the journal keeps of a plan: enough to tell later, from the system alone, what became of it."""
    return {
        "plan": plan.id,
        "change": plan.change,
        "reason": plan.reason,
        SILENCES: [
            {"source": step.source, "expires": step.expires}
            if step.wanted is None
            else {
                "source": step.source,
                "matchers": dict(step.wanted.matchers),
                "ends": step.wanted.ends,
                "author": step.wanted.author,
                "comment": step.wanted.comment,
            }
            for step in plan.steps
        ],
        "calls": [
            {"source": step.source, "method": step.call.method, "path": step.call.path, "body": step.call.body}
            for step in plan.steps
        ],
    }


def judge_silences(data: Mapping[str, object], read: Read) -> tuple[OutcomeKind, str]:
    """Applied, not applied, or partly, from what the journal kept of a plan and what the system shows.

    Raises:
        BackendError, LookupError: the system cannot be asked, or the journal holds something else.
    """
    steps = [_step(one) for one in cast("Sequence[object]", data[SILENCES])]
    shown = [landed(step, read(step.source)) is not None for step in steps]
    if all(shown):
        return OutcomeKind.SETTLED, "applied"
    if any(shown):
        return OutcomeKind.UNKNOWN, f"unknown: {sum(shown)} of {len(shown)} silences are there"
    return OutcomeKind.FAILED, "not applied, or over already: no such silence is there"


def _step(raw: object) -> SilenceStep:
    if not isinstance(raw, Mapping):
        raise Malformed("not what the journal keeps of a silence")
    nothing = Call("", "", None)
    if raw.get("expires"):
        return SilenceStep(str(raw.get("source", "")), nothing, expires=str(raw["expires"]))
    matchers, ends = raw.get("matchers"), raw.get("ends")
    if not isinstance(matchers, Mapping) or not isinstance(ends, int | float):
        raise Malformed("not what the journal keeps of a silence")
    wanted = Silence("", matchers, 0.0, float(ends), str(raw.get("author", "")), str(raw.get("comment", "")))
    return SilenceStep(str(raw.get("source", "")), nothing, wanted)


def no_silences(source: str) -> tuple[Silence, ...]:
    """For a context without a source of alerts.

    Raises:
        Unsupported: always.
    """
    raise Unsupported(f"{source} knows no silences")
