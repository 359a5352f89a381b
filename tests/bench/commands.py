"""What short commands cost: time to the first byte of output against a bare Python, and modules imported.

Runs of what is compared take turns, so that a busy moment of the machine falls on all alike.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench.app import SHIFTDECK
from tests.bench.groups import Run
from tests.bench.table import Row, middle

COUNT_MODULES = """
import contextlib, io, sys
from tui.cli.main import cli
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    cli.main(sys.argv[1:], prog_name="shiftdeck")
print(len(sys.modules), "textual" in sys.modules)
"""
RUN_S = 120.0


def first_output_s(argv: Sequence[str | Path]) -> float:
    """Seconds from the start of a process to its first byte on stdout.

    Raises:
        RuntimeError: it ended without one.
    """
    began = time.perf_counter()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        took = time.perf_counter() - began
        _, errors = process.communicate(timeout=RUN_S)
    if not first:
        raise RuntimeError(f"{argv} printed nothing: {errors.decode(errors='replace')}")
    return took


def modules(arguments: Sequence[str]) -> tuple[int, bool]:
    """How many modules a command has imported when it ends, and whether Textual is among them."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT_MODULES, *arguments], capture_output=True, text=True, timeout=RUN_S, check=True
    )
    count, textual = done.stdout.split()
    return int(count), textual == "True"


def measure(run: Run) -> Iterator[Row]:
    commands: Mapping[str, tuple[str, ...]] = {"--version": ("--version",), "--help": ("--help",)}
    bare: list[float] = []
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(run.times(9, 3)):
        bare.append(first_output_s([sys.executable, "-c", "print(1)"]))
        for name, arguments in commands.items():
            times[name].append(first_output_s([SHIFTDECK, *arguments]))
    for name, arguments in commands.items():
        count, textual = modules(arguments)
        note = f"{count} modules{', Textual among them' if textual else ''}"
        yield Row(f"shiftdeck {name}, first byte", middle(times[name]), "s", None, middle(bare), "bare Python", note)
