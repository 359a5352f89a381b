"""How long ago something was recorded, as far as that is known.

An entry of the journal carries the boot and the seconds since it, beside its wall time: within one boot, its age does
not depend on the wall clock, and the time of a suspend counts. Without them, the wall clocks of two moments are
compared, and a negative age counts as none. What this process has waited since it first saw an entry always counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from shiftdeck.common.clock import Clock

if TYPE_CHECKING:
    from shiftdeck.journal.entry import Entry

BOOT = "boot"
"""The key of ``boot_stamp`` in the data of an entry."""


@cache
def boot_id() -> str:
    """Names this boot of the machine; "" where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def boot_stamp(elapsed_s: float) -> Mapping[str, object]:
    """What an entry keeps of a moment of elapsed time."""
    return {"id": boot_id(), "s": round(elapsed_s, 3)} if boot_id() else {}


class Ages:
    """The ages of entries, by a clock whose elapsed time counts from the boot that ``boot`` names."""

    def __init__(self, clock: Clock | None = None, boot: Callable[[], str] = boot_id) -> None:
        self._clock = clock or Clock()
        self._boot = boot
        self._made: dict[int, float] = {}

    def time_in(self, seconds: float) -> float:
        """The wall time in so many seconds, for showing."""
        return self._clock.dated(self._clock.elapsed() + seconds)

    def of(self, entry: Entry) -> float:
        """Seconds since that entry was recorded, at least."""
        if entry.seq not in self._made:
            self._made[entry.seq] = self._clock.elapsed() - self._known(entry)
        return self._clock.elapsed() - self._made[entry.seq]

    def _known(self, entry: Entry) -> float:
        stamp = entry.data.get(BOOT)
        now = self._clock.wall()
        by_wall = max(0.0, now - entry.at)
        if not isinstance(stamp, Mapping) or not isinstance(stamp.get("s"), int | float):
            return by_wall
        if stamp.get("id") == self._boot():
            return max(0.0, self._clock.elapsed() - float(stamp["s"]))
        return by_wall
