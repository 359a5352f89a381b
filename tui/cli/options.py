"""The common options of all verbs, and the exit codes and errors with which verbs end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from backends.text import safe_message
from tui.startup import context

if TYPE_CHECKING:
    from tui.cli.json_output import Printer

F = TypeVar("F", bound=Callable[..., Any])


class Common(context.Common):
    """The options that every verb takes, with the printer that follows from them."""

    __slots__ = ()

    def printer(self) -> Printer:
        """A printer, which prints ASCII if the options or the terminal require that."""
        from tui.cli.json_output import Printer
        from tui.terminal.capabilities import capabilities

        stream = getattr(sys.stdout, "encoding", None) or "ascii"
        found = capabilities(os.environ, stream)
        return Printer(ascii_only=not found.unicode if self.ascii_only is None else self.ascii_only)


class ExitCode(IntEnum):
    """The exit codes. ``shiftdeck --help`` shows this table."""

    DONE = 0  # the command succeeded; a change is in effect
    FAILED = 1  # the command failed; nothing was changed
    USAGE = 2  # the command line or the configuration is wrong
    REFUSED = 3  # refused by a check, or not confirmed
    CONFLICT = 4  # another operator changed the endpoint first; nothing was overwritten
    UNKNOWN = 5  # sent, but the outcome is not known


EXIT_CODES = """\b
Exit codes:
  0  done: an action is in effect
  1  failed: nothing was changed
  2  the command line or the configuration is wrong
  3  refused by a check, or not confirmed
  4  conflict: somebody else changed the endpoint first; nothing was overwritten
  5  unknown outcome: sent, but it is not known whether it took effect
128+n  ended by signal n, with no change under way"""


class Failure(click.ClickException):
    """Ends the command with that message. ``hint`` says what to do."""

    exit_code = int(ExitCode.FAILED)

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: Any = None) -> None:
        for line in f"shiftdeck: {self.message}".splitlines():
            click.echo(safe_message(line), err=True, file=file)
        if self.hint:
            click.echo(f"  {safe_message(self.hint)}", err=True, file=file)


class Misused(Failure):
    """The command line or the configuration is wrong."""

    exit_code = int(ExitCode.USAGE)


class Misconfigured(Misused):
    """The configuration has errors. The message has a line for each, as ``FILE:LINE: KEY: …``."""

    def show(self, file: Any = None) -> None:
        for line in self.message.splitlines():
            click.echo(safe_message(line), err=True, file=file)


class Refused(Failure):
    """The change is refused."""

    exit_code = int(ExitCode.REFUSED)


class Interrupted(Failure):
    """Ctrl-C, where no change is under way."""

    exit_code = 128 + signal.SIGINT


def stop(code: ExitCode) -> NoReturn:
    """End the command with that code."""
    raise click.exceptions.Exit(int(code))


def _keep(field: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            ctx.obj = replace(ctx.obj or Common(), **{field: value})
            if field == "no_color":
                plain(ctx)

    return callback


def plain(ctx: click.Context) -> None:
    """Use no colours, in this process and in the processes that it starts."""
    ctx.color = False
    os.environ["NO_COLOR"] = "1"


def common_options(command: F) -> F:
    """Give a verb the common options, so that they may stand before it or after it."""
    for option in reversed(
        (
            _option("config", "--config", "FILE", "Read this configuration file.", type=click.Path(path_type=Path)),
            _option("context", "--context", "NAME", "Use this context of the configuration."),
            _option("read_only", "--read-only", None, "Refuse every change."),
            _option("ascii_only", "--ascii", None, "Use ASCII symbols only."),
            _option("no_color", "--no-color", None, "Use no colours (NO_COLOR does the same)."),
        )
    ):
        command = option(command)
    return command


def app_options(command: F) -> F:
    """Give a verb the options of the full-screen app, in addition to the common ones."""
    command = _option("slow_link", "--slow-link", None, "Draw less often, for a slow connection.")(command)
    return _option("mouse", "--mouse", None, "Use the mouse; the terminal's own selection then needs Shift.")(command)


def _option(field: str, flag: str, metavar: str | None, text: str, **more: Any) -> Callable[[F], F]:
    extra: dict[str, Any] = {"is_flag": True} if metavar is None else {"metavar": metavar}
    return click.option(flag, field, expose_value=False, callback=_keep(field), help=text, **extra, **more)


pass_common = click.make_pass_decorator(Common, ensure=True)
