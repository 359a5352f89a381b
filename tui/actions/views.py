"""Handlers of the actions that open a view: lists, runbooks, drift, versions, drills, contexts, help."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from backends.contracts import EndpointRef
from shiftdeck.changes.recovery import Finding
from shiftdeck.engine.view import View
from tui.render import choices
from tui.screens.alerts import AlertsScreen
from tui.screens.base import BaseScreen
from tui.screens.choosers import Asker, Chooser
from tui.screens.lists import JournalScreen, SourcesScreen, runbook_screen
from tui.terminal import clipboard
from tui.terminal.background import Tone, in_background, say, with_hint

if TYPE_CHECKING:
    from tui.screens.host import Host


def drills(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """List the drills, or start or end the named one."""
    if not app.view.drills:
        say(app, "Drills are for the lab: shiftdeck demo has them.", Tone.CAUTION)
    elif argument.strip():
        _toggle(app, argument.strip())
    else:

        def make(fleet: View) -> choices.Choices:
            return choices.drills(fleet.drills, fleet.at, app.look)

        keys = (("Enter", "start or end"), ("Esc", "close"))
        app.push_screen(Chooser(app.look, "DRILLS", make, keys=keys, act=partial(_toggle, app)))


def _toggle(app: Host, name: str) -> None:
    drill = next((one for one in app.view.drills if one.name == name), None)
    if drill is None:
        names = ", ".join(one.name for one in app.view.drills)
        say(app, f"There is no drill {name}; there are {names}.", Tone.CAUTION)
        return
    in_background(
        app,
        lambda: app.engine.set_drill(name, not drill.running),
        lambda _: say(app, f"Drill {name} {'ends' if drill.running else 'begins'}."),
        lambda error: say(app, with_hint(error), Tone.TROUBLE),
    )


def switch_context(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Switch to the named context, or to one that the user chooses."""
    name = argument.strip()
    if not name:

        def make(fleet: View) -> choices.Choices:
            return choices.contexts(app.config, fleet.context, app.look)

        title = "CONTEXT"
        app.push_screen(Chooser(app.look, title, make, keys=(("Enter", "switch"), ("Esc", "stay"))), _switcher(app))
    elif name not in app.config.contexts:
        say(app, f"There is no context {name}; there are {', '.join(app.config.contexts)}.", Tone.CAUTION)
    else:
        _switcher(app)(name)


def _switcher(app: Host) -> Callable[[str | None], None]:
    def switch(name: str | None) -> None:
        if name is None or name == app.engine.context.name:
            return
        from tui.screens.endpoint import EndpointScreen

        while isinstance(app.screen, EndpointScreen):
            app.pop_screen()
        under_way = [run for run in app.view.runs if not run.done]
        app.switch_context(name)
        if under_way:
            say(app, "A change under way in the context that you left is finished first.", Tone.CAUTION)

    return switch


# ── lists and texts ─────────────────────────────────────────────────────────────────────────────────────────────


def show_journal(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Show the newest entries of the journal."""
    app.push_screen(JournalScreen(app.look))


def show_sources(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Show every source, its state and its age."""
    app.push_screen(SourcesScreen(app.look))


def show_versions(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Show two versions of the endpoint's model side by side: the two that serve, else the newest beside the one that
    serves."""
    from tui.render.version_diff import pair
    from tui.screens.version_diff import VersionsScreen

    view = app.view.endpoint(ref) if ref is not None else None
    if view is None:
        say(app, "No endpoint is selected.", Tone.CAUTION)
        return
    both = pair(app.view, view)
    if both is None:
        say(app, f"The registry does not know two versions of what {view.ref.name} serves.", Tone.CAUTION)
        return
    app.push_screen(VersionsScreen(app.look, *both))


def show_alerts(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Show every alert, its state and its text."""
    app.push_screen(AlertsScreen(app.look))


def show_drift(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Show the drift of the endpoint, feature by feature."""
    from tui.screens.drift import DriftScreen

    if ref is not None:
        app.push_screen(DriftScreen(app.look, ref))


def show_help(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Show the help with every key, or close the help if it is open."""
    from tui.screens.help import HelpScreen

    screen = app.screen
    if isinstance(screen, HelpScreen):
        screen.dismiss(None)
    else:
        app.push_screen(HelpScreen(app.look, screen.HELP if isinstance(screen, BaseScreen) else "main"))


def show_runbook(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Show the runbook of an endpoint: its URL, or its text if it is a file."""
    view = app.view.endpoint(ref) if ref is not None else None
    if view is None or ref is None:
        say(app, "No endpoint is selected.", Tone.CAUTION)
        return
    book = view.endpoint.runbook
    if not book:
        table = f'[contexts.{app.engine.context.name}.runbooks] "{ref}" = "URL or path"'
        say(app, f"No runbook is configured for {ref.name}: set {table}", Tone.CAUTION)
        return

    def read(text: str) -> None:
        app.push_screen(runbook_screen(app.look, ref, book, text))

    in_background(
        app,
        lambda: clipboard.read_text(book),
        read,
        lambda error: say(app, f"The runbook {book} cannot be read: {error}", Tone.CAUTION),
    )


# ── unfinished changes of an earlier run ────────────────────────────────────────────────────────────────────────


def tell_findings(app: Host, findings: tuple[Finding, ...]) -> None:
    """Show once what became of changes that an earlier run of this program left without an outcome, and which outcomes
    were not right. This does nothing
    while a dialog is open, so call it again with each view."""
    if not findings or app.told == findings or app.screen.is_modal:
        return
    app.told = findings
    lines = []
    for reopened, heading in (
        (False, "without an outcome"),
        (True, "whose outcome was not as it was said"),
    ):
        told = [finding for finding in findings if finding.reopened is reopened]
        lines += [f"Found {len(told)} {'change' if len(told) == 1 else 'changes'} {heading}:"] if told else []
        for finding in told:
            entry = finding.entry
            what = entry.data.get("change", "a change")
            lines.append(f"#{entry.seq} {what} on {entry.ref}, by {entry.operator}: {finding.message}")
    lines.append("The journal (J) shows the calls that were sent.")
    app.push_screen(Asker(app.look, "INTERRUPTED", "\n".join(lines), "Understood", no=""))
