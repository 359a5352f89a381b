"""What the panes say before anything is known. Pure, and light: the first frame is made of it."""

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
"""Of all panes, by id."""

READ: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        name: one.reads
        for one in panes.PANES
        if one.reads is not None
        for name in (CHARTS if one.name == "charts" else (one.name,))
    }
)
"""By pane: the kind of sources that it waits for, and what it wants of them."""


def waiting(view: View, pane: str, look: Look, width: int, height: int) -> Content:
    """What that pane is about to show."""
    if pane not in READ:
        return Content(TITLES[pane], Text(), (look.text((f"reading the {pane}{look.symbols.ellipsis}", "muted")),))
    kind, what = READ[pane]
    lines = source_status.why_empty(source_status.of_kind(view, kind), what, f"no {what} yet", look, width)
    return Content(TITLES[pane], Text(), lines)
