"""An app that Textual draws, with the methods that the rest of the program needs of either drawing."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from tui.terminal.link_speed import Link


class DrawnApp(App[int]):
    """An app that Textual draws. ``link`` decides how often a frame is drawn; here it is only slow if the user says
    so."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "redraw", show=False, id="redraw"),
        Binding("ctrl+z", "suspend", show=False, id="suspend", priority=True),  # in dialogs too
    ]

    def __init__(self) -> None:
        super().__init__()
        self.link = Link()

    def link_changed(self) -> None:
        """Adapt the drawing to the new judgement of the link."""

    def redraw(self) -> None:
        """Write the whole screen again, after another program wrote to the terminal."""
        self.refresh(layout=True)

    def suspend_as_job(self) -> None:
        """Restore the terminal, and stop until the shell continues the process."""
        self.action_suspend_process()

    def action_suspend(self) -> None:
        self.suspend_as_job()

    def action_redraw(self) -> None:
        self.redraw()

    def send(self, sequence: str) -> None:
        """Write a control sequence to the terminal, if there is one."""
        if self._driver is not None:
            self._driver.write(sequence)
