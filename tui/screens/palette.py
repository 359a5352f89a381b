"""The command palette, fed from the key registry: every action of the screen by its name."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.worker import Worker

from tui.input.keymap import KEYS, Key, shown_key
from tui.widgets.footer import ACTIONS, STEPS

if TYPE_CHECKING:
    from tui.app.app import ShiftdeckApp

LEFT_OUT = frozenset({"palette"})


def offered(screen: str) -> Iterator[Key]:
    """The actions of that screen that have a name."""
    return (key for key in KEYS if screen in key.screens and key.id not in LEFT_OUT)


class KeyCommands(Provider):
    """What each key does, to be found by any of its words."""

    def _choices(self) -> Iterator[tuple[str, str, partial[Coroutine[Any, Any, None]]]]:
        remapped = cast("ShiftdeckApp", self.app).config.keys
        kind = getattr(self.screen, "KIND", "endpoint" if hasattr(self.screen, "selected_ref") else "list")
        for key in offered(kind):
            if key.id in STEPS and not self._knows(key):
                continue
            yield key.help, f"{shown_key(key, remapped)}  {key.label}".rstrip(), partial(self._run, key)

    def _knows(self, key: Key) -> bool:
        """Whether the system of the selected endpoint has such steps."""
        selected = getattr(self.screen, "selected_ref", None)
        ref = selected() if selected is not None else None
        found = cast("ShiftdeckApp", self.app).view.endpoint(ref) if ref is not None else None
        return found is not None and ACTIONS[key.id] in found.endpoint.actions

    async def _run(self, key: Key) -> None:
        await self.screen.run_action(key.id)

    async def discover(self) -> Hits:
        for name, help_text, run in self._choices():
            yield DiscoveryHit(name, run, help=help_text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, help_text, run in self._choices():
            score = max(matcher.match(name), matcher.match(help_text))
            if score > 0:
                yield Hit(score, matcher.highlight(name), run, help=help_text)


class Palette(CommandPalette):
    """Textual's palette, which may be left in haste: before its search has found its list, and twice."""

    def dismiss(self, result: None = None) -> AwaitComplete:
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    def run_worker(self, *args: Any, **options: Any) -> Worker[Any]:
        return super().run_worker(*args, **{**options, "exit_on_error": False})
