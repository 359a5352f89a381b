"""Runs a program that prints a credential, with a deadline and without the operator's terminal.

Such a program may ask for a password, and would then read the keys that the operator presses in the app. So its stdin
is empty, and it runs in a session of its own, without a controlling terminal.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

_REAPED_S = 1.0
"""How long to wait for a killed program. A program in an uninterruptible system call outlives its SIGKILL."""


@dataclass(frozen=True, slots=True, repr=False)
class Printed:
    """How the program ended, and its stdout, which ``repr`` does not show."""

    status: int
    stdout: bytes


def run(command: Sequence[str], timeout_s: float, *, env: Mapping[str, str] | None = None) -> Printed:
    """Run ``command`` until it has ended and its stdout is closed. Its stderr is dropped.

    At the deadline the program's whole process group is killed, and the pipe is closed at once: a process that left the
    group may keep the other end of the pipe open without limit.

    Raises:
        TimeoutError: the program did not end in time.
        OSError, ValueError: the program cannot be started.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        # "from None": subprocess's exception holds the output so far, which may be a secret.
        raise TimeoutError(f"no answer within {timeout_s:g} s") from None
    except BaseException:  # Ctrl-C as well: the program has a session of its own and does not receive it
        _kill(process)
        raise
    return Printed(process.returncode, printed)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group. The process has not been waited for yet, so its id cannot belong to another process."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_REAPED_S)
