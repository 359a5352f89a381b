"""The plan dialog: shows the plan of a change, its run, and its outcome.

It opens at once and plans off the UI's thread, because planning reads the endpoint. Only the shown plan is applied:
once a newer reading shows that another operator changed the endpoint, the plan cannot be applied any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from backends.contracts import Change, EndpointRef, Promote, action_of
from backends.errors import BackendError
from shiftdeck.changes.plan import AliasMove, Friction, Plan
from shiftdeck.changes.run import OutcomeKind, TrafficRun
from shiftdeck.engine.view import View
from tui.render.plan import blocked_line, headline, overtaken, overtaken_line, plan_lines, title_lines, verb
from tui.render.run import run_headline, running_lines
from tui.render.text import hang, wrap
from tui.render.theme import Look
from tui.screens.dialog import Dialog, Note, Push
from tui.terminal.background import in_background, say
from tui.terminal.clipboard import copy
from tui.widgets.canvas import Lines

_LABEL = 12


@dataclass(frozen=True, slots=True)
class Proposed:
    """A change to plan. ``reason`` is recorded if the operator enters none. ``other`` is whether another target can be
    chosen from the dialog. ``alias_back`` is the alias move if a promotion is undone. ``unnamed`` is whether the
    program chose the release. ``undoes``: it undoes the last change."""

    ref: EndpointRef
    change: Change
    reason: str = ""
    other: bool = False
    alias_back: AliasMove | None = None
    unnamed: bool = False
    undoes: bool = False


class PlanScreen(Dialog[str]):
    """Plans a change, shows the plan, and shows its run once it is applied. The result is "other" if another target is
    wanted, "undo" if the settled change is to be undone, else ``None``."""

    DEFAULT_CSS = """
    PlanScreen #body { height: 1fr; margin: 1 0; }
    PlanScreen .row { height: 1; }
    PlanScreen .row Note { width: 12; height: 1; }
    PlanScreen .row Input { width: 1fr; }
    PlanScreen #buttons { height: 1; margin: 1 0 0 0; }
    PlanScreen #hint { width: 1fr; height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "again", show=False),
        Binding("o", "other", show=False),
        Binding("a", "alias", show=False),
        Binding("u", "undo", show=False),
        Binding("y", "copy", show=False),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
    ]

    def __init__(self, look: Look, proposed: Proposed) -> None:
        super().__init__(look)
        self._proposed = proposed
        self._plan: Plan | None = None
        self._trouble: Exception | None = None
        self._run: TrafficRun | None = None
        self._applied = False
        self._move_alias = True
        self._attempt = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Note(self.look, id="title")
            yield Lines(self.look, id="body")
            yield Note(self.look, id="notice")
            for row, placeholder in (("reason", "why, for the journal"), ("name", "")):
                with Horizontal(id=f"{row}-row", classes="row"):
                    yield Note(self.look, id=f"{row}-label")
                    yield Input(id=row, placeholder=placeholder, compact=True, select_on_focus=False)
            with Horizontal(id="buttons"):
                yield Push(self.look, "Cancel", id="cancel")
                yield Push(self.look, "Plan anew", id="again")
                yield Push(self.look, "Apply", id="apply")
                yield Lines(self.look, id="hint")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        self.query_one("#reason-label", Note).say(lambda width: [self.look.text(("reason", "muted"))], _LABEL)
        self.query_one("#name-label", Note).say(lambda width: [self.look.text(("its name", "muted"))], _LABEL)
        self.query_one("#name", Input).placeholder = f"type {self._proposed.ref.name} to confirm"
        self._begin()

    # ── planning ────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        """Plan, or plan again. The result of an earlier attempt is ignored."""
        self._attempt += 1
        attempt, engine, move_alias = self._attempt, self.deck.engine, self._move_alias
        back = self._proposed.alias_back
        self._plan, self._trouble, self._run, self._applied = None, None, None, False
        self.query_one("#name", Input).value = ""
        self.set_focus(None)
        self.redraw()

        def done(plan: Plan) -> None:
            if attempt == self._attempt:
                self._planned(plan)

        def failed(error: Exception) -> None:
            if attempt == self._attempt:
                self._failed(error)

        ref, change = self._proposed.ref, self._proposed.change
        unnamed = self._proposed.unnamed

        def plan() -> Plan:
            return engine.plan(ref, change, move_alias=move_alias, alias_back=back, unnamed=unnamed)

        in_background(self, plan, done, failed)

    def _planned(self, plan: Plan) -> None:
        self._plan = plan
        reason = self.query_one("#reason", Input)
        optional = f"optional; {self._proposed.reason}" if self._proposed.reason else "optional, for the journal"
        reason.placeholder = "required to override, and recorded" if plan.blocked else optional
        self.redraw()
        self.asks_anew()
        self._focus(plan)

    def _focus(self, plan: Plan) -> None:
        """Give the focus to what the plan asks for next."""
        if plan.unable or not plan.steps or plan.blocked or plan.friction is Friction.CHOOSE:
            self.set_focus(self.query_one("#cancel"))
        elif plan.friction is Friction.TYPE_NAME:
            self.set_focus(self.query_one("#name"))
        else:
            self.set_focus(self.query_one("#apply"))

    def _failed(self, error: Exception) -> None:
        self._trouble = error
        self.redraw()
        self.set_focus(self.query_one("#again"))

    # ── the present state ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def overtaken(self) -> bool:
        """Whether another operator changed the endpoint while the plan was open."""
        plan = self._plan
        return plan is not None and not self._applied and overtaken(plan, self.view)

    @property
    def _closed_off(self) -> bool:
        """Whether the context stopped allowing changes while the plan was open."""
        return self._plan is not None and not self._plan.unable and not self.view.arming.writable

    @property
    def _appliable(self) -> bool:
        """Whether the plan may be applied once the required fields are filled in."""
        plan = self._plan
        return (
            plan is not None
            and not self._applied
            and bool(plan.steps)
            and not plan.unable
            and not self.overtaken
            and not self._closed_off
        )

    @property
    def _ready(self) -> bool:
        plan = self._plan
        if plan is None or not self._appliable:
            return False
        if plan.blocked and not self._reason:
            return False
        typed = self.query_one("#name", Input).value.strip()
        return plan.friction is not Friction.TYPE_NAME or typed in (plan.ref.name, str(plan.ref))

    @property
    def _outcome(self) -> OutcomeKind | None:
        """How the run ended; ``None``: it has not ended."""
        return self._run.outcome.kind if self._run is not None and self._run.outcome is not None else None

    @property
    def _reason(self) -> str:
        return self.query_one("#reason", Input).value.strip()

    # ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, view: View) -> None:
        if self._applied and self._plan is not None:
            before = self._run
            self._run = self.deck.engine.run_of(self._plan) or before
            if self._run is not None and self._run.done and not (before and before.done):
                self._ended(self._run)
        elif self._plan is not None and self.overtaken is not self.query_one("#again").display:
            self.redraw()
            if self.overtaken:
                self.set_focus(self.query_one("#again"))
            else:  # an older reading came late: the plan holds, and Enter means it again
                self._focus(self._plan)
        self.redraw()

    def redraw(self) -> None:
        wide = self.wide
        self._fields()
        rows = self.query_one("#title", Note).say(self._title, wide)
        rows += self.query_one("#notice", Note).say(self._notice, wide)
        rows += 4 + sum(self.query_one(f"#{row}-row").display for row in ("reason", "name"))
        room = self.fit(rows + max(len(self._body(wide)), 14))
        body = self.query_one("#body", Lines)
        body.show(self._body)
        left = len(self._body(wide)) - (room - rows) - round(body.scroll_y)
        self.query_one("#hint", Lines).show(lambda width: [self._hint(left)])

    def _fields(self) -> None:
        """Show the inputs and buttons that apply now, and set their labels."""
        plan, asking = self._plan, self._appliable
        naming = asking and plan is not None and plan.friction is Friction.TYPE_NAME
        self.query_one("#reason-row").display = asking
        self.query_one("#name-row").display = naming
        self.query_one("#cancel", Push).relabel("Close" if self._applied or self._trouble else "Cancel")
        again, apply = self.query_one("#again", Push), self.query_one("#apply", Push)
        unsettled = self._outcome is not None and self._outcome is not OutcomeKind.SETTLED
        again.display = bool(self.overtaken or self._trouble or unsettled)
        blocked = plan is not None and plan.blocked
        apply.display = asking
        apply.disabled = not self._ready
        apply.relabel("Override" if blocked else "Apply", danger=blocked)

    def _title(self, width: int) -> list[Text]:
        if self._run is not None:
            words = run_headline(self._run)
        elif self._proposed.undoes:
            words = "UNDO"
        elif self._plan is not None:
            words = headline(self._plan)
        else:
            words = verb(action_of(self._proposed.change))
        return title_lines(self.look, words, self._proposed.ref, self.view.context, self.view.production, width)

    def _body(self, width: int) -> Sequence[Text]:
        look = self.look
        if self._run is not None:
            return running_lines(self._run, self.view.at, look, width)
        if self._plan is not None:
            return plan_lines(self._plan, self.view.at, look, width, move_alias=self._move_alias)
        if self._trouble is not None:
            hint = getattr(self._trouble, "hint", "")
            words = str(self._trouble) if isinstance(self._trouble, BackendError) else repr(self._trouble)
            lines = hang(look.text((look.symbols.blocked, "critical")), look.text(f"No plan: {words}"), width, 2)
            return [*lines, *(hang(Text(), look.text((hint, "muted")), width, 2) if hint else ())]
        return [look.text((f"planning{look.symbols.ellipsis} reading the endpoint as it is now", "muted"))]

    def _notice(self, width: int) -> list[Text]:
        """Why the plan cannot be applied as it is, or nothing."""
        plan, look = self._plan, self.look
        if plan is None or self._applied:
            return []
        seen = self.view.endpoint(plan.ref)
        if self.overtaken and seen is not None:
            return [
                *wrap(overtaken_line(plan, seen, self.view.at, look), width),
                look.text(("This plan would overwrite that: ", "text"), ("n", "key"), (" plans anew.", "text")),
            ]
        if self._closed_off:
            return wrap(look.text((f"{look.symbols.blocked} Changes are not allowed any more.", "critical")), width)
        if plan.blocked:
            return wrap(blocked_line(plan, look), width)
        return []

    def _hint(self, left: int) -> Text:
        look, parts = self.look, []
        if left > 0:
            lines = "line" if left == 1 else "lines"
            parts += [(f"{look.symbols.down} {left} more {lines} ", "muted"), ("PgDn", "key")]
        if self._proposed.other and not self._applied:
            parts += [("  o", "key"), (" other release", "muted")]
        return look.text(*parts)

    # ── acting ──────────────────────────────────────────────────────────────────────────────────────────────────

    @on(Input.Changed)
    def _typed(self) -> None:
        self._fields()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Enter in a field moves to the field that is still empty, else to the button. It never applies the plan."""
        name, apply = self.query_one("#name", Input), self.query_one("#apply")
        if self._ready:
            self.set_focus(apply)
        elif event.input is not name and self._reason and self.query_one("#name-row").display:
            self.set_focus(name)
        elif event.input is name and self._plan is not None and self._plan.blocked and not self._reason:
            self.set_focus(self.query_one("#reason"))

    @on(Push.Pressed)
    def _pressed(self, event: Push.Pressed) -> None:
        {"cancel": self.action_leave, "again": self.action_again, "apply": self._apply}[event.button.id or ""]()

    def _apply(self) -> None:
        plan = self._plan
        if plan is None or not self._ready:
            return
        reason = self._reason or self._proposed.reason
        try:
            self.deck.engine.execute(plan, reason=reason, override=reason if plan.blocked else "")
        except BackendError as error:
            self._plan = None
            self._failed(error)
            return
        self._applied = True
        self._run = self.deck.engine.run_of(plan)
        self.redraw()
        self.query_one("#body", Lines).scroll_home(animate=False, immediate=True)
        self.set_focus(self.query_one("#cancel"))

    def _ended(self, run: TrafficRun) -> None:
        """The run has ended: move the focus to the button that is likely to be needed next."""
        assert run.outcome is not None
        self.redraw()
        again = run.outcome.kind is OutcomeKind.CONFLICT
        self.set_focus(self.query_one("#again" if again else "#cancel"))

    def action_leave(self) -> None:
        if self._applied and self._run is not None and not self._run.done:
            say(self.deck, f"The change of {self._proposed.ref.name} goes on; its outcome will be in the journal.")
        self.dismiss(None)

    def action_again(self) -> None:
        """Plan again, unless the run is under way or settled."""
        if not self._applied or self._outcome not in (None, OutcomeKind.SETTLED):
            self._begin()

    def action_other(self) -> None:
        if self._proposed.other and not self._applied:
            self.dismiss("other")

    def action_alias(self) -> None:
        moves = isinstance(self._proposed.change, Promote) or not self._move_alias
        moves = moves or (self._plan is not None and self._plan.alias is not None)
        if moves and not self._applied:
            self._move_alias = not self._move_alias
            self._begin()

    def action_undo(self) -> None:
        changed = self._outcome is OutcomeKind.SETTLED or (self._run is not None and self._run.part_way)
        if changed and self._plan is not None and self._plan.undo is not None:
            self.dismiss("undo")

    def action_copy(self) -> None:
        width = 200
        copy(self.deck, "\n".join(line.plain.rstrip() for line in [*self._title(width), Text(), *self._body(width)]))

    def action_scroll(self, rows: int) -> None:
        self._move(rows)

    def action_page(self, pages: int) -> None:
        self._move(pages * max(1, self.query_one("#body").size.height - 1))

    def _move(self, rows: int) -> None:
        self.query_one("#body", Lines).scroll_relative(y=rows, animate=False, immediate=True)
        self.redraw()
