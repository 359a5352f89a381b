"""Opens the app from its options without importing the command line: most starts need no more."""

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
    """Run the app on that configuration in this process's terminal, and return its exit status. If the configuration is
    a sketch, ``complete`` returns the whole one.

    Raises:
        ConfigErrors: raised by ``complete``.
    """
    if common.slow_link:
        os.environ["SHIFTDECK_SLOW_LINK"] = "1"
    gc.disable()  # until the first frame: the imported objects are not garbage
    from tui.app.app import run_app

    return run_app(
        config, context=context, open_ref=ref, ascii_only=common.ascii_only, mouse=common.mouse, complete=complete
    )


def open_app(options: Mapping[str, str | bool]) -> int | None:
    """Run the app with these options, and return its exit status; ``None`` if the configuration or the context is
    wrong, which the command line then reports."""
    common = Common.of(options)
    if common.no_color:
        os.environ["NO_COLOR"] = "1"
    try:
        config, complete = sketch(find_config(common.config))
        if config.keys:
            from tui.input.key_check import check_keys

            check_keys(config)
        place = place_in(as_asked(config, common), common)
        return show(place.config, common, place.context.name, complete=lambda: as_asked(complete(), common))
    except (ConfigErrors, NoSuchContext):
        return None
