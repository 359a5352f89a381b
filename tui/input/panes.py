"""The panes of the main screen: a record each, in the order of their keys.

Keys, titles, tabs, places on the screen, and which sources are asked for them are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

Cell = tuple[int, int, int]
"""A place where all panes are seen at once: the row (0 above the charts, 1 beside them), the place in it from the left,
and its share of the width beside the others'."""


@dataclass(frozen=True, slots=True, eq=False)
class PaneSpec:
    """One pane. ``name`` is the widget's id; ``label`` what help calls it.

    ``module`` makes it: its ``pane(view, selected, look, width, height)`` is what it shows, and its
    ``depends(view, selected)`` all that this depends on, so that it is drawn anew only where that is another. It is
    imported after the first frame. The charts, which share one pane, have none.
    """

    name: str
    label: str
    module: str = ""

    reads: tuple[str, str] | None = None
    """The kind of sources that it waits for at first, and what it wants of them."""

    rests: str = ""
    """The kind of sources that are read less often while it is not shown; "": those of every screen."""

    grid: Cell | None = None
    large: Cell | None = None
    """Its places on a usual and on a large screen. Where it has none, its key shows it alone."""


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
