"""One source: an adapter's question asked again and again on a thread of its own.

A source keeps the last good answer, when it came, and what has happened since. It has a deadline, backs off with
jitter while its backend fails, and can be woken. Nothing here knows what the answer means.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from backends.errors import (
    BackendError,
    Forbidden,
    Malformed,
    RateLimited,
    Unauthenticated,
    Unsupported,
)

T = TypeVar("T")

MAX_BACKOFF_S = 30.0
"""A backend that comes back is seen within half a minute, whatever it did before."""

MAX_RETRY_AFTER_S = 3600.0
"""A server that wants to be left alone for longer is asked once an hour all the same."""

NUDGE_S = 0.2
NUDGE_REST = 2.0
"""A source that hears of news from its backend is asked at most this often, and rests this many times as long as the
last asking took."""

STALE_AFTER = 3.0
"""Data older than this many intervals (and its deadline) is stale."""

IN_ORDER = ("registries", "serving", "metrics", "drift", "alerts", "accelerators", "images")
"""The kinds of sources, as they are shown one after the other."""


class SourceState(StrEnum):
    """How far a source's data can be trusted."""

    STARTING = "starting"
    OK = "ok"
    STALE = "stale"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The state of a source at one moment.

    ``at`` is when the data that is shown was received (``None``: none yet), or asked for where the answer was overdue;
    ``since`` is when the present state began, ``error`` and ``hint`` say what is wrong and what to do, ``latency_s`` is
    how long the last good answer took. ``every_s`` is how often it is asked now, ``usual_s`` how often it is when
    somebody looks (``None``: the same).
    """

    name: str
    kind: str
    adapter: str
    state: SourceState
    at: float | None
    since: float
    every_s: float
    error: str = ""
    hint: str = ""
    latency_s: float | None = None
    usual_s: float | None = None

    def age_s(self, now: float) -> float | None:
        """How old the data is, or ``None`` where there is none."""
        return None if self.at is None else max(0.0, now - self.at)

    @property
    def fresh(self) -> bool:
        """Whether a decision may rest on the data."""
        return self.state is SourceState.OK


def lasting(status: SourceStatus) -> SourceStatus:
    """The status without what every answer and every second change in it: two of them differ only where the state does.
    ``at`` is kept where the data is not fresh, for there it stands still."""
    at = None if status.fresh else status.at
    return replace(status, at=at, error="", hint="", latency_s=None, every_s=0.0, usual_s=None)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """The last good value, or ``None``, with the status of its source."""

    value: T | None
    status: SourceStatus


def state_of(error: BackendError) -> SourceState:
    """The state that a source is in after that failure."""
    if isinstance(error, Unauthenticated):
        return SourceState.UNAUTHENTICATED
    if isinstance(error, Forbidden):
        return SourceState.FORBIDDEN
    if isinstance(error, Malformed):
        return SourceState.MALFORMED
    if isinstance(error, Unsupported):
        return SourceState.OFF
    return SourceState.UNREACHABLE


def backoff_s(every_s: float, failures: int, error: BackendError | None, jitter: float) -> float:
    """Seconds to wait before the next question.

    Doubles with each failure in a row up to ``MAX_BACKOFF_S``, or the interval itself where that is longer; a server
    that says when to come back is obeyed. ``jitter`` in [0, 1) spreads the waits over ±20 %, so that many terminals do
    not ask at the same moment.
    """
    spread = 0.8 + 0.4 * jitter
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return max(every_s, min(error.retry_after, MAX_RETRY_AFTER_S)) * (1.0 + 0.2 * jitter)
    if failures == 0:
        return every_s * spread
    return min(max(MAX_BACKOFF_S / 1.2, every_s), every_s * 2.0 ** min(failures, 16)) * spread


def is_overdue(asked_at: float, now: float, timeout_s: float) -> bool:
    """Whether a question has been without an answer for longer than its deadline explains."""
    return now - asked_at > 2.0 * timeout_s


def aged(status: SourceStatus, now: float, asked_at: float | None, timeout_s: float) -> SourceStatus:
    """The status as it is at ``now``: data grows stale, and a question without an answer makes its source unreachable.

    ``asked_at`` is when the question under way was put, or ``None``.
    """
    limit = STALE_AFTER * status.every_s + timeout_s
    waiting = status.state in (SourceState.OK, SourceState.STALE, SourceState.STARTING)
    if waiting and asked_at is not None and is_overdue(asked_at, now, timeout_s):
        return replace(
            status,
            state=SourceState.UNREACHABLE,
            since=asked_at,
            error=f"no answer for {now - asked_at:.0f} s",
            hint="the backend hangs; the question is asked again as soon as it lets go",
        )
    if status.state is SourceState.OK and status.at is not None and now - status.at > limit:
        return replace(
            status, state=SourceState.STALE, since=status.at + limit, error=f"last data {now - status.at:.0f} s ago"
        )
    return status


class Source(Generic[T]):
    """Asks ``poll`` every ``every_s`` seconds on its own daemon thread and keeps the last good answer.

    ``changed`` is called from that thread after every answer that is another object than the last, and after every
    failure; it must return at once. That nothing is new makes no news: ages are looked at often enough.
    """

    def __init__(
        self,
        *,
        name: str,
        kind: str,
        adapter: str,
        every_s: float,
        timeout_s: float,
        poll: Callable[[], T],
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self.kind = kind
        self.usual_s = every_s
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._poll = poll
        self._clock = clock
        self._changed = changed
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._paused = False
        self._nudged = False
        self._paced = False
        self._asked_at: float | None = None
        self._failures = 0
        self._error: BackendError | None = None
        self._rounds = 0
        self._value: T | None = None
        self._status = SourceStatus(name, kind, adapter, SourceState.STARTING, None, clock(), every_s)
        self._thread = threading.Thread(target=self._run, name=f"source-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. A question under way is not waited for: its thread is a daemon."""
        self._stopping = True
        self._wake.set()

    def refresh(self) -> None:
        """Ask now, whatever the backoff says."""
        self._nudged = self._paced = False
        self._wake.set()

    def nudge(self) -> None:
        """There is something new: ask soon, but no more often than ``NUDGE_S``, and rest longer than the asking took.
        What a server that asks to be left alone has said still holds."""
        if not self._nudged and not isinstance(self._error, RateLimited):
            self._nudged, self._paced = True, False
            self._wake.set()

    def pause(self, paused: bool) -> None:
        """Stop asking, or go on; a paused source grows stale, and says so."""
        self._paused, self._paced = paused, False
        self._wake.set()

    def pace(self, every_s: float) -> None:
        """Ask that often from now on. What is due by that is asked for at once."""
        if every_s == self._every_s:
            return
        with self._lock:
            # Until it was asked again, data that was read at leisure is as old as it was meant to be, and not stale.
            if every_s > self._every_s:
                self._status = self._told_every(every_s)
            self._every_s = every_s
            if not self._wake.is_set():
                self._paced = True
                self._wake.set()

    def _told_every(self, every_s: float) -> SourceStatus:
        return replace(self._status, every_s=every_s, usual_s=None if every_s == self.usual_s else self.usual_s)

    @property
    def rounds(self) -> int:
        """How many questions have been answered or have failed."""
        return self._rounds

    def snapshot(self) -> Snapshot[T]:
        """The last good value and the status as of now."""
        with self._lock:
            status = aged(self._status, self._clock(), self._asked_at, self._timeout_s)
            return Snapshot(self._value, status)

    def ask(self) -> None:
        """Put the question once, on the caller's thread, and keep what comes of it."""
        with self._lock:
            began = self._asked_at = self._clock()
            self._woken = False
        try:
            value = self._poll()
        except BackendError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 - a defect in one adapter must not end its source for the night
            self._failed(Malformed(f"the adapter failed: {type(error).__name__}: {error}", hint="please report it"))
        else:
            if not self._answered(value, began):
                return
        self._changed()

    def _answered(self, value: T, began: float) -> bool:
        """Keep the answer; whether there is anything new in it."""
        with self._lock:
            news = value is not self._value or self._status.state is not SourceState.OK
            now = self._clock()
            since = self._status.since if self._status.state is SourceState.OK else now
            # An answer that lay about (this process was suspended, say) is as old as its question.
            at = began if is_overdue(began, now, self._timeout_s) else now
            self._value = value
            self._asked_at = None
            self._failures = 0
            self._error = None
            self._rounds += 1
            self._status = replace(
                self._told_every(self._every_s),
                state=SourceState.OK,
                at=at,
                since=since,
                error="",
                hint="",
                latency_s=now - began,
            )
            return news

    def _failed(self, error: BackendError) -> None:
        with self._lock:
            now = self._clock()
            state = state_of(error)
            since = self._status.since if self._status.state is state else now
            self._asked_at = None
            self._failures += 1
            self._error = error
            self._rounds += 1
            self._status = replace(
                self._told_every(self._every_s), state=state, since=since, error=str(error), hint=error.hint
            )

    def _run(self) -> None:
        while not self._stopping:
            began = time.monotonic()
            if not self._paused:
                self.ask()
            rest = max(NUDGE_S, NUDGE_REST * (time.monotonic() - began))
            self._await(time.monotonic(), random.random())  # noqa: S311 - jitter
            self._settle(began + rest)

    def _await(self, since: float, jitter: float) -> None:
        """Wait until it is time to ask again, or somebody wants an answer."""
        while not self._stopping:
            # What fails is looked for again as soon as ever, though nobody looks.
            every_s = self.usual_s if self._failures else self._every_s
            wait = backoff_s(every_s, self._failures, self._error, jitter)
            woken = self._wake.wait(None if self._paused else max(0.0, since + wait - time.monotonic()))
            self._wake.clear()
            if not (woken and self._paced):
                return
            self._paced = False

    def _settle(self, until: float) -> None:
        """After news: let what comes with it arrive too, unless somebody wants an answer now."""
        while self._nudged and (left := until - time.monotonic()) > 0:
            if self._stopping:
                return
            self._wake.wait(left)
            self._wake.clear()
        self._nudged = False
