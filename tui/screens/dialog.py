"""The parts of dialogs: a panel over the screen, buttons, and lines that take the rows that they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from rich.text import Text
from textual import events
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Size
from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget

from shiftdeck.engine.view import View
from tui.render.theme import Look
from tui.terminal.background import say
from tui.terminal.capabilities import Colours
from tui.widgets.canvas import Lines

if TYPE_CHECKING:
    from tui.screens.host import Host

T = TypeVar("T")

READ_S = 0.3
"""A change is not confirmed until its plan has been on screen for so many seconds: a key typed ahead, or text pasted
into a terminal that does not bracket it, must not answer a question that nobody has read."""

WIDEST = 118
"""The largest width of a panel, in cells: longer lines are hard to read."""


BEHIND = Color(11, 14, 20, 0.62)
"""The colour that dims the screen behind a dialog, which is still updated. Sixteen colours cannot be dimmed."""


class Push(Widget, can_focus=True):
    """A button on one line. If the terminal has few colours, brackets show that it is a button."""

    DEFAULT_CSS = "Push { width: auto; height: 1; margin: 0 2 0 0; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "press", show=False)]

    class Pressed(Message):
        """The button was pressed."""

        def __init__(self, button: Push) -> None:
            super().__init__()
            self.button = button

        @property
        def control(self) -> Push:
            return self.button

    def __init__(self, look: Look, label: str, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self.look = look
        self.label = label
        self.danger = False

    def relabel(self, label: str, *, danger: bool = False) -> None:
        """Change the label. ``danger`` marks an action against the advice of the checks."""
        if (label, danger) != (self.label, self.danger):
            self.label, self.danger = label, danger
            self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return len(self._words())

    def _words(self) -> str:
        framed = self.look.capabilities.colours is not Colours.FULL
        return f"[ {self.label} ]" if framed else f"  {self.label}  "

    def render(self) -> Text:
        if self.disabled:
            return Text(self._words(), self.look["faint"])
        style = ("danger" if self.danger else "focus") if self.has_focus else "button"
        return Text(self._words(), self.look[style])

    def action_press(self) -> None:
        dialog = self.screen
        if isinstance(dialog, Dialog) and self.id == "apply" and not dialog.can_be_read:
            say(dialog.deck, f"{self.label} came before this could be read. Press it again.")
            return
        self.post_message(self.Pressed(self))


class Note(Lines):
    """Lines that take exactly the rows that they need."""

    DEFAULT_CSS = "Note { height: 0; }"

    def say(self, make: Callable[[int], Sequence[Text]], width: int) -> int:
        """Show the lines of ``make(width)``, and return their number."""
        rows = len(make(width))
        if self.styles.height is None or self.styles.height.value != rows:
            self.styles.height = rows
        self.show(make)
        return rows


class Dialog(ModalScreen[T], Generic[T]):
    """A panel over the screen, which is still updated behind it. Escape closes the dialog.

    A subclass puts everything into a container ``#box`` and calls ``fit`` with the number of rows that it needs.
    """

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog #box { background: $surface; padding: 1 2; height: auto; width: 100%; }
    Dialog Input { background: $background; }
    Dialog Input:focus { background: $background; background-tint: $primary 20%; }
    Dialog:ansi #box { background: ansi_default; }
    Dialog:ansi Input { background: ansi_default; text-style: underline; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("left", "step(-1)", show=False),
        Binding("right", "step(1)", show=False),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self._tallest = 0
        self._asked_at = monotonic()

    @property
    def deck(self) -> Host:
        """The app, through the protocol that screens use."""
        return cast("Host", self.app)

    @property
    def view(self) -> View:
        """The newest view."""
        return self.deck.view

    def asks_anew(self) -> None:
        """What is to be confirmed has changed."""
        self._asked_at = monotonic()

    @property
    def can_be_read(self) -> bool:
        """Whether what is to be confirmed has been on screen for a moment."""
        return monotonic() - self._asked_at >= READ_S

    def show(self, view: View) -> None:
        """Show a new view."""

    def redraw(self) -> None:
        """Draw everything for the present size."""

    def on_mount(self) -> None:
        if self.look.capabilities.colours is Colours.FULL:
            self.styles.background = BEHIND
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    # ── size ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def wide(self) -> int:
        """Cells for text inside the panel."""
        return min(self.app.size.width, WIDEST) - 4

    def fit(self, rows: int) -> int:
        """Make the panel high enough for ``rows`` rows of content, within the terminal, and return how many rows fit.

        The panel never shrinks while it is open, so that the text does not jump.
        """
        width, height = self.app.size
        self._tallest = max(self._tallest, rows + 2)
        taken = min(height, self._tallest)
        box = self.query_one("#box")
        box.styles.width = min(width, WIDEST)
        box.styles.height = taken
        return taken - 2

    # ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether the action may run. Keys that were typed after the dialog's end are ignored."""
        return self.app.screen is self and super().check_action(action, parameters)

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """End the dialog, once: Textual would end the next screen on a second call."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    # ── moving ──────────────────────────────────────────────────────────────────────────────────────────────────

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_step(self, by: int) -> None:
        """Move the focus to the next or the previous button."""
        buttons = [button for button in self.query(Push) if button.display and not button.disabled]
        if self.focused in buttons:
            self.set_focus(buttons[(buttons.index(self.focused) + by) % len(buttons)])
