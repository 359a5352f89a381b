"""A program in a pseudo-terminal of its own: started, given keys, watched byte by byte."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.bench.emulator import Emulator
from tests.bench.link import Lane, Link
from tests.bench.usage import Usage

Condition = Callable[[Emulator], object]

READ = 1 << 16
END_S = 10.0
UNSET = ("TMUX", "TMUX_PANE", "NO_COLOR", "COLORTERM", "PYTHONDONTWRITEBYTECODE", "TEXTUAL", "TEXTUAL_FPS")


class NotSeen(Exception):
    """What was waited for did not come; with the screen as it was last."""


class _Waiter:
    """A condition, and when what made it true arrived."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self.at: float | None = None
        self.met = threading.Event()


class Session:
    """Runs ``argv`` until ``close``; use it as a context manager. ``env`` is added to this process' own.

    A thread reads what the program writes, puts it on an emulated screen and notes when it arrived, so that times do
    not depend on when somebody looks. With a ``link`` all that passes between the two takes its time.

    ``marks`` are conditions on the screen, watched from the start; ``mark`` tells when each first held. Times are of
    ``time.perf_counter``.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        cols: int = 120,
        rows: int = 36,
        env: Mapping[str, str] | None = None,
        link: Link | None = None,
        marks: Mapping[str, Condition] | None = None,
    ) -> None:
        self.screen = Emulator(cols, rows)
        self.arrivals: list[tuple[float, int]] = []
        """When bytes arrived at the screen, and how many."""
        self.received: list[tuple[float, bytes]] = []
        """The same, with the bytes themselves."""
        self.first_byte_at: float | None = None
        self._link = link
        self._down = Lane(link) if link else None
        self._up = Lane(link) if link else None
        self._lock = threading.RLock()
        self._marks = {name: _Waiter(condition) for name, condition in (marks or {}).items()}
        self._waiting: list[_Waiter] = list(self._marks.values())
        self._ended = threading.Event()
        self._closing = False
        self._master, slave = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self._bell, self._ring = os.pipe()
        inherited = {name: value for name, value in os.environ.items() if name not in UNSET}
        terminal = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        command = [str(part) for part in argv]
        # Opened by the leader of a new session, the terminal becomes its controlling one. posix_spawn copies nothing of
        # this process, as a fork would: what starts is timed from here.
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.ttyname(slave), os.O_RDWR, 0)]
        actions += [(os.POSIX_SPAWN_DUP2, 0, other) for other in (1, 2)]  # type: ignore[misc]
        self.began = time.perf_counter()
        self.pid = os.posix_spawnp(
            command[0], command, {**inherited, **terminal, **(env or {})}, file_actions=actions, setsid=True
        )
        os.close(slave)  # so that the end of the program is the end of what can be read
        self.usage = Usage(self.pid)
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)
        self._thread.start()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── what somebody at the terminal does ──────────────────────────────────────────────────────────────────────

    def press(self, keys: bytes) -> float:
        """Send keys as a terminal does; returns when."""
        with self._lock:
            now = time.perf_counter()
            self._send(now, keys)
        os.write(self._ring, b"!")
        return now

    def paint_s(self, keys: bytes, painted: Condition, timeout_s: float = 20.0) -> float:
        """Seconds from the press of ``keys`` until the screen is ``painted``.

        Raises:
            NotSeen: it was not in time.
        """
        waiter = self._watch(painted)
        pressed = self.press(keys)
        return self._met(waiter, timeout_s, "the paint") - pressed

    def _send(self, now: float, data: bytes) -> None:
        if self._up is None:
            os.write(self._master, data)
        else:
            self._up.push(now, data)

    # ── what somebody at the terminal sees ──────────────────────────────────────────────────────────────────────

    def wait(self, condition: Condition, timeout_s: float = 30.0, what: str = "the condition") -> float:
        """When what made the condition true arrived; now, where it holds already.

        Raises:
            NotSeen: it did not become true in time.
        """
        with self._lock:
            if condition(self.screen):
                return time.perf_counter()
            waiter = self._watch(condition)
        return self._met(waiter, timeout_s, what)

    def mark_s(self, name: str, timeout_s: float = 60.0) -> float:
        """Seconds from the start until that mark was on the screen.

        Raises:
            NotSeen: it was not in time.
        """
        return self._met(self._marks[name], timeout_s, name) - self.began

    def quiet(self, for_s: float = 0.3, timeout_s: float = 20.0) -> None:
        """Wait until nothing has arrived for so long, or until the time is over."""
        deadline = time.perf_counter() + timeout_s
        while time.perf_counter() < deadline:
            last = self.arrivals[-1][0] if self.arrivals else self.began
            left = last + for_s - time.perf_counter()
            if left <= 0:
                return
            time.sleep(left)

    def bytes_between(self, begin: float, end: float) -> int:
        """How many bytes arrived in that time."""
        return sum(count for at, count in list(self.arrivals) if begin <= at <= end)

    def _watch(self, condition: Condition) -> _Waiter:
        waiter = _Waiter(condition)
        with self._lock:
            self._waiting.append(waiter)
        return waiter

    def _met(self, waiter: _Waiter, timeout_s: float, what: str) -> float:
        deadline = time.perf_counter() + timeout_s
        while not waiter.met.wait(0.2):
            if time.perf_counter() > deadline or self._ended.is_set():
                with self._lock:
                    if waiter in self._waiting:
                        self._waiting.remove(waiter)
                    if waiter.at is not None:
                        break
                    ended = " (the program has ended)" if self._ended.is_set() else ""
                    raise NotSeen(f"{what}: not within {timeout_s:g} s{ended}; the screen:\n{self.screen.text}")
        assert waiter.at is not None
        return waiter.at

    # ── the thread ──────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            while not self._closing:
                now = time.perf_counter()
                self._carry(now)
                blocked = self._down is not None and self._down.full(now)
                ready, _, _ = select.select(
                    [self._bell] if blocked else [self._bell, self._master], [], [], self._pause(now, blocked)
                )
                if self._bell in ready:
                    os.read(self._bell, 4096)
                if self._master in ready:
                    data = os.read(self._master, READ if self._link is None else self._link.piece)
                    if not data:
                        break
                    self._take(time.perf_counter(), data)
        except OSError:
            pass  # nobody has the other end open any more
        self._drain()
        self._ended.set()

    def _pause(self, now: float, blocked: bool) -> float:
        due = [lane.next_at for lane in (self._down, self._up) if lane is not None and lane.next_at is not None]
        pause = min(due) - now if due else 1.0
        return max(0.0, min(pause, 0.02) if blocked else pause)

    def _take(self, now: float, data: bytes) -> None:
        if self._down is None:
            self._show(now, data)
        else:
            self._down.push(now, data)

    def _carry(self, now: float) -> None:
        """Hand over what has come through the link."""
        if self._down is None or self._up is None:
            return
        with self._lock:
            keys = self._up.pull(now)
        if keys:
            os.write(self._master, keys)
        data = self._down.pull(now)
        if data:
            self._show(now, data)

    def _drain(self) -> None:
        while self._down is not None and self._down.next_at is not None and not self._closing:
            time.sleep(max(0.0, self._down.next_at - time.perf_counter()))
            self._show(time.perf_counter(), self._down.pull(time.perf_counter()))

    def _show(self, now: float, data: bytes) -> None:
        with self._lock:
            if self.first_byte_at is None:
                self.first_byte_at = now
            self.arrivals.append((now, len(data)))
            self.received.append((now, data))
            answer = self.screen.feed(data)
            if answer:
                with suppress(OSError):
                    self._send(now, answer)
            for waiter in list(self._waiting):
                if waiter.condition(self.screen):
                    waiter.at = now
                    waiter.met.set()
                    self._waiting.remove(waiter)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────

    def ended_s(self, timeout_s: float = 60.0) -> tuple[int, float]:
        """The exit status of the program, once it has ended by itself, and the seconds that it ran.

        Raises:
            NotSeen: it did not end in time.
        """
        deadline = time.perf_counter() + timeout_s
        while time.perf_counter() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                took = time.perf_counter() - self.began
                self.pid = 0
                return os.waitstatus_to_exitcode(status), took
            time.sleep(0.001)
        raise NotSeen(f"the end of the program: not within {timeout_s:g} s; the screen:\n{self.screen.text}")

    def close(self) -> None:
        """End the program, by force where it does not go."""
        if self.pid:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)
                with suppress(NotSeen):
                    self.ended_s(END_S)
                    break
        self._closing = True
        with suppress(OSError):
            os.write(self._ring, b"!")
        self._thread.join(END_S)
        for handle in (self._master, self._bell, self._ring):
            with suppress(OSError):
                os.close(handle)
