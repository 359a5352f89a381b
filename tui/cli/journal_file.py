"""The journal that a command reads or writes: the one of ``--file``, or the configured one."""

from __future__ import annotations

from pathlib import Path

import click

from shiftdeck.journal.journal import Journal
from tui.cli.load_config import load_config
from tui.cli.options import Common

PATH = "journal.path"
"""The key under which the context of the group keeps its ``--file`` for the commands below it."""

file_option = click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Take this journal instead of the configured one.",
)


def journal_of(ctx: click.Context, common: Common, path: Path | None) -> Journal:
    """``path`` is that of the command's own ``--file``."""
    chosen = path or ctx.meta.get(PATH)
    return Journal(chosen if chosen is not None else load_config(common).journal)
