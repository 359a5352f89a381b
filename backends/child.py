"""A child process that answers in JSON lines, for libraries that crash, hang, print, or hold the interpreter's lock.

The child runs ``python -m MODULE``, whose ``main`` calls ``serve``; the adapter asks it through a ``Child``. The child
ends when its standard input closes, and so with its parent, however the parent ends.
"""

from __future__ import annotations

import json
import os
import queue
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import NoReturn, cast

from backends.errors import BackendError, Malformed, TimedOut, Unreachable

MAX_ANSWER = 64 * 1024 * 1024
RESTART_S = 30.0

Request = Mapping[str, object]

KINDS: Mapping[str, type[BackendError]] = {kind.__name__: kind for kind in BackendError.__subclasses__()}


class ChildEnded(Unreachable):
    """The child ended before it answered a question: the work that was asked for may have been done."""


class Child:
    """The parent's side. It starts the child at the first question, and again after the child has ended, at most once
    in ``restart_s`` seconds. With ``rest_s``, a child without a question for that many seconds is ended; the next
    question starts another. Thread-safe; one question at a time."""

    def __init__(self, module: str, what: str, *, restart_s: float = RESTART_S, rest_s: float | None = None) -> None:
        self._module = module
        self._what = what
        self._restart_s = restart_s
        self._rest_s = rest_s
        self._resting: threading.Timer | None = None
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = -float("inf")
        self._ended = ""
        self._closed = False

    def ask(self, request: Request, timeout_s: float) -> object:
        """The child's answer.

        Raises:
            Unreachable: the child ended earlier, and it is too early to start another.
            ChildEnded: the child ended during this question; the message has its exit status or signal.
            TimedOut: the child gave no answer in time, and was ended.
            Malformed: its answer is not JSON.
            Any other of ``backends.errors``: as its handler raised it.
        """
        with self._lock:
            process = self._running()
            try:
                line = self._exchange(
                    process, json.dumps(request).encode() + b"\n", time.monotonic() + timeout_s, timeout_s
                )
            finally:
                self._rest()
        return read_answer(line, self._what)

    def awake(self) -> bool:
        """Whether the child runs. If so, the ``rest_s`` seconds until it is ended begin again."""
        with self._lock:
            found = self._process is not None and self._process.poll() is None
            if found:
                self._rest()
            return found

    def close(self) -> None:
        """End the child, also while another thread waits for its answer."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:
            self._reap()

    def _rest(self) -> None:
        """Start the timer that ends an unused child."""
        if self._rest_s is None:
            return
        if self._resting is not None:
            self._resting.cancel()
        self._resting = threading.Timer(self._rest_s, self._retire)
        self._resting.daemon = True
        self._resting.start()

    def _retire(self) -> None:
        with self._lock:
            if self._resting is not threading.current_thread():
                return  # a question came in the meantime and started another timer
            process = self._process
            if process is not None:
                process.kill()
                self._reap()
                self._started = -float("inf")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise Unreachable(f"the {self._what} process was closed", maybe_applied=False)
        if self._process is not None and self._process.poll() is not None:
            self._reap()
        if self._process is None:
            wait = self._started + self._restart_s - time.monotonic()
            if wait > 0:
                hint = f"it is started again in {wait:.0f} s"
                raise Unreachable(self._ended, hint=hint, maybe_applied=False)
            # -P: modules of the current folder must not be imported. A session of its own: Ctrl-C in the terminal must
            # not reach the child.
            command = [sys.executable, "-P", "-m", self._module]
            self._started = time.monotonic()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
            )
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], line: bytes, deadline: float, timeout_s: float) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        answer = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            try:
                process.stdin.write(line)
            except BrokenPipeError:
                raise self._gone() from None
            while not answer.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    process.kill()
                    self._reap()
                    self._ended = f"the {self._what} process gave no answer within {timeout_s:g} s and was ended"
                    raise TimedOut(self._ended, maybe_applied=True)
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                if not chunk:
                    raise self._gone()
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    process.kill()
                    self._reap()
                    raise Malformed(f"the {self._what} process answered with more than {MAX_ANSWER >> 20} MiB")
        return bytes(answer)

    def _gone(self) -> ChildEnded:
        self._reap()
        return ChildEnded(self._ended)

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            status = process.wait(1.0)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        self._ended = f"the {self._what} process ended ({how})"
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def serve(handle: Callable[[Request], object]) -> NoReturn:
    """The child's side: answer each line of standard input, until it ends.

    The output of libraries is dropped. The process ends when standard input ends, also while ``handle`` hangs in a
    library that has released the interpreter's lock.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin.buffer:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            reply: dict[str, object] = {"answer": handle(json.loads(lines.get()))}
        except BackendError as error:
            reply = {"error": [type(error).__name__, error.message, error.hint, error.maybe_applied]}
        except Exception as error:  # noqa: BLE001  a library may raise anything, and the parent needs an answer
            reply = {"error": ["Malformed", f"it failed with {type(error).__name__}", "", True]}
        out.write(json.dumps(reply) + "\n")
        out.flush()


def read_answer(line: bytes, what: str) -> object:
    """The answer in a line that the child named ``what`` wrote.

    Raises:
        Malformed: the line does not have the form that ``serve`` writes.
        Any other of ``backends.errors``: as the child's handler raised it.
    """
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed(f"the {what} process answered with text that is not JSON") from None
    match answer:
        case {"error": [str(name), str(message), str(hint), bool(maybe_applied)]}:
            raise KINDS.get(name, Malformed)(message, hint=hint, maybe_applied=maybe_applied)
        case {"answer": found}:
            return cast("object", found)
    raise Malformed(f"the {what} process answered with JSON that is neither an answer nor an error")
