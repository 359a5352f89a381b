"""``make screenshots``: pictures of the real app on the running lab, as SVG.

    python -m tests.e2e.screenshots [--into FOLDER]

One app on one lab with a bad canary, taken through the main job under Textual's pilot, with a picture at each size
wherever there is something to see. Nothing in it is made up but the lab itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

# What the app finds out about its terminal it finds out when it is imported.
os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", "SHIFTDECK_OPERATOR": "sam"}
os.environ.pop("NO_COLOR", None)

from textual.pilot import Pilot

from shiftdeck.config.loader import load
from shiftdeck.engine.view import View
from shiftdeck.health.verdict import Level
from tests.lab import fresh_lab
from tui.app.app import ShiftdeckApp

SIZES = ((80, 24), (120, 36), (200, 50))
PATIENCE_S = 240.0
FONTS = "Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace"
HISTORY_S = 150.0  # charts of less look empty


class Photographer:
    """Takes the pictures of one app, into ``folder``."""

    def __init__(self, pilot: Pilot[int], app: ShiftdeckApp, folder: Path) -> None:
        self._pilot = pilot
        self._app = app
        self._folder = folder

    async def take(self, name: str, sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
        for cols, rows in sizes:
            await self._pilot.resize_terminal(cols, rows)
            await self._pilot.pause(1.5)
            picture = self._app.export_screenshot(title=f"shiftdeck {cols}×{rows}")
            path = self._folder / f"{name}-{cols}x{rows}.svg"
            path.write_text(portable(picture), encoding="utf-8")
            sys.stdout.write(f"{path}\n")

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)
        await self._pilot.pause(1.0)

    async def until(self, condition: Callable[[View], object], what: str) -> None:
        """Raises ``TimeoutError`` where it does not come about."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition(self._app.view):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {PATIENCE_S:g} s: {what}")
            await self._pilot.pause(0.5)


def portable(picture: str) -> str:
    """The same picture without fonts from the network, and with blanks kept by renderers other than browsers."""
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = picture.replace("font-family: Fira Code, monospace", f"font-family: {FONTS}")
    return picture.replace("<svg ", '<svg xml:space="preserve" ', 1)


def bad_canary_on_top(view: View) -> bool:
    return bool(view.endpoints) and (view.endpoints[0].ref.name, view.endpoints[0].verdict.level) == (
        "sentiment",
        Level.CRITICAL,
    )


async def take_all(config_file: Path, folder: Path, journal: Path) -> None:
    """The main job from a bad canary to a recorded rollback."""
    app = ShiftdeckApp(replace(load(config_file), journal=journal))
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        camera = Photographer(pilot, app, folder)
        began = time.monotonic()
        await camera.until(lambda view: time.monotonic() - began > HISTORY_S, "some history")
        await camera.until(bad_canary_on_top, "the bad canary on top")
        await camera.press("home")
        await camera.take("main")
        await camera.press("enter")
        await camera.take("endpoint")
        await camera.press("escape")
        await camera.press("s")
        await camera.take("shift", SIZES[1:2])
        await camera.press("escape")
        await camera.press("r")
        await camera.take("plan")
        await camera.press("enter")
        await camera.until(lambda view: any(run.sent and not run.done for run in view.runs), "the change under way")
        await camera.take("running", SIZES[1:2])
        await camera.until(lambda view: any(run.done for run in view.runs), "the change in effect")
        await camera.take("settled", SIZES[1:2])
        await camera.press("escape")
        await camera.take("after", SIZES[1:2])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.screenshots", description="Picture the app on the lab.")
    parser.add_argument("--into", type=Path, default=Path("screenshots"), help="the folder (default: screenshots)")
    folder: Path = parser.parse_args().into
    folder.mkdir(parents=True, exist_ok=True)
    with fresh_lab("--drill", "bad-canary") as lab, TemporaryDirectory() as scratch:
        asyncio.run(take_all(lab.config, folder, Path(scratch) / "journal.jsonl"))


if __name__ == "__main__":
    main()
