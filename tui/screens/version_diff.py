"""The screen with two versions of a model side by side. The arrow keys choose the second one."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from backends.contracts import ModelRef, ModelVersion
from shiftdeck.engine.view import View
from shiftdeck.registry.version_diff import describe, side_by_side
from tui.render.theme import Look
from tui.render.version_diff import version_rows
from tui.screens.list_screen import Item, Listing
from tui.screens.lists import Records
from tui.terminal.background import in_background


class VersionsScreen(Records):
    """The differences between ``old`` and another version of the same model, ``new`` at first. Details that a registry
    returns only for single versions are read in the background."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "other(1)", show=False),
        Binding("right", "other(-1)", show=False),
    ]

    def __init__(self, look: Look, old: ModelVersion, new: ModelVersion) -> None:
        super().__init__(look, "VERSIONS", self._listing)
        self._old, self._new = old.ref, new.ref
        self._described: dict[ModelRef, ModelVersion] = {}

    def on_mount(self) -> None:
        for ref in (self._old, self._new):
            self._ask(ref)

    def show(self, view: View) -> None:
        super().show(view)
        self.footer.show_entries([("arrows", "another version", True), ("Esc", "back", True), ("y", "copy", True)])

    def _ask(self, ref: ModelRef) -> None:
        """Read the details of a version in the background, unless they are known."""
        if ref in self._described:
            return
        engine = self.deck.engine
        in_background(self, lambda: describe(engine.view, engine.adapter, ref), self._told, lambda _: None)

    def _told(self, version: ModelVersion) -> None:
        self._described[version.ref] = version
        self.show(self.deck.view)

    def _listing(self, view: View, width: int) -> Listing:
        both = [self._version(view, ref) for ref in (self._old, self._new)]
        subtitle = self.look.text((self._old.model, "strong"))
        if both[0] is None or both[1] is None:
            return Listing(subtitle, (), empty="the registry does not know both versions any more")
        names = (_named(both[0]), _named(both[1]))
        rows = side_by_side(both[0], both[1])
        lines = version_rows(rows, self.look, width, names)
        differing = sum(row.differs for row in rows)
        subtitle.append_text(self.look.text((f"  {differing} of {len(rows)} differ", "muted")))
        items = [Item(f"{row.part} {row.name}", line) for row, line in zip(rows, lines[1:], strict=True)]
        return Listing(subtitle, items, lines[:1], "the registry tells nothing of either")

    def _version(self, view: View, ref: ModelRef) -> ModelVersion | None:
        found = self._described.get(ref)
        return found or next((one for one in view.versions if one.ref == ref), None)

    def action_other(self, step: int) -> None:
        """Compare with the next older or newer version."""
        of_model = [one.ref for one in self.deck.view.versions if one.ref.model == self._old.model]
        others = [ref for ref in of_model if ref != self._old]
        if self._new in others:
            self._new = others[max(0, min(others.index(self._new) + step, len(others) - 1))]
            self._ask(self._new)
            self.show(self.deck.view)


def _named(version: ModelVersion) -> str:
    shown = f"v{version.ref.version}" if version.ref.version.isdigit() else version.ref.version
    return " ".join([shown, *(f"@{alias}" for alias in version.aliases)])
