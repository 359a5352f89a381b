"""``shiftdeck status``: prints the fleet as text or JSON, once or on each change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from tui.cli.endpoint_names import remember
from tui.cli.engine_session import has_window, looked_back, observe, running, wait_loaded
from tui.cli.json_output import Printer, iso, status_json
from tui.cli.load_config import find_place
from tui.cli.options import Common, common_options, pass_common

if TYPE_CHECKING:
    from shiftdeck.engine.engine import Engine
    from shiftdeck.engine.view import View

OBSERVE_S = 2.0

READER_EVERY_S = 1.0
"""How often it is looked whether somebody still reads: the fleet may not change for hours."""


@click.command(short_help="Show all endpoints, worst first.")
@click.option("--watch", is_flag=True, help="Print again on each change, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object, or with --watch one per line.")
@click.option(
    "--observe",
    "observe_s",
    type=click.FloatRange(0.0, 3600.0),
    metavar="SECONDS",
    help=f"How long to gather metrics that are scraped directly (default {OBSERVE_S:g}).",
)
@common_options
@pass_common
def status(common: Common, watch: bool, as_json: bool, observe_s: float | None) -> None:
    """Show all endpoints, worst first, with the reasons; and the state of every source.

    In the JSON, weights are percent, latencies are seconds, and unknown values are null.
    """
    printer = common.printer()
    place = find_place(common)
    with running(place) as engine:
        wait_loaded(engine, printer.err)
        seconds = OBSERVE_S if observe_s is None else observe_s
        view = looked_back(engine, observe(engine, seconds, has_window(seconds)))
        remember(view)
        if not watch:
            show(printer, view, as_json=as_json)
            return
        follow(engine, printer, view, as_json=as_json)


def show(printer: Printer, view: View, *, as_json: bool) -> None:
    if as_json:
        printer.json(status_json(view))
    else:
        from tui.cli.text_output import status_lines

        for line in status_lines(view):
            printer.out(line)


def follow(
    engine: Engine, printer: Printer, view: View, *, as_json: bool, ended: Callable[[], bool] = lambda: False
) -> None:
    """Print each view that differs from the printed one, until interrupted or until nobody reads any more."""
    screen = sys.stdout.isatty() and not as_json
    shown: object = None
    try:
        while not ended() and not printer.reader_gone:
            said = unaged(view)
            if said != shown:
                shown = said
                if screen:
                    click.echo("\x1b[H\x1b[2J", nl=False)
                else:
                    _separate(printer, view, as_json=as_json)
                show(printer, view, as_json=as_json)
            number = view.number
            newer = engine.wait_for(lambda view, number=number: view.number > number, READER_EVERY_S)  # type: ignore[misc]  # bound now
            view = newer or engine.view
    except KeyboardInterrupt:
        return


def _separate(printer: Printer, view: View, *, as_json: bool) -> None:
    if not as_json:
        printer.out(f"── {iso(view.at)}")


def unaged(view: View) -> object:
    """The content of a view without its times: a view in which only ages differ is not printed again."""
    sources = [replace(status, at=None, since=0.0, latency_s=None) for status in view.sources]
    return status_json(replace(view, at=0.0, sources=tuple(sources)))
