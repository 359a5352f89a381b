"""``python -m tests.bench.refreshes COUNT``: what so many refreshes of the app leave behind in its process.

The app itself, 120×36, on ten endpoints whose figures change. In the engine's place something makes the next view, by
the engine's own joining, as soon as the last one is on the screen; what is written goes nowhere. Told in JSON are the
resident bytes after ``WARM`` refreshes and at the end, and how much was written.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

os.environ.update(TERM="xterm-256color", TEXTUAL_FPS="1000")

import psutil
from textual.drivers.headless_driver import HeadlessDriver

import tui.app.app
from shiftdeck.changes.access import Gate
from shiftdeck.changes.run import TrafficRun
from shiftdeck.common.clock import Clock
from shiftdeck.config.loader import Config
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.journal.journal import Journal
from tests.bench.fleet import Rounds
from tests.fakes import fake_context
from tui.app.app import ShiftdeckApp

WARM = 2_000
ENDPOINTS = 10
SIZE = (120, 36)


class Nowhere(HeadlessDriver):
    """A terminal that takes everything at once."""

    written = 0

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        Nowhere.written += len(data.encode())


class Views:
    """All of the engine that an app asks while nobody presses a key."""

    findings = ()
    chart_window_s = 900.0

    def __init__(self, count: int) -> None:
        self.context = fake_context()
        self.gate = Gate(self.context, Clock())
        self.rss: list[int] = []
        self._count = count
        self._rounds = Rounds(ENDPOINTS, share=0.1, beat=0.004)
        self._taken = threading.Event()
        self._listener: Callable[[View], None] = lambda view: None
        self._ended: Callable[[], None] = lambda: None
        self.view = self._next(0)

    def _next(self, number: int) -> View:
        return replace(self._rounds.view(0.0), number=number)

    def subscribe(self, listener: Callable[[View], None]) -> None:
        self._listener = listener

    def ends(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def start(self) -> None:
        threading.Thread(target=self._run, name="engine", daemon=True).start()

    def _run(self) -> None:
        for number in range(1, WARM + self._count + 1):
            self._taken.clear()
            self.view = self._next(number)
            self._listener(self.view)
            if not self._taken.wait(30.0):
                break
            if number in (WARM, WARM + self._count):
                gc.collect()
                self.rss.append(psutil.Process().memory_info().rss)
        self._ended()

    def taken(self) -> None:
        """The newest view is on the screen."""
        self._taken.set()

    def set_visibility(self, visibility: object) -> None:
        pass

    def focus(self, ref: object) -> None:
        pass

    def runs(self) -> tuple[TrafficRun, ...]:
        return ()

    def stop(self, grace_s: float = 0.0) -> tuple[TrafficRun, ...]:
        return ()


class Refreshed(ShiftdeckApp):
    """Tells when what it took is on the screen."""

    CSS_PATH = str(Path(tui.app.app.__file__).with_name("theme.tcss"))

    def _take_view(self) -> None:
        super()._take_view()
        self.call_after_refresh(cast("Views", self.engine).taken)


def main() -> None:
    views = Views(int(sys.argv[1]))
    with TemporaryDirectory(prefix="shiftdeck-bench-") as folder:
        journal = Journal(Path(folder) / "journal.jsonl")
        config = Config(Path(folder) / "config.toml", "prod-eu", journal.path, {"prod-eu": views.context})
        app = Refreshed(config, ascii_only=False, make_engine=lambda context, _: cast("Engine", views))
        app.driver_class = Nowhere
        views.ends(lambda: app.call_from_thread(app.exit, 0))
        began = time.monotonic()
        app.run(size=SIZE)
    if len(views.rss) != 2:
        raise SystemExit("the app took no more views")
    took = time.monotonic() - began
    sys.stdout.write(json.dumps({"warm": views.rss[0], "end": views.rss[1], "written": Nowhere.written, "s": took}))


if __name__ == "__main__":
    main()
