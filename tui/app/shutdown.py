"""The end of the program: by the user, by SIGTERM or SIGHUP, or because the terminal is gone.

In every case the terminal is restored, and a change under way is finished, or stays in the journal without an outcome
until the next start resolves it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import threading
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from tui.terminal.capabilities import ENTER_NORMAL_SCREEN

if TYPE_CHECKING:
    from shiftdeck.engine.engine import Engine

GRACE_S = 20.0
"""How long a change under way may take after the user has left."""

UNRESPONSIVE_S = 3.0
"""How long the app gets to end by itself before the terminal is restored without it."""


class Endable(Protocol):
    """The part of the app that its end needs. ``begun`` is its engine; ``None``: there is no engine yet."""

    begun: Engine | None

    def exit_soon(self, status: int) -> None:
        """Ask the app to end by itself. May be called on any thread; does not block."""


class Leaving:
    """Ends the app once, in order."""

    def __init__(self, app: Endable) -> None:
        self._app = app
        self._ended = threading.Event()
        self._finishing = threading.Lock()
        self._finished = False
        self._saved: list[object] | None = None
        self.status = 0

    def listen(self) -> None:
        """Handle SIGTERM and SIGHUP from now on, and save the terminal's settings."""
        with contextlib.suppress(termios.error, OSError, ValueError):
            self._saved = termios.tcgetattr(sys.__stdin__.fileno()) if sys.__stdin__ else None
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signalled)

    def finish(self) -> None:
        """After the app has ended: wait for changes under way, and print the ones without an outcome."""
        self._ended.set()
        with self._finishing:
            if self._finished:
                return
            self._finished = True
            engine = self._app.begun
            if engine is None:
                return
            under_way = [run for run in engine.view.runs if not run.done]
            if under_way:
                _say(f"finishing {len(under_way)} change(s) under way …")
            for run in engine.stop(GRACE_S):
                _say(
                    f"{run.plan.subject or run.plan.words}: no outcome yet ({run.message or run.stage}); "
                    f"it is number {run.seq} in the journal, and the next start resolves it"
                )

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.status = 128 + number
        # The app's loop may be blocked by a terminal that does not read, so nothing here may wait for the loop.
        threading.Thread(target=self._leave, name="leaving", daemon=False).start()

    def _leave(self) -> None:
        self._app.exit_soon(self.status)
        if self._ended.wait(UNRESPONSIVE_S):
            return
        self._restore()
        self.finish()
        os._exit(self.status)

    def _restore(self) -> None:
        """Restore the terminal without the app, if there still is a terminal."""
        with contextlib.suppress(OSError, ValueError, termios.error):
            if sys.__stderr__ is not None:
                handle = sys.__stderr__.fileno()
                os.set_blocking(handle, False)
                os.write(handle, ENTER_NORMAL_SCREEN.encode())
                os.set_blocking(handle, True)
            if self._saved is not None and sys.__stdin__ is not None:
                termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, self._saved)  # type: ignore[arg-type]  # as read


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.__stderr__)
