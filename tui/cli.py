"""The command line: which verbs there are. Each is imported only when it is called.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 refused, 4 conflict, 5 unknown outcome
(``tui.commands.options.ExitCode``).
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, NoReturn, cast

import click

from tui import skeleton
from tui.commands.options import EXIT_CODES, Common, app_options, common_options, plain

VERBS = {
    "demo": "tui.commands.demo:demo",
    "status": "tui.commands.status:status",
    "open": "tui.commands.launch:open_endpoint",
    "shift": "tui.commands.actions:shift",
    "promote": "tui.commands.actions:promote",
    "rollback": "tui.commands.actions:rollback",
    "mirror": "tui.commands.actions:mirror",
    "silence": "tui.commands.silence:silence",
    "advance": "tui.commands.steps:advance",
    "pause": "tui.commands.steps:pause",
    "resume": "tui.commands.steps:resume",
    "abort": "tui.commands.steps:abort",
    "retry": "tui.commands.steps:retry",
    "alias": "tui.commands.registry:alias",
    "tag": "tui.commands.registry:tag",
    "stage": "tui.commands.registry:stage",
    "diff": "tui.commands.diff:diff",
    "journal": "tui.commands.journal:journal",
    "doctor": "tui.commands.doctor:doctor",
    "init": "tui.commands.init:init",
    "config": "tui.commands.config:config",
    "completion": "tui.commands.completion:completion",
}
"""In the order in which a newcomer needs them."""


class Verbs(click.Group):
    """Imports a verb's module when that verb is called, so that each costs only what it needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name].partition(":")
        return cast("click.Command", getattr(import_module(module), name))

    def invoke(self, ctx: click.Context) -> Any:
        """What goes wrong before there is an app is told on the screen that was there before."""
        try:
            return super().invoke(ctx)
        finally:
            skeleton.clear()

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
        from tui.commands.launch import launch

        ctx.exit(launch(ctx.obj))


def main() -> NoReturn:
    """The console script."""
    cli.main(prog_name="shiftdeck")
