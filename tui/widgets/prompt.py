"""The input line at the bottom for a command or a filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from tui.input.line_editing import History, common
from tui.render.columns import placed
from tui.render.theme import Look
from tui.widgets.canvas import Lines

OFFERED = 40
"""How many completions are shown at most: more never fit beside the input."""

Complete = Callable[[str], Sequence[str]]


class PromptInput(Input):
    """The input itself. Its cursor does not blink, because every blink is written to the terminal."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),
        Binding("up", "earlier", show=False),
        Binding("down", "later", show=False),
        Binding("tab", "complete", show=False, priority=True),
    ]

    def __init__(self, prompt: Prompt) -> None:
        super().__init__(compact=True, select_on_focus=False)
        self.cursor_blink = False
        self._prompt = prompt

    def action_cancel(self) -> None:
        self._prompt.cancel()

    def action_earlier(self) -> None:
        self._prompt.look_back(self._prompt.history.back)

    def action_later(self) -> None:
        self._prompt.look_back(self._prompt.history.on)

    def action_complete(self) -> None:
        self._prompt.complete()


class Prompt(Horizontal):
    """A sign, an input, and beside it the completions or an error message."""

    DEFAULT_CSS = """
    Prompt { height: 1; background: $panel; }
    Prompt #sign { width: 3; height: 1; background: $panel; }
    Prompt PromptInput { width: 1fr; height: 1; background: $panel; border: none; padding: 0; }
    Prompt #hints { width: 1fr; height: 1; background: $panel; }
    """

    class Changed(Message):
        """The typed text changed."""

        def __init__(self, sign: str, value: str) -> None:
            super().__init__()
            self.sign, self.value = sign, value

    class Done(Message):
        """Enter was pressed; the prompt stays open until it is closed."""

        def __init__(self, sign: str, value: str) -> None:
            super().__init__()
            self.sign, self.value = sign, value

    class Cancelled(Message):
        """Escape was pressed."""

        def __init__(self, sign: str) -> None:
            super().__init__()
            self.sign = sign

    def __init__(self, look: Look) -> None:
        super().__init__(id="prompt")
        self.look = look
        self.sign = ""
        self._histories: dict[str, History] = {}
        self._complete: Complete = lambda text: ()
        self._sign = Lines(look, id="sign")
        self._input = PromptInput(self)
        self._hints = Lines(look, id="hints")

    @property
    def history(self) -> History:
        """The lines that were typed after this sign before."""
        return self._histories.setdefault(self.sign, History())

    @property
    def value(self) -> str:
        return self._input.value

    def ask(self, sign: str, value: str = "", complete: Complete = lambda text: ()) -> None:
        """Open the prompt. ``complete`` returns the lines that complete the typed text."""
        if not self.children:  # mounted on first use: earlier they would delay the first frame
            self.mount_all((self._sign, self._input, self._hints))
        self.sign, self._complete = sign, complete
        self._sign.show(lambda width: (self.look.text((f" {sign}", "key")),))
        with self.prevent(Input.Changed):
            self._input.value = value
        self._input.cursor_position = len(value)
        self._input.focus()
        self._offer()

    def complain(self, text: str) -> None:
        """Show an error message for the typed text."""
        self._hint(self.look.text((text, "critical")))

    def cancel(self) -> None:
        self.post_message(self.Cancelled(self.sign))

    def look_back(self, step: Callable[[str], str]) -> None:
        """Show another line of the history."""
        self._put(step(self.value))

    def complete(self) -> None:
        """Complete the typed text to the common beginning of all completions, or to the first one if that adds
        nothing."""
        found = self._complete(self.value)
        if found:
            shared = common(found)
            one = f"{found[0]} " if len(found) == 1 and not found[0].endswith("=") else ""
            self._put(one or (shared if len(shared) > len(self.value) else found[0]))

    def _put(self, value: str) -> None:
        self._input.value = value
        self._input.cursor_position = len(value)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._offer()
        self.post_message(self.Changed(self.sign, event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.history.add(event.value.strip())
        self.post_message(self.Done(self.sign, event.value))

    def _offer(self) -> None:
        """Show the last words of the completions."""
        found = self._complete(self.value)
        words = [line.rpartition(" ")[2] for line in found[:OFFERED]]
        self._hint(self.look.text(("  ".join(words), "muted")))

    def _hint(self, text: Text) -> None:
        self._hints.show(lambda width: (placed(text, width),))

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Close the prompt when another widget or a dialog takes the focus."""
        if self.sign and self.screen.is_current and self.screen.focused is not None:
            self.cancel()
