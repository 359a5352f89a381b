"""The app as screens and actions know it: what they ask of it, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tui.terminal.clipboard import Terminal

if TYPE_CHECKING:
    from textual.screen import Screen

    from backends.contracts import EndpointRef
    from shiftdeck.config.loader import Config
    from shiftdeck.engine.engine import Engine
    from shiftdeck.engine.view import View
    from shiftdeck.sources.poll_interval import Visibility
    from tui.render.theme import Look
    from tui.terminal.link_speed import Link

T = TypeVar("T")


class Host(Terminal, Protocol):
    """``view`` is the newest view of the fleet. ``engine`` is that of the context that is shown, made when it is first
    asked for. ``told`` is what was last said of changes that an earlier run left without an outcome."""

    config: Config
    look: Look
    link: Link
    view: View
    told: object

    @property
    def engine(self) -> Engine: ...

    @property
    def screen(self) -> Screen[Any]: ...

    def set_visibility(self, visibility: Visibility) -> None:
        """Tell the engine what is looked at."""

    def push_screen(self, screen: Screen[T], callback: Callable[[T | None], None] | None = None) -> object:
        """Show a screen over this one; ``callback`` gets what it ends with."""

    def pop_screen(self) -> object:
        """Take the uppermost screen away."""

    def open_endpoint(self, ref: EndpointRef) -> None:
        """Show one endpoint on a screen of its own."""

    def switch_context(self, name: str) -> None:
        """Leave this context for another of the configuration."""

    def turn_slow_link(self) -> None:
        """Draw for a slow link from now on, or as usual."""

    def redraw(self) -> None:
        """Write the whole screen."""

    def show_palette(self) -> None:
        """Find an action by name."""

    def leave(self) -> None:
        """End the program; while a change is under way only after a question."""

    def exit(self, result: int | None = None) -> None:
        """End the program."""
