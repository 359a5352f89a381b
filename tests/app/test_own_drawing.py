"""The app with a version of Textual that its painter was not tested with: Textual draws by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
from pathlib import Path

from tui.terminal import drawing

drawing.TESTED = ()

from tests.app.driving import driving
from tests.app.emulated import emulated, resize
from tests.fakes import FakeWorld


async def main():
    world = FakeWorld()
    with emulated(120, 36) as terminal:
        async with driving(world, Path(sys.argv[1]), size=(120, 36)) as driver:
            async def shown(*words):
                await driver.until(lambda: all(word in terminal.text() for word in words), f"not shown: {words}")

            await shown("shiftdeck", "ENDPOINTS 6", "sentiment", "TRAFFIC", "help")
            terminal.feed("\\x1b[2J")  # another program writes to the terminal
            await driver.press("ctrl+l")
            await shown("ENDPOINTS 6", "sentiment", "help")
            await driver.press("y")  # its control sequence goes to the same terminal
            await driver.press("r")
            await shown("way back")
            await driver.press("escape")
            await driver.press("enter")
            await shown("WHY")
            await driver.press("escape")
            world.endpoint("sentiment").rps = 4321.0
            driver.app.engine.refresh()
            resize(driver.app, terminal, 100, 30)
            await shown("ENDPOINTS 6", "help")
            driver.app.turn_slow_link()
            await driver.until(lambda: driver.app.link.slow, "the line stays quick")
    print("tui.terminal.painted_app" in sys.modules, type(driver.app).__mro__[1].__name__)


asyncio.run(main())
"""


def test_the_app_works_without_its_painter(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.split() == ["False", "DrawnApp"]
