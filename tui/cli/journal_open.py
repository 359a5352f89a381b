"""``shiftdeck journal open`` and ``resolve``: the changes without a known outcome, and what a person found out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from shiftdeck.common.clock import Clock
from shiftdeck.common.durations import SKEW_S, age
from shiftdeck.common.moments import utc
from shiftdeck.journal.entry import Entry
from shiftdeck.journal.journal import Journal, JournalError, current_operator
from shiftdeck.journal.open_changes import OpenChange
from tui.cli.journal_entry import entry_json
from tui.cli.journal_file import file_option, journal_of
from tui.cli.json_output import iso, number, table
from tui.cli.options import EXIT_CODES, Common, Failure, Misused, Refused, common_options, pass_common

IN_FLIGHT, NO_OUTCOME, UNKNOWN = "in flight", "no outcome", "unknown"

OUTCOMES = {"applied": "settled", "not-applied": "failed"}
"""What a person found out, and the outcome that is recorded."""

DAMAGED = "shiftdeck journal verify names what is wrong with it"


@dataclass(frozen=True, slots=True)
class Row:
    """A change without a known outcome. ``command`` is what to type next."""

    change: OpenChange
    state: str
    command: str


@click.command("open", short_help="List changes without a known outcome.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@file_option
@common_options
@pass_common
@click.pass_context
def open_(ctx: click.Context, common: Common, as_json: bool, path: Path | None) -> None:
    """List the changes without a known outcome, oldest first: what was asked, how long ago, and what to type next. With
    --context, only those of that context."""
    printer = common.printer()
    found = journal_of(ctx, common, path)
    try:
        rows = [row for row in rows_of(found, common) if common.context in (None, row.change.intent.context)]
    except JournalError as error:
        raise Failure(str(error), DAMAGED) from None
    now = Clock().wall()
    if as_json:
        printer.json({"path": str(found.path), "open": [row_json(row, now) for row in rows]})
        return
    for line in lines_of(rows, now):
        printer.out(line)
    if not rows:
        printer.err("every change has a known outcome")


def rows_of(found: Journal, common: Common) -> list[Row]:
    """Raises:
    JournalError: the journal cannot be read.
    """
    in_flight = {entry.seq for entry in found.in_flight()}
    return [_row(one, one.intent.seq in in_flight, common) for one in found.undecided()]


def _row(change: OpenChange, in_flight: bool, common: Common) -> Row:
    entry = change.intent
    config = ("--config", str(common.config)) if common.config else ()
    if in_flight:
        return Row(change, IN_FLIGHT, shlex.join(["shiftdeck", *config, "journal", "open"]))
    if change.outcome is None:
        context = ("--context", entry.context) if entry.context else ()
        return Row(change, NO_OUTCOME, shlex.join(["shiftdeck", *config, *context, "status"]))
    command = shlex.join(["shiftdeck", *config, "journal", "resolve", str(entry.seq)])
    return Row(change, UNKNOWN, f'{command} --as applied|not-applied --reason "…"')


NEXT = {
    IN_FLIGHT: "a process of this host carries it out; wait, then",
    NO_OUTCOME: "its process has ended; this reads the system and records the outcome:",
    UNKNOWN: "look at the system; once you know:",
}


def lines_of(rows: Sequence[Row], now: float) -> Iterator[str]:
    """The list as text: for each change a line, and below it the outcome and what to type next."""
    if not rows:
        return
    head = ("NO", "AGE", "OPERATOR", "ENDPOINT", "STATE", "ASKED")
    first, *lines = table([_cells(row, now) for row in rows], head=head, right=(0, 1))
    yield first
    for row, line in zip(rows, lines, strict=True):
        yield line
        if row.change.outcome is not None:
            yield f"      {_text(row.change.outcome, 'message')}"
        yield f"      {NEXT[row.state]} {row.command}"


def _cells(row: Row, now: float) -> tuple[str, ...]:
    entry = row.change.intent
    where = " ".join(part for part in (entry.context, entry.ref) if part)
    return str(entry.seq), age(now - entry.at), entry.operator, where, row.state, asked(entry)


def asked(entry: Entry) -> str:
    """What an intent asks for, and why."""
    return f"{_text(entry, 'change') or 'a change'}: {_text(entry, 'reason') or 'no reason given'}"


def _text(entry: Entry, key: str) -> str:
    return " ".join(str(entry.data.get(key) or "").split())


def row_json(row: Row, now: float) -> dict[str, object]:
    """One change for scripts. ``age_s`` is null where the time of the intent lies in the future."""
    entry, outcome = row.change.intent, row.change.outcome
    seconds = now - entry.at
    return {
        "seq": entry.seq,
        "at": None if utc(entry.at) is None else iso(entry.at),
        "age_s": number(max(0.0, seconds), 1) if seconds > -SKEW_S else None,
        "context": entry.context,
        "ref": entry.ref,
        "operator": entry.operator,
        "host": entry.host,
        "change": _text(entry, "change"),
        "reason": _text(entry, "reason"),
        "state": row.state,
        "message": _text(outcome, "message") if outcome is not None else None,
        "next": row.command,
    }


# ── resolve ─────────────────────────────────────────────────────────────────────────────────────────────────────


def complete_open(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The numbers of the changes without a known outcome."""
    try:
        found = journal_of(ctx, ctx.find_object(Common) or Common(), ctx.params.get("path")).undecided()
    except (JournalError, click.ClickException):
        return []
    return [
        CompletionItem(str(one.intent.seq), help=asked(one.intent))
        for one in found
        if str(one.intent.seq).startswith(incomplete)
    ]


@click.command("resolve", epilog=EXIT_CODES, short_help="Record an outcome that you found out.")
@click.argument("seq", type=click.IntRange(1), metavar="NO", shell_complete=complete_open)
@click.option("--as", "found_out", type=click.Choice(tuple(OUTCOMES)), required=True, help="What you found out.")
@click.option("--reason", metavar="TEXT", default="", help="How you know: kept in the journal. Needed.")
@click.option("--yes", is_flag=True, help="Do not ask; needed if there is no terminal to ask on.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the entry that was written.")
@file_option
@common_options
@pass_common
@click.pass_context
def resolve(
    ctx: click.Context,
    common: Common,
    seq: int,
    found_out: str,
    reason: str,
    *,
    yes: bool,
    as_json: bool,
    path: Path | None,
) -> None:
    """Record the outcome of change NO, whose outcome shiftdeck cannot find out: it was applied, or it was not. Nothing
    is sent. `shiftdeck journal open` lists the numbers. Refused for a change that is under way, or whose outcome is
    known."""
    from tui.cli.apply import Manner, check_usage

    check_usage(Manner(reason, yes=yes, as_json=as_json))
    printer = common.printer()
    found = journal_of(ctx, common, path)
    try:
        change = found.undecided_change(seq)
        say = printer.err if as_json else printer.out
        say(f"{seq}  {change.intent.ref}  {asked(change.intent)}")
        if not yes and not _confirmed(f"Type yes to record that it was {found_out.replace('-', ' ')}"):
            raise Refused("not confirmed; nothing was recorded")
        words = f"{found_out.replace('-', ' ')}, as {current_operator()} found out: {reason}"
        data = {"outcome": OUTCOMES[found_out], "message": words, "reason": reason, "resolved": True}
        entry = found.decide(seq, data)
    except LookupError as error:
        raise Misused(str(error), "shiftdeck journal open lists the numbers") from None
    except ValueError as error:
        raise Refused(str(error)) from None
    except JournalError as error:
        raise Failure(f"nothing was recorded: {error}", DAMAGED) from None
    if as_json:
        printer.json({"seq": seq, "entry": entry_json(entry)})
    else:
        printer.out(f"recorded: {words}   journal {entry.seq}")


def _confirmed(question: str) -> bool:
    try:
        return str(click.prompt(question, default="", show_default=False, err=True)).strip() == "yes"
    except click.Abort:
        return False
