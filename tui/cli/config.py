"""``shiftdeck config``: checks and migrates the configuration, and prints the paths that are used."""

from __future__ import annotations

import click

from shiftdeck.common.durations import format_duration
from shiftdeck.config.loader import Access, ContextConfig, find_config
from shiftdeck.config.platform_parser import PLATFORMS
from tui.cli.in_force import in_force
from tui.cli.json_output import table
from tui.cli.load_config import load_config
from tui.cli.options import Common, Failure, Misconfigured, common_options, pass_common
from tui.input.renamed_keys import renamed


@click.group(short_help="Check the configuration; show where it is.")
def config() -> None:
    """Check the configuration, or show which files are used."""


@config.command("check", short_help="Check the configuration and list what is in it.")
@common_options
@pass_common
def check(common: Common) -> None:
    """Check the configuration and list what is in force: access, sources, objectives and gates by context. Exit code 2
    where something is wrong; every mistake is named with its file and line."""
    printer = common.printer()
    found = load_config(common)
    if not found.faults:
        printer.out(f"{found.path} is valid")
    for notice in renamed(found.keys)[1]:
        printer.out(f"notice: {notice}")
    for context in found.contexts.values():
        printer.out()
        default = " (default)" if context.name == found.default_context else ""
        printer.out(f"{context.name}{default}  {_nature(context)}")
        rows = [
            (one.kind, one.name, one.adapter, f"every {format_duration(one.every_s)}{_on(one.platform)}")
            for one in context.sources
        ]
        for line in table([(PLATFORMS, one.name, one.type, "") for one in context.platforms.values()] + rows):
            printer.out(f"  {line}")
        if not rows:
            printer.out("  no sources")
        for line in in_force(context):
            printer.out(f"  {line}")
    if found.faults:
        raise Misconfigured("\n".join(str(fault) for fault in found.faults))


def _on(platform: str) -> str:
    return f" on {platform}" if platform else ""


def _nature(context: ContextConfig) -> str:
    kind = "production" if context.production else "not production"
    armed = f", {format_duration(context.arm_for_s)} at a time" if context.access is Access.ARM else ""
    return f"{kind}, {context.access}{armed}"


@config.command("migrate", short_help="Rewrite a file of an earlier release, and show the difference.")
@click.option("--dry-run", is_flag=True, help="Show the difference and write nothing.")
@common_options
@pass_common
def migrate(common: Common, /, dry_run: bool) -> None:
    """Give every duration and percentage of the configuration the unit that it had in earlier releases: 200 becomes
    "200s". Each line that changes is shown. Exit code 1 where something has to be changed by hand."""
    from shiftdeck.config.loader import ConfigErrors
    from shiftdeck.config.migration import migrated, read_file, write_file

    printer, file = common.printer(), find_config(common.config)
    try:
        text = read_file(file)
        done = migrated(text, file)
    except ConfigErrors as error:
        raise Misconfigured(str(error)) from None
    for line in done.difference:
        printer.out(line)
    for note in done.notes:
        printer.out(f"notice: {note}")
    if done.text == text:
        printer.out(f"{file}: there is nothing to rewrite")
    elif dry_run:
        printer.out(f"{file}: not written (--dry-run)")
    else:
        try:
            write_file(file, done.text)
        except OSError as error:
            raise Failure(f"{file} cannot be written: {error.strerror}") from None
        printer.out(f"{file}: written")
    if done.left:
        raise Failure("to be changed by hand:\n" + "\n".join(done.left))


@config.command("path", short_help="Print the paths that are used.")
@common_options
@pass_common
def path(common: Common) -> None:
    """Print every path that shiftdeck uses, and whether it is there."""
    from shiftdeck.common import paths
    from tui.cli.endpoint_names import cache_file

    printer = common.printer()
    file = find_config(common.config)
    journal = load_config(common).journal if file.exists() else paths.journal_file()
    used = (("config", file), ("journal", journal), ("state", paths.state_dir()), ("cache", cache_file()))
    for line in table([(name, str(one), "" if one.exists() else "not there yet") for name, one in used]):
        printer.out(line)
