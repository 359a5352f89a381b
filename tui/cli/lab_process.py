"""Runs the lab as a child process: starts it, waits until it is ready, and ends it. Imports nothing of the lab."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

START_WITHIN_S = 120.0
"""A lab that is not ready after this time is killed."""

END_WITHIN_S = 10.0

USAGE = 2
"""The exit status of argument parsers for wrong arguments."""

TAIL_LINES = 12


class LabFailed(Exception):
    """The lab ended by itself. ``usage`` is true if it refused its arguments. ``tail`` is the end of its standard
    error."""

    def __init__(self, message: str, *, usage: bool = False, tail: str = "") -> None:
        super().__init__(message)
        self.usage = usage
        self.tail = tail


class LabChild:
    """A lab process. It ends whenever this process ends, because its standard input is a pipe of this process."""

    def __init__(self, arguments: Sequence[str], *, module: str = "backends.lab") -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        # -P: a folder in the current directory with the name of one of our packages must not be imported. The lab has a
        # session of its own, so that Ctrl-C reaches only this process, which then ends the lab.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, "--with-parent", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self, progress: Callable[[float, str], None]) -> Mapping[str, str]:
        """Wait until the lab is ready, and return ``{"config", "gateway", "registry", "metrics"}``. ``progress`` is
        called with the progress (0–1) and a message.

        Raises:
            LabFailed: the lab ended instead, or was too slow.
        """
        assert self._process.stdout is not None
        late = threading.Timer(START_WITHIN_S, self._process.kill)
        late.daemon = True
        late.start()
        try:
            for line in self._process.stdout:
                told = _object(line)
                if "config" in told:
                    return {str(key): str(value) for key, value in told.items()}
                if isinstance(done := told.get("progress"), int | float):
                    progress(float(done), str(told.get("message", "")))
        finally:
            late.cancel()
        raise self._failure()

    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout_s: float) -> bool:
        """Wait at most ``timeout_s`` seconds, and return whether the lab has ended."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def failure(self) -> LabFailed:
        """Why the lab ended. Waits until it has ended."""
        return self._failure()

    def _failure(self) -> LabFailed:
        status = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").rstrip().splitlines()
        tail = "\n".join(lines[-TAIL_LINES:])
        if status == USAGE:
            # argparse: the usage, then "PROGRAM: error: what is wrong".
            return LabFailed(lines[-1].partition("error: ")[2] or lines[-1] if lines else "usage", usage=True)
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        return LabFailed(f"the lab {how}", tail=tail)

    def stop(self) -> None:
        """End the lab: with SIGTERM first, with SIGKILL if it does not end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self.running():
            self._process.terminate()
            if not self.wait(END_WITHIN_S):
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._stderr.close()


def lab_arguments(drills: Sequence[str], rate: float | None, delay: float | None, state: Path | None) -> list[str]:
    """The command line of the lab; the lab has its own default for what is ``None``."""
    given = [("--drill", drill) for drill in drills]
    named = (("--rate", rate), ("--delay", delay), ("--state", state))
    return [word for name, value in (*given, *named) if value is not None for word in (name, str(value))]


def _object(line: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
