"""A terminal of our own that can stop reading, as a stalled SSH link or tmux's copy mode does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.e2e.captures import remember
from tests.waiting import wait_until

ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|.)")


class StallingTerminal:
    """A pseudo-terminal with a program in it; what it writes is read by a thread that can be told to stop."""

    def __init__(self, argv: Sequence[str], cols: int = 120, rows: int = 36) -> None:
        self._master, self._slave = pty.openpty()
        self._reading = threading.Event()
        self._reading.set()
        self._closed = threading.Event()
        self._output = bytearray()
        self._set_size(cols, rows)
        env = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            argv, stdin=self._slave, stdout=self._slave, stderr=self._slave, env=env, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        remember(self)

    def __enter__(self) -> StallingTerminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._closed.set()
        self._reading.set()
        self._reader.join(5)
        os.close(self._master)
        os.close(self._slave)

    def stall(self) -> None:
        """Read no more."""
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    @property
    def full(self) -> bool:
        """Whether a write to it would block."""
        return not select.select([], [self._slave], [], 0)[1]

    def type(self, keys: str | bytes) -> None:
        os.write(self._master, keys if isinstance(keys, bytes) else keys.encode())

    def resize(self, cols: int, rows: int) -> None:
        self._set_size(cols, rows)
        self.process.send_signal(signal.SIGWINCH)

    def wait_for(self, pattern: str, timeout_s: float, since: int = 0) -> None:
        """Until the text written after ``since`` bytes matches: the words of a line follow each other, lines do not."""
        wanted = re.compile(pattern)
        wait_until(
            lambda: wanted.search(self.text(since)),
            timeout_s,
            lambda: f"{pattern}; written: {self.text(since)[-3000:]}",
        )

    def text(self, since: int = 0) -> str:
        return ESCAPE.sub(b" ", bytes(self._output[since:])).decode("utf-8", "replace")

    def save(self, stem: Path) -> None:
        """All that was read from the terminal."""
        stem.with_suffix(".raw").write_bytes(self._output)

    @property
    def written(self) -> int:
        """How many bytes have been read so far."""
        return len(self._output)

    def _read(self) -> None:
        while not self._closed.is_set():
            self._reading.wait()
            if select.select([self._master], [], [], 0.1)[0] and self._reading.is_set():
                self._output += os.read(self._master, 65536)

    def _set_size(self, cols: int, rows: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def left(terminal: StallingTerminal) -> bool:
    """Press q, until it arrives when the dialog has closed."""
    if terminal.process.poll() is None:
        terminal.type("q")
    return terminal.process.poll() is not None
