"""The tests of foreign input and of other properties, with many examples each: the profile ``soak``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.examples import VARIABLE, Profile
from tests.soak.statements import Judged, Standing, Tally, Wrong

TESTS = Path(__file__).resolve().parents[1]
LONGEST_S = 3600
OWN = re.compile(r"^@(given|.*\bgiven\()", re.MULTILINE)


def run(folder: Path, count: int, seed: int) -> Iterator[Tally]:
    """Each such test, with as many examples as the profile says; ``count`` has no say in that."""
    tally = Tally("inputs", seed)
    output = _pytest(folder, seed)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)(.*)$", output, re.MULTILINE)
    tally.judged += [Judged(f"{test}{why}", Wrong.FAILED, ()) for test, why in failed]
    passed = re.search(r"(\d+) passed", output)
    tally.judged += [Judged("a test", Standing.RIGHT, ())] * int(passed[1] if passed else 0)
    if not tally.judged:
        tally.judged.append(Judged(f"nothing ran: {output[-2000:]}", Wrong.FAILED, ()))
    yield tally


def _pytest(folder: Path, seed: int) -> str:
    files = sorted(path for path in TESTS.rglob("test_*.py") if OWN.search(path.read_text(encoding="utf-8")))
    argv = [sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", "-o", f"timeout={LONGEST_S}"]
    argv += ["--hypothesis-seed", str(seed), f"--basetemp={folder / 'inputs'}"]
    environment = {**os.environ, VARIABLE: Profile.SOAK.value[0]}
    done = subprocess.run(
        [*argv, *map(str, files)], capture_output=True, text=True, env=environment, cwd=TESTS.parent, check=False
    )
    return done.stdout + done.stderr
