"""The whole app over the in-memory world, driven by its keys."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from backends.contracts import EndpointRef
from shiftdeck.config.loader import Access, Config
from shiftdeck.journal.journal import Journal
from tests.fakes import FAST, FakeWorld, fake_context, fake_engine
from tui.app.app import ShiftdeckApp
from tui.screens import dialog

DEADLINE_S = 60.0


@dataclass(slots=True)
class Driver:
    """What a test presses and sees."""

    app: ShiftdeckApp
    pilot: Pilot[int]
    world: FakeWorld
    journal: Journal

    def text(self) -> str:
        """The screen as it is, dialogs over it included."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    def notices(self) -> str:
        """What was said in passing, in a footer or in a box."""
        footers = [screen.footer.message for screen in self.app.screen_stack if hasattr(screen, "footer")]
        return "\n".join([*footers, *(notification.message for notification in self.app._notifications)])

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    def type_ahead(self, *keys: str) -> None:
        """Press keys faster than the app takes them."""
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else None))

    async def write(self, text: str) -> None:
        """Type text into what has the focus."""
        await self.pilot.press(*("space" if char == " " else char for char in text))

    async def command(self, text: str) -> None:
        """Type a command."""
        await self.press("colon")
        await self.write(text)
        await self.press("enter")

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"{what}; the screen is\n{self.text()}\nand said was\n{self.notices()}"
            await self.pilot.pause(0.02)

    async def sees(self, *words: str) -> None:
        """Wait until the screen shows all of these."""
        await self.until(lambda: all(word in self.text() for word in words), f"never seen together: {words}")

    async def hears(self, words: str) -> None:
        """Wait until a notice says that."""
        await self.until(lambda: words in self.notices(), f"never said: {words}")

    async def no_dialog(self) -> None:
        await self.until(lambda: not self.app.screen.is_modal, "a dialog stays open")


@contextmanager
def confirming_after(seconds: float) -> Iterator[None]:
    """Dialogs take a confirmation after so many seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialog, "READ_S", seconds)
        yield


@asynccontextmanager
async def driving(
    world: FakeWorld,
    tmp_path: Path,
    *,
    select: str = "sentiment",
    size: tuple[int, int] = (120, 40),
    access: Access = Access.READ_WRITE,
    production: bool = True,
    open_ref: EndpointRef | None = None,
    journal: Journal | None = None,
    loaded: bool = True,
    every_s: float = 0.2,
    alerts: bool = False,
    keys: Mapping[str, str] | None = None,
    read_s: float = 0.0,
) -> AsyncIterator[Driver]:
    """The app on two contexts, prod-eu and staging, with the cursor on the endpoint of that name ("": where it is by
    itself); every source has answered or failed, unless ``loaded`` is false. ``read_s`` is how long a question has
    to be on screen before it can be confirmed: pilots read at once."""
    journal = journal or Journal(tmp_path / "journal.jsonl")
    contexts = {
        "prod-eu": fake_context(access, production, every_s=every_s, alerts=alerts),
        "staging": fake_context(name="staging", production=False, every_s=every_s),
    }
    config = Config(tmp_path / "config.toml", "prod-eu", journal.path, contexts, keys or {})
    app = ShiftdeckApp(
        config,
        open_ref=open_ref,
        ascii_only=False,
        make_engine=lambda context, _: fake_engine(world, tmp_path, context=context, journal=journal, timing=FAST),
    )
    notify = app.notify
    # On a busy machine a notice would be gone before a test looks.
    app.notify = lambda *args, **options: notify(*args, **{**options, "timeout": DEADLINE_S})  # type: ignore[method-assign]
    async with AsyncExitStack() as stack:
        stack.enter_context(confirming_after(read_s))
        pilot = await stack.enter_async_context(app.run_test(size=size, notifications=True))
        driver = Driver(app, pilot, world, journal)
        try:
            if loaded:
                await driver.until(lambda: app.view.number > 0 and app.view.loaded, "the sources never answer")
            if open_ref is None and select:
                await _select(driver, select)
            yield driver
        finally:
            world.let_go()
            app.engine.stop(2.0)


async def _select(driver: Driver, name: str) -> None:
    """Move the cursor there. The order may change on the way, as verdicts come in, so one pass may miss it."""
    for key in [*["down"] * 8, "home"] * 4:
        ref = getattr(driver.app.screen, "selected_ref", lambda: None)()
        if ref is not None and ref.name == name:
            return
        await driver.press(key)
    raise AssertionError(f"{name} cannot be selected")
