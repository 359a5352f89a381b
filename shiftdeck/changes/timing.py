"""How long each stage of a change may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Times in seconds: ``poll_s`` between two readings, ``settle_s`` at most until the endpoint settles, ``measure_s``
    at most until the metrics agree, ``stall_s`` without progress until the change is called stalled, ``read_back_s``
    for reading back a call whose answer was lost. ``lost_s`` is the longest that anything on the way may hold a call:
    one that has no effect by then, counted from when it was sent, was not applied."""

    poll_s: float = 0.5
    settle_s: float = 300.0
    measure_s: float = 90.0  # longer than the window of the shares: until the window has passed, no share is 0
    stall_s: float = 30.0
    read_back_s: float = 10.0
    lost_s: float = 60.0

    @property
    def longest_s(self) -> float:
        """The time after which every change has an outcome."""
        return max(self.read_back_s, self.lost_s) + self.settle_s + self.measure_s
