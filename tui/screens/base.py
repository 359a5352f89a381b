"""The base of all screens: their actions, and how they are copied, saved and left."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from textual.await_complete import AwaitComplete
from textual.screen import Screen

from tui.input.actions import ActionSpec, action
from tui.terminal.background import Tone, say
from tui.widgets.footer import MESSAGE_S, Footer

if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from shiftdeck.engine.view import View
    from tui.input.command_line import Words
    from tui.screens.host import Host

T = TypeVar("T")


class BaseScreen(Screen[T], Generic[T]):
    """A screen with a footer, and with the actions of its kind."""

    KIND: ClassVar[str] = "list"
    """The kind of screen, as in ``tui.input.actions``. It decides which keys the screen has."""

    OFFERS: ClassVar[str] = ""
    """The kind whose actions the command palette offers; "": ``KIND``."""

    HELP: ClassVar[str] = "main"
    """The kind whose keys the help shows."""

    footer: Footer

    @property
    def deck(self) -> Host:
        """The app, through the protocol that screens use."""
        return cast("Host", cast("Any", self.app))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether the action may run. Keys that were typed before a dialog opened, or before this screen ended, are
        ignored."""
        return self.app.screen is self and super().check_action(action, parameters)

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """End the screen, once: Textual would end the next screen on a second call."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    def say(self, text: str, style: str = "strong", seconds: float = MESSAGE_S) -> None:
        """Show a message in the footer for some seconds."""
        self.footer.say(text, style, seconds)

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def selected_ref(self) -> EndpointRef | None:
        """The endpoint that actions apply to, or ``None``."""
        return None

    def action_act(self, identifier: str) -> None:
        """Textual's action for every key of the table of actions."""
        self.perform(action(identifier))

    def perform(self, one: ActionSpec, argument: str = "") -> None:
        """Run an action.

        Raises:
            ValueError: the argument is not valid; nothing was done.
        """
        module, _, name = one.handler.rpartition(":")
        if module:
            getattr(import_module(module), name)(self.deck, self.selected_ref(), argument or one.given)
        else:
            getattr(self, name)(argument or one.given)

    def end(self, argument: str = "") -> None:
        """End the program."""
        self.deck.leave()

    # ── text ────────────────────────────────────────────────────────────────────────────────────────────────────

    def focused_text(self) -> str:
        """The focused widget as plain text."""
        return self.whole_text()

    def whole_text(self) -> str:
        """The whole screen as plain text."""
        raise NotImplementedError

    def copy_text(self, argument: str = "") -> None:
        """Copy the focused widget to the terminal's clipboard and to a file."""
        from tui.terminal import clipboard

        clipboard.copy(self.deck, self.focused_text())

    def save_text(self, argument: str = "") -> None:
        """Save the screen as text in the state folder."""
        from tui.terminal import clipboard

        clipboard.save_text(self.deck, self.whole_text())


class Steering(BaseScreen[None]):
    """A screen with a selected endpoint."""

    def show(self, view: View) -> None:
        """Show a new view."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        if self.is_mounted:
            self.show(self.deck.view)

    def _compositor_refresh(self) -> None:
        """Behind a dialog, hand the changed regions to the dialog once.

        Textual also keeps them marked as changed on this screen, and hands them on again with every later change. A
        whole screen that was marked once would be written again and again while the dialog is open.
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
        raise NotImplementedError

    # ── command mode ────────────────────────────────────────────────────────────────────────────────────────────

    def completions(self, text: str) -> list[str]:
        """The lines that complete the typed text."""
        from tui.input import command_line

        return command_line.completions(text, self._words(), self.KIND)

    def obey(self, text: str) -> None:
        """Run a typed command.

        Raises:
            ValueError: it is not a command, or its argument is not valid; nothing was done.
        """
        from tui.input import command_line

        command = command_line.parse(text, self.KIND)
        self.footer.clear()
        self.perform(command.action, command.argument)
        if command.notice:
            # The footer shows one message at a time, so the notice is added to the action's message.
            said = self.footer.message if self.app.screen is self else ""
            say(self.deck, f"{said} {command.notice}.".strip(), Tone.CAUTION)

    def _words(self) -> Words:
        from tui.input.command_line import Words

        view, ref = self.deck.view, self.selected_ref()
        selected = view.endpoint(ref) if ref is not None else None
        return Words(
            endpoints=[str(one.ref) for one in view.endpoints],
            variants=[one.name for one in selected.variants] if selected else [],
            releases=[one.id for one in selected.endpoint.releases if not one.current] if selected else [],
            drills=[one.name for one in view.drills],
            contexts=list(self.deck.config.contexts),
        )
