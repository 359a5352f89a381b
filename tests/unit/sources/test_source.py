"""A source keeps its last good answer and says honestly how old it is and what is wrong."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import (
    BackendError,
    Conflict,
    Forbidden,
    Malformed,
    RateLimited,
    Rejected,
    TimedOut,
    Unauthenticated,
    Unreachable,
    Unsupported,
)
from shiftdeck.sources.polled_source import MAX_BACKOFF_S, MAX_RETRY_AFTER_S, aged, backoff_s, state_of
from shiftdeck.sources.source import SourceState
from tests.fakes import Clock, CountedSource
from tests.unit.builders import NOW, status
from tests.unit.panes import FULL
from tests.waiting import wait_until
from tui.cli.text_output import trouble_lines
from tui.render.entries import source_lines

jitters = st.floats(0.0, 1.0, exclude_max=True)
intervals = st.floats(0.1, 3600.0)


def make(poll: Callable[[], str], clock: Clock, *, every_s: float = 1.0, timeout_s: float = 5.0) -> CountedSource[str]:
    return CountedSource(
        name="gateway",
        kind="metrics",
        adapter="openmetrics",
        every_s=every_s,
        timeout_s=timeout_s,
        poll=poll,
        clock=clock,
        changed=lambda: None,
    )


class Script:
    """A backend whose next answers are known: texts are answered, errors are raised; the last one stays."""

    def __init__(self, *answers: str | BaseException) -> None:
        self.answers = list(answers)

    def __call__(self) -> str:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


# ── states ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Unauthenticated("expired"), SourceState.UNAUTHENTICATED),
        (Forbidden("no"), SourceState.FORBIDDEN),
        (Malformed("not JSON"), SourceState.MALFORMED),
        (Unsupported("no driver"), SourceState.OFF),
        (Unreachable("refused"), SourceState.UNREACHABLE),
        (TimedOut("5 s"), SourceState.UNREACHABLE),
        (RateLimited("slow down"), SourceState.UNREACHABLE),
        (Rejected("404"), SourceState.UNREACHABLE),
        (Conflict("odd"), SourceState.UNREACHABLE),
    ],
)
def test_each_failure_has_its_state_and_none_of_them_is_fresh(error: BackendError, state: SourceState) -> None:
    source = make(Script(error), Clock(NOW))
    source.ask()
    assert state_of(error) is state
    assert source.snapshot().status.state is state
    assert not source.snapshot().status.fresh


def test_before_the_first_answer_there_is_nothing_to_show() -> None:
    snapshot = make(Script("data"), Clock(NOW)).snapshot()
    assert (snapshot.value, snapshot.status.state, snapshot.status.at) == (None, SourceState.STARTING, None)
    assert snapshot.status.age_s(NOW) is None


def test_a_failure_keeps_the_last_data_and_its_age() -> None:
    clock = Clock(NOW)
    source = make(Script("good", Unreachable("connection refused", hint="is it up?")), clock)
    source.ask()
    clock.tick(10.0)
    source.ask()
    clock.tick(2.0)
    snapshot = source.snapshot()
    assert snapshot.value == "good"
    assert snapshot.status.age_s(clock()) == 12.0
    assert (snapshot.status.error, snapshot.status.hint) == ("connection refused", "is it up?")
    assert snapshot.status.since == NOW + 10.0


def test_the_same_failure_again_keeps_its_beginning() -> None:
    clock = Clock(NOW)
    source = make(Script(Unreachable("a"), Unreachable("b"), Forbidden("c")), clock)
    source.ask()
    clock.tick(30.0)
    source.ask()
    assert source.snapshot().status.since == NOW
    source.ask()
    assert source.snapshot().status.since == NOW + 30.0


def test_recovery_clears_the_error() -> None:
    source = make(Script(Unreachable("gone", hint="look"), "back"), Clock(NOW))
    source.ask()
    source.ask()
    snapshot = source.snapshot()
    assert (snapshot.value, snapshot.status.state, snapshot.status.error, snapshot.status.hint) == (
        "back",
        SourceState.OK,
        "",
        "",
    )


@pytest.mark.parametrize("error", [KeyError("weights"), SystemExit(3)])
def test_a_defect_in_an_adapter_is_a_state_and_not_the_end(error: BaseException) -> None:
    source = make(Script(error, "good"), Clock(NOW))
    source.ask()
    status = source.snapshot().status
    assert status.state is SourceState.MALFORMED
    assert type(error).__name__ in status.error
    source.ask()
    assert source.snapshot().status.fresh


# ── ageing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_data_grows_stale_when_nothing_is_asked_any_more() -> None:
    clock = Clock(NOW)
    source = make(Script("data"), clock, every_s=2.0, timeout_s=5.0)
    source.ask()
    clock.tick(11.0)
    assert source.snapshot().status.fresh
    clock.tick(0.5)
    status = source.snapshot().status
    assert status.state is SourceState.STALE
    assert status.since == NOW + 11.0
    assert "11 s ago" in status.error or "12 s ago" in status.error


def test_a_question_without_an_answer_makes_the_source_unreachable_with_its_age() -> None:
    clock, asked, release = Clock(NOW), threading.Event(), threading.Event()

    def hang() -> str:
        asked.set()
        release.wait(10.0)
        return "late"

    source = make(hang, clock)
    thread = threading.Thread(target=source.ask)
    thread.start()
    assert asked.wait(10.0)
    clock.tick(10.0)
    assert source.snapshot().status.state is SourceState.STARTING
    clock.tick(3.0)
    status = source.snapshot().status
    assert (status.state, status.since) == (SourceState.UNREACHABLE, NOW)
    assert "no answer for 13 s" in status.error
    release.set()
    thread.join(10.0)
    # What comes at last may be as old as the question: it is not shown as of this moment.
    assert source.snapshot().status.age_s(clock()) == 13.0


def test_an_answer_in_good_time_counts_from_when_it_came() -> None:
    clock = Clock(NOW)

    def slow() -> str:
        clock.tick(4.0)
        return "data"

    source = make(slow, clock)
    source.ask()
    status = source.snapshot().status
    assert (status.age_s(clock()), status.latency_s) == (0.0, 4.0)


@pytest.mark.parametrize("state", [SourceState.FORBIDDEN, SourceState.UNREACHABLE, SourceState.OFF])
def test_ageing_never_covers_up_a_failure(state: SourceState) -> None:
    old = status(state=state, at=NOW - 900.0)
    assert aged(old, NOW, NOW - 800.0, 5.0) == old


@given(st.floats(0.0, 10_000.0), st.floats(0.1, 60.0), st.floats(0.1, 60.0))
def test_old_data_is_never_fresh(age: float, every_s: float, timeout_s: float) -> None:
    now = aged(replace(status(at=NOW - age), every_s=every_s), NOW, None, timeout_s)
    assert now.fresh == (NOW - (NOW - age) <= 3.0 * every_s + timeout_s)


def test_a_clock_that_steps_back_makes_no_negative_age() -> None:
    assert status(at=NOW + 60.0).age_s(NOW) == 0.0


# ── waiting between questions ───────────────────────────────────────────────────────────────────────────────────


@given(intervals, st.integers(0, 10_000), jitters)
def test_backoff_is_never_shorter_than_usual_and_never_longer_than_half_a_minute(
    every_s: float, failures: int, jitter: float
) -> None:
    error = Unreachable("gone") if failures else None
    wait = backoff_s(every_s, failures, error, jitter)
    assert wait >= 0.8 * every_s
    assert wait <= max(MAX_BACKOFF_S, 1.2 * every_s) + 1e-9


@given(intervals, st.integers(0, 50), jitters)
def test_backoff_never_shrinks_with_more_failures(every_s: float, failures: int, jitter: float) -> None:
    error = Unreachable("gone")
    assert backoff_s(every_s, failures + 1, error, jitter) >= backoff_s(every_s, failures, error, jitter)


@given(intervals, st.integers(1, 5), jitters, jitters)
def test_terminals_spread_out(every_s: float, failures: int, one: float, other: float) -> None:
    first, second = (backoff_s(every_s, failures, Unreachable("gone"), jitter) for jitter in (one, other))
    assert (first < second) == (one < other) or math.isclose(first, second)


@given(intervals, st.integers(1, 20), st.floats(0.0, MAX_RETRY_AFTER_S), jitters)
def test_a_server_that_says_when_to_come_back_is_obeyed(
    every_s: float, failures: int, after: float, jitter: float
) -> None:
    assert backoff_s(every_s, failures, RateLimited("slow", retry_after=after), jitter) >= max(every_s, after)


@pytest.mark.parametrize("after", [math.inf, 1e300, -5.0, math.nan])
def test_an_absurd_retry_after_neither_ends_the_source_nor_hammers_the_server(after: float) -> None:
    wait = backoff_s(2.0, 1, RateLimited("slow", retry_after=after), 0.5)
    assert 2.0 <= wait <= 1.2 * MAX_RETRY_AFTER_S


# ── its thread ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_asks_again_and_again_and_stops() -> None:
    clock = Clock(NOW)
    source = make(Script(Unreachable("not yet"), "data"), clock, every_s=0.01)
    source.start()
    wait_until(lambda: source.rounds >= 3, 10.0, "three rounds", every_s=0.005)
    assert source.snapshot().value == "data"
    source.stop()
    wait_until(lambda: not source._thread.is_alive(), 10.0, "the end of the thread", every_s=0.005)


def test_only_what_is_new_is_news() -> None:
    said = ["a", "a", "b"]
    told: list[str | None] = []
    script = Script(said[0], said[1], said[2], Unreachable("gone"), Unreachable("gone"), said[2])
    source = make(script, Clock(NOW))
    source._changed = lambda: told.append(source.snapshot().value)
    for _ in range(7):
        source.ask()
    assert told == ["a", "b", "b", "b", "b"]  # two answers, two failures, and that it answers again


def test_refresh_does_not_wait_for_the_backoff() -> None:
    source = make(Script(Unreachable("gone"), "back"), Clock(NOW), every_s=3600.0)
    source.start()
    wait_until(lambda: source.rounds == 1, 10.0, "the first round", every_s=0.005)
    source.refresh()
    wait_until(lambda: source.snapshot().value == "back", 10.0, "the answer", every_s=0.005)
    source.stop()


def test_a_paused_source_asks_nothing_and_goes_on_when_told() -> None:
    clock = Clock(NOW)
    source = make(Script("data"), clock, every_s=0.01)
    source.pause(True)
    source.start()
    source.refresh()
    wait_until(lambda: not source._wake.is_set(), 10.0, "the thread to have seen it", every_s=0.005)
    assert source.rounds == 0
    source.pause(False)
    wait_until(lambda: source.rounds > 0, 10.0, "an answer", every_s=0.005)
    source.stop()


def test_news_has_a_source_asked_soon_but_not_for_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shiftdeck.sources.polled_source.NUDGE_S", 0.3)
    source = make(lambda: "well", Clock(), every_s=3600.0)
    source.start()
    wait_until(lambda: source.rounds == 1, 5, "the first answer")

    def nudged() -> int:
        source.nudge()
        return source.rounds if source.rounds >= 3 else 0

    began = time.monotonic()
    wait_until(nudged, 10, "asked again, twice", every_s=0.01)
    took = time.monotonic() - began
    source.stop()
    assert took >= 0.3, "a hundred pieces of news a second are not a hundred questions"


def test_news_does_not_override_a_server_that_asks_to_be_left_alone() -> None:
    source = make(Script(RateLimited("later", retry_after=3600.0)), Clock(), every_s=0.1)
    source.ask()
    source.nudge()
    assert not source._wake.is_set()
    source.refresh()
    assert source._wake.is_set()


# ── remarks ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Remarking:
    """A poll whose adapter tells what its answer lacks."""

    def __init__(self) -> None:
        self.told: tuple[str, ...] = ("1 series was dropped",)
        self.failing = False

    def __call__(self) -> str:
        if self.failing:
            raise Unreachable("refused")
        return "some"

    def remarks(self) -> tuple[str, ...]:
        return self.told


def test_what_an_answer_lacks_is_told_beside_it_and_ends_with_the_next_whole_answer() -> None:
    poll, told = Remarking(), list[int]()
    source = CountedSource(
        name="gateway",
        kind="metrics",
        adapter="openmetrics",
        every_s=1.0,
        timeout_s=5.0,
        poll=poll,
        clock=Clock(),
        changed=lambda: told.append(1),
    )
    source.ask()
    status = source.snapshot().status
    assert (status.state, status.remarks) == (SourceState.OK, ("1 series was dropped",))
    assert any("1 series was dropped" in line.plain for line in source_lines([status], NOW, FULL, 80)[1])
    assert "1 series was dropped" in trouble_lines(status)[0]
    poll.failing = True
    source.ask()
    assert source.snapshot().status.remarks == ("1 series was dropped",), "the shown data lacks it still"
    poll.failing, poll.told = False, ()
    source.ask()
    seen = len(told)
    assert source.snapshot().status.remarks == ()
    poll.told = ("2 series were dropped",)
    source.ask()
    assert len(told) == seen + 1, "the same value with another remark is news"
