"""A bad line between a program and its terminal: each direction takes its time and carries only so much."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """``round_trip_s`` there and back, ``bytes_per_s`` each way. At most ``buffer`` bytes wait for the line; then the
    program that writes has to wait, as it does behind a full socket."""

    round_trip_s: float = 0.2
    bytes_per_s: float = 8000.0
    buffer: int = 16_384
    piece: int = 128
    """Bytes that travel together."""


class Lane:
    """One direction of a link. Times are of one monotonic clock, in seconds."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._free_at = 0.0
        self._under_way: deque[tuple[float, bytes]] = deque()

    def push(self, now: float, data: bytes) -> None:
        """Send ``data``."""
        for start in range(0, len(data), self._link.piece):
            piece = data[start : start + self._link.piece]
            self._free_at = max(self._free_at, now) + len(piece) / self._link.bytes_per_s
            self._under_way.append((self._free_at + self._link.round_trip_s / 2, piece))

    def pull(self, now: float) -> bytes:
        """What has arrived by ``now``."""
        arrived = bytearray()
        while self._under_way and self._under_way[0][0] <= now:
            arrived += self._under_way.popleft()[1]
        return bytes(arrived)

    def full(self, now: float) -> bool:
        """Whether as much is waiting for the line as may."""
        return (self._free_at - now) * self._link.bytes_per_s >= self._link.buffer

    @property
    def next_at(self) -> float | None:
        """When the next piece arrives."""
        return self._under_way[0][0] if self._under_way else None
