"""From the options to the app, without the command line's own machinery: most starts need nothing else."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shiftdeck.config.loader import Config, ConfigErrors, find_config, sketch
from tui.startup.context import Common, NoSuchContext, as_asked, place_in

if TYPE_CHECKING:
    from backends.contracts import EndpointRef


def show(
    config: Config,
    common: Common,
    context: str,
    ref: EndpointRef | None = None,
    complete: Callable[[], Config] | None = None,
) -> int:
    """The app on that configuration, in this process' terminal; returns its exit status. Where the configuration is a
    sketch, ``complete`` gives the whole of it.

    Raises:
        ConfigErrors: ``complete`` did.
    """
    if common.slow_link:
        os.environ["SHIFTDECK_SLOW_LINK"] = "1"
    gc.disable()  # until the first frame: what is imported now is not garbage
    from tui.app.app import run_app

    return run_app(
        config, context=context, open_ref=ref, ascii_only=common.ascii_only, mouse=common.mouse, complete=complete
    )


def open_app(options: Mapping[str, str | bool]) -> int | None:
    """The app with these options; returns its exit status, or ``None`` where there is something to complain of."""
    common = Common.of(options)
    if common.no_color:
        os.environ["NO_COLOR"] = "1"
    try:
        config, complete = sketch(find_config(common.config))
        place = place_in(as_asked(config, common), common)
        return show(place.config, common, place.context.name, complete=lambda: as_asked(complete(), common))
    except (ConfigErrors, NoSuchContext):
        return None
