"""Finds the configuration and the context by the options, without importing the command line: most starts need no more.

Errors are raised here, and ``tui.cli`` prints them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shiftdeck.config.loader import Access, Config, ContextConfig, find_config, load


@dataclass(frozen=True, slots=True)
class Common:
    """The options that every verb takes. ``ascii_only`` is ``None`` if the terminal decides."""

    config: Path | None = None
    context: str | None = None
    read_only: bool = False
    ascii_only: bool | None = None
    mouse: bool = False
    no_color: bool = False
    slow_link: bool = False

    @classmethod
    def of(cls, options: Mapping[str, str | bool]) -> Common:
        """The options that ``tui.main.options_of`` has read."""
        config = options.get("config")
        made = cls(**{**options, "config": None})  # type: ignore[arg-type]  # named as the fields are
        return replace(made, config=Path(str(config)) if config else None)


@dataclass(frozen=True, slots=True)
class Place:
    """A configuration, and one of its contexts."""

    config: Config
    context: ContextConfig


class NoSuchContext(LookupError):
    """The configuration has no context of that name."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(f"no context {name!r} in {config.path}")
        self.hint = f"known are: {', '.join(sorted(config.contexts))}"


def read_config(common: Common) -> Config:
    """The configuration that the options name. ``--read-only`` applies to all its contexts.

    Raises:
        ConfigErrors: there is no configuration, or it has errors.
    """
    return as_asked(load(find_config(common.config)), common)


def as_asked(config: Config, common: Common) -> Config:
    """The configuration with the options applied: ``--read-only`` makes all its contexts read-only."""
    if not common.read_only:
        return config
    contexts = {name: replace(one, access=Access.READ_ONLY) for name, one in config.contexts.items()}
    return replace(config, contexts=contexts)


def place_of(common: Common) -> Place:
    """The configuration, and the context that ``--context``, ``$SHIFTDECK_CONTEXT`` or ``default_context`` names.

    Raises:
        ConfigErrors, NoSuchContext: there is no such configuration or context.
    """
    return place_in(read_config(common), common)


def place_in(config: Config, common: Common) -> Place:
    """The same for a configuration that was read already.

    Raises:
        NoSuchContext: it has no such context.
    """
    name = common.context or os.environ.get("SHIFTDECK_CONTEXT") or config.default_context
    if name not in config.contexts:
        raise NoSuchContext(name, config)
    return Place(config, config.contexts[name])
