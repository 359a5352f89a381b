"""The command line and the table of its verbs. Each verb is imported only when it is called.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 refused, 4 conflict, 5 unknown outcome
(``tui.cli.options.ExitCode``); 128 and its number after a signal. ``docs/exit-codes.md`` has the errors of each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn, cast

import click

from tui.cli.options import EXIT_CODES, Common, ExitCode, Interrupted, app_options, common_options, plain
from tui.input.actions import action, verbs
from tui.startup import splash

VERBS = {
    "demo": "tui.cli.demo:demo",
    "status": "tui.cli.status:status",
    "open": action("open").verb,
    **verbs("change"),
    "silence": "tui.cli.silence:silence",
    "alias": "tui.cli.registry:alias",
    "tag": "tui.cli.registry:tag",
    "stage": "tui.cli.registry:stage",
    **verbs("look"),
    "forget": "tui.cli.forget:forget",
    "doctor": "tui.cli.doctor:doctor",
    "capture": "tui.cli.capture:capture",
    "init": "tui.cli.init:init",
    "config": "tui.cli.config:config",
    "completion": "tui.cli.completion:completion",
}
"""The verbs, in the order in which a newcomer needs them. An action that the app has too has the same word there."""


WORDS = "shiftdeck.words"
"""The key under which the context keeps the words of the command line."""


@contextmanager
def errors_told(words: Sequence[str]) -> Iterator[None]:
    """With ``--json``, an error is an object on standard output too. Ctrl-C ends the command as a signal does."""
    try:
        yield
    except click.ClickException as error:
        if "--json" in words:
            _print_error(ExitCode(error.exit_code).name.lower(), error)
        raise
    except KeyboardInterrupt:
        interrupted = Interrupted("interrupted")
        if "--json" in words:
            _print_error("interrupted", interrupted)
        raise interrupted from None


def _print_error(kind: str, error: click.ClickException) -> None:
    from tui.cli.json_output import Printer

    told = {"kind": kind, "code": error.exit_code, "message": error.format_message()}
    Printer(ascii_only=True).json({"error": {**told, "hint": getattr(error, "hint", "") or None}})


class Verbs(click.Group):
    """A group that imports a verb's module when the verb is called, so that each verb starts as fast as possible."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name].partition(":")
        return cast("click.Command", getattr(import_module(module), name))

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        words = tuple(args)
        with errors_told(words):
            ctx = super().make_context(info_name, args, parent, **extra)
        ctx.meta[WORDS] = words
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb, and remove the splash screen at its end, so that errors appear on the normal screen."""
        try:
            with errors_told(ctx.meta[WORDS]):
                return super().invoke(ctx)
        finally:
            splash.clear()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], VERBS, n=1)
            if close:
                raise click.UsageError(f"{error.format_message()} Did you mean {close[0]!r}?", ctx) from None
            raise


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@common_options
@app_options
@click.version_option(package_name="shiftdeck", prog_name="shiftdeck")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """See and steer machine-learning models in production.

    Without a command: the full-screen app, on the context that the configuration names as its default.
    """
    ctx.ensure_object(Common)
    if os.environ.get("NO_COLOR"):
        plain(ctx)
    if ctx.invoked_subcommand is None:
        from tui.cli.open_app import open_app

        ctx.exit(open_app(ctx.obj))


def main() -> NoReturn:
    """The console script."""
    cli.main(prog_name="shiftdeck")
