"""The console script: opens the app behind its splash screen, or runs the command line.

It imports nothing large, so that the splash screen appears at once.
"""

from __future__ import annotations

import sys

from tui.startup import splash

VALUES = {"--config": "config", "--context": "context"}
FLAGS = {
    "--read-only": "read_only",
    "--ascii": "ascii_only",
    "--no-color": "no_color",
    "--slow-link": "slow_link",
    "--mouse": "mouse",
}
"""The options of the app, and the fields of ``tui.startup.context.Common`` that they set."""


def options_of(arguments: list[str]) -> dict[str, str | bool] | None:
    """The options of the app, if the arguments are nothing but such options; else ``None``: the command line parses
    them."""
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


def _ended(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Open the app, or run the command line, with the arguments of this process."""
    import gc

    options = options_of(sys.argv[1:])
    gc.disable()  # the objects of imports are not garbage; ``tui.startup.gc_control`` enables collections again
    try:
        if options is not None and splash.show():
            import signal

            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, _ended)
            from tui.app.launch import open_app

            status = open_app(options)
            if status is not None:
                sys.exit(status)
        from tui.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(128 + 2)
    finally:
        splash.clear()
        gc.freeze()  # a last collection would take 40 ms to free what ends with the process
