"""The app: one engine, one view at a time, and the screens that show it."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Callable
from time import monotonic, time
from typing import TYPE_CHECKING, ClassVar

from tui.startup import splash
from tui.terminal import capabilities, drawing

_FOUND = capabilities.detect()
capabilities.prepare(os.environ, _FOUND, capabilities.terminal_size())

from textual import events  # noqa: E402 - the environment must be set before Textual reads it
from textual.command import Provider  # noqa: E402
from textual.notifications import SeverityLevel  # noqa: E402
from textual.screen import Screen  # noqa: E402
from textual.theme import Theme  # noqa: E402
from textual.timer import Timer  # noqa: E402

from shiftdeck.config.loader import Config, ConfigErrors, ContextConfig  # noqa: E402
from shiftdeck.engine.initial_view import first_view  # noqa: E402
from shiftdeck.sources.source import SourceState  # noqa: E402
from tui.app.shutdown import Leaving  # noqa: E402
from tui.input.renamed_keys import renamed  # noqa: E402
from tui.render.theme import Look  # noqa: E402
from tui.startup import preload  # noqa: E402
from tui.startup.gc_control import LOOK_EVERY_S, Pauses  # noqa: E402
from tui.startup.preload import Moment  # noqa: E402
from tui.terminal.background import Tone, in_background, say  # noqa: E402

if TYPE_CHECKING or drawing.is_painted():
    from tui.terminal.painted_app import PaintedApp as DrawnApp
else:
    from tui.terminal.drawn_app import DrawnApp

NOTICE_STYLES = {"information": "strong", "warning": "warning", "error": "critical"}
NOTICE_S = 6.0

KEY_FIRST_S, HELD_S = 0.05, 0.5
"""A view waits so long after a key, and never longer than that after the last one; and so long for the first endpoints,
which are about to come when other sources have answered."""


def key_commands() -> type[Provider]:
    """What the command palette offers: the keys, and nothing of Textual's own."""
    from tui.screens.palette import KeyCommands

    return KeyCommands


if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from shiftdeck.engine.engine import Engine
    from shiftdeck.engine.view import View
    from shiftdeck.journal.journal import Journal
    from shiftdeck.sources.poll_interval import Visibility

EngineFactory = Callable[[ContextConfig, "Journal"], "Engine"]


def usual_engine(context: ContextConfig, journal: Journal) -> Engine:
    """The engine itself. It comes with all that plans, checks and records a change, which the first frame does not wait
    for."""
    from shiftdeck.engine.engine import Engine

    return Engine(context, journal)


NIGHT = Theme(
    name="shiftdeck",
    primary="#5b8def",
    accent="#f0a73c",
    warning="#e5b73b",
    error="#f2545b",
    success="#4db880",
    foreground="#d7dce2",
    background="#0b0e14",
    surface="#11161d",
    panel="#151b24",
    dark=True,
)


def _at_once(view: View) -> object:
    """What the operator has asked for, and waits to see."""
    # Nothing is so old that it must not be trusted without the screen saying so: pausing does not wait with that.
    states = [one.state for one in view.sources] if view.paused else []
    return view.context, view.paused, view.arming, states, [(run.plan.id, run.stage, run.outcome) for run in view.runs]


def nothing_yet(view: View, shown: View) -> bool:
    """Whether no source has answered yet, and so nothing is known beyond what is shown."""
    if view.loaded or any(one.state is not SourceState.STARTING for one in view.sources):
        return False
    return (view.unfinished, view.journal, _at_once(view)) == (shown.unfinished, shown.journal, _at_once(shown))


class ShiftdeckApp(DrawnApp):
    """The full-screen app on one configuration. Where this is only a sketch, ``complete`` gives the whole of it, and is
    asked once the first frame is there; what it raises ends the app and is in ``misconfigured``.

    ``view`` is the newest view of the fleet; screens get it through their ``show(view)`` whenever it changes.
    """

    CSS_PATH = "theme.tcss"
    TITLE = "shiftdeck"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar = {key_commands}

    def __init__(
        self,
        config: Config,
        *,
        context: str | None = None,
        open_ref: EndpointRef | None = None,
        ascii_only: bool | None = None,
        make_engine: EngineFactory = usual_engine,
        complete: Callable[[], Config] | None = None,
    ) -> None:
        super().__init__()
        if _FOUND.colours is capabilities.Colours.FULL:
            self.register_theme(NIGHT)
            self.theme = NIGHT.name
        self.config = config
        self._complete = complete
        self._knowing = threading.Lock()
        self.misconfigured: ConfigErrors | None = None
        remapped, self._notices = renamed(config.keys)
        use_ascii = ascii_only if ascii_only is not None else config.ui.ascii
        self.look = Look.for_terminal(_FOUND, ascii_only=use_ascii, remapped=remapped)
        self._make_engine = make_engine
        self._open_ref = open_ref
        chosen = True if os.environ.get("SHIFTDECK_SLOW_LINK") == "1" else config.ui.slow_link
        self.link.chosen = chosen
        self.link_changed()
        self._pauses = Pauses()
        self._waiting = False
        self._taken_at = self._key_at = self._followed_at = float("-inf")
        self._next: Timer | None = None
        self._paused_at: float | None = None
        self.told: object = None
        self._opened = context or config.default_context
        self._following = self._imported = False
        self.begun: Engine | None = None
        self.view: View = first_view(config.contexts[self._opened], time())

    @property
    def engine(self) -> Engine:
        """Of the context that is shown. Made when it is first asked for; ``begun`` is ``None`` until then.

        Raises:
            ConfigErrors: the configuration was a sketch, and its sources' options are wrong.
        """
        if self.begun is None:
            self._know()
            self.begun = self._new_engine(self._opened)
        return self.begun

    def _new_engine(self, context: str) -> Engine:
        from shiftdeck.journal.journal import Journal

        engine = self._make_engine(self.config.contexts[context], Journal(self.config.journal))
        engine.chart_window_s = self.config.ui.charts_s
        return engine

    def set_visibility(self, visibility: Visibility) -> None:
        """Tell the engine what is visible. An engine that has not begun is told with its first view."""
        if self.begun is not None:
            self.begun.set_visibility(visibility)

    # ── views ───────────────────────────────────────────────────────────────────────────────────────────────────

    def get_default_screen(self) -> Screen[None]:
        from tui.screens.main import MainScreen

        return MainScreen(self.look)

    def on_mount(self) -> None:
        if self._open_ref is not None:
            self.open_endpoint(self._open_ref)
        self.screen.call_after_refresh(self._first_frame)

    def _first_frame(self) -> None:
        """It is on the screen; now all that would have delayed it."""
        # Whatever goes wrong there goes wrong again, where it is reported, when the engine is made.
        in_background(self, self._prepare, lambda _: self._begin(), lambda _: self._begin())

    def _prepare(self) -> None:
        self._know()
        preload.load(Moment.DRAWN)

    def _know(self) -> None:
        """Take the whole configuration, where there was a sketch of it."""
        with self._knowing:
            if self._complete is not None:
                self.config = self._complete()
                self._complete = None

    def _begin(self) -> None:
        """What the engine needs is imported."""
        if not gc.isenabled():
            self._pauses.begin()
            self.set_interval(LOOK_EVERY_S, lambda: self._pauses.tidy(self._key_at))
        if not self._following:
            self._follow()
        self._preload(Moment.ASKED)
        for notice in self._notices:
            say(self, notice, Tone.CAUTION)

    def _preload(self, moment: Moment) -> None:
        in_background(self, lambda: preload.load(moment), lambda _: None, lambda _: None)

    def _follow(self) -> None:
        self._following, self._followed_at = True, monotonic()
        self.engine.subscribe(self._published)
        self.engine.start()

    def _published(self, view: View) -> None:
        """On the engine's thread: note that there is something new. Views coalesce: the newest one is taken."""
        if self._waiting or self._loop is None:
            return
        self._waiting = True
        try:
            # Through the app's own queue: what the loop runs by itself lacks the context that timers need.
            if not self.call_later(self._schedule):
                self._waiting = False
        except RuntimeError:  # the loop has ended; nobody is left to show it to
            self._waiting = False

    def _schedule(self) -> None:
        """Take the newest view when it is time for it: after the key that was just pressed has been answered, and not
        more often than the line bears."""
        self._waiting = False
        if nothing_yet(self.engine.view, self.view):
            return
        self._no_later()
        now = monotonic()
        usual = self.config.ui.refresh_s if self.config.ui.refresh_s > 1.0 else 0.0
        view = self.engine.view
        running = any(not run.done for run in view.runs)
        live = running or view.arming.until is not None
        paused_s = now - self._paused_at if self._paused_at is not None and not live else None
        due = self._taken_at + self.link.every_s(usual, watched=self.app_focus, running=running, paused_s=paused_s)
        if view.awaits_serving and not view.endpoints:
            due = max(due, self._followed_at + HELD_S)
        if _at_once(view) != _at_once(self.view):
            due = now
        due = max(due, min(self._key_at + KEY_FIRST_S, self._taken_at + HELD_S))
        if due > now:
            self._next = self.set_timer(due - now, self._take_view)
        else:
            self._take_view()

    def _no_later(self) -> None:
        if self._next is not None:
            self._next.stop()
            self._next = None

    def _hurry(self) -> None:
        """Take now what was to be taken later."""
        self._no_later()
        self._take_view()

    def watch_app_focus(self, focus: bool) -> None:
        if focus and self._next is not None:
            self._hurry()

    def turn_slow_link(self) -> None:
        """Draw for a slow link from now on, or as usual."""
        self.link.toggle()
        self.link_changed()

    def link_changed(self) -> None:
        super().link_changed()
        if self.is_running:
            self._hurry()

    def _take_view(self) -> None:
        self._taken_at, self._next = monotonic(), None
        self.view = self.engine.view
        self._paused_at = (self._paused_at or self._taken_at) if self.view.paused else None
        if not self.is_running:
            return
        for screen in reversed(self.screen_stack):
            show = getattr(screen, "show", None)
            # A screen that was just pushed has no widgets yet; it takes the view itself when it has.
            if show is not None and screen.is_mounted:
                show(self.view)
            # What an opaque screen covers takes the view when it is seen again.
            if not screen.is_modal:
                break
        self._tell_findings()
        if self.view.loaded and not self._imported:
            self._imported = True
            self._preload(Moment.LOADED)

    def _tell_findings(self) -> None:
        if self.engine.findings:
            from tui.actions import views

            views.tell_findings(self, self.engine.findings)

    def switch_context(self, name: str) -> None:
        """Leave this context for another of the configuration. A change under way is finished first."""
        old = self.engine
        self.begun = self._new_engine(name)
        self.view = self.engine.view
        self.run_worker(old.stop, thread=True, group="engines")
        self._follow()
        self._take_view()

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """A message for a while: in the footer where there is one that has the room, else in a box."""
        say = getattr(self.screen, "say", None)
        if say is None or len(message) > self.size.width - 2 or "\n" in message:
            super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)
        else:
            say(message, NOTICE_STYLES[severity], timeout or NOTICE_S)

    # ── going places ────────────────────────────────────────────────────────────────────────────────────────────

    def open_endpoint(self, ref: EndpointRef) -> None:
        """Show one endpoint on a screen of its own."""
        from tui.screens.endpoint import EndpointScreen

        self.push_screen(EndpointScreen(self.look, ref))

    def action_command_palette(self) -> None:
        self.show_palette()

    def show_palette(self) -> None:
        """Find an action by name."""
        from tui.screens.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    # ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def on_event(self, event: events.Event) -> None:
        """Keys that were typed ahead of the end are nobody's: there is no screen left that Textual could ask."""
        if isinstance(event, events.Key):
            self._key_at = monotonic()
            if not self.screen_stack:
                return
        await super().on_event(event)

    def _handle_exception(self, error: Exception) -> None:
        """What is wrong with the configuration is for whoever started the app to say, when the terminal is as it was
        before."""
        if isinstance(error, ConfigErrors):
            self.misconfigured = error
            self.exit()
        else:
            super()._handle_exception(error)

    async def action_quit(self) -> None:
        self.leave()

    def leave(self) -> None:
        """End the program; while a change is under way only after a question."""
        from tui.actions import program

        program.leave(self)

    def exit_soon(self, status: int) -> None:
        """End by itself. May be called on any thread, and waits for nothing: the loop may be stuck behind a terminal
        that does not read."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self.exit, status)


def run_app(
    config: Config,
    *,
    context: str | None = None,
    open_ref: EndpointRef | None = None,
    ascii_only: bool | None = None,
    mouse: bool = False,
    complete: Callable[[], Config] | None = None,
) -> int:
    """Run the app until the user leaves; then let changes under way finish. Returns the exit status. Where the
    configuration is a sketch, ``complete`` gives the whole of it.

    A SIGTERM or SIGHUP restores the terminal, lets a change finish or leaves it for the next start to resolve.

    Raises:
        ConfigErrors: ``complete`` did.
    """
    app = ShiftdeckApp(config, context=context, open_ref=open_ref, ascii_only=ascii_only, complete=complete)
    leaving = Leaving(app)
    leaving.listen()
    try:
        splash.hand_over()
        status = app.run(mouse=mouse or config.ui.mouse)
    finally:
        leaving.finish()
    if app.misconfigured is not None:
        raise app.misconfigured
    return status or app.return_code or leaving.status
