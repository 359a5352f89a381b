"""The panes of the selected endpoint: the functions that make them, and the values that they depend on. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Protocol, cast

from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from tui.input.panes import PANES
from tui.render.content import Content
from tui.render.theme import Look


class Maker(Protocol):
    """A module that makes a pane."""

    def pane(self, view: View, selected: EndpointView | None, look: Look, width: int, height: int) -> Content:
        """The content of the pane for that many columns and rows."""

    def depends(self, view: View, selected: EndpointView | None) -> object:
        """All values that the content depends on."""


MAKERS: Mapping[str, Maker] = {one.name: cast("Maker", import_module(one.module)) for one in PANES if one.module}
"""The modules by pane. ``tui.render.charts`` makes the charts."""


def pane_makers(view: View, selected: EndpointView | None, look: Look) -> dict[str, Callable[[int, int], Content]]:
    """By pane, a function that returns its content from columns and rows."""
    return {name: partial(maker.pane, view, selected, look) for name, maker in MAKERS.items()}


def pane_keys(view: View, selected: EndpointView | None) -> dict[str, object]:
    """By pane, all values that its content depends on."""
    return {name: maker.depends(view, selected) for name, maker in MAKERS.items()}
