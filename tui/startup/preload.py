"""What the first frame does without: the modules that are imported behind it, in the background, in this order.

An import holds the interpreter's lock nearly all the time that it takes, so each part waits for its moment: until what
it would delay is on the screen. Whoever needs a module earlier imports it, inside the function that uses it.
"""

from __future__ import annotations

from enum import Enum, auto
from importlib import import_module


class Moment(Enum):
    """When a part is imported, one after another."""

    DRAWN = auto()  # the first frame is on the screen
    ASKED = auto()  # the engine has begun to ask the serving systems
    ROWS = auto()  # endpoints are in the table
    CHARTED = auto()  # the history of an endpoint has been read
    LOADED = auto()  # all sources have been read


PRELOAD: tuple[tuple[Moment, str], ...] = (
    # The engine, with the sources: nothing is asked without it.
    (Moment.DRAWN, "shiftdeck.engine.engine"),
    # A row of the table. It is there before the answer of the serving systems, which brings the first endpoints.
    (Moment.ASKED, "tui.render.endpoint_row"),
    # The panes beneath the table, of the endpoint under the cursor. The table, which is made of less, does not wait.
    (Moment.ROWS, "tui.render.main_panes"),
    (Moment.ROWS, "tui.render.charts"),
    # plotext draws the curves. It takes 70 ms; without a source of metrics there is nothing to draw.
    (Moment.CHARTED, "textual_plotext"),
    # What the first key that changes something takes: its dialogs, and what the engine plans and carries it out with.
    (Moment.LOADED, "tui.actions.changes"),
    (Moment.LOADED, "tui.actions.views"),
    (Moment.LOADED, "shiftdeck.changes.planner"),
    (Moment.LOADED, "shiftdeck.changes.dry_run"),
    (Moment.LOADED, "shiftdeck.changes.advisory_lock"),
    (Moment.LOADED, "shiftdeck.changes.kinds"),
)


def load(moment: Moment) -> None:
    """Import, on the caller's thread, what is due at that moment."""
    for when, name in PRELOAD:
        if when is moment:
            import_module(name)
