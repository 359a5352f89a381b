"""The footer: the keys that apply now, or a message for a few seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from tui.input.actions import ACTIONS, ActionSpec
from tui.input.keymap import shown_key
from tui.render.columns import placed
from tui.render.theme import Look
from tui.widgets.canvas import Lines

if TYPE_CHECKING:
    from backends.contracts import Endpoint

MESSAGE_S = 6.0

Entry = tuple[str, str, bool]
"""The shown key, its label, and whether its action is possible now."""


def offered(screen: str, endpoint: Endpoint | None, *, writable: bool) -> list[tuple[ActionSpec, bool]]:
    """The actions for the footer of that screen in their order, and whether each is possible now.

    Changes that the endpoint's system does not know, and steps that are not possible now, are left out.
    """
    found = []
    for one in sorted((one for one in ACTIONS if screen in one.screens and one.footer), key=lambda one: one.footer):
        change = one.change
        if one.step:
            if change is not None and endpoint is not None and endpoint.actions.get(change, "") is None:
                found.append((one, writable))
        elif change is None or endpoint is None:
            found.append((one, change is None))
        elif change in endpoint.actions:
            found.append((one, writable and endpoint.actions[change] is None))
    return found


def more(screen: str) -> list[tuple[ActionSpec, bool]]:
    """Further actions, for a footer with room to spare."""
    return [(one, True) for one in ACTIONS if screen in one.screens and not one.footer and one.label]


def footer_line(
    screen: str, endpoint: Endpoint | None, look: Look, width: int, *, writable: bool, remapped: Mapping[str, str]
) -> Text:
    """The keys that fit into the width. The least needed keys are dropped first."""
    keys = offered(screen, endpoint, writable=writable)
    leaving = sorted((one for one, _ in keys if one.leaves), key=lambda one: one.leaves)
    line = _line(keys, look, remapped)
    while line.cell_len > width and leaving:
        going = leaving.pop(0)
        keys = [(one, possible) for one, possible in keys if one is not going]
        line = _line(keys, look, remapped)
    for extra in more(screen):
        longer = _line([*keys[:-1], extra, *keys[-1:]], look, remapped)
        if longer.cell_len > width:
            break
        keys, line = [*keys[:-1], extra, *keys[-1:]], longer
    return line


def key_line(entries: Sequence[Entry], look: Look) -> Text:
    """Keys and what they do, on one line."""
    line = Text(" ", no_wrap=True, end="")
    for number, (key, label, possible) in enumerate(entries):
        if number:
            line.append("  ")
        line.append(key, look["key" if possible else "faint"])
        line.append(" ")
        line.append(label, look["text" if possible else "faint"])
    return line


def _line(keys: Sequence[tuple[ActionSpec, bool]], look: Look, remapped: Mapping[str, str]) -> Text:
    names = {"Enter": look.symbols.enter}
    return key_line(
        [
            (names.get(shown, shown), one.label, possible)
            for one, possible in keys
            for shown in (shown_key(one, remapped),)
        ],
        look,
    )


class Footer(Lines):
    """One line of keys. ``say`` shows a message in their place for some seconds."""

    DEFAULT_CSS = "Footer { height: 1; }"

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(look, id=id)
        self._message: Text | None = None
        self._number = 0
        self._rest: Callable[[int], Sequence[Text]] = lambda width: ()
        self._state: object = None

    def show_keys(self, screen: str, endpoint: Endpoint | None, *, writable: bool, remapped: Mapping[str, str]) -> None:
        """Show the keys of that screen that apply to ``endpoint``."""
        state = (screen, None if endpoint is None else tuple(endpoint.actions.items()), writable)
        if state == self._state:
            return
        self._state = state
        self._rest = lambda width: (
            footer_line(screen, endpoint, self.look, width, writable=writable, remapped=remapped),
        )
        if self._message is None:
            self.show(self._rest)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show exactly these keys."""
        self._rest = lambda width: (placed(key_line(entries, self.look), width),)
        if self._message is None:
            self.show(self._rest)

    def say(self, text: str, style: str = "strong", seconds: float = MESSAGE_S) -> None:
        """Show a message instead of the keys for that many seconds. A later message replaces it."""
        self._number += 1
        number = self._number
        message = self.look.text((f" {text}", style))
        self._message = message
        self.show(lambda width: (placed(message, width),))
        self.set_timer(seconds, lambda: self._end(number))

    @property
    def message(self) -> str:
        """The message that is shown, or ""."""
        return "" if self._message is None else self._message.plain.strip()

    def clear(self) -> None:
        """Remove the message before its time."""
        self._end(self._number)

    def _end(self, number: int) -> None:
        if number == self._number and self._message is not None:
            self._message = None
            self.show(self._rest)
