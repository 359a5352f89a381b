"""Bytes written to the terminal, and the time from a key to its paint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.app import MARKS, SHIFTDECK, Cursor, opened
from tests.bench.groups import Run
from tests.bench.link import Link
from tests.bench.session import Session
from tests.bench.table import Row, middle, quantile
from tests.bench.world import Synthetic, synthetic

SETTLED_S = 10.0
QUIET_EVERY_S = 900.0
LINE = Link(round_trip_s=0.2, bytes_per_s=8000.0)


def measure(run: Run) -> Iterator[Row]:
    yield from _lab(run)
    yield from _cursor(run)
    yield from _keys(run)


# ── bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lab(run: Run) -> Iterator[Row]:
    for name, options, limit in (
        ("lab, everything moving", (), 4000.0),
        ("the same, --slow-link", ("--slow-link",), 1000.0),
    ):
        with _demo(*options) as session:
            written = session.bytes_between(session.began, time.perf_counter())
            yield Row(f"{name}: first {SETTLED_S:g} s", written, "bytes")
            yield Row(f"{name}: bytes per second", _rate(session, run.times(30, 15)), "B/s", limit)
            session.press(b" ")
            session.quiet(2.0)
            yield Row(f"{name}: paused", _rate(session, run.times(20, 5)), "B/s")


@contextmanager
def _demo(*options: str) -> Iterator[Session]:
    with Session([SHIFTDECK, "demo", "--drill", "bad-canary", *options], marks=MARKS) as session:
        session.mark_s("rows")
        time.sleep(SETTLED_S)
        yield session


def _rate(session: Session, for_s: float) -> float:
    began = time.perf_counter()
    time.sleep(for_s)
    return session.bytes_between(began, began + for_s) / for_s


def _cursor(run: Run) -> Iterator[Row]:
    """The bytes of a key by itself, and of the panes that follow the cursor when it rests."""
    made = synthetic(run.room("cursor"), 30, every=QUIET_EVERY_S)
    with _settled(made) as session:
        moves, rests = [], []
        for number in range(run.times(20, 8)):
            session.quiet(1.2, 5.0)
            pressed = session.press(b"jk"[number % 2 :][:1])
            time.sleep(0.12)
            at_once = session.bytes_between(pressed, pressed + 0.12)
            session.quiet(0.3, 2.0)
            moves.append(float(at_once))
            rests.append(float(session.bytes_between(pressed, time.perf_counter())) - at_once)
        yield Row("a key that moves the cursor", quantile(moves, 0.5), "bytes", 600.0, note=f"at most {max(moves):.0f}")
        yield Row("the panes, once it rests", middle(rests), "bytes")


# ── from a key to its paint ─────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _settled(made: Synthetic, *options: str, link: Link | None = None) -> Iterator[Session]:
    with opened(made.config, *options, env=made.env, link=link) as session:
        session.mark_s("rows")
        time.sleep(SETTLED_S)
        yield session


def _keys(run: Run) -> Iterator[Row]:
    count = run.times(200, 60)
    for endpoints, limit in ((1000, 1.5), (10_000, 2.0)):
        paints = {}
        for name, every in (("idle", QUIET_EVERY_S), ("busy", None)):
            with _settled(synthetic(run.room(f"{name}-{endpoints}"), endpoints, every=every)) as session:
                paints[name] = quantile(Cursor(session).moves(count), 0.99) * 1000
        yield Row(f"key → paint, p99, {endpoints:,} refreshing", paints["busy"], "ms", limit, paints["idle"], "idle")
    made = synthetic(run.room("line"), 1000)
    with _settled(made, "--slow-link", link=LINE) as session:
        paints_s = Cursor(session).moves(run.times(40, 15), every_s=0.7)
    trip = LINE.round_trip_s * 1000
    yield Row("key → paint through 200 ms, 64 kbit/s", middle(paints_s) * 1000, "ms", 1.3, trip, "the round trip")
