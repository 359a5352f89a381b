"""Bytes written to the terminal, and the time from a key to its paint."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.bench.app import MARKS, QUIET_EVERY_S, SETTLED_S, SHIFTDECK, Cursor, settled
from tests.bench.changes import Changed, changes, frames
from tests.bench.groups import Run
from tests.bench.link import Link
from tests.bench.session import Session
from tests.bench.table import Row, middle, quantile
from tests.bench.world import KINDS, synthetic

PAUSED_FOR_S = 90.0
FOCUS_LOST, FOCUS_FOUND = b"\x1b[O", b"\x1b[I"
LINE = Link(round_trip_s=0.2, bytes_per_s=8000.0)


def measure(run: Run) -> Iterator[Row]:
    yield from _lab(run)
    yield from _unseen(run)
    yield from _changes(run)
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
            if not options:
                yield from _unwatched(run, session)


def _unwatched(run: Run, session: Session) -> Iterator[Row]:
    """Without the focus; and paused, once that has been so for a while."""
    session.press(FOCUS_LOST)
    session.quiet(2.0, 5.0)
    yield Row("the same, without the focus", _rate(session, run.times(30, 15)), "B/s")
    session.press(FOCUS_FOUND + b" ")
    time.sleep(PAUSED_FOR_S)
    yield Row("the same, paused", _rate(session, run.times(120, 60)), "B/s", 10.0)


def _unseen(run: Run) -> Iterator[Row]:
    """Sources answer every two seconds, each time at another time, with what is on the screen already. Narrow, so that
    the header tells neither seconds nor ages; within a minute, for it tells the time."""
    made = synthetic(run.room("unseen"), 30, share=0.0, kinds=tuple(kind for kind in KINDS if kind != "accelerators"))
    with settled(made, cols=80, rows=24) as session:
        seconds = run.times(40, 20)
        time.sleep(max(0.0, 62.0 - time.time() % 60.0) if time.time() % 60.0 > 58.0 - seconds else 0.0)
        asked, began = made.calls()["prometheus.current"], time.perf_counter()
        time.sleep(seconds)
        written = session.bytes_between(began, time.perf_counter())
        answers = made.calls()["prometheus.current"] - asked
    yield Row("a refresh that changes nothing visible", written / max(1, answers), "bytes", 0.0, note=f"{answers} seen")


def _changes(run: Run) -> Iterator[Row]:
    """The middle one of all changes of a row, by its ratio."""
    for what, kinds, mark, share in (
        ("a row of the table whose figures change", ("serving", "metrics"), "model-0", 1 / 15),
        ("a row of the GPUs whose load changes", ("serving", "accelerators"), "■", 0.0),
    ):
        made = synthetic(run.room(kinds[-1]), 30, share=share, kinds=kinds)
        with settled(made) as session:
            since = time.perf_counter()
            time.sleep(run.times(90, 20))
            found = changes(session.received, since, session.screen.cols, session.screen.rows)
        rows = sorted((one for one in found if mark in one.line), key=lambda one: one.ratio)
        one, most = rows[len(rows) // 2], rows[-1]
        note = f"of {len(rows)}; at most {most.ratio:.1f}×, of all {_overall(rows):.1f}×"
        yield Row(what, one.written, "bytes", 4.0, one.characters, "the characters that changed", note)


def _overall(rows: Sequence[Changed]) -> float:
    return sum(one.written for one in rows) / sum(one.characters for one in rows)


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
    with _demo() as session:
        yield _moves(run, session, "a key that moves the cursor, lab")[0]
    with settled(synthetic(run.room("cursor"), 30, every=QUIET_EVERY_S)) as session:
        yield from _moves(run, session, "a key that moves the cursor")


def _moves(run: Run, session: Session, what: str) -> tuple[Row, Row]:
    """The first frame after each key, and all that follows until it is quiet."""
    moves, rests = [], []
    for number in range(run.times(20, 8)):
        session.quiet(0.3, 2.0)
        pressed = session.press(b"jk"[number % 2 :][:1])
        time.sleep(0.12)
        session.quiet(0.3, 2.0)
        written = [len(data) for at, data in frames(list(session.received)) if at >= pressed]
        if written:  # at the end of the table a key moves nothing
            moves.append(float(written[0]))
            rests.append(float(sum(written[1:])))
    note = f"at most {max(moves):.0f}"
    return Row(what, quantile(moves, 0.5), "bytes", 600.0, note=note), Row(
        "the panes, once it rests", middle(rests), "bytes"
    )


# ── from a key to its paint ─────────────────────────────────────────────────────────────────────────────────────────


def _keys(run: Run) -> Iterator[Row]:
    count, rounds = run.times(200, 60), run.times(3, 1)
    for endpoints, limit in ((1000, 1.5), (10_000, 2.0)):
        took: dict[str, list[float]] = {"idle": [], "busy": []}
        for turn in range(rounds):
            for name, every in (("idle", QUIET_EVERY_S), ("busy", None)):
                with settled(synthetic(run.room(f"{name}-{endpoints}-{turn}"), endpoints, every=every)) as session:
                    took[name] += Cursor(session).moves(count)
        paints = {name: quantile(found, 0.99) * 1000 for name, found in took.items()}
        yield Row(f"key → paint, p99, {endpoints:,} refreshing", paints["busy"], "ms", limit, paints["idle"], "idle")
    made = synthetic(run.room("line"), 1000)
    with settled(made, "--slow-link", link=LINE) as session:
        paints_s = Cursor(session).moves(run.times(40, 15), every_s=0.7)
    trip = LINE.round_trip_s * 1000
    yield Row("key → paint through 200 ms, 64 kbit/s", middle(paints_s) * 1000, "ms", 1.3, trip, "the round trip")
