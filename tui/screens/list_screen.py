"""A list over the whole screen, to read or to pick a row from: sources, the journal, alerts, a runbook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from shiftdeck.engine.view import View
from tui.input.keymap import bindings
from tui.render.theme import Look
from tui.screens.base import BaseScreen
from tui.widgets.canvas import Table
from tui.widgets.footer import Entry, Footer


@dataclass(frozen=True, slots=True)
class Item:
    """One row. ``key`` is the result when the row is picked; "": it cannot be picked."""

    key: str
    text: Text


@dataclass(frozen=True, slots=True)
class Listing:
    """The content of a list. ``heads`` are lines that stay on top. ``empty`` says why there are no rows."""

    subtitle: Text
    items: Sequence[Item]
    heads: Sequence[Text] = ()
    empty: str = "nothing here"


MakeListing = Callable[[View, int], Listing]
"""Returns the content of a list, from the view and the width in columns."""


class ListTable(Table):
    """The rows of a list, below its title."""

    def __init__(self, look: Look, title: str) -> None:
        super().__init__(look, id="list")
        self._title = title
        self._make: Callable[[int], Listing] = lambda width: Listing(Text(), ())
        self._made = Listing(Text(), ())
        self._made_for = -1

    def show(self, make: Callable[[int], Listing]) -> None:
        """Show the content that ``make(width)`` returns. The cursor stays on its key."""
        before = self.picked
        self._make, self._made_for = make, -1
        keys = [item.key for item in self.listing(self.size.width).items]
        if before and before in keys:
            self.cursor = keys.index(before)
        self.cursor = max(0, min(self.cursor, len(keys) - 1))
        self.redraw()

    def listing(self, width: int) -> Listing:
        if width != self._made_for:
            self._made, self._made_for = self._make(max(1, width - 2)), width
        return self._made

    @property
    def picked(self) -> str:
        """The key of the row under the cursor, or ""."""
        items = self._made.items
        return items[self.cursor].key if 0 <= self.cursor < len(items) else ""

    def head(self, width: int) -> Sequence[Text]:
        listing = self.listing(width)
        title = self.look.text((f" {self._title} ", "title"))
        title.append_text(listing.subtitle)
        return (title, Text(), *(_indented(head) for head in listing.heads))

    def total(self) -> int:
        return max(1, len(self.listing(self.size.width).items))

    def line(self, index: int, width: int) -> Text:
        listing = self.listing(width)
        if not listing.items:
            return self.look.text((f" {listing.empty}", "muted"))
        return _indented(listing.items[index].text)


def _indented(line: Text) -> Text:
    indented = Text(" ", no_wrap=True, end="")
    indented.append_text(line)
    return indented


class ListingScreen(BaseScreen[str]):
    """A titled list. Its result is the key of the row that was picked, or ``None``.

    ``make(view, width)`` is called for each new view and width. ``pick`` is the word for Enter ("switch"), or "" for a
    list that is only read.
    """

    HELP = "list"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("list", {}),
        Binding("escape", "leave", show=False),
        Binding("enter", "pick", show=False),
    ]

    def __init__(self, look: Look, title: str, make: MakeListing, *, pick: str = "", at: str = "") -> None:
        super().__init__()
        self.look = look
        self._make = make
        self._pick = pick
        self._at = at
        self._table = ListTable(look, title)
        self.footer = Footer(look)

    def compose(self) -> ComposeResult:
        yield self._table
        yield self.footer

    def on_mount(self) -> None:
        enter: list[Entry] = [(self.look.symbols.enter, self._pick, True)] if self._pick else []
        self.footer.show_entries([*enter, ("Esc", "back", True), ("y", "copy", True), ("w", "save", True)])
        self.show(self.deck.view)
        self._table.focus()

    def show(self, view: View) -> None:
        """Show a new view."""
        self._table.show(lambda width: self._make(view, width))
        if self._at:
            keys = [item.key for item in self._table.listing(self._table.size.width).items]
            if self._at in keys:
                self._table.move(keys.index(self._at))
                self._at = ""

    def as_text(self, width: int = 200) -> str:
        """All rows as plain text."""
        return self._table.as_text(width)

    def whole_text(self) -> str:
        return self.as_text()

    def action_pick(self) -> None:
        if self._pick and self._table.picked:
            self.dismiss(self._table.picked)

    def action_leave(self) -> None:
        self.dismiss(None)

    def end(self, argument: str = "") -> None:
        """Close the list. It does not end the program."""
        self.action_leave()
