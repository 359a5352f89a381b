"""Keeps the interpreter's pauses away from key presses, from the start and from the end.

A full garbage collection visits every object of a large fleet while nothing else runs: it takes a third of a second for
ten thousand endpoints, and comes each time a quarter of them has been read again. A thread that waits for the
interpreter's lock waits 5 ms for each thread that has work, unless Python is configured otherwise.
"""

from __future__ import annotations

import gc
import sys
from time import monotonic

SWITCH_S = 0.0002
NEVER = 1_000_000_000

LOOK_EVERY_S = 5.0
RESTED_S = 10.0
"""A full collection waits until no key was pressed for this time."""

LATEST_S = 600.0
"""A full collection is forced after this time, even while keys are pressed: closed screens are reference cycles, which
only a full collection finds."""

WORTH = 10
"""How many collections of the middle generation make a full one worthwhile. Python's default is the same."""


def resume() -> None:
    """Enable collections, if ``tui.main`` has disabled them. They never visit the objects that exist already."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


class Pauses:
    """Decides when the interpreter may pause. Call ``begin`` when start-up has imported its modules, and ``tidy`` every
    ``LOOK_EVERY_S`` seconds."""

    def __init__(self) -> None:
        self._last = monotonic()

    def begin(self) -> None:
        """From now on, collect young objects automatically, and all objects in ``tidy`` only."""
        young, middle, _ = gc.get_threshold()
        # The objects of start-up live until the end, so no collection needs to visit them.
        gc.freeze()
        gc.set_threshold(young, middle, NEVER)
        gc.enable()
        sys.setswitchinterval(SWITCH_S)

    def tidy(self, key_at: float) -> bool:
        """Run a full collection if there may be garbage and no key was pressed lately. ``key_at`` is the time of the
        last key, by ``monotonic``. Returns whether a collection was run."""
        now = monotonic()
        rested = now - key_at >= RESTED_S or now - self._last >= LATEST_S
        if not rested or gc.get_count()[2] < WORTH:
            return False
        gc.collect()
        self._last = monotonic()
        return True
