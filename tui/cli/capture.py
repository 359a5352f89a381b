"""``shiftdeck capture``: writes what a system holds of an endpoint, for a bug report."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tui.cli.options import Common, Failure, Misused, common_options, pass_common

BESIDE = "read it before you send it: names are replaced, numbers and times are not"


@click.command(short_help="Write an endpoint's objects, without names, for a bug report.")
@click.argument("ref")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("shiftdeck-capture.json"),
    metavar="FILE",
    help="Write this file (default shiftdeck-capture.json).",
)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@common_options
@pass_common
def capture(common: Common, ref: str, output: Path, force: bool) -> None:
    """Write what the system holds of the endpoint REF, and what shiftdeck makes of it, to a file for a bug report.

    Names, hosts, images and all other words that are not of Kubernetes are replaced, the same by the same. Environment
    variables, arguments and secrets are left out. Nothing is sent anywhere.
    """
    from backends.contracts import Captures
    from backends.errors import BackendError
    from tui.cli.endpoint_names import NotAnEndpoint, resolve_ref
    from tui.cli.engine_session import not_found, running, wait_loaded
    from tui.cli.load_config import find_place

    printer = common.printer()
    if output.exists() and not force:
        raise Misused(f"{output} is there already", "--force replaces it")
    with running(find_place(common), kinds=("serving",)) as engine:
        view = wait_loaded(engine, printer.err)
        try:
            found = resolve_ref(ref, view)
            adapter = engine.adapter("serving", found.backend)
            if not isinstance(adapter, Captures):
                raise Failure(f"what {found.backend} holds cannot be captured", "add what status --json says of it")
            told = adapter.capture(found)
        except NotAnEndpoint as error:
            raise not_found(str(error), view, "serving") from None
        except BackendError as error:
            raise Failure(error.message, error.hint) from None
    try:
        output.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}") from None
    printer.out(f"{output} is written; {BESIDE}")
    if told.get("faithful") is False:
        printer.err("the names themselves matter here: under other names it is another endpoint; say so in the report")
