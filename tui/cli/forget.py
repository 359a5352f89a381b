"""``shiftdeck forget``: ends the remarks on what a metrics source measures no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.cli.options import EXIT_CODES, Common, ExitCode, Failure, Misused, common_options, pass_common, stop

if TYPE_CHECKING:
    from backends.contracts import Subject


@click.command(epilog=EXIT_CODES, short_help="Forget what a metrics source measures no longer.")
@click.argument("source")
@click.argument("endpoint", required=False, metavar="[[SCOPE/]ENDPOINT]")
@click.argument("variant", required=False, default="")
@common_options
@pass_common
def forget(common: Common, source: str, endpoint: str | None, variant: str) -> None:
    """Forget that SOURCE once measured an endpoint, or one variant of it: it is gone, and rightly so. Without an
    endpoint, everything that the source misses now is forgotten. What is measured again, and vanishes again, is told
    again. Nothing is changed in any system."""
    from backends.contracts import Subject
    from shiftdeck.common.clock import Clock
    from shiftdeck.sources.forgotten import Forgotten
    from tui.cli.load_config import find_place

    place = find_place(common)
    printer = common.printer()
    if place.context.source("metrics", source) is None:
        names = ", ".join(one.name for one in place.context.of_kind("metrics")) or "none"
        raise Misused(f"no metrics source {source!r} is configured; there are: {names}", "")
    if endpoint is None:
        gone = _missed(common, source)
    else:
        scope, _, name = endpoint.rpartition("/")
        gone = (Subject(name, variant, scope),)
    if not gone:
        printer.out(f"{source} misses nothing")
        stop(ExitCode.DONE)
    kept = Forgotten(place.config.journal)
    now = Clock().wall()
    for subject in gone:
        try:
            kept.add(place.context.name, source, subject, now)
        except OSError as error:
            raise Failure(f"it cannot be kept: {error.strerror or error}", "see the folder of the journal") from None
        where = f"{subject.scope}/{subject.endpoint}" if subject.scope else subject.endpoint
        printer.out(f"forgotten: {where} {subject.variant}".rstrip())
    stop(ExitCode.DONE)


def _missed(common: Common, source: str) -> tuple[Subject, ...]:
    """What the source misses now."""
    from backends.contracts import Vanishes
    from tui.cli.engine_session import running, wait_loaded
    from tui.cli.load_config import find_place

    with running(find_place(common), kinds=("metrics",)) as engine:
        wait_loaded(engine, common.printer().err)
        adapter = engine.adapter("metrics", source)
        return tuple(adapter.vanished()) if isinstance(adapter, Vanishes) else ()
