"""Handlers of the actions for the program itself. Their imports are inside the functions: these keys may be pressed
before the rest of the program is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.terminal import clipboard
from tui.terminal.background import Tone, say

if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from tui.screens.host import Host


def refresh(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Poll every source now."""
    app.engine.refresh()


def pause_refresh(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Pause the refresh, or continue it."""
    app.engine.pause(not app.view.paused)


def set_span(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Set the window of the charts to the typed duration, or to the next of the usual windows."""
    from shiftdeck.common.durations import format_duration, parse_duration
    from shiftdeck.history.charts import CHART_WINDOWS_S

    now = app.engine.chart_window_s
    try:
        seconds = parse_duration(argument) if argument else next((s for s in CHART_WINDOWS_S if s > now), None)
    except ValueError as error:
        say(app, f"{error}.", Tone.CAUTION)
        return
    app.engine.chart_window_s = seconds or CHART_WINDOWS_S[0]
    say(app, f"Charts go back {format_duration(app.engine.chart_window_s)}.")


def toggle_slow_link(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Switch between drawing for a slow link and drawing as usual."""
    app.turn_slow_link()


def redraw(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Write the whole screen again."""
    app.redraw()


def save_picture(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Save the screen as an SVG picture in the state folder."""
    clipboard.save_picture(app)


def show_palette(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Open the palette, which finds an action by name."""
    app.show_palette()


def suspend(app: Host, ref: EndpointRef | None = None, argument: str = "") -> None:
    """Stop the process, as a shell's job. A stopped program watches no change, so it is refused while one is under
    way."""
    if any(not run.done for run in app.engine.view.runs):
        say(app, "A change is under way, and a suspended program would not watch it.", Tone.CAUTION)
    else:
        app.suspend_as_job()


def leave(app: Host) -> None:
    """End the program. While a change is under way, ask for a confirmation first."""
    under_way = [run for run in app.engine.view.runs if not run.done]
    if not under_way:
        app.exit(0)
        return
    from shiftdeck.changes.plan import Plan
    from shiftdeck.changes.run import traffic_runs
    from tui.screens.choosers import Asker

    if isinstance(app.screen, Asker):
        return

    def answered(yes: bool | None) -> None:
        if yes:
            app.exit(0)

    shifted = [run.plan.ref.name for run in traffic_runs(under_way)]
    others = [run.plan.words for run in under_way if not isinstance(run.plan, Plan)]
    names = ", ".join(dict.fromkeys((*shifted, *others)))
    words = f"A change is under way ({names}); it will be finished before the program ends."
    app.push_screen(Asker(app.look, "QUIT", words, "Quit", no="Stay"), answered)
