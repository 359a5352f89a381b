"""Processor time of the app while nobody touches it, as a share of one core."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench.app import QUIET_EVERY_S, SETTLED_S, opened, settled
from tests.bench.groups import Run
from tests.bench.session import Session
from tests.bench.table import Row
from tests.bench.world import synthetic
from tests.lab import fresh_lab

PAUSED_FOR_S = 60.0


def measure(run: Run) -> Iterator[Row]:
    seconds = run.times(60, 15)
    with settled(synthetic(run.room("idle"), 10, every=QUIET_EVERY_S)) as session:
        yield Row("processor, idle screen, 10 endpoints", _share(session, seconds), "%", 1.0)
        session.press(b" ")
        time.sleep(PAUSED_FOR_S)
        yield Row("the same, paused", _share(session, seconds), "%", 1.0)
    with fresh_lab() as lab, opened(lab.config) as session:
        session.mark_s("rows")
        time.sleep(SETTLED_S)
        yield Row("processor, lab, asked each second or two", _share(session, seconds), "%", note="without the lab")
    with settled(synthetic(run.room("busy"), 1000)) as session:
        yield Row("processor, 1,000 endpoints every 2 s", _share(session, seconds), "%", 8.0)


def _share(session: Session, for_s: float) -> float:
    """Percent of one core, over so many seconds."""
    before, began = session.usage.cpu_s(), time.perf_counter()
    time.sleep(for_s)
    return 100.0 * (session.usage.cpu_s() - before) / (time.perf_counter() - began)
