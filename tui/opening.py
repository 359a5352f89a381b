"""From the options to the app, without the command line's own machinery: most starts need nothing else.

What is wrong is raised here, and said by ``tui.commands``.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ops.config import Access, Config, ConfigErrors, ContextConfig, find_config, load, sketch

if TYPE_CHECKING:
    from backends.contracts import EndpointRef
    from tui.output import Printer


@dataclass(frozen=True, slots=True)
class Common:
    """The options that every verb takes. ``ascii_only`` is ``None`` where the terminal is to decide."""

    config: Path | None = None
    context: str | None = None
    read_only: bool = False
    ascii_only: bool | None = None
    mouse: bool = False
    no_color: bool = False
    slow_link: bool = False

    def printer(self) -> Printer:
        from tui.output import Printer
        from tui.terminal import capabilities

        stream = getattr(sys.stdout, "encoding", None) or "ascii"
        found = capabilities(os.environ, stream)
        return Printer(ascii_only=not found.unicode if self.ascii_only is None else self.ascii_only)

    @classmethod
    def of(cls, options: Mapping[str, str | bool]) -> Common:
        """From what ``tui.skeleton.options_of`` read."""
        config = options.get("config")
        made = cls(**{**options, "config": None})  # type: ignore[arg-type]  # named as the fields are
        return replace(made, config=Path(str(config)) if config else None)


@dataclass(frozen=True, slots=True)
class Place:
    """Which configuration, and which context of it."""

    config: Config
    context: ContextConfig


class NoSuchContext(LookupError):
    """The configuration has no context of that name."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(f"no context {name!r} in {config.path}")
        self.hint = f"known are: {', '.join(sorted(config.contexts))}"


def read_config(common: Common) -> Config:
    """The configuration that is meant; ``--read-only`` holds for all its contexts.

    Raises:
        ConfigErrors: there is none, or something in it is wrong.
    """
    return _asked_for(load(find_config(common.config)), common)


def _asked_for(config: Config, common: Common) -> Config:
    if not common.read_only:
        return config
    contexts = {name: replace(one, access=Access.READ_ONLY) for name, one in config.contexts.items()}
    return replace(config, contexts=contexts)


def place_of(common: Common) -> Place:
    """The configuration, and the context that ``--context``, ``$SHIFTDECK_CONTEXT`` or its default names.

    Raises:
        ConfigErrors, NoSuchContext: there is no such configuration or context.
    """
    return _place(read_config(common), common)


def _place(config: Config, common: Common) -> Place:
    name = common.context or os.environ.get("SHIFTDECK_CONTEXT") or config.default_context
    if name not in config.contexts:
        raise NoSuchContext(name, config)
    return Place(config, config.contexts[name])


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
    from tui.app import run_app

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
        place = _place(_asked_for(config, common), common)
        return show(place.config, common, place.context.name, complete=lambda: _asked_for(complete(), common))
    except (ConfigErrors, NoSuchContext):
        return None
