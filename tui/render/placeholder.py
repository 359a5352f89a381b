"""The content of the panes before any source has answered. Pure. The first frame needs this module, so it imports
little."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rich.text import Text

from shiftdeck.engine.view import View
from tui.input import panes
from tui.render import source_status
from tui.render.content import Content
from tui.render.main_layout import CHARTS, PANES
from tui.render.theme import Look

TITLES: Mapping[str, str] = MappingProxyType(
    {
        **{name: name.upper() for name in PANES if name != "charts"},
        "p95": "P95 ms",
        "share": "SHARE %",
        "errors": "ERRORS %",
    }
)
"""The titles of all panes, by id."""

READ: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        name: one.reads
        for one in panes.PANES
        if one.reads is not None
        for name in (CHARTS if one.name == "charts" else (one.name,))
    }
)
"""By pane: the kind of sources that it waits for, and the name of their data."""


def waiting(view: View, pane: str, look: Look, width: int, height: int) -> Content:
    """The content of a pane that waits for its sources."""
    if pane not in READ:
        return Content(TITLES[pane], Text(), (look.text((f"reading the {pane}{look.symbols.ellipsis}", "muted")),))
    kind, what = READ[pane]
    lines = source_status.why_empty(source_status.of_kind(view, kind), what, f"no {what} yet", look, width)
    return Content(TITLES[pane], Text(), lines)
