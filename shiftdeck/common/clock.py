"""The program's clock. Durations are measured in elapsed seconds: no step of the wall clock changes them, and the time
that the machine was suspended counts. Wall time is for showing, and for comparing with what other machines have dated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from shiftdeck.common.durations import age

STEP_S = 1.0
"""A difference between wall time and elapsed time that grew by more than this is a jump of the wall clock."""

TOLD_FOR_S = 3600.0
"""How long a jump of the wall clock is told."""


def seconds_since_boot() -> float:
    """Elapsed seconds, from ``CLOCK_BOOTTIME`` where the system has it: unlike ``time.monotonic``, it counts the time
    of a suspend."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def time_of_day(at: float) -> str:
    """ "03:14:22Z"."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}Z"


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump of the wall clock. ``at`` is the wall time after it, ``by_s`` how far it went; a negative one went
    back."""

    at: float
    by_s: float

    @property
    def brief(self) -> str:
        """ "clock jumped back 1h"."""
        return f"clock jumped {'back' if self.by_s < 0 else 'ahead'} {age(round(abs(self.by_s)))}"

    @property
    def words(self) -> str:
        """ "the clock jumped back 1h at 03:14Z; …"."""
        return f"the {self.brief} at {datetime.fromtimestamp(self.at, UTC):%H:%M}Z; ages and time limits did not"


class Clock:
    """Wall time and elapsed time. Thread-safe: what is kept is replaced as a whole.

    Wall time is elapsed time plus a difference, which changes in ``follow`` only. Between two calls of ``follow`` all
    wall times agree with each other, so ages that follow from them are right across a jump.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = seconds_since_boot
    ) -> None:
        self._read_wall = wall
        self._read_elapsed = elapsed
        self._ahead_s = wall() - elapsed()
        self._last: tuple[float, Jump] | None = None

    def elapsed(self) -> float:
        """Seconds since some moment in the past. For every duration."""
        return self._read_elapsed()

    def wall(self) -> float:
        """Unix seconds. For showing, and for comparing with the stamps of other machines."""
        return self.dated(self.elapsed())

    def dated(self, elapsed: float) -> float:
        """The wall time of a moment of elapsed time, by the wall clock as it is now."""
        return elapsed + self._ahead_s

    def follow(self) -> None:
        """Follow the wall clock of the machine if it has jumped."""
        now = self.elapsed()
        ahead_s = self._read_wall() - now
        by_s = ahead_s - self._ahead_s
        if abs(by_s) > STEP_S:
            self._ahead_s = ahead_s
            self._last = now, Jump(now + ahead_s, by_s)

    @property
    def jump(self) -> Jump | None:
        """The last jump of the wall clock, as long as it is told."""
        last = self._last
        return last[1] if last is not None and self.elapsed() - last[0] < TOLD_FOR_S else None
