"""A pane: a title that stays, and lines that scroll. A pure function of its size makes its content."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual import events

from tui.render.columns import placed
from tui.render.content import Content
from tui.render.theme import Look
from tui.widgets.canvas import Canvas

Make = Callable[[int, int], Content]
"""Returns the content of a pane from its columns and rows, both without margin and title."""

MARGIN = 1


class Pane(Canvas, can_focus=True):
    """One pane. It can have the focus, to be scrolled, zoomed or copied."""

    def __init__(self, look: Look, title: str, *, id: str) -> None:  # noqa: A002 - Textual's own name
        super().__init__(look, id=id)
        self._make: Make = lambda width, height: Content(title, Text(), ())
        self._content = Content(title, Text(), ())
        self._made_for = (-1, -1)
        self._key: object = None

    def show(self, make: Make, key: object = None) -> None:
        """Show the content that ``make`` returns. It is called again when the size changes. ``key`` holds all values
        that the content depends on: with the same key as the last time, nothing is done."""
        if key is not None and key == self._key:
            return
        self._key = key
        self._make = make
        self._made_for = (-1, -1)
        self.redraw()

    def content(self, width: int) -> Content:
        size = max(1, width - 2 * MARGIN), max(1, self.size.height - 1)
        if size != self._made_for:
            self._content = self._make(*size)
            self._made_for = size
        return self._content

    def head(self, width: int) -> Sequence[Text]:
        content = self.content(width)
        title = self.look.text(
            (f"{self.look.symbols.cursor}" if self.has_focus else " ", "key"),
            (content.title, "key" if self.has_focus else "title"),
        )
        if content.subtitle.plain:
            title.append(" ")
            title.append_text(content.subtitle)
        hidden = self._hidden_note(len(content.lines))
        room = max(0, width - len(hidden) - 1)
        if hidden or title.cell_len > width - MARGIN:
            title = placed(title, room)
            title.append(hidden, self.look["muted"])
        return (title,)

    def _hidden_note(self, total: int) -> str:
        """The range of the visible lines, or "" if all are visible."""
        room = self.size.height - 1
        if total <= room or room <= 0:
            return ""
        first = int(self.scroll_offset.y) + 1
        return f" {first}–{min(total, first + room - 1)} of {total} "

    def total(self) -> int:
        return len(self.content(self.size.width).lines)

    def line(self, index: int, width: int) -> Text:
        line = self.content(width).lines[index]
        indented = Text(" " * MARGIN, no_wrap=True, end="")
        indented.append_text(line)
        return indented

    def as_text(self, width: int = 200) -> str:
        content = self._make(width, max(1, self.size.height - 1))
        title = f"{content.title} {content.subtitle.plain}".rstrip()
        return "\n".join([title, *(line.plain.rstrip() for line in content.lines)])

    def on_focus(self, event: events.Focus) -> None:
        self.redraw()

    def on_blur(self, event: events.Blur) -> None:
        self.redraw()
