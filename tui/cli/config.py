"""``shiftdeck config``: checks the configuration, and prints the paths that are used."""

from __future__ import annotations

import click

from shiftdeck.common.durations import format_duration
from shiftdeck.config.loader import Access, ContextConfig, find_config
from shiftdeck.config.platform_parser import PLATFORMS
from tui.cli.json_output import table
from tui.cli.load_config import load_config
from tui.cli.options import Common, Misconfigured, common_options, pass_common
from tui.input.renamed_keys import renamed


@click.group(short_help="Check the configuration; show where it is.")
def config() -> None:
    """Check the configuration, or show which files are used."""


@config.command("check", short_help="Check the configuration and list what is in it.")
@common_options
@pass_common
def check(common: Common) -> None:
    """Check the configuration and list its contexts and sources. Exit code 2 where something is wrong; every mistake is
    named with its file and line."""
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
    if found.faults:
        raise Misconfigured("\n".join(str(fault) for fault in found.faults))


def _on(platform: str) -> str:
    return f" on {platform}" if platform else ""


def _nature(context: ContextConfig) -> str:
    kind = "production" if context.production else "not production"
    armed = f", {format_duration(context.arm_for_s)} at a time" if context.access is Access.ARM else ""
    return f"{kind}, {context.access}{armed}"


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
