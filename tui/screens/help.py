"""Every key, as it is now, by what it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui.input.command_line import usage
from tui.input.keymap import KEYS, Key, bindings, shown_key
from tui.render.columns import Column, grid
from tui.render.content import Content
from tui.render.text import beside
from tui.render.theme import Look
from tui.terminal import clipboard
from tui.widgets.footer import MESSAGE_S, Footer
from tui.widgets.pane import Pane

if TYPE_CHECKING:
    from tui.app.app import ShiftdeckApp

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
    """The keys of these screens by group; the word for command mode beside each."""
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
        _row(
            keys_of(key, remapped), key.help, f":{usage(key.command)}" if key.command else "", look, key.id in remapped
        )
        for key in KEYS
        if key.group == name and key.screens & screens
    ]


def keys_of(key: Key, remapped: Mapping[str, str]) -> str:
    """All keys of an action: "q ^Q"."""
    if key.id in remapped:
        return shown_key(key, remapped)
    return " ".join(shown_key(key, {key.id: one}) for one in key.keys)


def _row(keys: str, words: str, command: str, look: Look, changed: bool) -> Sequence[Text]:
    note = f"  {look.symbols.dot} remapped" if changed else ""
    return look.text((keys, "key")), look.text((words, "text"), (note, "muted")), look.text((command, "muted"))


def _block(title: str, rows: Sequence[Sequence[Text]], look: Look, width: int) -> list[Text]:
    columns = (Column(), Column(), Column(rank=1))
    return [look.text((title, "title")), *grid(columns, rows, width, look)]


class HelpScreen(Screen[None]):
    """All keys, scrolling."""

    KIND = "list"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("list", {}),
        Binding("escape,question_mark,q", "leave", show=False),
    ]

    def __init__(self, look: Look, screen: str = "main") -> None:
        super().__init__()
        self.look = look
        self._for = frozenset({screen})
        self._keys = Pane(look, "KEYS", id="keys")
        self._footer = Footer(look)

    def compose(self) -> ComposeResult:
        yield self._keys
        yield self._footer

    def on_mount(self) -> None:
        remapped = self._deck.config.keys
        about = self.look.text(("as they are now", "muted"))
        self._keys.show(
            lambda width, height: Content(
                "KEYS", about, [Text(), *help_lines(self._for, remapped, self.look, max(20, width))]
            )
        )
        self._footer.show_entries([("Esc", "back", True), ("y", "copy", True), ("w", "save", True)])
        self._keys.focus()

    def as_text(self, width: int = 200) -> str:
        """All keys as plain text."""
        return self._keys.as_text(width)

    def say(self, text: str, style: str = "strong", seconds: float = MESSAGE_S) -> None:
        """A message in the footer, for a while."""
        self._footer.say(text, style, seconds)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_copy(self) -> None:
        clipboard.copy(self._deck, self.as_text())

    def action_redraw(self) -> None:
        self._deck.action_redraw()

    def action_save(self) -> None:
        clipboard.save_text(self._deck, self.as_text())

    def action_screenshot(self) -> None:
        clipboard.save_picture(self._deck)

    @property
    def _deck(self) -> ShiftdeckApp:
        return cast("ShiftdeckApp", cast("Any", self.app))
