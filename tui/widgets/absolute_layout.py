"""The container of the main screen: places each child as the plan of the screen says, and hides the others."""

from __future__ import annotations

from collections.abc import Callable

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from tui.render.main_layout import Plan


class PlannedLayout(Layout):
    """A layout that places widgets by their ids."""

    name = "planned"

    def __init__(self, plan: Callable[[Size], Plan]) -> None:
        self._plan = plan

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        boxes = self._plan(size).boxes
        return [
            WidgetPlacement(Region(box.x, box.y, box.width, box.height), NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child.id is not None and (box := boxes.get(child.id)) is not None
        ]


class Deck(Widget):
    """The container of all widgets of the main screen."""

    DEFAULT_CSS = "Deck { width: 100%; height: 100%; overflow: hidden hidden; }"

    def __init__(self, plan: Callable[[Size], Plan], *children: Widget) -> None:
        super().__init__(*children, id="deck")
        self._planned = PlannedLayout(plan)

    @property
    def layout(self) -> Layout:
        return self._planned

    def rearrange(self) -> None:
        """Place all widgets again, after the plan has changed."""
        # A child asks for the layout, because Textual drops the arrangements of that child's ancestors only.
        for child in list(self.children)[:1]:
            child.refresh(repaint=False, layout=True)
