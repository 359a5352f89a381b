"""Servers as child processes: started on free ports and in folders of their own, killed, and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import wait_until

READY_S = 30.0


def free_port() -> int:
    """A loopback port that nobody has at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass(slots=True)
class Server:
    """One server. ``ready`` is the address that answers 200 when it is up, within ``ready_s``; what it says goes to
    ``log``. ``environment`` is the whole of it, where it is not ours. It leads a process group, so that its workers end
    with it."""

    argv: list[str]
    url: str
    ready: str
    log: Path
    environment: Mapping[str, str] | None = None
    ready_s: float = READY_S
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> Server:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

        def up() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"{self.argv[0]} ended: {self.log.read_text(errors='replace')[-2000:]}")
            return answers(self.ready)

        wait_until(
            up, self.ready_s, lambda: f"{self.argv[0]} to be ready: {self.log.read_text(errors='replace')[-2000:]}"
        )
        return self

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it for good: at once, for nobody needs what it would still write."""
        self.kill()
