"""What it costs to start: until the skeleton, the first full frame, and the first live rows are on the screen.

Runs of what is compared take turns, so that a busy moment of the machine falls on all alike.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench.app import opened
from tests.bench.groups import Run
from tests.bench.session import Session
from tests.bench.table import Row, middle
from tests.bench.world import synthetic

BARE_PYTHON = [sys.executable, "-c", "print('bare')"]
BARE_TEXTUAL = [sys.executable, "-m", "tests.bench.bare"]


def measure(run: Run) -> Iterator[Row]:
    made = synthetic(run.room("six"), 6)
    python, textual, skeleton, frame = [], [], [], []
    for _ in range(run.times(15, 5)):
        with Session(BARE_PYTHON, marks={"bare": lambda screen: "bare" in screen.text}) as session:
            python.append(session.mark_s("bare"))
        with Session(BARE_TEXTUAL, marks={"bare": lambda screen: "bare" in screen.text}) as session:
            textual.append(session.mark_s("bare"))
        with opened(made.config, env=made.env) as session:
            session.mark_s("rows")
            skeleton.append(session.mark_s("skeleton"))
            frame.append(session.mark_s("frame"))
    yield Row("process start → skeleton", middle(skeleton), "s", 3.0, middle(python), "bare Python")
    yield Row("process start → first full frame", middle(frame), "s", 1.5, middle(textual), "bare Textual app")
