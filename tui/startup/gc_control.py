"""The interpreter's own pauses, kept away from the keys, the start and the end.

A full garbage collection looks at every object of a large fleet while nothing else runs: a third of a second for ten
thousand endpoints, and as often as a quarter of them has been read anew. A thread that waits for the interpreter's
lock waits 5 ms for each of those that have work, where Python is not told otherwise.
"""

from __future__ import annotations

import gc
import sys
from time import monotonic

SWITCH_S = 0.0002
NEVER = 1_000_000_000

LOOK_EVERY_S = 5.0
RESTED_S = 10.0
"""Nobody is about to press a key who has not for so long."""

LATEST_S = 600.0
"""After so long it is done even under somebody's hands: a screen that was left is garbage that only it can find."""

WORTH = 10
"""Collections of what is younger since the last full one: Python's own measure of when there may be something."""


def resume() -> None:
    """Collect from now on, where ``tui.main`` put that off. What was made until now is never looked at again."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


class Pauses:
    """When the interpreter may pause. ``begin`` once what start-up needs is there; ``tidy`` every ``LOOK_EVERY_S``."""

    def __init__(self) -> None:
        self._last = monotonic()

    def begin(self) -> None:
        """From now on, collect what is young as it comes, and all of it in ``tidy`` only."""
        young, middle, _ = gc.get_threshold()
        # What start-up has made stays to the end: it is never looked at again, however often there is a collection.
        gc.freeze()
        gc.set_threshold(young, middle, NEVER)
        gc.enable()
        sys.setswitchinterval(SWITCH_S)

    def tidy(self, key_at: float) -> bool:
        """Collect everything where there may be something and nobody has pressed a key lately; ``key_at`` is when
        somebody last did, by ``monotonic``. Tells whether it was done."""
        now = monotonic()
        rested = now - key_at >= RESTED_S or now - self._last >= LATEST_S
        if not rested or gc.get_count()[2] < WORTH:
            return False
        gc.collect()
        self._last = monotonic()
        return True
