"""Carrying a plan out when answers are lost, adapters fail halfway, or the program ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backends.contracts import Call, Change, Endpoint, Progress, Receipt
from backends.errors import (
    BackendError,
    Conflict,
    Forbidden,
    Malformed,
    Rejected,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from shiftdeck.changes.plan import Step
from shiftdeck.changes.recovery import resolve
from shiftdeck.changes.run import OutcomeKind, Stage, TrafficRun
from shiftdeck.changes.timing import Timing
from tests.fakes import FakeServing, FakeWorld
from tests.unit.bench import NEVER, Bench, outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# ── no answer ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_write_that_timed_out_but_landed_is_found_and_followed(bench: Bench) -> None:
    bench.world.lost_answers = 1
    bench.world.propagation = 3
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED
    assert bench.world.calls["serving.send"] == 1
    assert bench.entries()[1].data["answer"] == "no answer within 5 s; read back: applied"


def test_a_write_that_timed_out_and_did_not_land_failed_and_is_not_sent_again(bench: Bench) -> None:
    bench.world.fail["serving.send"] = TimedOut("no answer within 5 s", maybe_applied=True)
    began = bench.world.clock()
    words = "no answer within 5 s; not applied: looked again after 60 s"
    assert outcome(bench.run()) == (OutcomeKind.FAILED, words)
    assert bench.world.calls["serving.send"] == 1
    assert bench.world.clock() - began >= Timing().lost_s


def test_a_write_that_timed_out_and_cannot_be_read_back_is_not_known(bench: Bench) -> None:
    made = bench.plan()
    bench.world.lost_answers = 1
    bench.world.fail["serving.read"] = Unreachable("gone")
    kind, message = outcome(bench.run(made))
    assert kind is OutcomeKind.UNKNOWN
    assert "cannot be read to see whether it landed" in message


def test_a_write_that_landed_late_is_waited_for(bench: Bench) -> None:
    bench.world.fail["serving.send"] = TimedOut("no answer", maybe_applied=True)

    def land() -> None:
        if bench.world.calls["serving.read"] == 5:
            state = bench.world.endpoint("sentiment")
            state.put({"v7": 75.0, "v8": 25.0}, state.mirror, bench.world.clock(), "me", "")

    bench.world.on["serving.read"] = land
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED


def test_an_answer_that_cannot_be_read_may_have_landed(bench: Bench) -> None:
    class Garbled(FakeServing):
        def send(self, call: Call) -> Receipt:
            super().send(call)
            raise Malformed("the answer is not JSON")

    bench.serving = Garbled(bench.world)
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED


def test_somebody_elses_change_is_not_taken_for_a_write_that_landed(bench: Bench) -> None:
    bench.world.fail["serving.send"] = TimedOut("no answer", maybe_applied=True)
    made = bench.plan()
    bench.world.rival("sentiment", {"v7": 50.0, "v8": 50.0}, by="ana")
    kind, message = outcome(bench.run(made))
    assert kind is OutcomeKind.UNKNOWN
    assert "ana changed it to v7 50 %, v8 50 %" in message
    assert bench.kinds() == ["intent", "outcome"], "no entry claims that it was sent and read back"


def test_a_split_that_somebody_put_back_is_no_proof_that_the_write_never_landed(bench: Bench) -> None:
    """The write landed, its answer was lost, and a rival put the split back before the first look."""
    made = bench.plan()
    bench.world.lost_answers = 1
    bench.world.on["serving.read"] = rival = Once(lambda: bench.world.rival("sentiment", {"v7": 90.0, "v8": 10.0}))
    kind, message = outcome(bench.run(made))
    assert rival.done
    assert kind is OutcomeKind.UNKNOWN
    assert "by a change of ana" in message


class Once:
    """Does something the first time that it is called after a call was sent."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do
        self.done = False

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            self._do()


def test_a_system_that_counts_its_own_bookkeeping_does_not_feign_success(bench: Bench) -> None:
    """Kubernetes gives an object a new resourceVersion for every change of its status."""
    bench.world.fail["serving.send"] = TimedOut("no answer", maybe_applied=True)

    def tick() -> None:
        bench.world.endpoint("sentiment").generation += 1

    bench.world.on["serving.read"] = tick
    assert outcome(bench.run())[0] is OutcomeKind.FAILED


@pytest.mark.parametrize(
    "error",
    [
        Rejected("the weights of v8 are not allowed", hint="ask the platform team"),
        Forbidden("no right to patch"),
        Unauthenticated("the token has expired"),
        Unreachable("connection refused", maybe_applied=False),
        TimedOut("the connection took too long", maybe_applied=False),
    ],
)
def test_what_the_system_did_not_take_failed_and_changed_nothing(bench: Bench, error: BackendError) -> None:
    bench.world.fail["serving.send"] = error
    kind, message = outcome(bench.run())
    assert kind is OutcomeKind.FAILED
    assert message.startswith(f"nothing was changed: {error}")
    assert error.hint in message
    assert bench.kinds() == ["intent", "outcome"]
    assert bench.world.calls["serving.send"] == 1


def test_a_defect_in_an_adapter_ends_in_an_outcome_and_not_in_silence(bench: Bench) -> None:
    class Broken(FakeServing):
        def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
            raise KeyError("weights")

    bench.serving = Broken(bench.world)
    run = bench.run()
    kind, message = outcome(run)
    assert (kind, run.stage) == (OutcomeKind.UNKNOWN, Stage.DONE)
    assert "look what is in effect: KeyError" in message
    assert bench.kinds() == ["intent", "sent", "outcome"]


# ── several calls ───────────────────────────────────────────────────────────────────────────────────────────────


class TwoCalls(FakeServing):
    """A system that takes the same change in two calls; the second has its own way of failing."""

    second: BackendError | None = None

    def send(self, call: Call) -> Receipt:
        if call.method == "SECOND":
            self._called("second")
            if self.second is not None:
                raise self.second
            return Receipt()
        return super().send(call)


def two_calls(bench: Bench, second: BackendError | None) -> TrafficRun:
    serving = TwoCalls(bench.world)
    serving.second = second
    bench.serving = serving
    made = bench.plan()
    (first,) = made.steps
    calls = replace(first.call, summary="raise v8"), replace(first.call, method="SECOND", summary="lower v7")
    return bench.run(replace(made, steps=tuple(Step("lab", "serving", call) for call in calls)))


def test_two_calls_are_sent_in_their_order(bench: Bench) -> None:
    run = two_calls(bench, None)
    assert (run.sent, outcome(run)[0]) == (2, OutcomeKind.SETTLED)


LOST = TimedOut("no answer", maybe_applied=True)


@pytest.mark.parametrize(("error", "proof"), [(Rejected("no"), ""), (LOST, "; not applied: looked again after 60 s")])
def test_half_a_change_is_never_called_nothing(bench: Bench, error: BackendError, proof: str) -> None:
    kind, message = outcome(two_calls(bench, error))
    assert kind is OutcomeKind.UNKNOWN
    assert message.startswith(f"1 of 2 calls sent, then: {error}{proof}. ")
    assert message.endswith(SO_FAR)


SO_FAR = "sent: raise v8. Not sent: lower v7. The way back: roll back to release 17"


def test_a_conflict_halfway_says_so(bench: Bench) -> None:
    run = two_calls(bench, Conflict("changed", maybe_applied=False))
    kind, message = outcome(run)
    assert kind is OutcomeKind.CONFLICT
    assert message.startswith("1 of 2 calls sent, then: changed")
    assert message.endswith(SO_FAR)
    assert run.part_way
    assert [entry.data.get("call") for entry in bench.entries()] == [None, "raise v8", None]


def test_a_whole_change_is_not_part_of_one(bench: Bench) -> None:
    assert not two_calls(bench, None).part_way
    assert not bench.run().part_way


def test_the_second_call_is_not_sent_blind(bench: Bench) -> None:
    """What it changes is told by comparing with how the first left the endpoint: without that it stays unsent."""

    def gone_after_the_first() -> None:
        if bench.world.calls["serving.send"] == 1:
            bench.world.fail["serving.read"] = Unreachable("gone")

    bench.world.on["serving.read"] = gone_after_the_first
    run = two_calls(bench, None)
    assert outcome(run) == (OutcomeKind.UNKNOWN, f"the endpoint cannot be read any more: {SO_FAR}")
    assert bench.world.calls["serving.second"] == 0


def test_ending_halfway_is_found_at_the_next_start_call_by_call(bench: Bench) -> None:
    bench.ending.at = bench.world.clock() + 5.0
    assert two_calls(bench, TimedOut("no answer", maybe_applied=True)).outcome is None
    bench.world.rival("sentiment", {"v7": 60.0, "v8": 40.0})
    kind, message = found_later(bench)
    assert kind is OutcomeKind.UNKNOWN
    words = "1 of 2 calls are known to be sent: raise v8. The way back: roll back to release 17"
    assert message.endswith(words)


# ── the program ends ────────────────────────────────────────────────────────────────────────────────────────────


def left(bench: Bench, after_s: float = 20.0) -> TrafficRun:
    bench.world.propagation = NEVER
    bench.ending.at = bench.world.clock() + after_s
    return bench.run()


def found_later(bench: Bench) -> tuple[OutcomeKind | None, str]:
    bench.world.clock.tick(Timing().settle_s)
    (finding,) = resolve(bench.journal, "prod-eu", lambda: [bench.traffic()], bench.bounds)
    return finding.outcome, finding.message


def test_ending_while_observing_leaves_no_outcome(bench: Bench) -> None:
    run = left(bench)
    assert run.outcome is None
    assert not run.done
    assert bench.kinds() == ["intent", "sent"]
    assert [entry.seq for entry in bench.journal.unfinished()] == [run.seq]


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda world: setattr(world.endpoint("sentiment"), "behind", 1), (OutcomeKind.SETTLED, "applied")),
        (lambda _: None, (OutcomeKind.UNKNOWN, "applied, still on its way")),
        (
            lambda world: world.rival("sentiment", {"v7": 100.0}),
            (OutcomeKind.UNKNOWN, "unknown: the endpoint was changed since, and is now at v7 100 %, v8 0 %"),
        ),
    ],
)
def test_the_next_start_finds_out(
    bench: Bench, prepare: Callable[[FakeWorld], None], expected: tuple[OutcomeKind, str]
) -> None:
    left(bench)
    prepare(bench.world)
    assert found_later(bench) == expected
    assert bench.journal.unfinished() == ()
    assert bench.entries()[-1].data["recovered"] is True


def test_ending_while_reading_back_leaves_it_open_too(bench: Bench) -> None:
    bench.world.fail["serving.send"] = TimedOut("no answer", maybe_applied=True)
    bench.ending.at = bench.world.clock() + 5.0
    assert bench.run().outcome is None
    assert found_later(bench) == (OutcomeKind.FAILED, "not applied: the endpoint is as it was before")


def test_ending_while_the_metrics_are_awaited_leaves_it_open_and_it_was_applied(bench: Bench) -> None:
    bench.world.endpoint("sentiment").measured = {"v7": 90.0, "v8": 10.0}
    bench.ending.at = bench.world.clock() + 5.0
    run = bench.run()
    assert (run.outcome, run.stage) == (None, Stage.MEASURING)
    assert found_later(bench) == (OutcomeKind.SETTLED, "applied")
