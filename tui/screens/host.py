"""The protocol through which screens and actions use the app."""

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
    """The app. ``view`` is the newest view. ``engine`` is the engine of the shown context, made on first use. ``told``
    are the findings on unfinished changes that were shown last."""

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
        """Tell the engine what is visible."""

    def push_screen(self, screen: Screen[T], callback: Callable[[T | None], None] | None = None) -> object:
        """Show a screen over this one. ``callback`` is called with its result."""

    def pop_screen(self) -> object:
        """Remove the uppermost screen."""

    def open_endpoint(self, ref: EndpointRef) -> None:
        """Show one endpoint on a screen of its own."""

    def switch_context(self, name: str) -> None:
        """Leave this context for another of the configuration."""

    def turn_slow_link(self) -> None:
        """Switch between drawing for a slow link and drawing as usual."""

    def redraw(self) -> None:
        """Write the whole screen."""

    def suspend_as_job(self) -> None:
        """Restore the terminal, and stop until the shell continues the process."""

    def show_palette(self) -> None:
        """Open the palette, which finds an action by name."""

    def leave(self) -> None:
        """End the program. While a change is under way, ask for a confirmation first."""

    def exit(self, result: int | None = None) -> None:
        """End the program."""
