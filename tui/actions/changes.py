"""Handlers of the actions that change something: they lead from a key or a command to a dialog and to the plan.

Every handler takes the app, the selected endpoint or ``None``, and the argument, and returns at once. If the action is
not possible, the handler shows the reason and opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from backends.contracts import (
    Abort,
    Action,
    Advance,
    EndpointRef,
    Mirror,
    Pause,
    Promote,
    Resume,
    Retry,
    Role,
    Rollback,
    Split,
    Unpin,
    action_of,
)
from backends.errors import Rejected
from shiftdeck.changes.planner import rest_to_stable
from shiftdeck.changes.release_memory import Memory, just_went_back, remembered_view
from shiftdeck.changes.run import OutcomeKind, TrafficRun, traffic_runs
from shiftdeck.changes.way_back import last_good
from shiftdeck.common.durations import format_duration, parse_duration
from shiftdeck.config.loader import Access
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from tui.input.weights import parse_share, parse_weights
from tui.render import choices
from tui.render.split_editor import Draft, draft_of
from tui.screens.choosers import Asker, Chooser, Editor
from tui.screens.plan import PlanScreen, Proposed
from tui.terminal.background import Tone, say, with_hint

if TYPE_CHECKING:
    from tui.render.theme import Look
    from tui.screens.host import Host

ROLLED_BACK = "rolled back from shiftdeck"
UNDONE = "undone from shiftdeck"
ABORTED = "aborted from shiftdeck"
"""Reasons for the journal, if the operator enters none."""


def refusal(view: View, ref: EndpointRef | None, action: Action, look: Look) -> str:
    """Why the action is not possible on that endpoint now, or ""."""
    if ref is None:
        return "No endpoint is selected."
    found = view.endpoint(ref)
    if found is None:
        return f"{ref} is not known: no serving system has reported it."
    if action not in found.endpoint.actions:
        return f"{ref.backend} knows no {action}."
    reason = found.endpoint.actions[action]
    if reason is not None:
        return f"{ref.name}: {reason}."
    return "" if view.arming.writable else _read_only(view, look)


def _read_only(view: View, look: Look) -> str:
    """Why nothing can be changed now, and how to allow changes."""
    if view.arming.access is Access.READ_ONLY:
        return (
            f"{view.context} is read-only. To change things from here, set access to arm or read-write "
            f"in its table of the configuration."
        )
    return f"{view.context} is read-only until it is armed: press {look.key('arm')}."


def _allowed(app: Host, ref: EndpointRef | None, action: Action) -> EndpointView | None:
    """The endpoint, if the action is possible on it; else ``None``, and the reason is shown."""
    why = refusal(app.view, ref, action, app.look)
    if why:
        say(app, why, Tone.CAUTION)
        return None
    return app.view.endpoint(ref) if ref is not None else None


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def shift(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Open the editor of the split, or plan the split that is given as "v8=25"."""
    view = _allowed(app, ref, Action.SHIFT)
    if view is None:
        return
    if argument.strip():
        try:
            _plan(app, Proposed(view.ref, rest_to_stable(view.endpoint, parse_weights(argument))))
        except (Rejected, ValueError) as error:
            say(app, with_hint(error), Tone.CAUTION)
        return
    draft = draft_of(view)
    if draft is None:
        say(app, f"{view.ref.name} has nothing to shift traffic to.", Tone.CAUTION)
        return

    def edited(weights: dict[str, float] | None) -> None:
        if weights is not None:
            _plan(app, Proposed(view.ref, Split(weights)))

    app.push_screen(Editor(app.look, view, draft), edited)


def promote(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan the promotion of the named variant, else of the only candidate, else of a variant that the user chooses."""
    view = _allowed(app, ref, Action.PROMOTE)
    if view is not None:
        _with_variant(
            app, view, "PROMOTE", argument.strip(), lambda name: _plan(app, Proposed(view.ref, Promote(name)))
        )


def rollback(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan the rollback to the named release, else to the last good one, else to a release that the user chooses."""
    view = _allowed(app, ref, Action.ROLLBACK)
    if view is None:
        return
    view = _remembering(app, view)
    named = argument.strip()
    known = [release.id for release in view.endpoint.releases]
    if named and named not in known:
        say(app, f"{view.ref.name} has no release {named}; it has {', '.join(known) or 'none'}.", Tone.CAUTION)
        return
    went = "" if named else _went_back(app, view)
    good = last_good(view)
    target = named or (good.id if good is not None else "")
    if went:
        _choose_release(app, view.ref, f"Taken back already: {went}. Choose a release to go back further.")
    elif target:
        _plan(app, _rollback(view.ref, target, unnamed=not named))
    elif not any(not release.current for release in view.endpoint.releases):
        say(app, f"{view.ref.name} has no earlier release to go back to.", Tone.CAUTION)
    else:
        _choose_release(app, view.ref, "No earlier release is known to be good.")


def _remembering(app: Host, view: EndpointView) -> EndpointView:
    """The endpoint with what the journal remembers of its releases."""
    return remembered_view(view, app.view.memory.get(str(view.ref), Memory()), app.view.at)


def _went_back(app: Host, view: EndpointView) -> str:
    """Who has just gone back on the endpoint, or "". Runs of this program count before the journal shows them."""
    runs = [run for run in traffic_runs(app.engine.runs()) if run.plan.ref == view.ref]
    if runs and not runs[-1].done and runs[-1].plan.back and isinstance(runs[-1].plan.change, Rollback):
        return f"{runs[-1].plan.words} is under way"
    memory = app.view.memory.get(str(view.ref), Memory())
    return just_went_back(view.endpoint, memory, app.view.at, app.engine.journal.operator)


def mirror(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan the mirroring of requests to a variant. The variant and its share are given as "v13=20", or chosen."""
    view = _allowed(app, ref, Action.MIRROR)
    if view is None:
        return
    try:
        name, percent = parse_share(argument)
    except ValueError as error:
        say(app, f"{error}.", Tone.CAUTION)
        return
    if percent is not None:
        _with_variant(app, view, "MIRROR", name, lambda found: _plan(app, Proposed(view.ref, Mirror(found, percent))))
        return

    def chosen(found: str) -> None:
        variant = view.endpoint.variant(found)
        now = (variant.mirror if variant else None) or 0.0

        def edited(shares: dict[str, float] | None) -> None:
            if shares is not None:
                _plan(app, Proposed(view.ref, Mirror(found, shares[found])))

        app.push_screen(Editor(app.look, view, Draft({found: now}, (found,)), mirror=True), edited)

    _with_variant(app, view, "MIRROR", name, chosen)


def advance(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan the next step of a rollout, or with "full" all remaining steps."""
    word = argument.strip()
    if word not in ("", "full"):
        say(app, f"advance {word}: only full may follow, to skip all steps that are left.", Tone.CAUTION)
        return
    _step(app, ref, Advance(full=bool(word)))


def pause(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan the pause of a rollout. In earlier releases this word paused the refresh. If there is no rollout to pause,
    the notice therefore also names the key and the word that pause the refresh."""
    found = app.view.endpoint(ref) if ref is not None else None
    if found is None or Action.PAUSE not in found.endpoint.actions:
        why = refusal(app.view, ref, Action.PAUSE, app.look)
        say(app, f"{why} {app.look.key('refresh_pause')} or :refresh-pause pauses the refresh.", Tone.CAUTION)
    else:
        _step(app, ref, Pause())


def resume(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan the continuation of a paused rollout."""
    _step(app, ref, Resume())


def abort(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan the abort of a rollout."""
    _step(app, ref, Abort())


def retry(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan the retry of an aborted rollout."""
    _step(app, ref, Retry())


def unpin(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan to give the autoscalers that a split pinned their own bounds back."""
    _step(app, ref, Unpin())


def _step(app: Host, ref: EndpointRef | None, change: Advance | Pause | Resume | Abort | Retry | Unpin) -> None:
    """Plan a change that needs no argument."""
    view = _allowed(app, ref, action_of(change))
    if view is not None:
        _plan(app, Proposed(view.ref, change, ABORTED if isinstance(change, Abort) else ""))


def undo(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Plan the way back from the last change that this program made to the endpoint."""
    if ref is None:
        say(app, "No endpoint is selected.", Tone.CAUTION)
        return
    run = last_settled(traffic_runs(app.engine.runs()), ref)
    instead = f"{app.look.key('rollback')} rolls back"
    if run is None:
        say(app, f"Nothing was changed on {ref.name} since this program began; {instead}.", Tone.CAUTION)
    elif run.plan.undo is None:
        say(app, f"{ref.backend} knows no way back from that change; {instead}.", Tone.CAUTION)
    elif not app.view.arming.writable:
        say(app, _read_only(app.view, app.look), Tone.CAUTION)
    else:
        moved = run.sent == len(run.plan.steps)  # the alias comes last
        alias_back = run.plan.alias_back if moved else None
        _plan(app, Proposed(ref, run.plan.undo, UNDONE, alias_back=alias_back, undoes=True))


def last_settled(runs: Iterable[TrafficRun], ref: EndpointRef) -> TrafficRun | None:
    """The newest change of the endpoint that settled, or that ended with only some of its calls sent."""
    settled = [
        run
        for run in runs
        if run.plan.ref == ref and run.outcome and (run.outcome.kind is OutcomeKind.SETTLED or run.part_way)
    ]
    return max(settled, key=lambda run: run.updated, default=None)


def _plan(app: Host, proposed: Proposed) -> None:
    def ended(wish: str | None) -> None:
        if wish == "other":
            _choose_release(app, proposed.ref)
        elif wish == "undo":
            undo(app, proposed.ref)

    app.push_screen(PlanScreen(app.look, proposed), ended)


def _rollback(ref: EndpointRef, release: str, *, unnamed: bool = False) -> Proposed:
    return Proposed(ref, Rollback(release), ROLLED_BACK, other=True, unnamed=unnamed)


def _choose_release(app: Host, ref: EndpointRef, note: str = "") -> None:
    found = app.view.endpoint(ref)
    if found is None:
        return
    view = _remembering(app, found)
    good = last_good(view)

    def make(fleet: View) -> choices.Choices:
        return choices.releases(_remembering(app, fleet.endpoint(ref) or view), fleet.at, app.look)

    def chosen(release: str | None) -> None:
        if release is not None:
            _plan(app, _rollback(ref, release))

    title = "ROLL BACK to"
    app.push_screen(Chooser(app.look, title, make, ref=ref, note=note, first=good.id if good else ""), chosen)


def _with_variant(app: Host, view: EndpointView, title: str, name: str, go: Callable[[str], None]) -> None:
    """Call ``go`` with the named variant, else with the only one that is not stable, else with one that the user
    chooses."""
    others = [one for one in view.variants if one.variant.role is not Role.STABLE]
    names = [one.name for one in others]
    if name and name not in names:
        say(app, f"{view.ref.name} has no variant {name} to {title.lower()}; it has {', '.join(names) or 'none'}.")
    elif name or len(names) == 1:
        go(name or names[0])
    elif not names:
        say(app, f"{view.ref.name} has no variant beside its stable one.", Tone.CAUTION)
    else:

        def make(fleet: View) -> choices.Choices:
            fresh = fleet.endpoint(view.ref) or view
            return choices.variants([one for one in fresh.variants if one.name in names], app.look)

        def chosen(found: str | None) -> None:
            if found is not None:
                go(found)

        app.push_screen(Chooser(app.look, title, make, ref=view.ref), chosen)


# ── what may be changed ─────────────────────────────────────────────────────────────────────────────────────────


def arm(app: Host, ref: EndpointRef | None, argument: str = "") -> None:
    """Arm the context for a time, after a confirmation. If it is armed already, disarm it at once."""
    view, context = app.view, app.engine.context
    if view.arming.writable and not argument.strip():
        app.engine.disarm()
        say(app, f"{view.context} is read-only now. {app.look.key('arm')} arms it again.")
        return
    if context.access is Access.READ_ONLY:
        say(app, _read_only(view, app.look), Tone.CAUTION)
        return
    try:
        seconds = parse_duration(argument.strip()) if argument.strip() else context.arm_for_s
    except ValueError as error:
        say(app, f"{error}.", Tone.CAUTION)
        return
    long = format_duration(seconds)

    def answered(yes: bool | None) -> None:
        if yes:
            app.engine.arm(seconds)
            say(app, f"Changes are allowed for {long}. {app.look.key('arm')} ends it.", Tone.CAUTION)

    words = f"Allow changes in {view.context} for {long}? Every change is still planned and confirmed one by one."
    app.push_screen(Asker(app.look, "ARM", words, f"Arm for {long}"), answered)
