"""From the options to a configuration, and the context of it that is meant."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from ops.config import Access, Config, ConfigErrors, ContextConfig, find_config, load
from tui.commands.options import Common, Misconfigured, Misused


@dataclass(frozen=True, slots=True)
class Place:
    """Which configuration, and which context of it."""

    config: Config
    context: ContextConfig


def load_config(common: Common) -> Config:
    """The configuration that is meant; ``--read-only`` holds for all its contexts.

    Raises:
        Misconfigured: there is none, or something in it is wrong.
    """
    try:
        config = load(find_config(common.config))
    except ConfigErrors as error:
        raise Misconfigured(str(error)) from None
    if common.read_only:
        contexts = {name: replace(one, access=Access.READ_ONLY) for name, one in config.contexts.items()}
        config = replace(config, contexts=contexts)
    return config


def find_place(common: Common) -> Place:
    """The configuration, and the context that ``--context``, ``$SHIFTDECK_CONTEXT`` or its default names.

    Raises:
        Misused: there is no such configuration or context.
    """
    config = load_config(common)
    name = common.context or os.environ.get("SHIFTDECK_CONTEXT") or config.default_context
    if name not in config.contexts:
        known = ", ".join(sorted(config.contexts))
        raise Misused(f"no context {name!r} in {config.path}", f"known are: {known}")
    return Place(config, config.contexts[name])
