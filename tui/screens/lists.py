"""Lists to read: the journal with the details of each change, the sources, a runbook."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from backends.contracts import EndpointRef
from shiftdeck.engine.view import View
from shiftdeck.journal.journal import Entry
from shiftdeck.journal.verify import Verification
from shiftdeck.sources.source import SourceState
from tui.render.entries import entry_lines, source_lines, verified
from tui.render.journal import deed_lines, deeds
from tui.render.text import wrap
from tui.render.theme import Look
from tui.screens.list_screen import Item, Listing, ListingScreen
from tui.terminal import clipboard
from tui.terminal.background import Tone, in_background, say

KEPT = 500
"""How many of the journal's newest entries are read when the list is opened."""


class Records(ListingScreen):
    """A list that is updated when it is uncovered."""

    def on_screen_resume(self) -> None:
        if self.is_mounted:
            self.show(self.deck.view)


class JournalScreen(Records):
    """Changes, newest first. Enter shows the details of one. v verifies the whole chain of hashes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("v", "verify", show=False)]

    def __init__(self, look: Look) -> None:
        super().__init__(look, "JOURNAL", self._listing, pick="details")
        self._older: tuple[Entry, ...] = ()
        self._verdict: tuple[Text, ...] = ()
        self._trouble = ""

    def on_mount(self) -> None:
        journal = self.deck.engine.journal
        in_background(self, lambda: journal.tail(KEPT), self._read, self._failed)

    def _read(self, entries: tuple[Entry, ...]) -> None:
        self._older = entries
        self.show(self.deck.view)

    def _failed(self, error: Exception) -> None:
        self._trouble = str(error)
        self.show(self.deck.view)

    def _entries(self, view: View) -> list[Entry]:
        """The entries that were read when the list was opened, and the newer ones of the view."""
        return list({entry.seq: entry for entry in (*self._older, *view.journal)}.values())

    def _listing(self, view: View, width: int) -> Listing:
        found = deeds(self._entries(view))
        running = {run.seq for run in view.runs if not run.done}
        lines = deed_lines(found, running, view.at, self.look, width)
        items = [Item(str(deed.seq), line) for deed, line in zip(found, lines, strict=True)]
        trouble = wrap(self.look.text((self._trouble, "critical")), width) if self._trouble else []
        path = clipboard.short(self.deck.engine.journal.path)
        subtitle = self.look.text((path, "muted"), (f" {self.look.symbols.dot} v", "key"), (" verifies it", "muted"))
        return Listing(subtitle, items, [*self._verdict, *trouble], "no change has been recorded yet")

    def action_pick(self) -> None:
        picked = self._table.picked
        if not picked:
            return
        seq = int(picked)
        entries = sorted(
            (one for one in self._entries(self.deck.view) if one.seq == seq or one.intent == seq),
            key=lambda one: one.seq,
        )

        def listing(view: View, width: int) -> Listing:
            return Listing(Text(), [Item("", line) for line in entry_lines(entries, self.look, width)])

        self.app.push_screen(Records(self.look, f"JOURNAL #{seq}", listing))

    def action_verify(self) -> None:
        journal = self.deck.engine.journal
        self._verdict = (self.look.text((f"following the chain{self.look.symbols.ellipsis}", "muted")),)
        self.show(self.deck.view)

        def done(result: Verification) -> None:
            self._verdict = tuple(verified(result, self.look, max(20, self.size.width - 4)))
            self.show(self.deck.view)

        in_background(self, journal.verify, done, self._failed)


class SourcesScreen(Records):
    """Every source. Enter polls the source under the cursor at once."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "SOURCES", self._listing, pick="ask now")

    def _listing(self, view: View, width: int) -> Listing:
        heads, *blocks = source_lines(view.sources, view.at, self.look, width)
        items = [Item(status.name, text) for status, block in zip(view.sources, blocks, strict=True) for text in block]
        well = sum(status.state is SourceState.OK for status in view.sources)
        subtitle = self.look.text((f"{well} of {len(view.sources)} well", "muted"))
        if view.clock_jump is not None:
            subtitle.append_text(self.look.text("  ", (view.clock_jump.words, "warning")))
        return Listing(subtitle, items, heads, "no source is configured for this context")

    def action_pick(self) -> None:
        if self._table.picked:
            self.deck.engine.refresh(self._table.picked)
            say(self.deck, f"{self._table.picked} is asked now.", Tone.NEWS)


def runbook_screen(look: Look, ref: EndpointRef, book: str, text: str) -> ListingScreen:
    """The screen with the text of a runbook, or with its URL if it is not a file."""

    def listing(view: View, width: int) -> Listing:
        lines = [part for one in text.splitlines() for part in (wrap(look.text(one), width) if one else [Text()])]
        if not lines:
            lines = [look.text((book, "strong")), Text(), look.text(("y copies the address", "muted"))]
        return Listing(look.text((str(ref), "muted")), [Item("", line) for line in lines])

    return Records(look, "RUNBOOK", listing)
