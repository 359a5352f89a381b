"""The app: one engine, one view at a time, and the screens that show it."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Callable
from time import monotonic
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

from shiftdeck.common.clock import Clock  # noqa: E402
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
"""A view waits ``KEY_FIRST_S`` after a key, but no longer than ``HELD_S`` after the last view. The first view waits up
to ``HELD_S`` for the first endpoints, which arrive soon after other sources have answered."""


def key_commands() -> type[Provider]:
    """The provider of the command palette: our actions, without Textual's own commands."""
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
    """The engine. Its import takes long, so the first frame does not wait for it."""
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
    """The parts of a view that are shown without delay, because the operator waits for them."""
    # The screen must show at once that data are too old to be trusted, also while the refresh is paused.
    states = [one.state for one in view.sources] if view.paused else []
    return view.context, view.paused, view.arming, states, [(run.plan.id, run.stage, run.outcome) for run in view.runs]


def nothing_yet(view: View, shown: View) -> bool:
    """Whether no source has answered yet, so that the view has nothing new to show."""
    if view.loaded or any(one.state is not SourceState.STARTING for one in view.sources):
        return False
    return (view.unfinished, view.journal, _at_once(view)) == (shown.unfinished, shown.journal, _at_once(shown))


class ShiftdeckApp(DrawnApp):
    """The full-screen app on one configuration. If this is a sketch, ``complete`` returns the whole configuration and
    is called after the first frame. Its errors end the app and are in ``misconfigured``.

    ``view`` is the newest view. Screens get it by their ``show(view)`` whenever it changes.
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
        self.view: View = first_view(config.contexts[self._opened], Clock())

    @property
    def engine(self) -> Engine:
        """The engine of the shown context. It is made on first use; ``begun`` is ``None`` until then.

        Raises:
            ConfigErrors: the configuration was a sketch, and the options of its sources have errors.
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
        """Tell the engine what is visible. An engine that is not made yet is told with its first view."""
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
        """After the first frame: do the work that would have delayed it."""
        # An error in _prepare comes again, and is reported, when the engine is made.
        in_background(self, self._prepare, lambda _: self._begin(), lambda _: self._begin())

    def _prepare(self) -> None:
        self._know()
        preload.load(Moment.DRAWN)

    def _know(self) -> None:
        """Load the whole configuration, if there is only a sketch of it."""
        with self._knowing:
            if self._complete is not None:
                self.config = self._complete()
                self._complete = None

    def _begin(self) -> None:
        """Start the engine, after its modules were imported."""
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
        """On the engine's thread: schedule the taking of a new view. Only the newest view is taken."""
        if self._waiting or self._loop is None:
            return
        self._waiting = True
        try:
            # The app's own queue is used, because callbacks of the loop itself lack the context that timers need.
            if not self.call_later(self._schedule):
                self._waiting = False
        except RuntimeError:  # the loop has ended
            self._waiting = False

    def _schedule(self) -> None:
        """Take the newest view, or set a timer for it: not before a key that was just pressed is answered, and not
        more often than the link allows."""
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
        """Take the scheduled view now."""
        self._no_later()
        self._take_view()

    def watch_app_focus(self, focus: bool) -> None:
        if focus and self._next is not None:
            self._hurry()

    def turn_slow_link(self) -> None:
        """Switch between drawing for a slow link and drawing as usual."""
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
            # A screen that was just pushed has no widgets yet. It takes the view itself when it is mounted.
            if show is not None and screen.is_mounted:
                show(self.view)
            # A screen below an opaque one takes the view when it is uncovered.
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
        """Switch to another context of the configuration. The old engine finishes a change under way first."""
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
        """Show a message for some seconds: in the footer if the screen has one and the message fits, else in a box."""
        say = getattr(self.screen, "say", None)
        if say is None or len(message) > self.size.width - 2 or "\n" in message:
            super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)
        else:
            say(message, NOTICE_STYLES[severity], timeout or NOTICE_S)

    # ── screens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def open_endpoint(self, ref: EndpointRef) -> None:
        """Show one endpoint on a screen of its own."""
        from tui.screens.endpoint import EndpointScreen

        self.push_screen(EndpointScreen(self.look, ref))

    def action_command_palette(self) -> None:
        self.show_palette()

    def show_palette(self) -> None:
        """Open the palette, which finds an action by name."""
        from tui.screens.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    def action_suspend(self) -> None:
        from tui.actions import program

        program.suspend(self)

    # ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def on_event(self, event: events.Event) -> None:
        """Note the time of keys, and ignore keys after the last screen has ended: Textual would fail on them."""
        if isinstance(event, events.Key):
            self._key_at = monotonic()
            if not self.screen_stack:
                return
        await super().on_event(event)

    def _handle_exception(self, error: Exception) -> None:
        """End the app. Errors of the configuration are kept for the caller, who reports them once the terminal is
        restored."""
        if isinstance(error, ConfigErrors):
            self.misconfigured = error
            self.exit()
        else:
            super()._handle_exception(error)

    async def action_quit(self) -> None:
        self.leave()

    def leave(self) -> None:
        """End the program. While a change is under way, ask for a confirmation first."""
        from tui.actions import program

        program.leave(self)

    def exit_soon(self, status: int) -> None:
        """Ask the app to end by itself. May be called on any thread; does not block, because a terminal that does not
        read may block the loop."""
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
    """Run the app until the user leaves, then wait for changes under way. Returns the exit status. If the configuration
    is a sketch, ``complete`` returns the whole one.

    After a SIGTERM or SIGHUP the terminal is restored; a change under way is finished, or left for the next start to
    resolve.

    Raises:
        ConfigErrors: raised by ``complete``.
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
