"""``shiftdeck diff``: two versions of a model side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.cli.options import Common, Failure, Misused, common_options, pass_common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.contracts import ModelVersion
    from shiftdeck.registry.version_diff import Row


@click.command(short_help="Two versions side by side: sentiment-classifier 7 8.")
@click.argument("model")
@click.argument("old", metavar="VERSION|@ALIAS")
@click.argument("new", metavar="VERSION|@ALIAS")
@click.option("--all", "everything", is_flag=True, help="Also show what is the same.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: both versions, and a row for each thing.")
@common_options
@pass_common
def diff(common: Common, model: str, old: str, new: str, *, everything: bool, as_json: bool) -> None:
    """Show what differs between two registered versions of MODEL: metrics, parameters, signature, tags and lineage."""
    from backends.errors import BackendError, Rejected
    from shiftdeck.registry.version_diff import describe, named, side_by_side
    from tui.cli.engine_session import OPENED_WITHIN_S, not_found, running, wait_loaded
    from tui.cli.load_config import find_place

    printer = common.printer()
    place = find_place(common)
    if not place.context.of_kind("registries"):
        raise Misused("no registry is configured for this context", "shiftdeck init writes one for what it finds")
    with running(place, kinds=("registries",)) as engine:
        view = wait_loaded(engine, printer.err, OPENED_WITHIN_S)
        silent = [one for one in view.sources if not one.fresh]
        for one in silent:
            printer.err(f"{one.name} is {one.state}: {one.error}")
        try:
            both = [describe(engine.view, engine.adapter, named(view, model, version).ref) for version in (old, new)]
        except Rejected as error:
            raise not_found(error.message, view, "registries", hint=error.hint) from None
        except BackendError as error:
            raise Failure(error.message, error.hint) from None
    rows = side_by_side(*both)
    if as_json:
        printer.json(diff_json(both[0], both[1], rows))
        return
    for line in diff_lines(both[0], both[1], rows, everything=everything):
        printer.out(line)


def diff_lines(old: ModelVersion, new: ModelVersion, rows: Sequence[Row], *, everything: bool) -> list[str]:
    """A table of the rows by part. Equal rows are left out unless ``everything`` is true."""
    from tui.cli.json_output import table

    shown = [row for row in rows if everything or row.differs]
    cells = []
    part = None
    for row in shown:
        cells.append((str(row.part) if row.part is not part else "", row.name, row.old, row.new, row.change))
        part = row.part
    same = len(rows) - sum(row.differs for row in rows)
    lines = table(cells, head=("", "", old.ref.version, new.ref.version, "DIFFERENCE")) if cells else []
    return [f"{old.ref.model}  {old.ref.version} → {new.ref.version}", *lines, f"{same} the same"]


def diff_json(old: ModelVersion, new: ModelVersion, rows: Sequence[Row]) -> dict[str, object]:
    """The comparison for scripts. All values are text, as the registry has them; ``change`` is null for equal ones."""
    return {
        "model": old.ref.model,
        "old": old.ref.version,
        "new": new.ref.version,
        "rows": [
            {"part": str(row.part), "name": row.name, "old": row.old, "new": row.new, "change": row.change or None}
            for row in rows
        ],
    }
