"""A call that is still on its way: fences, the second look, and answers that prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backends.contracts import Call, Promote, Receipt
from backends.errors import BackendError, Conflict, Forbidden, RateLimited, Rejected, TimedOut, Unreachable
from shiftdeck.changes.kind import Fence
from shiftdeck.changes.lost_answer import FENCE_TRIES, set_fence
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.timing import Timing
from shiftdeck.common.clock import time_of_day
from tests.fakes import FakeRegistry, FakeServing
from tests.unit.bench import Bench, outcome

LOST = TimedOut("no answer within 5 s", maybe_applied=True)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def weights(bench: Bench) -> dict[str, float]:
    return bench.world.endpoint("sentiment").desired


# ── held on the way ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("hold_s", [8.0, 20.0, 55.0])
def test_a_write_that_is_held_is_followed_when_it_lands(bench: Bench, hold_s: float) -> None:
    bench.world.hold_s = hold_s
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED
    assert weights(bench) == {"v7": 75.0, "v8": 25.0}
    assert bench.world.calls["serving.send"] == 1


def test_while_it_may_be_held_the_operator_is_told_until_when(bench: Bench) -> None:
    bench.world.hold_s = 55.0
    until = time_of_day(bench.world.clock() + Timing().lost_s)
    bench.run()
    assert f"its answer was lost; it may be held on the way until {until}; looking again" in [
        run.message for run in bench.said
    ]


def test_after_a_fence_the_held_write_fails_and_that_is_said_at_once(bench: Bench) -> None:
    bench.world.hold_s, bench.world.fences = 55.0, True
    began = bench.world.clock()
    assert outcome(bench.run()) == (OutcomeKind.FAILED, f"{LOST}; not applied: a fence was set after it")
    assert bench.world.clock() - began < Timing().read_back_s + 2.0
    bench.world.deliver(all_held=True)
    assert weights(bench) == {"v7": 90.0, "v8": 10.0}
    _, fence, ended = bench.entries()
    assert (fence.data["fence"], fence.data["call"]) == (True, "fence: no change")
    assert ended.data["by_look"] is True


def test_a_write_that_lands_before_the_fence_is_in_effect(bench: Bench) -> None:
    """The fence meets a conflict, and the next reading shows the effect."""
    bench.world.hold_s, bench.world.fences = 55.0, True
    bench.world.on["serving.send"] = landing(bench, at_call=2)
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED
    assert weights(bench) == {"v7": 75.0, "v8": 25.0}


def test_a_fence_is_made_anew_after_bookkeeping_of_the_system(bench: Bench) -> None:
    bench.world.hold_s, bench.world.fences = 55.0, True

    def bookkeeping() -> None:
        if bench.world.calls["serving.send"] == 2:
            bench.world.endpoint("sentiment").generation += 1

    bench.world.on["serving.send"] = bookkeeping
    assert outcome(bench.run())[1].endswith("not applied: a fence was set after it")
    assert [entry.data.get("fence") for entry in bench.entries()] == [None, True, True, None]


@pytest.mark.parametrize("error", [LOST, Forbidden("no"), Rejected("no")])
def test_without_its_own_answer_a_fence_proves_nothing(bench: Bench, error: BackendError) -> None:
    class Unfenced(FakeServing):
        def send(self, call: Call) -> Receipt:
            if "fence" in call.summary:
                raise error
            return super().send(call)

    bench.world.hold_s, bench.world.fences = 20.0, True
    bench.serving = Unfenced(bench.world)
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED, "it landed after 20 s"


def test_where_nothing_may_be_changed_any_more_no_fence_is_set(bench: Bench) -> None:
    made = bench.plan()
    bench.world.hold_s, bench.world.fences = 1000.0, True

    def disarmed() -> None:
        bench.refusal = "read-only until armed"

    bench.world.on["serving.send"] = disarmed
    assert outcome(bench.run(made))[1].endswith("not applied: looked again after 60 s")
    assert bench.kinds() == ["intent", "outcome"]


def landing(bench: Bench, at_call: int) -> Callable[[], None]:
    def land() -> None:
        if bench.world.calls["serving.send"] == at_call:
            bench.world.deliver(all_held=True)

    return land


# ── answers that prove nothing ──────────────────────────────────────────────────────────────────────────────────


class Misleading(FakeServing):
    """Applies a write, and then answers with an error."""

    error: BackendError = LOST

    def send(self, call: Call) -> Receipt:
        super().send(call)
        raise self.error


@pytest.mark.parametrize(
    "error", [LOST, RateLimited("answered 429"), Unreachable("answered 503"), Conflict("answered 409: not as expected")]
)
def test_a_write_that_was_applied_is_found_whatever_was_answered(bench: Bench, error: BackendError) -> None:
    serving = Misleading(bench.world)
    serving.error = error
    bench.serving = serving
    run = bench.run()
    assert outcome(run)[0] is OutcomeKind.SETTLED
    assert (run.sent, bench.kinds()) == (1, ["intent", "sent", "outcome"])


def test_a_conflict_that_is_in_effect_says_what_was_answered(bench: Bench) -> None:
    serving = Misleading(bench.world)
    serving.error = Conflict("answered 412")
    bench.serving = serving
    words = "in effect; the call was answered with a conflict: answered 412"
    assert outcome(bench.run()) == (OutcomeKind.SETTLED, words)


def test_a_conflict_while_nothing_has_changed_is_a_lost_answer(bench: Bench) -> None:
    """A proxy may answer so and hold the call: the guard cannot have failed, because the revision is the same."""
    bench.world.hold_s = 20.0

    class Held(FakeServing):
        def send(self, call: Call) -> Receipt:
            try:
                return super().send(call)
            except TimedOut:
                raise Conflict("answered 409") from None

    bench.serving = Held(bench.world)
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED


def test_a_conflict_before_anything_was_sent_is_a_conflict_at_once(bench: Bench) -> None:
    made = bench.plan()
    bench.world.fail["serving.send"] = Conflict("compared before it was sent", maybe_applied=False)
    began = bench.world.clock()
    assert outcome(bench.run(made))[0] is OutcomeKind.CONFLICT
    assert bench.world.clock() == began


def test_an_alias_that_was_set_although_the_answer_was_lost_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, change=Promote("v8"))
    send = FakeRegistry.send

    def lost(self: FakeRegistry, call: Call) -> Receipt:
        send(self, call)
        raise LOST

    monkeypatch.setattr(FakeRegistry, "send", lost)
    run = bench.run()
    assert (outcome(run)[0], run.sent) == (OutcomeKind.SETTLED, 2)


# ── after every wait the system is read again ───────────────────────────────────────────────────────────────────


def test_a_rival_during_the_measuring_is_the_outcome(bench: Bench) -> None:
    """The metrics take their time, and meanwhile ana changes the split."""
    bench.world.endpoint("sentiment").measured = {"v7": 90.0, "v8": 10.0}
    began = bench.world.clock()

    def rival() -> None:
        if bench.world.clock() > began + 20.0 and weights(bench)["v8"] == 25.0:
            bench.world.rival("sentiment", {"v7": 94.0, "v8": 6.0}, by="ana")

    bench.world.on["serving.read"] = rival
    run = bench.run()
    kind, message = outcome(run)
    assert kind is OutcomeKind.UNKNOWN
    assert message.endswith("but then: ana changed it to v7 94 %, v8 6 %")
    assert message.startswith("in effect at 03:14:")
    assert run.outcome is not None
    assert run.outcome.changed == ("v7 90 % → 94 %", "v8 10 % → 6 %")


def test_settled_is_said_of_a_reading_after_the_metrics(bench: Bench) -> None:
    bench.world.endpoint("sentiment").measured = {"v7": 90.0, "v8": 10.0}
    began = bench.world.clock()
    run = bench.run()
    assert run.outcome is not None
    assert run.outcome.read_at is not None
    assert run.outcome.read_at >= began + Timing().measure_s
    assert bench.entries()[-1].data["read_at"] == pytest.approx(run.outcome.read_at, abs=0.01)


def test_what_cannot_be_read_after_the_metrics_is_not_settled(bench: Bench) -> None:
    bench.world.endpoint("sentiment").measured = {"v7": 90.0, "v8": 10.0}
    began = bench.world.clock()

    def gone() -> None:
        if bench.world.clock() > began + 30.0:
            bench.world.fail["serving.read"] = Unreachable("gone")

    bench.world.on["serving.read"] = gone
    kind, message = outcome(bench.run())
    assert kind is OutcomeKind.UNKNOWN
    assert "cannot be read: gone" in message


def test_the_alias_moves_only_on_traffic_that_was_read_just_before(tmp_path: Path) -> None:
    """The traffic settles at the third reading; whatever follows in between, the alias's call comes after a reading
    that shows it in effect."""
    bench = Bench(tmp_path, change=Promote("v8"))
    order: list[str] = []
    bench.world.on["serving.read"] = lambda: order.append("read")
    bench.world.on["registries.send"] = lambda: order.append("alias")
    bench.run()
    assert order[order.index("alias") - 1] == "read"
    assert order[-1] != "alias", "and it is read again after it"


def test_an_alias_that_was_moved_again_while_the_metrics_were_awaited_is_not_settled(tmp_path: Path) -> None:
    bench = Bench(tmp_path, change=Promote("v8"))
    bench.world.endpoint("sentiment").measured = {"v7": 90.0, "v8": 10.0}
    began = bench.world.clock()

    def rival() -> None:
        if bench.world.clock() > began + 20.0:
            FakeRegistry(bench.world).set_alias("sentiment-classifier", "champion", "7")

    bench.world.on["serving.read"] = rival
    kind, message = outcome(bench.run())
    assert kind is OutcomeKind.UNKNOWN
    assert message == "the traffic is in effect, but champion of sentiment-classifier was moved again since"


def test_a_fence_is_not_made_anew_once_the_call_may_have_landed() -> None:
    made: list[Fence] = []

    def conflict() -> object:
        raise Conflict("the object was changed")

    def make() -> Fence:
        made.append(Fence(Call("PATCH", "/fence", None), conflict))
        return made[-1]

    assert set_fence(make, lambda data: None, lambda: False) is False
    assert len(made) == 1
    assert set_fence(make, lambda data: None, lambda: True) is False
    assert len(made) == 1 + FENCE_TRIES


def test_a_system_that_cannot_be_read_at_first_is_looked_at_until_the_bound(bench: Bench) -> None:
    """The reading that comes after the time for reading back tells what became of the call."""
    world = bench.world

    class Gone(FakeServing):
        def send(self, call: Call) -> Receipt:
            super().send(call)
            readable_at = world.clock() + Timing().read_back_s + 5.0

            def come_back() -> None:
                if world.clock() > readable_at:
                    world.fail.pop("serving.read", None)

            world.on["serving.read"] = come_back
            world.fail["serving.read"] = Unreachable("gone")
            raise LOST

    bench.serving = Gone(world)
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED
