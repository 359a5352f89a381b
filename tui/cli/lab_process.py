"""The lab as a child process: started, watched while it comes up, and ended. Nothing of the lab is imported here."""

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
"""A lab that says nothing for so long while it starts is given up."""

END_WITHIN_S = 5.0

USAGE = 2
"""The exit status with which argument parsers refuse what was asked for."""

TAIL_LINES = 12


class LabFailed(Exception):
    """The lab ended before it was told to. ``usage`` is true where it did not take its arguments; ``tail`` is the end
    of what it wrote to its standard error."""

    def __init__(self, message: str, *, usage: bool = False, tail: str = "") -> None:
        super().__init__(message)
        self.usage = usage
        self.tail = tail


class LabChild:
    """A lab process. It ends when this one does, however that comes about: its standard input is our pipe."""

    def __init__(self, arguments: Sequence[str], *, module: str = "backends.lab") -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        # -P: a folder named like our packages in the current directory must not be taken for them. A session of its
        # own, so that Ctrl-C reaches us only, and we end it in order.
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
        """Wait until it runs: ``{"config", "gateway", "registry", "metrics"}``. ``progress`` is told how far it is
        (0–1) and what it is doing.

        Raises:
            LabFailed: it ended instead, or was too slow.
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
        """Whether it has ended by then."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def failure(self) -> LabFailed:
        """Why it ended, once it has."""
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
        """End it: asked first, then made to."""
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


def lab_arguments(drills: Sequence[str], state: Path | None) -> list[str]:
    """The command line of the lab."""
    arguments = [word for drill in drills for word in ("--drill", drill)]
    return arguments if state is None else [*arguments, "--state", str(state)]


def _object(line: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
