"""Carrying a plan out: what is sent, what is recorded, and what the operator is told, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from backends.contracts import Advance, Call, Change, Endpoint, Mirror, Pending, Progress, Promote, Receipt, Split
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
)
from ops.execution import Execution, Ports, Timing, agrees
from ops.journal import Entry, EntryKind, Journal, JournalError
from ops.plans import Plan, Step
from ops.recovery import resolve
from ops.runs import OutcomeKind, Run, Stage
from tests.fakes import Clock, FakeMetrics, FakeRegistry, FakeServing, FakeWorld
from tests.unit.planned import plan

FORWARD = Split({"v7": 75.0, "v8": 25.0})
NEVER = 1_000_000


class Ending(threading.Event):
    """Waiting lets the world's time pass instead of ours. ``at`` is a moment at which the program ends."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.at = float("inf")

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.clock.tick(timeout)
        if self.clock() >= self.at:
            self.set()
        return self.is_set()


class Bench:
    """One change on one world, and everything that was said about it."""

    def __init__(self, folder: Path, name: str = "sentiment", change: Change = FORWARD) -> None:
        self.world = FakeWorld()
        self.name = name
        self.change = change
        self.serving: FakeServing = FakeServing(self.world)
        self.journal = Journal(folder / "journal.jsonl", operator="me", host="bastion")
        self.ending = Ending(self.world.clock)
        self.refusal = ""
        self.said: list[Run] = []

    def shares(self, endpoint: Endpoint) -> Mapping[str, float] | None:
        rates = {
            one.subject.variant: one.rps or 0.0
            for one in FakeMetrics(self.world).current(60.0)
            if one.subject.endpoint == endpoint.ref.name and not one.mirrored
        }
        return {name: 100.0 * rate / sum(rates.values()) for name, rate in rates.items()} or None

    def plan(self) -> Plan:
        return plan(self.world, self.name, self.change)

    def run(self, made: Plan | None = None, *, reason: str = "INC-42", override: str = "", **ports: object) -> Run:
        given: dict[str, object] = {
            "serving": self.serving,
            "registries": {"mlflow": FakeRegistry(self.world)},
            "shares": self.shares,
            "journal": self.journal,
            "clock": self.world.clock,
            "ending": self.ending,
            "refusal": lambda: self.refusal,
        }
        all_ports = Ports(**{**given, **ports})  # type: ignore[arg-type]  # fields by name
        execution = Execution(made or self.plan(), all_ports, self.said.append, reason=reason, override=override)
        return execution.carry_out()

    def entries(self) -> list[Entry]:
        return list(self.journal.entries(newest_first=False))

    def kinds(self) -> list[str]:
        return [str(entry.kind) for entry in self.entries()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def outcome(run: Run) -> tuple[OutcomeKind, str]:
    assert run.outcome is not None
    return run.outcome.kind, run.outcome.message


# ── all well ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_applied_settled_and_confirmed_by_the_metrics(bench: Bench) -> None:
    bench.world.propagation = 3
    run = bench.run()
    assert outcome(run) == (OutcomeKind.SETTLED, "in effect")
    assert run.outcome is not None
    assert run.outcome.confirmed is True
    assert bench.world.sent == ["traffic v7 90 → 75, traffic v8 10 → 25"]
    assert bench.world.endpoint("sentiment").observed == {"v7": 75.0, "v8": 25.0}
    assert bench.journal.unfinished() == ()


def test_each_stage_is_told_in_its_order(bench: Bench) -> None:
    bench.world.propagation = 3
    bench.run()
    stages = list(dict.fromkeys(run.stage for run in bench.said))
    assert stages == [Stage.RECORDING, Stage.SENDING, Stage.OBSERVING, Stage.MEASURING, Stage.DONE]
    assert "the split is propagating" in [run.message for run in bench.said if run.stage is Stage.OBSERVING]
    assert all(earlier.updated <= later.updated for earlier, later in zip(bench.said, bench.said[1:], strict=False))


def test_the_journal_tells_the_whole_story(bench: Bench) -> None:
    run = bench.run(reason="INC-42 canary looks good")
    intent, sent, end = bench.entries()
    assert [intent.kind, sent.kind, end.kind] == [EntryKind.INTENT, EntryKind.SENT, EntryKind.OUTCOME]
    assert (intent.context, intent.ref, intent.seq) == ("prod-eu", "lab:prod/sentiment", run.seq)
    assert intent.data["change"] == "shift v7=75 v8=25"
    assert intent.data["reason"] == "INC-42 canary looks good"
    assert intent.data["way_back"] == "roll back to release 17"
    assert intent.data["after"] == {"weights": {"v7": 75.0, "v8": 25.0}, "mirror": {}}
    assert sent.data["revision"] == "18"
    assert (end.data["outcome"], end.data["confirmed"]) == ("settled", True)
    assert end.data["observed"] == {"v7": 75.0, "v8": 25.0}


def test_the_intent_is_on_record_before_anything_is_sent(bench: Bench) -> None:
    on_record: list[str] = []
    bench.world.on["serving.send"] = lambda: on_record.extend(bench.kinds())
    bench.run()
    assert on_record == ["intent"]


def test_a_promotion_moves_the_alias_once_the_traffic_has_settled(tmp_path: Path) -> None:
    bench = Bench(tmp_path, change=Promote("v8"))
    bench.world.propagation = 3
    there: list[dict[str, float]] = []
    bench.world.on["registries.send"] = lambda: there.append(bench.world.endpoint("sentiment").observed)
    run = bench.run()
    assert outcome(run)[0] is OutcomeKind.SETTLED
    assert there == [{"v7": 0.0, "v8": 100.0}]
    assert FakeRegistry(bench.world).alias("sentiment-classifier", "champion") == "8"
    assert run.sent == 2


def test_a_mirror_is_carried_out_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "fraud", Mirror("v13", 50.0))
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED
    assert bench.world.endpoint("fraud").mirror["v13"] == 50.0


# ── refused: nothing is sent ────────────────────────────────────────────────────────────────────────────────────


def test_blocked_without_an_override_is_refused_and_noted(bench: Bench) -> None:
    bench.world.make_bad_canary()
    run = bench.run()
    kind, message = outcome(run)
    assert kind is OutcomeKind.REFUSED
    assert "v8 errors within SLO" in message
    assert bench.world.calls["serving.send"] == 0
    (note,) = bench.entries()
    assert (note.kind, note.data["outcome"], note.seq) == (EntryKind.NOTE, "refused", run.seq)


@pytest.mark.parametrize(("reason", "override"), [("", "because"), ("INC-42", ""), ("INC-42", "  "), ("  ", "because")])
def test_an_override_needs_its_reason_and_the_change_one_of_its_own(bench: Bench, reason: str, override: str) -> None:
    bench.world.make_bad_canary()
    assert outcome(bench.run(reason=reason, override=override))[0] is OutcomeKind.REFUSED
    assert bench.world.sent == []


def test_an_override_is_recorded_with_what_it_overrode(bench: Bench) -> None:
    bench.world.make_bad_canary()
    assert outcome(bench.run(override="the errors are the load test's"))[0] is OutcomeKind.SETTLED
    intent = bench.entries()[0]
    assert intent.data["override"] == "the errors are the load test's"
    checks = intent.data["checks"]
    assert isinstance(checks, list)
    assert {"v8 errors within SLO": "block"}.items() <= {one["name"]: one["verdict"] for one in checks}.items()


def test_what_the_system_will_not_do_is_refused_even_with_an_override(tmp_path: Path) -> None:
    bench = Bench(tmp_path, change=Advance())
    kind, message = outcome(bench.run(override="please"))
    assert (kind, message) == (OutcomeKind.REFUSED, "the gateway cannot advance an endpoint")


def test_arming_that_ran_out_while_the_plan_was_open_is_refused(bench: Bench) -> None:
    made = bench.plan()
    bench.refusal = "read-only until armed"
    assert outcome(bench.run(made, override="please")) == (OutcomeKind.REFUSED, "read-only until armed")
    assert bench.world.calls["serving.send"] == 0


class Full(Journal):
    """A journal on a disk that is full from a certain entry on."""

    def __init__(self, path: Path, after: int) -> None:
        super().__init__(path)
        self.left = after

    def append(
        self, kind: EntryKind, *, context: str = "", ref: str = "", data: Mapping[str, object] | None = None
    ) -> Entry:
        self.left -= 1
        if self.left < 0:
            raise JournalError("no space left on device")
        return super().append(kind, context=context, ref=ref, data=data or {})


def test_without_a_journal_nothing_is_sent(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "not-a-folder"
    folder.write_text("in the way")
    kind, message = outcome(bench.run(journal=Journal(folder / "journal.jsonl")))
    assert kind is OutcomeKind.REFUSED
    assert message.startswith("nothing was sent: ")
    assert bench.world.calls["serving.send"] == 0


@pytest.mark.parametrize(("after", "missing"), [(0, "that it was sent"), (0, "the outcome"), (1, "the outcome")])
def test_a_disk_that_fills_up_on_the_way_does_not_lose_sight_of_the_change(
    bench: Bench, tmp_path: Path, after: int, missing: str
) -> None:
    journal = Full(tmp_path / "full.jsonl", after)
    kind, message = outcome(bench.run(journal=journal))
    assert kind is OutcomeKind.SETTLED
    assert f"{missing} could not be recorded: no space left on device" in message
    assert len(journal.unfinished()) == 1


# ── somebody else was faster ────────────────────────────────────────────────────────────────────────────────────


def test_a_conflict_sends_nothing_and_names_who_and_what(bench: Bench) -> None:
    made = bench.plan()
    bench.world.rival("sentiment", {"v7": 50.0, "v8": 50.0}, by="ana")
    run = bench.run(made)
    kind, message = outcome(run)
    assert kind is OutcomeKind.CONFLICT
    assert message.startswith("changed by ana since the plan was made; nothing was sent over it")
    assert run.outcome is not None
    assert run.outcome.changed == ("v7 90 % → 50 %", "v8 10 % → 50 %")
    assert bench.world.endpoint("sentiment").desired == {"v7": 50.0, "v8": 50.0}
    assert bench.world.sent == []
    assert bench.entries()[-1].data["outcome"] == "conflict"


def test_a_conflict_that_cannot_be_looked_into_is_still_a_conflict(bench: Bench) -> None:
    made = bench.plan()
    bench.world.rival("sentiment", {"v7": 50.0, "v8": 50.0})
    bench.world.fail["serving.read"] = Unreachable("gone")
    kind, message = outcome(bench.run(made))
    assert kind is OutcomeKind.CONFLICT
    assert "changed since the plan was made" in message


def test_an_alias_conflict_after_the_traffic_says_what_is_changed_and_what_is_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, change=Promote("v8"))
    made = bench.plan()
    FakeRegistry(bench.world).set_alias("sentiment-classifier", "champion", "6")
    kind, message = outcome(bench.run(made))
    assert kind is OutcomeKind.FAILED
    assert message.startswith("the traffic is changed, but not the registry (sentiment-classifier champion 7 → 8)")
    assert bench.world.endpoint("sentiment").desired == {"v7": 0.0, "v8": 100.0}
    assert FakeRegistry(bench.world).alias("sentiment-classifier", "champion") is None


@pytest.mark.parametrize("error", [TimedOut("5 s", maybe_applied=True), Malformed("not JSON")])
def test_an_alias_whose_answer_was_lost_is_not_known(tmp_path: Path, error: BackendError) -> None:
    bench = Bench(tmp_path, change=Promote("v8"))
    bench.world.fail["registries.send"] = error
    assert outcome(bench.run())[0] is OutcomeKind.UNKNOWN


def test_traffic_that_goes_elsewhere_after_it_was_sent_is_not_called_a_success(bench: Bench) -> None:
    bench.world.propagation = NEVER

    def rival() -> None:
        if bench.world.sent and bench.world.calls["serving.read"] == 3:
            bench.world.rival("sentiment", {"v7": 100.0}, by="ana")

    bench.world.on["serving.read"] = rival
    run = bench.run()
    assert outcome(run) == (OutcomeKind.UNKNOWN, "sent, but then: ana changed it to v7 100 %, v8 0 %")
    assert run.outcome is not None
    assert run.outcome.changed == ("v7 90 % → 100 %", "v8 10 % → 0 %")


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
    assert outcome(bench.run()) == (OutcomeKind.FAILED, "no answer within 5 s; read back: not applied")
    assert bench.world.calls["serving.send"] == 1
    assert bench.world.clock() - began >= Timing().read_back_s


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
        Unreachable("connection refused"),
        RateLimited("slow down", retry_after=30.0),
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


def two_calls(bench: Bench, second: BackendError | None) -> Run:
    serving = TwoCalls(bench.world)
    serving.second = second
    bench.serving = serving
    made = bench.plan()
    (first,) = made.steps
    return bench.run(replace(made, steps=(first, Step("lab", "serving", replace(first.call, method="SECOND")))))


def test_two_calls_are_sent_in_their_order(bench: Bench) -> None:
    run = two_calls(bench, None)
    assert (run.sent, outcome(run)[0]) == (2, OutcomeKind.SETTLED)


@pytest.mark.parametrize("error", [Rejected("no"), TimedOut("no answer", maybe_applied=True)])
def test_half_a_change_is_never_called_nothing(bench: Bench, error: BackendError) -> None:
    kind, message = outcome(two_calls(bench, error))
    assert kind is OutcomeKind.UNKNOWN
    assert "1 of 2 calls sent, then: no" in message


def test_a_conflict_halfway_says_so(bench: Bench) -> None:
    kind, message = outcome(two_calls(bench, Conflict("changed")))
    assert kind is OutcomeKind.CONFLICT
    assert message.startswith("1 of 2 calls sent, then: changed")


# ── observing ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_progress_for_long_is_called_a_stall_and_in_the_end_not_known(bench: Bench) -> None:
    bench.world.propagation = NEVER
    began = bench.world.clock()
    kind, message = outcome(bench.run())
    assert kind is OutcomeKind.UNKNOWN
    assert "not in effect after 300 s: the split is propagating" in message
    stalled = next(run for run in bench.said if run.stalled)
    assert Timing().stall_s < stalled.updated - began < Timing().stall_s + 2.0
    assert bench.said[-1].stalled is False


def test_progress_ends_a_stall(bench: Bench) -> None:
    bench.world.propagation = 100
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED
    assert any(run.stalled for run in bench.said)
    assert not bench.said[-1].stalled


def test_a_system_that_says_that_it_is_stuck_is_believed(bench: Bench) -> None:
    class Stuck(FakeServing):
        def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
            progress = super().progress(before, now, change)
            return replace(progress, stalled=True) if isinstance(progress, Pending) else progress

    bench.world.propagation = 3
    bench.serving = Stuck(bench.world)
    bench.run()
    assert next(run for run in bench.said if run.stage is Stage.OBSERVING and run.message).stalled


def test_an_endpoint_that_cannot_be_read_for_a_while_is_read_again(bench: Bench) -> None:
    made = bench.plan()
    bench.world.fail["serving.read"] = Unreachable("gone")

    def come_back() -> None:
        if bench.world.calls["serving.read"] == 100:
            del bench.world.fail["serving.read"]

    bench.world.on["serving.read"] = come_back
    assert outcome(bench.run(made))[0] is OutcomeKind.SETTLED
    assert "cannot be read: gone" in [run.message for run in bench.said]
    assert any(run.stalled for run in bench.said)


# ── confirming ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_metrics_that_show_something_else_are_reported(bench: Bench) -> None:
    bench.world.endpoint("sentiment").measured = {"v7": 90.0, "v8": 10.0}
    run = bench.run()
    assert outcome(run) == (OutcomeKind.SETTLED, "in effect; the metrics do not show it yet")
    assert run.outcome is not None
    assert run.outcome.confirmed is False
    assert run.shares == {"v7": pytest.approx(90.0), "v8": pytest.approx(10.0)}


def test_metrics_that_follow_late_confirm_late(bench: Bench) -> None:
    state = bench.world.endpoint("sentiment")
    state.measured = {"v7": 90.0, "v8": 10.0}
    until = bench.world.clock() + 45.0

    def shares(endpoint: Endpoint) -> Mapping[str, float] | None:
        if bench.world.clock() >= until:
            state.measured = None
        return bench.shares(endpoint)

    run = bench.run(shares=shares)
    assert run.outcome is not None
    assert run.outcome.confirmed is True


def test_without_metrics_it_is_said_that_nothing_confirms_it(bench: Bench) -> None:
    run = bench.run(shares=lambda _: None)
    assert outcome(run) == (OutcomeKind.SETTLED, "in effect; no metrics to confirm it by")
    assert run.outcome is not None
    assert run.outcome.confirmed is None


@pytest.mark.parametrize(
    ("shares", "targets", "agree"),
    [
        ({"v7": 75.0, "v8": 25.0}, {"v7": 75.0, "v8": 25.0}, True),
        ({"v7": 78.0, "v8": 22.0}, {"v7": 75.0, "v8": 25.0}, True),
        ({"v7": 81.0, "v8": 19.0}, {"v7": 75.0, "v8": 25.0}, False),
        ({"v7": 100.0}, {"v7": 100.0, "v8": 0.0}, True),
        ({"v7": 99.9, "v8": 0.1}, {"v7": 100.0, "v8": 0.0}, False),
        ({}, {"v7": 100.0}, False),
        ({"v7": 100.0}, {"v7": 90.0, "v8": 10.0}, False),
    ],
)
def test_what_counts_as_agreeing(shares: dict[str, float], targets: dict[str, float], agree: bool) -> None:
    assert agrees(shares, targets) is agree


# ── the program ends ────────────────────────────────────────────────────────────────────────────────────────────


def left(bench: Bench, after_s: float = 20.0) -> Run:
    bench.world.propagation = NEVER
    bench.ending.at = bench.world.clock() + after_s
    return bench.run()


def found_later(bench: Bench) -> tuple[OutcomeKind | None, str]:
    (finding,) = resolve(bench.journal, "prod-eu", bench.serving.read)
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
        (lambda _: None, (OutcomeKind.SETTLED, "applied, still on its way")),
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
