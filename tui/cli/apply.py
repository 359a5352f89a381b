"""One plan of any kind: shown, confirmed as its risk demands, carried out, followed through signals, and reported."""

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
"""How long a change may go on after the first signal to end."""

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
    """How it is to be done. ``observe_s`` is ``None`` where the verb decides."""

    reason: str = ""
    dry_run: bool = False
    yes: bool = False
    override: bool = False
    arm: bool = False
    as_json: bool = False
    timeout_s: float = 300.0
    observe_s: float | None = None


def check_usage(manner: Manner, why: str = "it is kept in the journal") -> None:
    """A change needs a reason, and somebody who confirms it.

    Raises:
        UsageError: one is missing.
    """
    if manner.dry_run:
        return
    if not manner.reason.strip():
        raise click.UsageError(f"--reason is needed: {why}")
    if not manner.yes and not can_ask():
        raise click.UsageError("there is no terminal to confirm on: look with --dry-run, then give --yes")


def can_ask() -> bool:
    """Whether somebody is there to confirm."""
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
        """The plan, for a reader."""

    def json(self, plan: P) -> Mapping[str, object]:
        """The plan, for scripts."""

    def refused(self, plan: P, *, override: bool) -> str:
        """Why the plan will not be sent, or "": then nobody is asked to confirm it."""

    def question(self, plan: P) -> tuple[str, str]:
        """What is asked, and the answer that confirms; no question where there is nothing to send."""

    def progress(self, run: Run[P]) -> str:
        """Where the change is, on one line."""

    def outcome(self, outcome: Outcome, run: Run[P] | None) -> Sequence[str]:
        """How it ended."""

    def advice(self, plan: P, outcome: Outcome) -> str:
        """What to do about it, or ""."""


@dataclass(slots=True)
class Attempt(Generic[P]):
    """One plan, from showing it to its outcome."""

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
        """An end of input, Ctrl-C and any other answer are a no."""
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
        """Apply the plan and follow it. A first signal lets it finish within the grace; a second one leaves at once."""
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
        """With --json, standard output holds nothing but the object."""
        if self.manner.as_json:
            if not progress or sys.stderr.isatty():
                self.printer.err(text)
        else:
            self.printer.out(text)


@dataclass(slots=True)
class _Ending:
    """What signals have asked for: ``asked`` to end, and ``leave`` to do so at once."""

    asked: bool = False
    leave: bool = False


@contextmanager
def _signals() -> Iterator[_Ending]:
    """While a change is under way, signals end nothing by themselves."""
    ending = _Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        # A hangup often comes with a SIGTERM; only whoever presses Ctrl-C twice means to leave at once.
        ending.leave = ending.asked and number == signal.SIGINT
        ending.asked = True

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
