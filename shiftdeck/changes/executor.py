"""The executor of plans of any kind: record the intent, send with the guard, read back, confirm, record the outcome.

A call whose answer was lost is read back and never sent again: see ``lost_answer``. Only one change of a subject is
under way at a time: a second forward change is refused, and a change back supersedes the first. Both rules use the
journal, so they hold across processes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from backends.errors import BackendError, Conflict, nothing_applied
from backends.text import safe_message
from shiftdeck.changes.kind import BACK, KIND, Application, ChangeKind, Ended, P
from shiftdeck.changes.lost_answer import LostAnswer
from shiftdeck.changes.run import Outcome, OutcomeKind, Run, Stage
from shiftdeck.changes.time_known import BOOT, boot_stamp
from shiftdeck.changes.timing import Timing
from shiftdeck.changes.under_way import UnderWay, describe_entry
from shiftdeck.common.clock import Clock
from shiftdeck.common.redaction import redact
from shiftdeck.journal.entry import BY_LOOK
from shiftdeck.journal.journal import InFlight, Journal, JournalError


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that the executor needs from outside.

    ``ending`` is set when the program is about to end. Observation then stops, and the change stays in the journal
    without an outcome; the next start resolves it. ``refusal`` returns why nothing may be changed now, or "".
    """

    journal: Journal
    clock: Clock
    ending: threading.Event
    timing: Timing = field(default_factory=Timing)
    refusal: Callable[[], str] = str


class _Leaving(Exception):
    """The program ends. The change stays without an outcome."""


class Executor(Generic[P]):
    """Carries out one plan. ``publish`` is called with every new state of the run, on the executing thread."""

    def __init__(
        self,
        plan: P,
        kind: ChangeKind[P],
        ports: Ports,
        publish: Callable[[Run[P]], None],
        *,
        reason: str,
        override: str = "",
    ) -> None:
        self._plan = plan
        self._kind = kind
        self._ports = ports
        self._publish = publish
        self._reason = reason
        self._override = override
        self._unrecorded = ""
        self._notes = ""
        self._others = UnderWay(ports.journal, plan.context, plan.subject, kind) if kind.exclusive else None
        now = ports.clock.elapsed()
        self._run: Run[P] = Run(plan, Stage.RECORDING, now, now, reason=reason)

    @property
    def run(self) -> Run[P]:
        return self._run

    def carry_out(self) -> Run[P]:
        """Carry the plan out, and return the run with its outcome. Raises nothing: every error becomes an outcome."""
        try:
            flight = self._begun()
        except BaseException as error:  # noqa: BLE001 - a defect, also one that exits: the run must end all the same
            return self._done(Outcome(OutcomeKind.REFUSED, f"nothing was sent: {_named(error)}"))
        return self.run if flight is None else self._carried_out(flight)

    def _begun(self) -> InFlight | None:
        """The change in the journal, in flight; ``None`` where the run is done without."""
        idle = self._kind.idle(self._plan)
        refusal = "" if idle is not None else self._refusal()
        if idle is not None:
            self._done(idle)
        elif refusal:
            self._refuse(refusal)
        else:
            data = {**self._intent(), BOOT: boot_stamp(self.clock())}
            try:
                return self._ports.journal.begin(context=self._plan.context, ref=self._plan.subject, data=data)
            except (JournalError, TypeError) as error:  # TypeError: a call that JSON cannot hold
                self._done(Outcome(OutcomeKind.REFUSED, f"nothing was sent: {error}"))
        return None

    def _carried_out(self, flight: InFlight) -> Run[P]:
        application: Application | None = None
        try:
            self.update(seq=flight.seq)
            self._yield_to_earlier(flight)
            application = self._kind.apply(self._plan, self)
            with application.announced():
                outcome = self._outcome(application, flight)
            outcome = replace(outcome, message=f"{outcome.message}{self._notes}{self._unrecorded}")
        except Ended as ended:
            outcome = replace(ended.outcome, message=ended.outcome.message + self._unrecorded)
        except _Leaving:
            flight.leave()
            return self.run
        except BaseException as error:  # noqa: BLE001 - a defect of an adapter, also one that exits: what was sent is out
            words = f"the adapter failed, look what is in effect: {_named(error)}{self._unrecorded}"
            outcome = Outcome(OutcomeKind.UNKNOWN, words)
        return self._finish(flight, application, outcome)

    # ── before anything is sent ─────────────────────────────────────────────────────────────────────────────────

    def _intent(self) -> Mapping[str, object]:
        data = self._kind.intent(self._plan, reason=self._reason, override=self._override)
        return {KIND: self._kind.name, **({BACK: True} if self._plan.back else {}), **data}

    def _refusal(self) -> str:
        refusal = self._kind.refusal(self._plan, reason=self._reason, override=self._override)
        refusal = refusal or self._ports.refusal()
        if refusal or self._others is None or self._plan.back:
            return refusal
        try:
            first = self._others.first()
        except JournalError as error:
            return f"nothing was sent: {error}"
        return describe_entry(first, self._ports.clock.wall()) if first is not None else ""

    def _refuse(self, why: str) -> Run[P]:
        data = {**self._intent(), "outcome": "refused", "message": why}
        try:
            entry = self._ports.journal.note(context=self._plan.context, ref=self._plan.subject, data=data)
            self.update(seq=entry.seq)
        except (JournalError, TypeError):
            pass  # nothing was sent, so no record is missing, and the operator must see the refusal itself
        return self._done(Outcome(OutcomeKind.REFUSED, why))

    def _yield_to_earlier(self, flight: InFlight) -> None:
        """Refuse this change if another forward change of the subject began at the same time with an earlier intent."""
        if self._others is None or self._plan.back:
            return
        first = self._others.first(before=flight.seq)
        if first is not None:
            raise Ended(Outcome(OutcomeKind.REFUSED, describe_entry(first, self._ports.clock.wall())))

    # ── applying ────────────────────────────────────────────────────────────────────────────────────────────────

    def _outcome(self, application: Application, flight: InFlight) -> Outcome:
        try:
            for number, step in enumerate(self._plan.steps):
                application.before(number)
                self.check_superseded()
                self.update(stage=Stage.SENDING, message=step.call.summary)
                answer = self._send(application, number, flight)
                self._record(flight, {"call": step.call.summary, **answer})
                self.update(sent=number + 1)
            return application.confirm()
        except Ended as ended:
            return ended.outcome

    def _send(self, application: Application, number: int, flight: InFlight) -> Mapping[str, object]:
        try:
            return application.send(number)
        except BackendError as error:
            if nothing_applied(error) and not isinstance(error, Conflict):
                raise Ended(application.failed(number, error)) from None
            lost = LostAnswer(
                application,
                number,
                error,
                self,
                self._ports.timing,
                sent_at=self.clock(),  # at the latest: an adapter may read and compare first
                record=lambda data: self._record(flight, data),
                refusal=self._ports.refusal,
            )
            if not isinstance(error, Conflict):
                return lost.find()
            answer = lost.conflict()
            self._notes = f"; the call was answered with a conflict: {error}"
            return answer

    def _record(self, flight: InFlight, data: Mapping[str, object]) -> None:
        try:
            flight.sent({**data, BOOT: boot_stamp(self.clock())})
        except JournalError as error:
            # The call was sent: observing its effect matters more than the missing journal entry.
            self._unrecorded = f"; that it was sent could not be recorded: {error}"

    def check_superseded(self, *, pending: bool = True) -> None:
        if self._others is None or self._run.seq is None:
            return
        later = self._others.superseding(self._run.seq, pending=pending)
        if later is not None:
            sent = f"{self._run.sent} of {len(self._plan.steps)} calls were sent"
            words = f"superseded by #{later.seq} ({later.data.get('change', 'a change back')}); {sent}"
            raise Ended(Outcome(OutcomeKind.SUPERSEDED, words))

    # ── the Desk of the application ─────────────────────────────────────────────────────────────────────────────

    def clock(self) -> float:
        return self._ports.clock.elapsed()

    def dated(self, elapsed: float) -> float:
        return self._ports.clock.dated(elapsed)

    def wait(self) -> None:
        self.check_superseded(pending=False)
        if self._ports.ending.wait(self._ports.timing.poll_s):
            raise _Leaving
        self.check_superseded(pending=False)

    def update(self, **changes: Any) -> None:
        self._run = replace(self._run, updated=self._ports.clock.elapsed(), **changes)
        self._publish(self._run)

    # ── ending ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _finish(self, flight: InFlight, application: Application | None, outcome: Outcome) -> Run[P]:
        data: dict[str, object] = {
            "outcome": str(outcome.kind),
            "message": outcome.message,
            "confirmed": outcome.confirmed,
            "changed": list(outcome.changed),
            "seconds": round(self._run.updated - self._run.started, 3),
        }
        if outcome.read_at is not None:
            data["read_at"] = round(outcome.read_at, 3)
        if outcome.by_look:
            data[BY_LOOK] = True
        try:
            flight.finish({**data, **_recorded(application, outcome)})
        except JournalError as error:
            flight.leave()
            outcome = replace(outcome, message=f"{outcome.message}; the outcome could not be recorded: {error}")
        return self._done(outcome)

    def _done(self, outcome: Outcome) -> Run[P]:
        self.update(stage=Stage.DONE, message=outcome.message, outcome=outcome, stalled=False)
        return self.run


def _recorded(application: Application | None, outcome: Outcome) -> Mapping[str, object]:
    """What the journal keeps beside the outcome itself; nothing where the adapter gave what JSON cannot hold."""
    if application is None:
        return {}
    try:
        data = dict(application.record(outcome))
        redact(data)
    except BaseException as error:  # noqa: BLE001 - a defect here must not keep the outcome from being recorded
        return {"unrecorded": _named(error)}
    return data


def _named(error: BaseException) -> str:
    return safe_message(f"{type(error).__name__}: {error}")
