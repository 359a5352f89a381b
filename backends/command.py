"""Runs a program that prints a credential: with a deadline, and without the operator's terminal.

Such a program may ask for a password. What it would read are the keys that the operator presses in the app, so it gets
an empty stdin and, in a session of its own, no controlling terminal to open.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

_REAPED_S = 1.0
"""How long a killed program is waited for. One that is in an uninterruptible call outlives its SIGKILL."""


@dataclass(frozen=True, slots=True, repr=False)
class Printed:
    """How the program ended, and what it printed to stdout. Its ``repr`` does not show that."""

    status: int
    stdout: bytes


def run(
    command: Sequence[str], timeout_s: float, *, env: Mapping[str, str] | None = None, folder: str | None = None
) -> Printed:
    """Run ``command`` until it has ended and its stdout is closed. What it prints to stderr is dropped.

    At the deadline the program's whole process group is killed, and the pipe is closed without waiting for its end: a
    process that left the group may hold the other end for as long as it likes.

    Raises:
        TimeoutError: it did not end in time.
        OSError, ValueError: it cannot be started.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        cwd=folder,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        # The exception that is left behind holds what was printed so far.
        raise TimeoutError(f"no answer within {timeout_s:g} s") from None
    except BaseException:  # Ctrl-C as well: the program has a session of its own and does not receive it
        _kill(process)
        raise
    return Printed(process.returncode, printed)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group. The process was not waited for, so its number cannot have been given to another."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_REAPED_S)
