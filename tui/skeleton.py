"""The first thing on the screen: the frame of what comes, written before anything large is imported.

Imports nothing but what the interpreter has loaded by itself: whoever types ``shiftdeck`` sees that it has begun while
Textual, which takes many times as long, is still being read.
"""

from __future__ import annotations

import os
import sys

TAKE_VALUES = ("--config", "--context")
FLAGS = ("--read-only", "--ascii", "--no-color", "--slow-link", "--mouse")

ENTER = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
LEAVE = "\x1b[?1049l\x1b[?25h"

_up = False


def opens_app(arguments: list[str]) -> bool:
    """Whether these arguments open the app and do nothing else first; where that is not sure, no."""
    rest = iter(arguments)
    for one in rest:
        if one in TAKE_VALUES:
            if next(rest, "-").startswith("-"):
                return False
        elif one not in FLAGS and not one.startswith(tuple(f"{option}=" for option in TAKE_VALUES)):
            return False
    return True


def text(columns: int, lines: int) -> str:
    """The frame, in characters and attributes that every terminal has."""
    name, state = " shiftdeck ", "starting"
    top = f"\x1b[1m{name}\x1b[0m{state.rjust(max(0, columns - len(name) - 1))[: columns - len(name)]}"
    return f"{top}\x1b[3;1H\x1b[1m ENDPOINTS\x1b[0m\x1b[{lines};1H Ctrl-C leaves"


def show(arguments: list[str]) -> None:
    """Write it, where these arguments open the app and there is a terminal for it."""
    global _up
    if not opens_app(arguments) or os.environ.get("TERM", "dumb") == "dumb":
        return
    try:
        if not (os.isatty(0) and os.isatty(1) and os.isatty(2)):
            return
        size = os.get_terminal_size(2)
        os.write(2, (ENTER + text(size.columns, size.lines)).encode())  # where Textual draws, too
    except OSError:
        return
    _up = True


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


def _ended(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """The console script: the skeleton, then the command line."""
    show(sys.argv[1:])
    try:
        if _up:
            import signal

            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, _ended)
        from tui.cli import main as command_line

        command_line()
    finally:
        clear()
