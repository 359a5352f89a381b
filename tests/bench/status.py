"""``shiftdeck status --json`` on the lab, the whole process, against a program that asks for the same answers.

A rate needs two looks at counters: where nothing remembers the first, as on the lab, both programs wait two seconds
between them. With ``--observe 0`` neither does, and what is left is the cost of the program itself.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.app import SHIFTDECK
from tests.bench.groups import Run
from tests.bench.table import Row, middle
from tests.lab import fresh_lab

ASK = """
import sys, time
import httpx, sqlite3
gateway, metrics, registry, seconds = sys.argv[1:]
with httpx.Client() as client:
    client.get(gateway + "/v1/endpoints").json()
    client.get(metrics).text
    sqlite3.connect(registry.removeprefix("sqlite:///")).execute("SELECT * FROM model_versions").fetchall()
    if float(seconds):
        time.sleep(float(seconds))
        client.get(metrics).text
"""


def whole_s(argv: Sequence[str | Path]) -> float:
    """Seconds that a command took from start to end.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    began = time.perf_counter()
    subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=120.0)
    return time.perf_counter() - began


def measure(run: Run) -> Iterator[Row]:
    with fresh_lab() as lab:
        for seconds, words in (("2", ""), ("0", " --observe 0")):
            status, reference = [], []
            for _ in range(run.times(9, 3)):
                status.append(whole_s([SHIFTDECK, "--config", lab.config, "status", "--json", "--observe", seconds]))
                reference.append(whole_s([sys.executable, "-c", ASK, lab.gateway, lab.metrics, lab.registry, seconds]))
            name = "httpx and the answers"
            yield Row(f"shiftdeck status --json{words}", middle(status), "s", 1.5, middle(reference), name)
