"""The first thing on the screen: the frame of what comes, written before anything large is imported.

Imports nothing but what the interpreter has loaded by itself: whoever types ``shiftdeck`` sees that it has begun while
Textual, which takes many times as long, is still being read.
"""

from __future__ import annotations

import os
import sys

VALUES = {"--config": "config", "--context": "context"}
FLAGS = {
    "--read-only": "read_only",
    "--ascii": "ascii_only",
    "--no-color": "no_color",
    "--slow-link": "slow_link",
    "--mouse": "mouse",
}
"""The options of the app, and the fields of ``tui.opening.Common`` that they set."""

ENTER = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
LEAVE = "\x1b[?1049l\x1b[?25h"

_up = False


def options_of(arguments: list[str]) -> dict[str, str | bool] | None:
    """The options, where these arguments open the app and do nothing else first; where that is not sure, ``None``."""
    found: dict[str, str | bool] = {}
    rest = iter(arguments)
    for one in rest:
        name, given, value = one.partition("=")
        if one in FLAGS:
            found[FLAGS[one]] = True
        elif name in VALUES:
            found[VALUES[name]] = value = value if given else next(rest, "")
            if not value or value.startswith("-"):
                return None
        else:
            return None
    return found


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


def _ended(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """The console script: the app with its skeleton, or else the command line."""
    options = options_of(sys.argv[1:])
    try:
        if options is not None and show():
            import signal

            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, _ended)
            from tui.opening import open_app

            status = open_app(options)
            if status is not None:
                sys.exit(status)
        from tui.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(128 + 2)
    finally:
        clear()
