"""``shiftdeck demo``: the lab, and the app on it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click

from tui.cli.json_output import Printer
from tui.cli.lab_process import LabChild, LabFailed, lab_arguments
from tui.cli.options import Common, ExitCode, Failure, Misused, app_options, common_options, pass_common

WIDTH = 24


@click.command(short_help="Try it on an embedded world of real requests.")
@click.option("--drill", "drills", multiple=True, metavar="NAME", help="Begin in this drill: bad-canary, for one.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), metavar="X", help="So many times the usual requests per second."
)
@click.option(
    "--delay",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="Seconds that a change of traffic takes at most (default: 2); in the drill slow-control-plane ten times that.",
)
@click.option("--no-app", is_flag=True, help="Run the lab alone: print one JSON line when it is ready, end on Ctrl-C.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the lab's registry and journal in this folder (default: a temporary one, removed at the end).",
)
@common_options
@app_options
@pass_common
@click.pass_context
def demo(
    ctx: click.Context,
    common: Common,
    drills: tuple[str, ...],
    rate: float | None,
    delay: float | None,
    no_app: bool,
    state: Path | None,
) -> None:
    """Start an embedded world on this machine — a registry, a gateway that serves models, load — and the app on it.

    It contacts nothing outside this machine, and ends with the app. Other terminals can use the same world: the app and
    every other command take the lab's configuration with --config.
    """
    printer = common.printer()
    arguments = lab_arguments(drills, rate, delay, state)
    try:
        code = without_app(printer, arguments) if no_app else with_app(common, printer, arguments)
    except LabFailed as error:
        if error.usage:
            raise Misused(str(error)) from None
        raise Failure("\n".join(part for part in (str(error), error.tail) if part)) from None
    ctx.exit(code)


def with_app(common: Common, printer: Printer, arguments: list[str]) -> int:
    """Run the lab and the app, and return the app's exit status."""
    from tui.cli.load_config import load_config
    from tui.cli.open_app import need_terminal, show

    need_terminal()
    with LabChild(arguments) as lab:
        ready = lab.ready(reporter(printer))
        config = load_config(replace(common, config=Path(ready["config"])))
        return show(config, common, config.default_context)


def without_app(printer: Printer, arguments: list[str]) -> int:
    """Run the lab until a signal ends it, and return 0.

    Raises:
        LabFailed: the lab ended by itself.
    """
    try:
        with _ended_by_signals(), LabChild(arguments) as lab:
            ready = lab.ready(reporter(printer))
            click.echo(json.dumps(ready))
            while not lab.wait(3600.0):
                pass
            raise lab.failure()
    except KeyboardInterrupt:
        return ExitCode.DONE


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A context in which SIGTERM and SIGHUP act like Ctrl-C."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def reporter(printer: Printer) -> Callable[[float, str], None]:
    """A function that reports progress on standard error: on one line of a terminal, else a line for each new
    message."""
    screen = sys.stderr.isatty()
    said = ""

    def report(done: float, message: str) -> None:
        nonlocal said
        if screen:
            bar = ("#" * round(done * WIDTH)).ljust(WIDTH, ".")
            end = "\n" if done >= 1.0 else ""
            click.echo(f"\r\x1b[K{bar} {printer.fit(message)}{end}", err=True, nl=False)
        elif message != said:
            said = message
            printer.err(message)

    return report
