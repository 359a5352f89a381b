"""The first thing on the screen: the frame of what comes, written before anything large is imported.

Imports nothing but what the interpreter has loaded by itself: whoever types ``shiftdeck`` sees that it has begun while
Textual, which takes many times as long, is still being read.
"""

from __future__ import annotations

import os

ENTER = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
LEAVE = "\x1b[?1049l\x1b[?25h"

_up = False


def text(columns: int, lines: int) -> str:
    """The frame, in characters and attributes that every terminal has."""
    name, state = " shiftdeck ", "starting"
    top = f"\x1b[1m{name}\x1b[0m{state.rjust(max(0, columns - len(name) - 1))[: columns - len(name)]}"
    return f"{top}\x1b[3;1H\x1b[1m ENDPOINTS\x1b[0m\x1b[{lines};1H Ctrl-C leaves"


def show() -> bool:
    """Write it, where there is a terminal to write it on. Tells whether it was written."""
    global _up
    if os.environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        if not (os.isatty(0) and os.isatty(1) and os.isatty(2)):
            return False
        size = os.get_terminal_size(2)
        os.write(2, (ENTER + text(size.columns, size.lines)).encode())  # where Textual draws, too
    except OSError:
        return False
    _up = True
    return True


def hand_over() -> None:
    """The app draws from now on, and leaves the screen itself."""
    global _up
    _up = False


def clear() -> None:
    """Take it away, where it is still there: what is said next is for the screen that was there before."""
    global _up
    if not _up:
        return
    _up = False
    try:
        os.write(2, LEAVE.encode())
    except OSError:
        return
