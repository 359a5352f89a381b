"""Starts the full-screen app. Textual is imported only when the app is shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tui.cli.completion import complete_ref
from tui.cli.load_config import Place, find_place
from tui.cli.options import Common, Misused, app_options, common_options, pass_common

if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from shiftdeck.config.loader import Config


@click.command("open", short_help="Open the app on one endpoint.")
@click.argument("ref", shell_complete=complete_ref)
@common_options
@app_options
@pass_common
@click.pass_context
def open_endpoint(ctx: click.Context, common: Common, ref: str) -> None:
    """Open the app on one endpoint. REF may be short ("sentiment") if that is unambiguous."""
    place = find_place(common)
    found = _resolved(ref, place, common)
    ctx.exit(show(place.config, common, place.context.name, found))


def _resolved(text: str, place: Place, common: Common) -> EndpointRef:
    """The endpoint that the text names. A full ref is parsed; for a shorter one the serving systems are asked."""
    from backends.contracts import EndpointRef
    from tui.cli.endpoint_names import NotAnEndpoint, remember, resolve_ref
    from tui.cli.engine_session import not_found, running, wait_loaded

    try:
        return EndpointRef.parse(text)
    except ValueError:
        pass
    with running(place, kinds=("serving",)) as engine:
        view = wait_loaded(engine, common.printer().err)
    remember(view)
    try:
        return resolve_ref(text, view)
    except NotAnEndpoint as error:
        raise not_found(str(error), view, "serving") from None


def open_app(common: Common) -> int:
    """Run the app on the configured context, and return its exit status."""
    place = find_place(common)
    return show(place.config, common, place.context.name)


def show(config: Config, common: Common, context: str, ref: EndpointRef | None = None) -> int:
    """Run the app on that configuration, and return its exit status.

    Raises:
        Misused: there is no terminal to show the app on.
    """
    need_terminal()
    from tui.app.launch import show as launched

    return launched(config, common, context, ref)


def need_terminal() -> None:
    """Raises:
    Misused: there is no terminal to show the app on.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Misused("the app needs a terminal", "`shiftdeck status` prints the same as text or JSON")
