"""The command palette: every action of the screen, by its name."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.worker import Worker

from tui.input.actions import ACTIONS, ActionSpec
from tui.input.keymap import call_of, shown_key
from tui.screens.base import BaseScreen

LEFT_OUT = frozenset({"palette"})


def offered(screen: BaseScreen[Any]) -> Iterator[ActionSpec]:
    """The actions of a screen. A step of a rollout is left out if the endpoint's system has no steps."""
    kind = screen.OFFERS or screen.KIND
    ref = screen.selected_ref()
    found = screen.deck.view.endpoint(ref) if ref is not None else None
    known = found.endpoint.actions if found is not None else {}
    for one in ACTIONS:
        able = ":" in one.handler or hasattr(screen, one.handler)
        if kind in one.screens and able and one.id not in LEFT_OUT and (not one.step or one.change in known):
            yield one


class KeyCommands(Provider):
    """The actions as the palette's commands, which are found by any word of their help."""

    def _choices(self) -> Iterator[tuple[str, str, partial[Coroutine[Any, Any, None]]]]:
        screen = self.screen
        if not isinstance(screen, BaseScreen):
            return
        for one in offered(screen):
            key = shown_key(one, screen.deck.look.remapped)
            yield one.help, f"{key}  {one.label}".rstrip(), partial(self._run, one)

    async def _run(self, one: ActionSpec) -> None:
        await self.screen.run_action(call_of(one))

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
    """Textual's palette, which can be closed before its search has found its list widget, and closed twice."""

    def dismiss(self, result: None = None) -> AwaitComplete:
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    def run_worker(self, *args: Any, **options: Any) -> Worker[Any]:
        return super().run_worker(*args, **{**options, "exit_on_error": False})
