"""A proxy like ``tests.faults`` for HAProxy's socket: one line a connection, an answer, and the end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

from tests.faults import HUNG_S, TARGET_S
from tests.treatments import FORWARDED, Decide, Fault, Treatment, Write

LINE = "LINE"
"""What stands for the method where ``decide`` is asked."""


class RawFaultProxy:
    """Listens on a UNIX socket at ``path`` and passes each line on to the one at ``target``.

    ``writes`` are the lines that begin with ``prefix``; only those are treated as ``decide`` says. The status of one is
    200 where ``accepted`` says so of the target's answer, else 400, and 0 where there was none. ``Fault.STATUS`` has no
    form here. Use it as a context manager. Thread-safe.
    """

    def __init__(self, target: str, path: Path, prefix: bytes, accepted: Callable[[bytes], bool]) -> None:
        self.path = str(path)
        self.writes: list[Write] = []
        self.decide: Decide | None = None
        self._target = target
        self._prefix = prefix
        self._accepted = accepted
        self._lock = threading.Lock()
        self._busy = 0
        self._closed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(128)
        threading.Thread(target=self._serve, name="raw-fault-proxy", daemon=True).start()

    @property
    def idle(self) -> bool:
        """Whether no write is in the proxy's hands any more."""
        with self._lock:
            return self._busy == 0

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> RawFaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(channel,), name="raw-fault-proxy-line", daemon=True).start()

    def _answer(self, channel: socket.socket) -> None:
        with closing(channel), suppress(OSError):
            line = _line(channel)
            written = line.startswith(self._prefix)
            treatment = (self.decide(LINE, "", line) if written and self.decide is not None else None) or Treatment()
            with self._lock:
                self._busy += written
            try:
                answer = self._done(line, treatment)
                if treatment.after_s:
                    self._fail(channel, treatment, answer)
                    channel.close()
                    if not self._closed.wait(treatment.after_s):
                        self._ask(line)
                    return
            finally:
                with self._lock:
                    self._busy -= written
            if treatment.late_s:
                self._closed.wait(treatment.late_s)
            self._fail(channel, treatment, answer)

    def _done(self, line: bytes, treatment: Treatment) -> bytes:
        """What the target answers, as far as it is asked."""
        if treatment.held_s and self._closed.wait(treatment.held_s):
            return b""
        forwarded = treatment.applied or treatment.fault in FORWARDED
        answer = self._ask(line) if forwarded else b""
        return self._ask(line) if treatment.fault is Fault.TWICE else answer

    def _ask(self, line: bytes) -> bytes:
        try:
            with socket.socket(socket.AF_UNIX) as target:
                target.settimeout(TARGET_S)
                target.connect(self._target)
                target.sendall(line)
                answer = b"".join(iter(lambda: target.recv(65536), b""))
        except OSError:
            answer = b""
        if line.startswith(self._prefix):
            status = 0 if not answer else 200 if self._accepted(answer) else 400
            with self._lock:
                self.writes.append(Write(LINE, "", line, status, time.time()))
        return answer

    def _fail(self, channel: socket.socket, treatment: Treatment, answer: bytes) -> None:
        match treatment.fault:
            case Fault.PASS | Fault.TWICE:
                channel.sendall(answer)
            case Fault.TRUNCATED:
                channel.sendall(answer[: len(answer) // 2])
            case Fault.GARBAGE:
                channel.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            case Fault.NOISE:
                channel.sendall(bytes(range(128, 256)))
            case Fault.HANG | Fault.DRIP | Fault.SLOW:
                self._closed.wait(HUNG_S)
            case _:
                return  # the connection ends without an answer


def _line(channel: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"\n") and (part := channel.recv(65536)):
        found += part
    return found
