"""Widgets of lines that are drawn on demand. Only visible lines are drawn, and only changed lines are marked.

Textual repaints every region that is marked dirty and does not compare it with the shown one, so the comparison is made
here, line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.render.theme import Look

_CONSOLE = Console(width=1000, force_terminal=False, no_color=True)


_PLAIN = str.maketrans("·→←↑↓–—−…≤≥×µ°±", "-><^v---~<>xu +")
"""Replacements of our symbols by ASCII characters. Each has one character, so that columns stay aligned."""


def _printable(segment: Segment, look: Look) -> Segment:
    """The segment without control characters, and in ASCII if the look requires it. Names and messages come from other
    systems, and their control characters must not reach the terminal."""
    text = segment.text
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    if look.symbols.vertical == "|" and not text.isascii():
        text = text.translate(_PLAIN).encode("ascii", "replace").decode()
    return segment if text == segment.text else Segment(text, segment.style)


class Canvas(ScrollView, can_focus=False):
    """A scrolling widget of lines.

    A subclass implements ``head`` (lines that stay on top), ``total`` (the number of lines below) and ``line(index)``.
    It calls ``redraw`` whenever their results may have changed. Lines are cut and filled to the width.
    """

    DEFAULT_CSS = """
    Canvas { scrollbar-size: 0 0; overflow-x: hidden; overflow-y: scroll; }
    """

    def __init__(self, look: Look, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id, classes=classes)
        self.look = look
        self._shown: dict[int, Text] = {}
        self._strips: dict[int, Strip] = {}

    # ── for subclasses ──────────────────────────────────────────────────────────────────────────────────────────

    def head(self, width: int) -> Sequence[Text]:
        """Lines that do not scroll."""
        return ()

    def total(self) -> int:
        """The number of lines below the head."""
        return 0

    def line(self, index: int, width: int) -> Text:
        """Line ``index`` below the head."""
        raise NotImplementedError

    def line_style(self, index: int) -> Style | None:
        """A style under the whole line (the cursor's background), or ``None``."""
        return None

    @property
    def has_drawn(self) -> bool:
        """Whether any line has been drawn."""
        return bool(self._shown)

    # ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def redraw(self) -> None:
        """Compare the wanted lines with the shown ones, and mark the lines that differ."""
        width, height = self.size.width, self.size.height
        if width <= 0 or height <= 0 or not self.is_attached:
            return
        head = list(self.head(width))
        wanted = Size(width, len(head) + self.total())
        if self.virtual_size != wanted:
            # A plain assignment would make Textual lay out and repaint the whole screen, which does not depend on it.
            self.set_reactive(Canvas.virtual_size, wanted)
            if self.scroll_offset.y > self.max_scroll_y:
                self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)
                head = list(self.head(width))  # it may show the range of visible lines
        for y, text in enumerate(self._visible(head, width, height)):
            if self._shown.get(y) != text:
                self._shown[y] = text
                self._strips.pop(y, None)
                # ScrollView.refresh_line takes a line of the virtual space; y is a line of the visible area.
                self.refresh(Region(0, y, width, 1))

    def _visible(self, head: list[Text], width: int, height: int) -> list[Text]:
        lines = head[:height]
        top = self.scroll_offset.y
        total = self.total()
        for y in range(len(lines), height):
            index = y - len(head) + top
            if 0 <= index < total:
                text = self.line(index, width)
                under = self.line_style(index)
                if under is not None:
                    text = text.copy()
                    text.pad_right(max(0, width - text.cell_len))
                    text.stylize_before(under)
                lines.append(text)
            else:
                lines.append(Text())
        return lines

    def render_line(self, y: int) -> Strip:
        strip = self._strips.get(y)
        if strip is None:
            width = self.size.width
            text = self._shown.get(y) or Text()
            segments = [_printable(segment, self.look) for segment in text.render(_CONSOLE) if segment.text.strip("\n")]
            strip = Strip(segments).adjust_cell_length(width).apply_style(self.rich_style).simplify()
            self._strips[y] = strip
        return strip

    def on_resize(self, event: events.Resize) -> None:
        self._forget()

    def on_show(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._shown.clear()
        self._strips.clear()
        self.redraw()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    # ── for copying ─────────────────────────────────────────────────────────────────────────────────────────────

    def as_text(self, width: int = 200) -> str:
        """All lines, visible or not, as plain text."""
        lines = [*self.head(width), *(self.line(index, width) for index in range(self.total()))]
        return "\n".join(line.plain.rstrip() for line in lines)


class Lines(Canvas):
    """A canvas whose lines are made all at once by a pure function of the width."""

    def __init__(
        self,
        look: Look,
        *,
        id: str | None = None,  # noqa: A002 - Textual's own name
        classes: str | None = None,
    ) -> None:
        super().__init__(look, id=id, classes=classes)
        self._make: Callable[[int], Sequence[Text]] = lambda width: ()
        self._made: Sequence[Text] = ()
        self._made_for = -1

    def show(self, make: Callable[[int], Sequence[Text]]) -> None:
        """Show the lines that ``make(width)`` returns. It is called again when the width changes."""
        self._make = make
        self._made_for = -1
        self.redraw()

    def _lines(self, width: int) -> Sequence[Text]:
        if width != self._made_for:
            self._made = self._make(width)
            self._made_for = width
        return self._made

    def total(self) -> int:
        return len(self._lines(self.size.width))

    def line(self, index: int, width: int) -> Text:
        return self._lines(width)[index]

    def as_text(self, width: int = 200) -> str:
        return "\n".join(line.plain.rstrip() for line in self._make(width))


class Table(Canvas, can_focus=True):
    """A canvas with a cursor, which the arrow keys, j and k, the page keys, Home and End move.

    A subclass sets ``cursor`` when the order changes, so that the cursor stays on its row.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    class Moved(Message):
        """The cursor was moved to another line by the user."""

    def __init__(
        self,
        look: Look,
        *,
        id: str | None = None,  # noqa: A002 - Textual's own name
        classes: str | None = None,
    ) -> None:
        super().__init__(look, id=id, classes=classes)
        self.cursor = 0

    def line_style(self, index: int) -> Style | None:
        return self.look["cursor"] if index == self.cursor else None

    def move(self, to: int) -> bool:
        """Put the cursor on line ``to``, or on the nearest line, and scroll to it. Returns whether it moved."""
        target = max(0, min(to, self.total() - 1))
        moved = target != self.cursor
        self.cursor = target
        room = self.page
        top = int(self.scroll_offset.y)
        if target < top:
            self.scroll_to(y=target, animate=False, immediate=True)
        elif target >= top + room:
            self.scroll_to(y=target - room + 1, animate=False, immediate=True)
        self.redraw()
        return moved

    def _step(self, by: int) -> None:
        if self.move(self.cursor + by):
            self.post_message(self.Moved())

    @property
    def page(self) -> int:
        """The number of lines that fit below the head."""
        return max(1, self.size.height - len(self.head(self.size.width)))

    def action_scroll_up(self) -> None:
        self._step(-1)

    def action_scroll_down(self) -> None:
        self._step(1)

    def action_page_up(self) -> None:
        self._step(-self.page)

    def action_page_down(self) -> None:
        self._step(self.page)

    def action_scroll_home(self) -> None:
        self._step(-self.total())

    def action_scroll_end(self) -> None:
        self._step(self.total())
