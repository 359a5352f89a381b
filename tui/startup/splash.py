"""The splash screen: an empty frame of the app, written before anything large is imported.

It imports only modules that the interpreter has loaded already, so it appears while Textual, whose import takes many
times as long, is still being imported.
"""

from __future__ import annotations

import os

ENTER = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
LEAVE = "\x1b[?1049l\x1b[?25h"

_up = False


def text(columns: int, lines: int) -> str:
    """The text of the frame, in characters and attributes that every terminal has."""
    name, state = " shiftdeck ", "starting"
    top = f"\x1b[1m{name}\x1b[0m{state.rjust(max(0, columns - len(name) - 1))[: columns - len(name)]}"
    return f"{top}\x1b[3;1H\x1b[1m ENDPOINTS\x1b[0m\x1b[{lines};1H Ctrl-C leaves"


def show() -> bool:
    """Write the splash screen, if there is a terminal. Returns whether it was written."""
    global _up
    if os.environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        if not (os.isatty(0) and os.isatty(1) and os.isatty(2)):
            return False
        size = os.get_terminal_size(2)
        os.write(2, (ENTER + text(size.columns, size.lines)).encode())  # Textual draws on standard error too
    except OSError:
        return False
    _up = True
    return True


def hand_over() -> None:
    """Leave the screen to the app, which draws on it and restores it from now on."""
    global _up
    _up = False


def clear() -> None:
    """Remove the splash screen if it is still shown, so that the next output appears on the normal screen."""
    global _up
    if not _up:
        return
    _up = False
    try:
        os.write(2, LEAVE.encode())
    except OSError:
        return
