"""One plan: shown, confirmed as its risk demands, carried out, followed through signals, and reported."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import click

from shiftdeck.changes.plan import Friction, Plan
from shiftdeck.changes.run import Outcome, OutcomeKind, Run
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from tui.cli.json_output import Printer, outcome_json, plan_json
from tui.cli.options import ExitCode
from tui.cli.text_output import outcome_lines, plan_lines, run_line

GRACE_S = 30.0
"""How long a change may go on after the first signal to end."""

CODES = {
    OutcomeKind.SETTLED: ExitCode.DONE,
    OutcomeKind.FAILED: ExitCode.FAILED,
    OutcomeKind.REFUSED: ExitCode.REFUSED,
    OutcomeKind.CONFLICT: ExitCode.CONFLICT,
    OutcomeKind.UNKNOWN: ExitCode.UNKNOWN,
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


@dataclass(slots=True)
class Attempt:
    """One plan, from showing it to its outcome."""

    engine: Engine
    plan: Plan
    manner: Manner
    printer: Printer
    again: str
    _shown: str = field(default="", init=False)

    def carry_out(self) -> ExitCode:
        plan, manner = self.plan, self.manner
        if not manner.as_json or not (manner.yes or manner.dry_run):
            self._show_plan()
        refused = plan.unable or (self._blocks() if plan.blocked and not manner.override else "")
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
        message = f"left before the outcome was known ({run.stage}); the next start reads the endpoint and resolves it"
        return self._end(Outcome(OutcomeKind.UNKNOWN, message), run)

    def note_registry(self, view: View) -> None:
        """A promotion that moves no alias because the registry is silent says so."""
        silent = [status for status in view.sources if status.kind == "registries" and status.at is None]
        for status in silent:
            self.printer.err(f"the champion alias stays where it is: {status.name} is {status.state}: {status.error}")

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _blocks(self) -> str:
        return "blocked by " + ", ".join(check.name for check in self.plan.blocks)

    def _show_plan(self) -> None:
        for line in plan_lines(self.plan):
            self._say(line)
        self._say("")

    def _confirmed(self) -> bool:
        """Ask as the risk demands: Enter for the way back, a word where there is a choice, the name in production."""
        name = self.plan.ref.name
        asked, wanted = {
            Friction.ENTER: ("Enter applies it, anything else cancels", ""),
            Friction.CHOOSE: ("Type yes to apply it", "yes"),
            Friction.TYPE_NAME: (f"Type {name} to apply it", name),
        }[self.plan.friction]
        try:
            answer = click.prompt(self.printer.fit(asked), default="", show_default=False, err=True)
        except click.Abort:
            self.printer.err()
            return False
        return str(answer).strip() == wanted

    # ── doing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> Run:
        """Apply the plan and follow it. A first signal lets it finish within the grace; a second one leaves at once."""
        override = self.manner.reason if self.manner.override and self.plan.blocked else ""
        with _signals() as ending:
            thread = self.engine.execute(self.plan, reason=self.manner.reason, override=override)
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

    def _current(self) -> Run:
        run = self.engine.run_of(self.plan)
        assert run is not None
        return run

    def _progress(self) -> None:
        run = self._current()
        line = run_line(run)
        if not run.done and line != self._shown:
            self._shown = line
            self._say(line, progress=True)

    # ── ending ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _end(self, outcome: Outcome, run: Run | None) -> ExitCode:
        self._finish(outcome, run)
        if not self.manner.as_json:
            for line in outcome_lines(outcome, run):
                self.printer.out(line)
            if outcome.kind is OutcomeKind.CONFLICT:
                self.printer.out(f"look at it again, and if it still fits: {self.again}")
            elif self.plan.blocked and outcome.kind is OutcomeKind.REFUSED and not self.plan.unable:
                self.printer.out("--override goes on all the same; that is recorded, with the reason")
        return CODES[outcome.kind]

    def _finish(self, outcome: Outcome | None, run: Run | None) -> None:
        if self.manner.as_json:
            self.printer.json(
                {
                    "plan": plan_json(self.plan),
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
