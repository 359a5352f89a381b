"""``shiftdeck journal head`` and ``verify``: what proves that no entry was altered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from shiftdeck.common.moments import utc
from shiftdeck.journal.entry import GENESIS
from shiftdeck.journal.exposure import Remark, remarks
from shiftdeck.journal.journal import JournalError
from shiftdeck.journal.verify import Verification
from tui.cli.journal_file import file_option, journal_of
from tui.cli.json_output import iso
from tui.cli.options import Common, ExitCode, Failure, common_options, pass_common, stop

_HASH = re.compile(r"[0-9a-f]{64}")


@click.command("head", short_help="Print the hash of the newest entry, to be kept elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@file_option
@common_options
@pass_common
@click.pass_context
def head(ctx: click.Context, common: Common, as_json: bool, path: Path | None) -> None:
    """Print one line: the hash of the newest entry, its number, its time, and the journal. Keep the line where whoever
    can write to the journal cannot: `shiftdeck journal verify --expect HASH` compares with it later."""
    found = journal_of(ctx, common, path)
    try:
        entry = found.newest()
    except JournalError as error:
        raise Failure(str(error), "shiftdeck journal verify names what is wrong with it") from None
    digest, seq = (entry.hash, entry.seq) if entry is not None else (GENESIS, 0)
    at = iso(entry.at) if entry is not None and utc(entry.at) is not None else None
    if as_json:
        common.printer().json({"hash": digest, "seq": seq, "at": at, "path": str(found.file)})
    else:
        common.printer().out(f"{digest}  {seq}  {at or '-'}  {found.file}")


def _hash(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    """The hash in what was kept: the hash itself, or the whole line."""
    digest = (value or "").strip().split(maxsplit=1)[:1]
    if value is not None and not (digest and _HASH.fullmatch(digest[0])):
        raise click.BadParameter("a hash has 64 digits from 0 to f; `shiftdeck journal head` prints it")
    return digest[0] if digest else ""


@click.command("verify", short_help="Check that no line was changed, removed or added.")
@click.option("--expect", metavar="HASH", callback=_hash, help="Also check that the entry with this hash is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@file_option
@common_options
@pass_common
@click.pass_context
def verify(ctx: click.Context, common: Common, expect: str, as_json: bool, path: Path | None) -> None:
    """Verify the chain of hashes, and name every line that was changed, removed, moved or inserted. The exit code is 1
    if there is one.

    Who can write to the journal can also forge the chain. --expect compares it with a hash that was kept elsewhere, as
    `shiftdeck journal head` printed it: then everything up to that entry is as it was. The exit code is 1 if no entry
    has that hash.
    """
    printer = common.printer()
    found = journal_of(ctx, common, path)
    try:
        result = found.verify(expect)
    except JournalError as error:
        raise Failure(str(error)) from None
    told = remarks(found.path)
    if as_json:
        printer.json(verification_json(found.path, result, expect, told))
    else:
        for line in verification_lines(found.path, result, expect):
            printer.out(line)
        for one in told:
            printer.err(f"{one.message}; {one.hint}")
    stop(ExitCode.DONE if result.ok and not missing(result, expect) else ExitCode.FAILED)


def missing(result: Verification, expect: str) -> bool:
    """Whether a hash was expected that no entry has."""
    return bool(expect) and result.found is None


def verification_lines(path: Path, result: Verification, expect: str) -> Iterator[str]:
    """The result as text."""
    for problem in result.problems:
        where = f"{path}:{problem.line}" if problem.line else str(path)
        yield f"{where}: {problem.message}"
    if result.ok:
        yield f"{path}: {result.entries} entries, every one as it was written; newest {result.tip}"
    if missing(result, expect):
        yield f"{path}: no entry has the expected hash: entries were rewritten or cut off, or this is another journal"
    elif expect and result.ok:
        later = result.entries - (result.found or 0)
        added = f"; {later} came after it" if later else ""
        yield f"{path}: entry {result.found} has the expected hash: it and all before it are as they were then{added}"


def verification_json(
    path: Path, result: Verification, expect: str, told: tuple[Remark, ...] = ()
) -> dict[str, object]:
    """The result for scripts. ``expected`` is null where no hash was expected."""
    return {
        "path": str(path),
        "ok": result.ok and not missing(result, expect),
        "entries": result.entries,
        "tip": result.tip,
        "problems": [{"line": problem.line, "message": problem.message} for problem in result.problems],
        "expected": {"hash": expect, "seq": result.found} if expect else None,
        "remarks": [f"{one.message}; {one.hint}" for one in told],
    }
