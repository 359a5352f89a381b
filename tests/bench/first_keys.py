"""Whether keys stutter while the program is still importing: key to paint in the first five seconds.

A synthetic fleet, whose registry imports MLflow into the process itself (the slowest import that there is; the real
adapter keeps it out of the process) and whose accelerators import the Kubernetes client.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.app import Cursor, opened
from tests.bench.groups import Run
from tests.bench.table import Row, middle, quantile
from tests.bench.world import Synthetic, synthetic

FIRST_S = 5.0
EVERY_S = 0.05
SLOW = {"registries": 'imports = "mlflow"', "accelerators": 'imports = "kubernetes.client"'}


def keys(made: Synthetic, seconds: float) -> tuple[float, list[float], list[float]]:
    """Seconds to the first frame; of each key while things are imported; and of each key later, at rest."""
    with opened(made.config, env=made.env) as session:
        frame = session.mark_s("frame")
        session.mark_s("rows")
        cursor = Cursor(session)
        early: list[float] = []
        while time.perf_counter() < session.began + frame + seconds:
            early += cursor.moves(10, every_s=EVERY_S)
        session.quiet(0.5, 5.0)
        return frame, early, cursor.moves(len(early), every_s=EVERY_S)


def measure(run: Run) -> Iterator[Row]:
    plain = synthetic(run.room("plain"), 30, share=0.0, every=3600.0)
    slow = synthetic(run.room("slow"), 30, share=0.0, every=3600.0, extra=SLOW)
    frames: dict[str, list[float]] = {"plain": [], "slow": []}
    early: list[float] = []
    late: list[float] = []
    for _ in range(run.times(4, 1)):
        frame, _, _ = keys(plain, 0.0)
        frames["plain"].append(frame)
        frame, first, later = keys(slow, FIRST_S)
        frames["slow"].append(frame)
        early += first
        late += later
    yield Row(
        "first full frame, slow imports to come",
        middle(frames["slow"]),
        "s",
        1.1,
        middle(frames["plain"]),
        "none to come",
    )
    count = f"{len(early)} keys"
    yield Row("key → paint, first 5 s, p50", middle(early) * 1000, "ms", 1.5, middle(late) * 1000, "later", count)
    p99 = quantile(early, 0.99) * 1000
    yield Row("key → paint, first 5 s, p99", p99, "ms", 1.5, quantile(late, 0.99) * 1000, "later", count)
