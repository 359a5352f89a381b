"""The list of alerts, and the dialog that silences one or ends its silence."""

from __future__ import annotations

from functools import partial

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from backends.contracts import Alert, AlertState
from shiftdeck.changes.run import OutcomeKind, Run
from shiftdeck.changes.silence import SilencePlan
from shiftdeck.common.durations import format_duration, parse_duration
from shiftdeck.engine.view import View
from tui.render.alerts import alert_lines, in_order
from tui.render.plan import title_lines
from tui.render.text import hang, wrap
from tui.render.theme import Look
from tui.screens.dialog import Dialog, Note, Push
from tui.screens.list_screen import Item, Listing
from tui.screens.lists import Records
from tui.terminal.background import Tone, in_background, say, with_hint

DURATION = "1h"
LABEL = 11


def _only(line: Text, width: int) -> list[Text]:
    return [line]


class AlertsScreen(Records):
    """Every alert, the firing ones first. Enter silences the alert under the cursor, or ends its silence."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "ALERTS", self._listing, pick="silence, or end it")

    def _listing(self, view: View, width: int) -> Listing:
        alerts = in_order(view.alerts)
        lines = alert_lines(view, alerts, self.look, width)
        items = [Item(f"{one.source} {one.fingerprint}", line) for one, line in zip(alerts, lines[1:], strict=True)]
        firing = sum(one.state is AlertState.FIRING for one in alerts)
        quiet = sum(one.state is AlertState.SILENCED for one in alerts)
        words = f"{firing} of {len(alerts)} firing" + (f", {quiet} silenced" if quiet else "")
        subtitle = self.look.text((words, "muted"))
        sources = [one for one in view.sources if one.kind == "alerts"]
        failing = [one for one in sources if not one.fresh]
        empty = "no alert fires" if sources else "no source of alerts is configured for this context"
        if failing:
            empty = f"nothing is known of alerts: {', '.join(f'{one.name} is {one.state}' for one in failing)}"
            lost = ", ".join(f"{one.name} {one.state}" for one in failing)
            subtitle.append_text(self.look.text((f" {self.look.symbols.dot} {lost}", "critical")))
        return Listing(subtitle, items, lines[:1], empty)

    def action_pick(self) -> None:
        picked = self._table.picked
        found = next((one for one in self.deck.view.alerts if f"{one.source} {one.fingerprint}" == picked), None)
        if found is not None:
            self.app.push_screen(SilenceDialog(self.look, found))


class SilenceDialog(Dialog[None]):
    """The dialog that silences one alert or ends its silence. It shows the call that will be sent, and asks for the
    duration and the reason."""

    DEFAULT_CSS = """
    SilenceDialog #body { margin: 1 0; }
    SilenceDialog .row { height: 1; }
    SilenceDialog .row Note { width: 11; height: 1; }
    SilenceDialog .row Input { width: 1fr; }
    SilenceDialog #buttons { height: 1; margin: 1 0 0 0; }
    """

    def __init__(self, look: Look, alert: Alert) -> None:
        super().__init__(look)
        self._alert = alert
        self._plan: SilencePlan | None = None
        self._wrong = ""
        self._busy = False

    @property
    def _ends(self) -> bool:
        return bool(self._alert.silenced_by)

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Note(self.look, id="title")
            yield Note(self.look, id="body")
            for row, value in (("for", "" if self._ends else DURATION), ("reason", "")):
                with Horizontal(id=f"{row}-row", classes="row"):
                    yield Note(self.look, id=f"{row}-label")
                    yield Input(value, id=row, compact=True, select_on_focus=False)
            with Horizontal(id="buttons"):
                yield Push(self.look, "Cancel", id="cancel")
                yield Push(self.look, "End it" if self._ends else "Silence", id="apply")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        for row in ("for", "reason"):
            label = self.look.text((row, "muted"))
            self.query_one(f"#{row}-label", Note).say(partial(_only, label), LABEL)
        self.query_one("#reason", Input).placeholder = "why: others read it in the silence, and in the journal"
        self.query_one("#for-row").display = not self._ends
        super().on_mount()
        self.set_focus(self.query_one("#reason"))
        self._propose()

    # ── the plan ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _reason(self) -> str:
        return self.query_one("#reason", Input).value.strip()

    def _propose(self) -> None:
        """Make the plan from the typed fields: the shown call is the one that will be sent."""
        self._plan, self._wrong = None, ""
        engine, alert, reason = self.deck.engine, self._alert, self._reason
        if not self.view.arming.writable:
            self._wrong = "Changes are not allowed now, and a silence is a change."
        elif self._ends:
            silence = alert.silenced_by[0]
            in_background(
                self,
                lambda: engine.changes.kinds.silences.plan_end(engine.view, silence, reason=reason),
                self._proposed,
                self._failed,
            )
        else:
            try:
                seconds = parse_duration(self.query_one("#for", Input).value.strip())
                silences = engine.changes.kinds.silences
                self._plan = silences.plan(engine.view, (alert,), duration_s=seconds, reason=reason or "(why)")
            except Exception as error:  # noqa: BLE001 - every error is shown: the typed fields cannot be planned
                self._wrong = with_hint(error)
        self.redraw()

    def _proposed(self, plan: SilencePlan) -> None:
        self._plan = plan
        self.redraw()

    def _failed(self, error: Exception) -> None:
        self._wrong, self._busy = with_hint(error), False
        self.redraw()

    def redraw(self) -> None:
        wide, view, look = self.wide, self.view, self.look
        words = "END SILENCE" if self._ends else "SILENCE"
        rows = self.query_one("#title", Note).say(
            lambda width: title_lines(look, f"{words} {self._alert.name}", None, view.context, view.production, width),
            wide,
        )
        rows += self.query_one("#body", Note).say(self._body, wide)
        self.query_one("#apply", Push).disabled = self._plan is None or not self._reason or self._busy
        self.fit(rows + (6 if self._ends else 7))

    def _body(self, width: int) -> list[Text]:
        look, alert = self.look, self._alert
        labels = ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()))
        lines = wrap(look.text(alert.summary), width) if alert.summary else []
        lines += hang(look.text(("labels", "muted")), look.text((labels, "muted")), width, LABEL)
        for step in self._plan.steps if self._plan is not None else ():
            what = f"{step.call.method} {step.call.path}   {step.call.summary}"
            lines += hang(look.text(("sends", "muted")), look.text(what), width, LABEL)
            lines += hang(look.text(("same as", "muted")), look.text((step.call.command, "muted")), width, LABEL)
        if self._wrong:
            lines += wrap(look.text((f"{look.symbols.blocked} {self._wrong}", "critical")), width)
        return lines

    # ── acting ──────────────────────────────────────────────────────────────────────────────────────────────────

    @on(Input.Changed)
    def _typed(self) -> None:
        self._propose()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Enter in a field moves to the field that is still empty, else to the button. It never applies the plan."""
        apply_button = self.query_one("#apply", Push)
        self.set_focus(self.query_one("#reason") if apply_button.disabled else apply_button)

    @on(Push.Pressed)
    def _pressed(self, event: Push.Pressed) -> None:
        plan = self._plan
        if event.button.id == "cancel":
            self.dismiss(None)
        elif plan is not None and self._reason and not self._busy:
            self._busy = True
            self.redraw()
            engine, reason = self.deck.engine, self._reason
            in_background(self, lambda: engine.carry_out(plan, reason=reason), self._ended, self._failed)

    def _ended(self, run: Run[SilencePlan]) -> None:
        outcome = run.outcome
        if outcome is None:  # the program ends; the next start resolves the change
            return
        if outcome.kind is not OutcomeKind.SETTLED:
            self._wrong, self._busy = f"{outcome.kind}: {outcome.message}", False
            self.redraw()
            return
        plan = self._plan
        left = plan.until - plan.created if plan is not None and plan.until is not None else None
        words = "fires again where it still holds" if left is None else f"is quiet for {format_duration(left)}"
        say(self.deck, f"{self._alert.name} {words}.", Tone.NEWS)
        self.dismiss(None)
