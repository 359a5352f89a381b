"""The modules that are imported after the first frame, in the background, in this order.

An import holds the interpreter's lock for nearly all of its time, so each part is imported at its moment: when the
content that it would delay is on the screen. A function that needs a module earlier imports it itself.
"""

from __future__ import annotations

from enum import Enum, auto
from importlib import import_module


class Moment(Enum):
    """The moments at which modules are imported, in their order."""

    DRAWN = auto()  # the first frame is on the screen
    ASKED = auto()  # the engine has begun to ask the serving systems
    ROWS = auto()  # endpoints are in the table
    CHARTED = auto()  # the history of an endpoint has been read
    LOADED = auto()  # all sources have been read


PRELOAD: tuple[tuple[Moment, str], ...] = (
    # The engine, with the sources: nothing is polled without it.
    (Moment.DRAWN, "shiftdeck.engine.engine"),
    # The rows of the table. They are imported while the serving systems answer, which brings the first endpoints.
    (Moment.ASKED, "tui.render.endpoint_row"),
    # The panes below the table, of the endpoint under the cursor. The table needs fewer modules and does not wait.
    (Moment.ROWS, "tui.render.main_panes"),
    (Moment.ROWS, "tui.render.charts"),
    # plotext draws the curves. Its import takes 70 ms; without a metrics source there is nothing to draw.
    (Moment.CHARTED, "textual_plotext"),
    # The modules that the first key for a change needs: its dialogs, and the engine's planner and executor.
    (Moment.LOADED, "tui.actions.changes"),
    (Moment.LOADED, "tui.actions.views"),
    (Moment.LOADED, "shiftdeck.changes.planner"),
    (Moment.LOADED, "shiftdeck.changes.dry_run"),
    (Moment.LOADED, "shiftdeck.changes.advisory_lock"),
    (Moment.LOADED, "shiftdeck.changes.kinds"),
)


def load(moment: Moment) -> None:
    """Import the modules of that moment, on the caller's thread."""
    for when, name in PRELOAD:
        if when is moment:
            import_module(name)
