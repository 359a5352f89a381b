"""Mutants put in place, one after the other, in a copy of the tree, and whether the tests of their module notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path

from tests.mutation.mutants import Mutant, difference, mutated

LEAST_S = 120.0
"""A mutant that never ends is given up after so long, or after five times what the tests of its module take."""


class Fate(StrEnum):
    """What became of a mutant. One with which no test can be collected, or none ends, was noticed as well."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Result:
    """``noticed_by`` is the first test that failed; ``diff`` the lines that were changed."""

    mutant: Mutant
    fate: Fate
    seconds: float
    noticed_by: str
    diff: str


def copied(root: Path, into: Path) -> Path:
    """A copy of what Git knows of the tree, or would add, without its history."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (root / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, into / name)
    return into


@dataclass(slots=True)
class Usual:
    """How many seconds the tests of each module take without a mutant: known to all benches, and measured once, also
    for modules that have the same tests in another order."""

    seconds: dict[frozenset[str], float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Bench:
    """A copy of the tree in which one mutant at a time is tried."""

    def __init__(self, tree: Path, python: Path, usual: Usual) -> None:
        self._tree = tree
        self._python = python
        self._usual = usual
        # Bytecode is told from its source by the time of that, in whole seconds: each text gets a second of its own.
        self._seconds = count(int(time.time()) - 10_000_000)

    def usual_s(self, tests: tuple[str, ...]) -> float:
        """How long the tests take without any mutant.

        Raises:
            RuntimeError: they fail: then nothing can be told of mutants.
        """
        which = frozenset(self._files(tests))
        with self._usual.lock:
            if which not in self._usual.seconds:
                began = time.monotonic()
                code, out = self._pytest(tests, 1800.0)
                if code != 0:
                    raise RuntimeError(f"without any mutant {' '.join(tests)} fail:\n{out[-3000:]}")
                self._usual.seconds[which] = time.monotonic() - began
            return self._usual.seconds[which]

    def attempt(self, mutant: Mutant, tests: tuple[str, ...]) -> Result:
        limit_s = max(LEAST_S, 5.0 * self.usual_s(tests))
        path = self._tree / mutant.module
        before = path.read_text(encoding="utf-8")
        after = mutated(before, mutant)
        began = time.monotonic()
        try:
            self._write(path, after)
            code, out = self._pytest(tests, limit_s)
        finally:
            self._write(path, before)
        fate = Fate.SURVIVED if code == 0 else Fate.TIMED_OUT if code is None else Fate.KILLED
        noticed = next((line for line in out.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
        diff = difference(before, after)
        return Result(mutant, fate, time.monotonic() - began, noticed.partition(" - ")[0], diff)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        at = next(self._seconds)
        os.utime(path, (at, at))

    def _files(self, tests: tuple[str, ...]) -> list[str]:
        """Each file once, in the order in which they are first named. pytest would leave out the rest of a folder of
        which it was given a file before."""
        named = (self._tree / one for one in tests)
        files = (file for one in named for file in (sorted(one.rglob("test_*.py")) if one.is_dir() else [one]))
        return [str(file.relative_to(self._tree)) for file in dict.fromkeys(files)]

    def _pytest(self, tests: tuple[str, ...], timeout_s: float) -> tuple[int | None, str]:
        """The exit code, ``None`` where it was ended, and what was printed."""
        options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        command = [str(self._python), "-m", "pytest", *options, *self._files(tests)]
        environment = {**os.environ, "PYTHONPATH": str(self._tree), "CI": ""}
        with subprocess.Popen(
            command,
            cwd=self._tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                out, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.communicate()
                return None, ""
        return process.returncode, out
