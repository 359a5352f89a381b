"""What it costs to start: until the skeleton and the first full frame are on the screen.

Runs of what is compared take turns, so that a busy moment of the machine falls on all alike.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench.app import opened
from tests.bench.groups import Run
from tests.bench.session import Session
from tests.bench.table import Row, middle

BARE_PYTHON = [sys.executable, "-c", "print('bare')"]
BARE_TEXTUAL = [sys.executable, "-m", "tests.bench.bare"]

NOBODY = "http://127.0.0.1:9"

SIX = f"""
[contexts.prod.slo]
p95 = "200ms"
[contexts.prod.registries.mlflow]
uri = "{NOBODY}"
[contexts.prod.serving.kserve]
kubeconfig = "kubeconfig"
[contexts.prod.metrics.prometheus]
url = "{NOBODY}"
[contexts.prod.accelerators.dcgm]
metrics = "prometheus"
[contexts.prod.drift.evidently]
path = "reports"
[contexts.prod.alerts.alertmanager]
url = "{NOBODY}"
"""
"""A backend of each kind. None answers: the first frame waits for none."""


def measure(run: Run) -> Iterator[Row]:
    config = run.room("six") / "six.toml"
    config.write_text(SIX, encoding="utf-8")
    python, textual, skeleton, frame = [], [], [], []
    for _ in range(run.times(15, 5)):
        with Session(BARE_PYTHON, marks={"bare": lambda screen: "bare" in screen.text}) as session:
            python.append(session.mark_s("bare"))
        with Session(BARE_TEXTUAL, marks={"bare": lambda screen: "bare" in screen.text}) as session:
            textual.append(session.mark_s("bare"))
        with opened(config) as session:
            frame.append(session.mark_s("frame"))
            skeleton.append(session.mark_s("skeleton"))
    yield Row("process start → skeleton", middle(skeleton), "s", 3.0, middle(python), "bare Python")
    yield Row("process start → first full frame", middle(frame), "s", 1.5, middle(textual), "bare Textual app")
