"""Carries out one plan of any kind on the command line: shows it, asks for confirmation by its risk, executes it,
handles signals, and reports the outcome."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Generic, Protocol

import click

from backends.errors import Rejected
from shiftdeck.changes.kind import P
from shiftdeck.changes.run import Outcome, OutcomeKind, Run
from shiftdeck.engine.engine import Engine
from tui.cli.json_output import Printer, outcome_json
from tui.cli.options import ExitCode, Refused

GRACE_S = 30.0
"""Seconds that a change may go on after the first signal to end."""

CODES = {
    OutcomeKind.SETTLED: ExitCode.DONE,
    OutcomeKind.FAILED: ExitCode.FAILED,
    OutcomeKind.REFUSED: ExitCode.REFUSED,
    OutcomeKind.CONFLICT: ExitCode.CONFLICT,
    OutcomeKind.UNKNOWN: ExitCode.UNKNOWN,
    OutcomeKind.SUPERSEDED: ExitCode.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Manner:
    """The options of a change. ``observe_s`` is ``None`` if the verb decides."""

    reason: str = ""
    dry_run: bool = False
    yes: bool = False
    override: bool = False
    arm: bool = False
    as_json: bool = False
    timeout_s: float = 300.0
    observe_s: float | None = None


def check_usage(manner: Manner, why: str = "it is kept in the journal") -> None:
    """Check that a change has a reason and can be confirmed. ``why`` says what the reason is used for.

    Raises:
        UsageError: the reason is missing, or there is neither a terminal nor ``--yes``.
    """
    if manner.dry_run:
        return
    if not manner.reason.strip():
        raise click.UsageError(f"--reason is needed: {why}")
    if not manner.yes and not can_ask():
        raise click.UsageError("there is no terminal to confirm on: look with --dry-run, then give --yes")


def can_ask() -> bool:
    """Whether a user can be asked for confirmation: standard input is a terminal."""
    return sys.stdin.isatty()


def arm(engine: Engine) -> None:
    """Allow changes in a context that has to be armed.

    Raises:
        Refused: it cannot be armed.
    """
    try:
        engine.arm()
    except Rejected as error:
        raise Refused(error.message, error.hint) from None


class Face(Protocol[P]):
    """What the command line shows of one kind of plan."""

    def lines(self, plan: P) -> Sequence[str]:
        """The plan as text."""

    def json(self, plan: P) -> Mapping[str, object]:
        """The plan, for scripts."""

    def refused(self, plan: P, *, override: bool) -> str:
        """Why the plan will not be sent, or "". A plan that will not be sent needs no confirmation."""

    def question(self, plan: P) -> tuple[str, str]:
        """The question of the confirmation, and the answer that confirms. Not asked if there is nothing to send."""

    def progress(self, run: Run[P]) -> str:
        """The state of the change, on one line."""

    def outcome(self, outcome: Outcome, run: Run[P] | None) -> Sequence[str]:
        """The outcome as text."""

    def advice(self, plan: P, outcome: Outcome) -> str:
        """What to do about the outcome, or ""."""


@dataclass(slots=True)
class Attempt(Generic[P]):
    """Carries one plan out, from showing it to reporting its outcome."""

    engine: Engine
    plan: P
    manner: Manner
    printer: Printer
    face: Face[P]
    override: str = ""
    _shown: str = field(default="", init=False)

    def carry_out(self) -> ExitCode:
        plan, manner = self.plan, self.manner
        if not manner.as_json or not (manner.yes or manner.dry_run):
            self._show_plan()
        refused = self.face.refused(plan, override=manner.override)
        if manner.dry_run:
            self._finish(None, None)
            if refused and not manner.as_json:
                self._say(f"it would be refused: {refused}")
            return ExitCode.REFUSED if refused else ExitCode.DONE
        if not refused and not manner.yes and not self._confirmed():
            return self._end(Outcome(OutcomeKind.REFUSED, "not confirmed; nothing was sent"), None)
        run = self._run()
        if run.outcome is not None:
            return self._end(run.outcome, run)
        message = f"left before the outcome was known ({run.stage}); the next start reads the system and resolves it"
        return self._end(Outcome(OutcomeKind.UNKNOWN, message), run)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _show_plan(self) -> None:
        for line in self.face.lines(self.plan):
            self._say(line)
        self._say("")

    def _confirmed(self) -> bool:
        """Whether the user confirmed. The end of the input, Ctrl-C and any other answer mean no."""
        if not self.plan.steps:
            return True
        asked, wanted = self.face.question(self.plan)
        try:
            answer = click.prompt(self.printer.fit(asked), default="", show_default=False, err=True)
        except click.Abort:
            self.printer.err()
            return False
        return str(answer).strip() == wanted

    # ── doing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> Run[P]:
        """Execute the plan and wait for its end. After a first signal the change has ``GRACE_S`` to finish; a second
        Ctrl-C leaves at once."""
        with _signals() as ending:
            thread = self.engine.execute(self.plan, reason=self.manner.reason, override=self.override)
            left = GRACE_S
            told = False
            while thread.is_alive() and not (self._current().done or ending.leave or left <= 0):
                thread.join(0.1)
                self._progress()
                if ending.asked:
                    left -= 0.1
                    if not told:
                        told = True
                        self.printer.err(f"the change goes on, for up to {GRACE_S:g} s; interrupt again to leave it")
            if not self._current().done:
                self.engine.stop(0.0)
            self._progress()
        return self._current()

    def _current(self) -> Run[P]:
        run = self.engine.run_of(self.plan)
        assert run is not None
        return run

    def _progress(self) -> None:
        run = self._current()
        line = self.face.progress(run)
        if not run.done and line != self._shown:
            self._shown = line
            self._say(line, progress=True)

    # ── ending ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _end(self, outcome: Outcome, run: Run[P] | None) -> ExitCode:
        self._finish(outcome, run)
        if not self.manner.as_json:
            for line in self.face.outcome(outcome, run):
                self.printer.out(line)
            if advice := self.face.advice(self.plan, outcome):
                self.printer.out(advice)
        return CODES[outcome.kind]

    def _finish(self, outcome: Outcome | None, run: Run[P] | None) -> None:
        if self.manner.as_json:
            self.printer.json(
                {
                    "plan": self.face.json(self.plan),
                    "outcome": outcome_json(outcome) if outcome is not None else None,
                    "seq": run.seq if run is not None else None,
                }
            )

    def _say(self, text: str, *, progress: bool = False) -> None:
        """Print a line. With ``--json`` it goes to standard error, because standard output holds only the object."""
        if self.manner.as_json:
            if not progress or sys.stderr.isatty():
                self.printer.err(text)
        else:
            self.printer.out(text)


@dataclass(slots=True)
class _Ending:
    """The signals so far: ``asked`` to end, and ``leave`` to end at once."""

    asked: bool = False
    leave: bool = False


@contextmanager
def _signals() -> Iterator[_Ending]:
    """A context in which signals are only recorded: while a change is under way, they must not end the program."""
    ending = _Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        # A hangup often comes with a SIGTERM, so two signals end at once only if the second is a Ctrl-C.
        ending.leave = ending.leave or (ending.asked and number == signal.SIGINT)
        ending.asked = True

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
