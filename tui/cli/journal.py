"""``shiftdeck journal``: lists the journal, and verifies that no entry was altered."""

from __future__ import annotations

from pathlib import Path

import click

from shiftdeck.common.moments import utc, utc_text
from shiftdeck.journal.journal import Entry, EntryKind, Journal, JournalError
from shiftdeck.journal.report import to_markdown
from shiftdeck.journal.verify import Verification
from tui.cli.json_output import iso, table
from tui.cli.load_config import load_config
from tui.cli.options import Common, ExitCode, Failure, common_options, pass_common, stop

DEFAULT_LIMIT = 50

_file = click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read this journal instead of the configured one.",
)


@click.group(invoke_without_command=True, short_help="List what was done; verify the record.")
@click.option("--limit", type=click.IntRange(1), default=DEFAULT_LIMIT, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per entry and line.")
@click.option("--markdown", is_flag=True, help="Print a table of all changes for a hand-over.")
@_file
@common_options
@pass_common
@click.pass_context
def journal(ctx: click.Context, common: Common, limit: int, as_json: bool, markdown: bool, path: Path | None) -> None:
    """List the journal, newest entry last. With --context, only the entries of that context."""
    ctx.meta["journal.path"] = path
    if ctx.invoked_subcommand is not None:
        return
    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    printer = common.printer()
    entries = _read(_journal(common, path), common.context, limit)
    if as_json:
        for entry in entries:
            printer.json(entry_json(entry))
    elif markdown:
        printer.out(to_markdown(entries).rstrip("\n"))
    elif entries:
        head = ("NO", "TIME (UTC)", "OPERATOR", "ENDPOINT", "", "WHAT")
        for line in table([_cells(entry) for entry in entries], head=head, right=(0,)):
            printer.out(line)
    else:
        printer.err("nothing is recorded yet")


@journal.command("verify", short_help="Check that no line was changed, removed or added.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_file
@common_options
@pass_common
@click.pass_context
def verify(ctx: click.Context, common: Common, as_json: bool, path: Path | None) -> None:
    """Verify the chain of hashes, and name every line that was changed, removed, moved or inserted. The exit code is 1
    if there is one."""
    printer = common.printer()
    found = _journal(common, path or ctx.meta.get("journal.path"))
    try:
        result = found.verify()
    except JournalError as error:
        raise Failure(str(error)) from None
    if as_json:
        printer.json(verification_json(found.path, result))
    else:
        for problem in result.problems:
            where = f"{found.path}:{problem.line}" if problem.line else str(found.path)
            printer.out(f"{where}: {problem.message}")
        if result.ok:
            printer.out(f"{found.path}: {result.entries} entries, every one as it was written; newest {result.tip}")
    stop(ExitCode.DONE if result.ok else ExitCode.FAILED)


def _journal(common: Common, path: Path | None) -> Journal:
    return Journal(path) if path is not None else Journal(load_config(common).journal)


def _read(found: Journal, context: str | None, limit: int) -> tuple[Entry, ...]:
    try:
        if context is None:
            return found.tail(limit)
        return tuple(entry for entry in found.entries(newest_first=False) if entry.context == context)[-limit:]
    except JournalError as error:
        raise Failure(str(error), hint="shiftdeck journal verify names what is wrong with it") from None


def entry_json(entry: Entry) -> dict[str, object]:
    """One entry; ``at`` is ISO 8601 in UTC, and null where the calendar has no such moment."""
    return {
        "seq": entry.seq,
        "at": None if utc(entry.at) is None else iso(entry.at),
        "kind": str(entry.kind),
        "context": entry.context,
        "ref": entry.ref,
        "operator": entry.operator,
        "host": entry.host,
        "data": dict(entry.data),
        "hash": entry.hash,
    }


def verification_json(path: Path, result: Verification) -> dict[str, object]:
    return {
        "path": str(path),
        "ok": result.ok,
        "entries": result.entries,
        "tip": result.tip,
        "problems": [{"line": problem.line, "message": problem.message} for problem in result.problems],
    }


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
        return f"of {entry.intent}: {text('call')}"
    ended = ": ".join(part for part in (text("outcome"), text("message")) if part)
    if entry.kind is EntryKind.OUTCOME:
        later = " (found out later)" if entry.data.get("recovered") is True else ""
        return f"of {entry.intent}: {ended}{later}"
    return "; ".join(part for part in (text("change"), ended) if part)
