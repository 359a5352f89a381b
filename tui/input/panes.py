"""The table of the panes of the main screen, one record a pane, in the order of their keys.

Keys, titles, tabs, places on the screen and poll intervals of their sources are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

Cell = tuple[int, int, int]
"""A place in the layout that shows all panes at once: the row (0 above the charts, 1 beside them), the position in the
row from the left, and the relative width."""


@dataclass(frozen=True, slots=True, eq=False)
class PaneSpec:
    """One pane. ``name`` is the widget's id, ``label`` its name in the help.

    ``module`` renders the pane: its ``pane(view, selected, look, width, height)`` returns the content, and its
    ``depends(view, selected)`` returns everything that the content depends on. The pane is drawn again only when that
    value changes. The module is imported after the first frame. The charts, which share one pane, have no module.
    """

    name: str
    label: str
    module: str = ""

    reads: tuple[str, str] | None = None
    """The kind of sources that the pane waits for at first, and the name of their data."""

    rests: str = ""
    """The kind of sources that are polled less often while the pane is hidden; "": none, as every screen needs them."""

    grid: Cell | None = None
    large: Cell | None = None
    """The places on a usual and on a large screen. A pane without a place is shown alone, by its key."""


PANES: tuple[PaneSpec, ...] = (
    PaneSpec("traffic", "traffic", "tui.render.traffic", ("serving", "traffic"), grid=(0, 0, 38), large=(0, 0, 30)),
    PaneSpec(
        "registry",
        "registry",
        "tui.render.registry",
        ("registries", "versions"),
        rests="registries",
        grid=(0, 1, 32),
        large=(0, 1, 22),
    ),
    PaneSpec("charts", "charts", "", ("metrics", "history"), rests="charts"),
    PaneSpec(
        "gpu",
        "GPU",
        "tui.render.gpu",
        ("accelerators", "GPU data"),
        rests="accelerators",
        grid=(1, 2, 32),
        large=(0, 3, 26),
    ),
    PaneSpec(
        "drift",
        "drift",
        "tui.render.drift",
        ("drift", "drift scores"),
        rests="drift",
        grid=(0, 2, 30),
        large=(0, 2, 22),
    ),
    PaneSpec("journal", "journal", "tui.render.journal"),
)
