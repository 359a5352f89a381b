"""Loads the configuration and the context that the options name, and reports errors as the command line does."""

from __future__ import annotations

from shiftdeck.config.loader import Config, ConfigErrors
from tui.cli.options import Misconfigured, Misused
from tui.input.key_check import check_keys
from tui.startup.context import Common, NoSuchContext, Place, place_of, read_config

__all__ = ["Place", "find_place", "load_config"]


def load_config(common: Common) -> Config:
    """The configuration that the options name. ``--read-only`` applies to all its contexts.

    Raises:
        Misconfigured: there is no configuration, or it has errors.
    """
    try:
        config = read_config(common)
        check_keys(config)
    except ConfigErrors as error:
        raise Misconfigured(str(error)) from None
    return config


def find_place(common: Common) -> Place:
    """The configuration, and the context that ``--context``, ``$SHIFTDECK_CONTEXT`` or ``default_context`` names.

    Raises:
        Misused: there is no such configuration or context.
    """
    try:
        place = place_of(common)
        check_keys(place.config)
    except ConfigErrors as error:
        raise Misconfigured(str(error)) from None
    except NoSuchContext as error:
        raise Misused(str(error), error.hint) from None
    return place
