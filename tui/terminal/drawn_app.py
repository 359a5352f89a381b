"""An app as Textual draws it, with what the rest of the program asks of whatever draws."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from tui.terminal.link_speed import Link


class DrawnApp(App[int]):
    """``link`` says how often the line to the terminal bears a frame: as the user has chosen, here."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+l", "redraw", show=False, id="redraw")]

    def __init__(self) -> None:
        super().__init__()
        self.link = Link()

    def link_changed(self) -> None:
        """Draw as the line is now thought to be."""

    def redraw(self) -> None:
        """Write the whole screen: something else wrote to the terminal."""
        self.refresh(layout=True)

    def action_redraw(self) -> None:
        self.redraw()

    def send(self, sequence: str) -> None:
        """Write a control sequence to the terminal, where there is one."""
        if self._driver is not None:
            self._driver.write(sequence)
