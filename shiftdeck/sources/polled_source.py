"""A source that polls an adapter on a thread of its own.

It keeps the last good answer, when the answer came, and what has happened since. It has a deadline, backs off with
jitter while its backend fails, and can be woken. It does not know what the answers mean.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Generic, TypeVar, cast

from backends.contracts import Remarks
from backends.errors import (
    BackendError,
    Forbidden,
    Malformed,
    RateLimited,
    Unauthenticated,
    Unsupported,
)
from shiftdeck.common.clock import Clock, seconds_since_boot
from shiftdeck.sources.source import Snapshot, SourceState, SourceStatus

T = TypeVar("T")

MAX_BACKOFF_S = 30.0
"""A backend that comes back is seen within half a minute, however long it was away."""

MAX_RETRY_AFTER_S = 3600.0
"""A server that asks for a longer pause is polled once an hour all the same."""

NUDGE_S = 0.2
NUDGE_REST = 2.0
"""After a nudge a source is polled at most every ``NUDGE_S`` seconds, and waits ``NUDGE_REST`` times as long as the
last poll took."""

SLICE_S = 10.0
"""The longest single wait. Threads do not see a suspend while they wait, so a longer wait is made of several."""

_CHANCE = Random()  # noqa: S311 - for jitter; the generator that all of a process share is its main program's

STALE_AFTER = 3.0
"""Data older than this many intervals (and the deadline) is stale."""


def state_of(error: BackendError) -> SourceState:
    """The state of a source after that failure."""
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
    """Seconds to wait before the next poll.

    The wait doubles with each failure in a row, up to ``MAX_BACKOFF_S`` or the interval itself where that is longer. A
    server's Retry-After is obeyed. ``jitter`` in [0, 1) spreads the waits over ±20 %, so that many terminals do not ask
    at the same moment.
    """
    spread = 0.8 + 0.4 * jitter
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return max(every_s, min(error.retry_after, MAX_RETRY_AFTER_S)) * (1.0 + 0.2 * jitter)
    if failures == 0:
        return every_s * spread
    return min(max(MAX_BACKOFF_S / 1.2, every_s), every_s * 2.0 ** min(failures, 16)) * spread


def is_overdue(asked_at: float, now: float, timeout_s: float) -> bool:
    """Whether a poll has been without an answer for longer than its deadline explains."""
    return now - asked_at > 2.0 * timeout_s


def aged(status: SourceStatus, now: float, asked_at: float | None, timeout_s: float) -> SourceStatus:
    """The status as of ``now``: old data is stale, and a poll that is overdue makes its source unreachable.

    ``asked_at`` is when the poll under way began, or ``None``. Data of the future is stale: its age is not known.
    """
    limit = STALE_AFTER * status.every_s + timeout_s
    waiting = status.state in (SourceState.OK, SourceState.STALE, SourceState.STARTING)
    if waiting and asked_at is not None and is_overdue(asked_at, now, timeout_s):
        return replace(
            status,
            state=SourceState.UNREACHABLE,
            since=asked_at,
            error=f"no answer for {now - asked_at:.0f} s",
            hint="the backend does not answer; it is asked again as soon as the pending call ends",
        )
    if status.state is not SourceState.OK or status.at is None or 0 <= now - status.at <= limit:
        return status
    if status.at > now:
        return replace(status, state=SourceState.STALE, since=now, error="the data is dated in the future")
    return replace(
        status, state=SourceState.STALE, since=status.at + limit, error=f"last data {now - status.at:.0f} s ago"
    )


class PolledSource(Generic[T]):
    """Calls ``poll`` every ``every_s`` seconds on its own daemon thread and keeps the last good answer.

    Ages are kept in elapsed seconds; ``snapshot`` dates them by the wall clock as it is then. Waits are measured by
    ``monotonic``. ``jitter`` returns a number in [0, 1). ``changed`` is called from the source's thread after every
    answer that is another object than the last one, and after every failure; it must return at once. There is no
    callback when the value is unchanged: its readers look at ages often enough by themselves. If ``poll`` has
    ``remarks``, they are asked after each answer.
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
        clock: Clock,
        changed: Callable[[], None],
        monotonic: Callable[[], float] = seconds_since_boot,
        jitter: Callable[[], float] = _CHANCE.random,
    ) -> None:
        self.name = name
        self.kind = kind
        self.usual_s = every_s
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._poll = poll
        asked = cast("object", poll)
        self._remarks: Callable[[], tuple[str, ...]] = asked.remarks if isinstance(asked, Remarks) else tuple
        self._clock = clock
        self._changed = changed
        self._monotonic = monotonic
        self._jitter = jitter
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._paused = False
        self._nudged = False
        self._interval_changed = False
        self._asked_at: float | None = None
        self._failures = 0
        self._error: BackendError | None = None
        self._value: T | None = None
        self._status = SourceStatus(name, kind, adapter, SourceState.STARTING, None, clock.elapsed(), every_s)
        self._thread = threading.Thread(target=self._run, name=f"source-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Poll no more. A poll under way is not waited for: its thread is a daemon."""
        self._stopping = True
        self._wake.set()

    def refresh(self) -> None:
        """Poll now, whatever the backoff is."""
        self._nudged = self._interval_changed = False
        self._wake.set()

    def nudge(self) -> None:
        """The backend has something new: poll soon, but at most every ``NUDGE_S`` seconds, and wait longer than the
        last poll took. A Retry-After of the server still holds."""
        if not self._nudged and not isinstance(self._error, RateLimited):
            self._nudged, self._interval_changed = True, False
            self._wake.set()

    def pause(self, paused: bool) -> None:
        """Stop polling, or go on. The data of a paused source grows stale, and its status says so."""
        self._paused, self._interval_changed = paused, False
        self._wake.set()

    def set_interval(self, every_s: float) -> None:
        """Poll every ``every_s`` seconds from now on. Poll at once where the new interval has passed already."""
        if every_s == self._every_s:
            return
        with self._lock:
            # Data that was read at the longer interval is judged by that interval until the next poll: it is not stale.
            if every_s > self._every_s:
                self._status = self._with_interval(every_s)
            self._every_s = every_s
            if not self._wake.is_set():
                self._interval_changed = True
                self._wake.set()

    def _with_interval(self, every_s: float) -> SourceStatus:
        return replace(self._status, every_s=every_s, usual_s=None if every_s == self.usual_s else self.usual_s)

    def snapshot(self) -> Snapshot[T]:
        """The last good value and the status as of now."""
        with self._lock:
            status = aged(self._status, self._clock.elapsed(), self._asked_at, self._timeout_s)
            at = None if status.at is None else self._clock.dated(status.at)
            return Snapshot(self._value, replace(status, at=at, since=self._clock.dated(status.since)))

    def ask(self) -> None:
        """Poll once, on the caller's thread, and keep the answer or the failure."""
        with self._lock:
            began = self._asked_at = self._clock.elapsed()
        try:
            value = self._poll()
            remarks = self._remarks()
        except BackendError as error:
            self._failed(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a defect in one adapter must not end its source for the night
            self._failed(Malformed(f"the adapter failed: {type(error).__name__}: {error}", hint="please report it"))
        else:
            if not self._answered(value, remarks, began):
                return
        self._changed()

    def _answered(self, value: T, remarks: tuple[str, ...], began: float) -> bool:
        """Keep the answer; returns whether the value, the remarks or the state are new."""
        with self._lock:
            news = value is not self._value or self._status.state is not SourceState.OK
            news = news or remarks != self._status.remarks
            now = self._clock.elapsed()
            since = self._status.since if self._status.state is SourceState.OK else now
            # An overdue answer (of a process that was suspended, say) is dated by its question.
            at = began if is_overdue(began, now, self._timeout_s) else now
            self._value = value
            self._asked_at = None
            self._failures = 0
            self._error = None
            self._status = replace(
                self._with_interval(self._every_s),
                state=SourceState.OK,
                at=at,
                since=since,
                error="",
                hint="",
                latency_s=now - began,
                remarks=remarks,
            )
            return news

    def _failed(self, error: BackendError) -> None:
        with self._lock:
            now = self._clock.elapsed()
            state = state_of(error)
            since = self._status.since if self._status.state is state else now
            self._asked_at = None
            self._failures += 1
            self._error = error
            self._status = replace(
                self._with_interval(self._every_s), state=state, since=since, error=str(error), hint=error.hint
            )

    def _run(self) -> None:
        while not self._stopping:
            began = self._monotonic()
            if not self._paused:
                self.ask()
            rest = max(NUDGE_S, NUDGE_REST * (self._monotonic() - began))
            self._await_next_poll(self._monotonic(), self._jitter())
            self._rest_after_nudge(began + rest)

    def _await_next_poll(self, since: float, jitter: float) -> None:
        """Wait until the next poll is due, or a caller wants an answer."""
        while not self._stopping:
            # A source that fails is polled at the usual interval even while it is hidden.
            every_s = self.usual_s if self._failures else self._every_s
            wait = backoff_s(every_s, self._failures, self._error, jitter)
            left = since + wait - self._monotonic()
            woken = self._wake.wait(None if self._paused else max(0.0, min(left, SLICE_S)))
            if not woken and left > SLICE_S:
                continue
            self._wake.clear()
            if not (woken and self._interval_changed):
                return
            self._interval_changed = False

    def _rest_after_nudge(self, until: float) -> None:
        """Wait after a nudge, so that one poll sees all changes that come together, unless a caller wants an answer
        now."""
        while self._nudged and (left := until - self._monotonic()) > 0:
            if self._stopping:
                return
            self._wake.wait(left)
            self._wake.clear()
        self._nudged = False
