"""The keys that act on an endpoint, for every screen that shows one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from textual.screen import Screen

from backends import contracts
from tui.startup.lazy_import import Later

if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from shiftdeck.engine.view import View
    from tui.actions import changes
    from tui.app.app import ShiftdeckApp
    from tui.input.command_line import Command
else:
    changes = Later("tui.actions.changes")


class Steering(Screen[None]):
    """A screen with a selected endpoint. The actions are named as in ``tui.input.keymap``."""

    def show(self, view: View) -> None:
        """A new view of the fleet."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        if self.is_mounted:
            self.show(self.deck.view)

    def _compositor_refresh(self) -> None:
        """Behind a dialog, hand on what changed, and that only.

        Textual marks it as changed on this screen as well, and so hands it on once more with every later change: a
        whole screen that was marked once would be written again and again for as long as the dialog is open.
        """
        if self.app.screen is self:
            super()._compositor_refresh()
            return
        regions = self._compositor._dirty_regions  # noqa: SLF001 - see above; Textual has no public name for it
        if regions and self.app.screen.is_modal and self.app.screen.styles.background.a < 1:
            self.app.screen.refresh(*regions)
        regions.clear()
        self._dirty_widgets.clear()

    def selected_ref(self) -> EndpointRef | None:
        """The endpoint that actions are for, or ``None``."""
        raise NotImplementedError

    def focused_text(self) -> str:
        """What has the focus, as plain text."""
        return self.whole_text()

    def whole_text(self) -> str:
        """The whole screen as plain text."""
        raise NotImplementedError

    @property
    def deck(self) -> ShiftdeckApp:
        """The app, by its own type."""
        return cast("ShiftdeckApp", cast("Any", self.app))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that were typed ahead of a dialog are not for the screen behind it."""
        return self.app.screen is self and super().check_action(action, parameters)

    async def obey(self, command: Command) -> None:
        """Carry a command out: with what follows it where it takes that, else as its key does."""
        ref, argument = self.selected_ref(), command.argument
        match command.id:
            case "shift":
                changes.start_shift(self.deck, ref, argument)
            case "promote":
                changes.start_promote(self.deck, ref, argument)
            case "rollback":
                changes.start_rollback(self.deck, ref, argument)
            case "mirror":
                changes.start_mirror(self.deck, ref, argument)
            case "advance":
                changes.start_advance(self.deck, ref, argument)
            case "span":
                changes.set_span(self.deck, argument)
            case "arm":
                changes.start_arm(self.deck, argument)
            case "drills":
                changes.start_drills(self.deck, argument)
            case "context":
                changes.start_context(self.deck, argument)
            case _:
                await self.run_action(command.id)

    def action_shift(self) -> None:
        changes.start_shift(self.deck, self.selected_ref())

    def action_promote(self) -> None:
        changes.start_promote(self.deck, self.selected_ref())

    def action_rollback(self) -> None:
        changes.start_rollback(self.deck, self.selected_ref())

    def action_mirror(self) -> None:
        changes.start_mirror(self.deck, self.selected_ref())

    def action_advance(self) -> None:
        changes.start_advance(self.deck, self.selected_ref())

    def action_hold(self) -> None:
        changes.start_step(self.deck, self.selected_ref(), contracts.Pause())

    def action_resume(self) -> None:
        changes.start_step(self.deck, self.selected_ref(), contracts.Resume())

    def action_abort(self) -> None:
        changes.start_step(self.deck, self.selected_ref(), contracts.Abort())

    def action_retry(self) -> None:
        changes.start_step(self.deck, self.selected_ref(), contracts.Retry())

    def action_undo(self) -> None:
        changes.start_undo(self.deck, self.selected_ref())

    def action_arm(self) -> None:
        changes.start_arm(self.deck)

    def action_span(self) -> None:
        changes.set_span(self.deck)

    def action_drift(self) -> None:
        from tui.screens.drift import DriftScreen

        ref = self.selected_ref()
        if ref is not None:
            self.deck.push_screen(DriftScreen(self.deck.look, ref))

    def action_diff(self) -> None:
        changes.show_versions(self.deck, self.selected_ref())

    def action_runbook(self) -> None:
        changes.show_runbook(self.deck, self.selected_ref())

    def action_journal(self) -> None:
        changes.show_journal(self.deck)

    def action_alerts(self) -> None:
        changes.show_alerts(self.deck)

    def action_sources(self) -> None:
        changes.show_sources(self.deck)

    def action_drills(self) -> None:
        changes.start_drills(self.deck)

    def action_context(self) -> None:
        changes.start_context(self.deck)

    def action_refresh(self) -> None:
        self.deck.engine.refresh()

    def action_pause(self) -> None:
        self.deck.engine.pause(not self.deck.view.paused)

    def action_slow_link(self) -> None:
        self.deck.turn_slow_link()

    def action_redraw(self) -> None:
        self.deck.action_redraw()

    def action_copy(self) -> None:
        changes.copy_text(self.deck, self.focused_text())

    def action_save(self) -> None:
        changes.save_text(self.deck, self.whole_text())

    def action_screenshot(self) -> None:
        changes.save_picture(self.deck)

    def action_quit(self) -> None:
        changes.leave(self.deck)
