"""What a process and all that it started cost: processor time and memory, as the kernel counts them."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, summed over the processes. ``pss`` counts what several share once, and is the honest figure."""

    rss: int
    pss: int


class Usage:
    """Of the process ``pid`` and its descendants."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._seen: dict[int, float] = {}

    def processes(self) -> list[int]:
        with suppress(psutil.NoSuchProcess):
            return [self._root.pid, *(child.pid for child in self._root.children(recursive=True))]
        return []

    def cpu_s(self) -> float:
        """Seconds of processor time so far. What ended counts as it was when it was last looked at."""
        for pid in self.processes():
            with suppress(OSError):
                # The clock of that process' processor time, exact where /proc counts ticks: clock_getcpuclockid(3).
                self._seen[pid] = time.clock_gettime((~pid << 3) | 2)
        return sum(self._seen.values())

    def memory(self) -> Memory:
        rss = pss = 0
        for pid in self.processes():
            with suppress(OSError, psutil.NoSuchProcess):
                rolled = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
                found = {line.split(":")[0]: line for line in rolled.splitlines()[1:]}
                rss += int(found["Rss"].split()[1]) * 1024
                pss += int(found["Pss"].split()[1]) * 1024
        return Memory(rss, pss)
