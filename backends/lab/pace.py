"""How fast the lab's world is: its requests, its control plane, and the labels of its answers."""

from __future__ import annotations

from dataclasses import dataclass

SLOW = 10.0  # how many times as long a change takes during the drill ``slow-control-plane``
START = 1.25  # how many times as long as a change a replica takes to start


@dataclass(frozen=True, slots=True)
class Pace:
    """``rate`` multiplies the requests per second of all endpoints. A change of traffic takes ``delay_s`` at most, and
    half as long at least. The label of an answer is known after ``label_s``.
    """

    rate: float = 1.0
    delay_s: float = 2.0
    label_s: float = 60.0

    @property
    def propagation_s(self) -> tuple[float, float]:
        """The shortest and the longest time that a change of traffic takes."""
        return self.delay_s / 2, self.delay_s

    @property
    def slow_s(self) -> tuple[float, float]:
        """The same during the drill ``slow-control-plane``."""
        return self.delay_s * SLOW, self.delay_s * SLOW

    @property
    def replica_start_s(self) -> float:
        """The time from the request of a replica until it is ready."""
        return self.delay_s * START


USUAL = Pace()
