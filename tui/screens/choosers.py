"""Dialogs before a plan is made: they choose a split, a release, a variant or a percentage, or ask a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from backends.contracts import EndpointRef
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from tui.render.choices import Choices, table
from tui.render.plan import title_lines
from tui.render.split_editor import Draft, mirror_lines, preset_line, split_lines
from tui.render.text import wrap
from tui.render.theme import Look
from tui.screens.dialog import Dialog, Note, Push
from tui.widgets.canvas import Table

Keys = Sequence[tuple[str, str]]


def key_line(look: Look, keys: Keys) -> Text:
    """Keys and what they do, on one line."""
    parts: list[str | tuple[str, str]] = []
    for key, words in keys:
        parts += [(key, "key"), (f" {words}   ", "muted")]
    return look.text(*parts)


class _Picks(Table):
    """The rows of a chooser."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, id="rows")
        self.choices = Choices((), ())

    def head(self, width: int) -> Sequence[Text]:
        return table(self.choices, self.look, width)[:1]

    def total(self) -> int:
        return max(1, len(self.choices.rows))

    def line(self, index: int, width: int) -> Text:
        return table(self.choices, self.look, width)[1:][index]


class Chooser(Dialog[str]):
    """Chooses one of several rows. The result is the key of the row, or ``None``.

    ``make`` returns the choices for each new view. With ``act`` the dialog stays open, and Enter calls ``act`` with the
    key instead.
    """

    DEFAULT_CSS = """
    Chooser #rows { height: 1fr; margin: 1 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", show=False),
    ]

    def __init__(
        self,
        look: Look,
        title: str,
        make: Callable[[View], Choices],
        *,
        ref: EndpointRef | None = None,
        note: str = "",
        keys: Keys = (("Enter", "choose"), ("Esc", "cancel")),
        act: Callable[[str], None] | None = None,
        first: str = "",
    ) -> None:
        super().__init__(look)
        self._title = title
        self._make = make
        self._ref = ref
        self._note = note
        self._keys = keys
        self._act = act
        self._first = first
        self._refused = ""

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Note(self.look, id="title")
            yield Note(self.look, id="note")
            yield _Picks(self.look)
            yield Note(self.look, id="keys")

    def on_mount(self) -> None:
        self.redraw()
        rows = self.query_one(_Picks)
        at = next((at for at, row in enumerate(rows.choices.rows) if row.key == self._first), None)
        free = (at for at, row in enumerate(rows.choices.rows) if not row.refused)
        rows.cursor = next(free, 0) if at is None else at
        self.set_focus(rows)

    def show(self, view: View) -> None:
        self.redraw()

    def redraw(self) -> None:
        view, wide, rows = self.view, self.wide, self.query_one(_Picks)
        rows.choices = self._make(view)
        taken = self.query_one("#title", Note).say(
            lambda width: title_lines(self.look, self._title, self._ref, view.context, view.production, width), wide
        )
        taken += self.query_one("#note", Note).say(self._notes, wide)
        taken += self.query_one("#keys", Note).say(lambda width: wrap(key_line(self.look, self._keys), width), wide)
        self.fit(taken + 2 + 1 + max(1, len(rows.choices.rows)))
        rows.move(rows.cursor)

    def _notes(self, width: int) -> list[Text]:
        lines = wrap(self.look.text((self._note, "muted")), width) if self._note else []
        return [*lines, *(wrap(self.look.text((self._refused, "warning")), width) if self._refused else ())]

    @on(Table.Moved)
    def _moved(self) -> None:
        if self._refused:
            self._refused = ""
            self.redraw()

    def action_take(self) -> None:
        rows = self.query_one(_Picks)
        if rows.cursor >= len(rows.choices.rows):
            return
        row = rows.choices.rows[rows.cursor]
        if row.refused:
            self._refused = f"{row.key}: {row.refused}"
            self.redraw()
        elif self._act is not None:
            self._act(row.key)
        else:
            self.dismiss(row.key)


class Asker(Dialog[bool]):
    """A question with two answers. The answer that changes nothing has the focus."""

    DEFAULT_CSS = """
    Asker #question { margin: 1 0; }
    Asker #buttons { height: 1; }
    """

    def __init__(self, look: Look, title: str, words: str, yes: str, no: str = "Cancel") -> None:
        super().__init__(look)
        self._title = title
        self._words = words
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Note(self.look, id="title")
            yield Note(self.look, id="question")
            with Horizontal(id="buttons"):
                if self._no:
                    yield Push(self.look, self._no, id="no")
                yield Push(self.look, self._yes, id="yes")

    def on_mount(self) -> None:
        self.query(Push).first().focus()

    def redraw(self) -> None:
        view, wide = self.view, self.wide
        rows = self.query_one("#title", Note).say(
            lambda width: title_lines(self.look, self._title, None, view.context, view.production, width), wide
        )
        rows += self.query_one("#question", Note).say(self._question, wide)
        self.fit(rows + 3)

    def _question(self, width: int) -> list[Text]:
        return [part for text in self._words.split("\n") for part in wrap(self.look.text(text), width)]

    @on(Push.Pressed)
    def _pressed(self, event: Push.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class Editor(Dialog[dict[str, float]]):
    """Edits percentages by arrow keys, presets and digits. The result is the percent by variant, or ``None``.

    With ``mirror`` the mirrored percentage of the draft's variant is edited, else the live split.
    """

    DEFAULT_CSS = """
    Editor #split { margin: 1 0; }
    Editor #keys { margin: 1 0 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", show=False),
        Binding("left,minus", "nudge(-1)", show=False),
        Binding("right,plus", "nudge(1)", show=False),
        Binding("shift+left,left_square_bracket", "nudge(-5)", show=False),
        Binding("shift+right,right_square_bracket", "nudge(5)", show=False),
        Binding("up", "preset(1)", show=False),
        Binding("down", "preset(-1)", show=False),
        Binding("tab", "other(1)", show=False),
        Binding("shift+tab", "other(-1)", show=False),
        Binding("backspace", "rub_out", show=False),
    ]

    def __init__(self, look: Look, view: EndpointView, draft: Draft, *, mirror: bool = False) -> None:
        super().__init__(look)
        self._seen = view
        self._draft = draft
        self._mirror = mirror
        self._wrong = ""

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Note(self.look, id="title")
            yield Note(self.look, id="split")
            yield Note(self.look, id="presets")
            yield Note(self.look, id="keys")

    def show(self, view: View) -> None:
        self._seen = view.endpoint(self._seen.ref) or self._seen
        self.redraw()

    def redraw(self) -> None:
        view, wide, look = self.view, self.wide, self.look
        title = "MIRROR" if self._mirror else "SHIFT"
        rows = self.query_one("#title", Note).say(
            lambda width: title_lines(look, title, self._seen.ref, view.context, view.production, width), wide
        )
        rows += self.query_one("#split", Note).say(self._lines, wide)
        rows += self.query_one("#presets", Note).say(lambda width: [preset_line(self._draft.value, look)], wide)
        rows += self.query_one("#keys", Note).say(lambda width: wrap(key_line(look, self._keys), width), wide)
        self.fit(rows + 3)

    def _lines(self, width: int) -> list[Text]:
        draw = mirror_lines if self._mirror else split_lines
        lines = draw(self._seen, self._draft, self.look, width)
        return [*lines, *(wrap(self.look.text((self._wrong, "warning")), width) if self._wrong else ())]

    @property
    def _keys(self) -> Keys:
        arrows = ("←→", "↑↓") if self.look.symbols.arrow == "→" else ("Left Right", "Up Down")
        others = (("Tab", "another variant"),) if len(self._draft.names) > 1 else ()
        return (
            (arrows[0], "1 less, more"),
            ("[ ]", "5 less, more"),
            (arrows[1], "presets"),
            ("0-9", "type it"),
            *others,
            ("Enter", "plan"),
            ("Esc", "cancel"),
        )

    # ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _to(self, draft: Draft) -> None:
        self._draft, self._wrong = draft, ""
        self.redraw()

    def action_nudge(self, by: int) -> None:
        self._to(self._draft.nudge(by))

    def action_preset(self, by: int) -> None:
        self._to(self._draft.preset(by))

    def action_other(self, by: int) -> None:
        self._to(self._draft.other(by))

    def action_rub_out(self) -> None:
        self._to(self._draft.rub_out())

    def on_key(self, event: events.Key) -> None:
        if event.character is not None and event.character in "0123456789.":
            event.stop()
            self._to(self._draft.type(event.character))

    def action_take(self) -> None:
        now = {one.name: (one.mirror if self._mirror else one.desired) or 0.0 for one in self._seen.endpoint.variants}
        wanted = dict(self._draft.weights)
        if all(now.get(name) == weight for name, weight in wanted.items()):
            self._wrong = "That is how it is now."
        elif not self._mirror and abs(self._draft.total - 100.0) > 0.01:
            self._wrong = "The weights must add up to 100 %."
        else:
            self.dismiss(wanted)
            return
        self.redraw()
