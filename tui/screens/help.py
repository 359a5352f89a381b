"""The help: every key as configured, by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.input.actions import ACTIONS, ActionSpec
from tui.input.command_line import usage
from tui.input.keymap import bindings, shown_key
from tui.render.columns import Column, grid
from tui.render.content import Content
from tui.render.text import beside
from tui.render.theme import Look
from tui.screens.base import BaseScreen
from tui.widgets.footer import Footer
from tui.widgets.pane import Pane

GROUPS: Mapping[str, str] = {"change": "CHANGE", "look": "LOOK", "program": "PROGRAM"}

MOVING = (
    ("↑ ↓  j k", "Move the cursor, or scroll the pane that has the focus"),
    ("PgUp PgDn", "By a page"),
    ("Home End", "To the first or last"),
    ("Tab", "To the next pane; Shift-Tab to the one before"),
    ("Esc", "Back: out of a zoom, a filter, a list, a screen"),
)

TWO_COLUMNS_FROM = 190


def help_lines(screens: frozenset[str], remapped: Mapping[str, str], look: Look, width: int) -> list[Text]:
    """The keys of these screens by group, each with its word in command mode."""
    blocks = [_group(name, screens, remapped, look) for name in GROUPS]
    moving = [_row(keys, words, "", look, changed=False) for keys, words in MOVING]
    wide = width >= TWO_COLUMNS_FROM
    half = (width - 4) // 2 if wide else width
    made = [_block(title, rows, look, half) for title, rows in zip(GROUPS.values(), blocks, strict=True)]
    made.append(_block("MOVE", moving, look, half))
    if wide:
        left, right = made[0] + [Text()] + made[1], made[2] + [Text()] + made[3]
        return beside([left, right], [half, half], gap=4)
    return [line for block in made for line in (*block, Text())]


def _group(name: str, screens: frozenset[str], remapped: Mapping[str, str], look: Look) -> list[Sequence[Text]]:
    return [
        _row(keys_of(one, remapped), one.help, f":{usage(one)}" if one.word else "", look, one.id in remapped)
        for one in ACTIONS
        if one.group == name and one.screens & screens
    ]


def keys_of(one: ActionSpec, remapped: Mapping[str, str]) -> str:
    """All keys of an action: "q ^Q"."""
    if one.id in remapped:
        return shown_key(one, remapped)
    return " ".join(shown_key(one, {one.id: key}) for key in one.keys)


def _row(keys: str, words: str, command: str, look: Look, changed: bool) -> Sequence[Text]:
    note = f"  {look.symbols.dot} remapped" if changed else ""
    return look.text((keys, "key")), look.text((words, "text"), (note, "muted")), look.text((command, "muted"))


def _block(title: str, rows: Sequence[Sequence[Text]], look: Look, width: int) -> list[Text]:
    columns = (Column(), Column(), Column(rank=1))
    return [look.text((title, "title")), *grid(columns, rows, width, look)]


class HelpScreen(BaseScreen[None]):
    """The screen with all keys, which scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("list", {}),
        Binding("escape", "leave", show=False),
    ]

    def __init__(self, look: Look, screen: str = "main") -> None:
        super().__init__()
        self.look = look
        self._for = frozenset({screen})
        self._keys = Pane(look, "KEYS", id="keys")
        self.footer = Footer(look)

    def compose(self) -> ComposeResult:
        yield self._keys
        yield self.footer

    def on_mount(self) -> None:
        remapped = self.look.remapped
        about = self.look.text(("as they are now", "muted"))
        self._keys.show(
            lambda width, height: Content(
                "KEYS", about, [Text(), *help_lines(self._for, remapped, self.look, max(20, width))]
            )
        )
        self.footer.show_entries([("Esc", "back", True), ("y", "copy", True), ("w", "save", True)])
        self._keys.focus()

    def as_text(self, width: int = 200) -> str:
        """All keys as plain text."""
        return self._keys.as_text(width)

    def whole_text(self) -> str:
        return self.as_text()

    def action_leave(self) -> None:
        self.dismiss(None)

    def end(self, argument: str = "") -> None:
        """Close the help. It does not end the program."""
        self.action_leave()
