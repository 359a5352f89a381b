"""``shiftdeck journal``: lists the journal; settles changes without a known outcome, and verifies the chain."""

from __future__ import annotations

from pathlib import Path

import click

from shiftdeck.common.moments import utc_text
from shiftdeck.journal.journal import Entry, EntryKind, Journal, JournalError
from shiftdeck.journal.report import LATER, to_markdown
from tui.cli.journal_chain import head, verify
from tui.cli.journal_entry import entry_json
from tui.cli.journal_file import PATH, file_option, journal_of
from tui.cli.journal_open import open_, resolve
from tui.cli.json_output import table
from tui.cli.options import Common, Failure, common_options, pass_common

DEFAULT_LIMIT = 50


@click.group(invoke_without_command=True, short_help="List what was done; settle and verify the record.")
@click.option("--limit", type=click.IntRange(1), default=DEFAULT_LIMIT, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per entry and line.")
@click.option("--markdown", is_flag=True, help="Print a table of all changes for a hand-over.")
@file_option
@common_options
@pass_common
@click.pass_context
def journal(ctx: click.Context, common: Common, limit: int, as_json: bool, markdown: bool, path: Path | None) -> None:
    """List the journal, newest entry last. With --context, only the entries of that context."""
    ctx.meta[PATH] = path
    if ctx.invoked_subcommand is not None:
        return
    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    printer = common.printer()
    found = journal_of(ctx, common, path)
    entries, unreadable = _read(found, common.context, limit)
    if as_json:
        for entry in entries:
            printer.json(entry_json(entry))
    elif markdown:
        printer.out(to_markdown(entries).rstrip("\n"))
    elif entries:
        titles = ("NO", "TIME (UTC)", "OPERATOR", "ENDPOINT", "", "WHAT")
        for line in table([_cells(entry) for entry in entries], head=titles, right=(0,)):
            printer.out(line)
    elif not unreadable:
        printer.err("nothing is recorded yet")
    if unreadable:
        lines = "1 line is no entry" if unreadable == 1 else f"{unreadable} lines are no entries"
        printer.err(f"left out: {lines}; shiftdeck journal verify names what is wrong")


def _read(found: Journal, context: str | None, limit: int) -> tuple[tuple[Entry, ...], int]:
    """The newest entries of the context, and the number of lines among those read that are no entries."""
    try:
        if context is None:
            return found.tail(limit), found.unreadable(limit)
        entries = tuple(entry for entry in found.entries(newest_first=False) if entry.context == context)
        return entries[-limit:], found.unreadable()
    except JournalError as error:
        raise Failure(str(error), hint="shiftdeck journal verify names what is wrong with it") from None


def _cells(entry: Entry) -> tuple[str, ...]:
    where = entry.ref or entry.context
    return str(entry.seq), utc_text(entry.at), entry.operator, where, str(entry.kind), _what(entry)


def _what(entry: Entry) -> str:
    """An entry in one line: the change and its reason, the call, or the outcome."""

    def text(key: str) -> str:
        return " ".join(str(entry.data.get(key) or "").split())

    if entry.kind is EntryKind.INTENT:
        override = ", checks overridden" if text("override") else ""
        return f"{text('change')}: {text('reason') or 'no reason given'}{override}"
    if entry.kind is EntryKind.SENT:
        fence = "to be sent as a fence: " if entry.data.get("fence") is True else ""
        return f"of {entry.intent}: {fence}{text('call')}"
    ended = ": ".join(part for part in (text("outcome"), text("message")) if part)
    if entry.kind is EntryKind.OUTCOME:
        later = "".join(f" ({told})" for key, told in LATER.items() if entry.data.get(key) is True)
        return f"of {entry.intent}: {ended}{later}"
    return "; ".join(part for part in (text("change"), ended) if part)


for command in (open_, resolve, head, verify):
    journal.add_command(command)
