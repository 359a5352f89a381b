"""Carrying a plan out: what is sent, what is recorded, and what the operator is told, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from backends.contracts import Advance, Change, Endpoint, EndpointRef, Mirror, Pending, Progress, Promote, Split
from backends.errors import (
    BackendError,
    Malformed,
    Rejected,
    TimedOut,
    Unreachable,
)
from shiftdeck.changes.run import OutcomeKind, Stage
from shiftdeck.changes.timing import Timing
from shiftdeck.changes.traffic_observation import agrees
from shiftdeck.journal.journal import Entry, EntryKind, Journal, JournalError
from tests.fakes import FakeRegistry, FakeServing
from tests.unit.bench import NEVER, Bench, outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


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


def test_a_conflict_that_cannot_be_looked_into_proves_nothing(bench: Bench) -> None:
    """Something on the way may have answered it for the system."""
    made = bench.plan()
    bench.world.rival("sentiment", {"v7": 50.0, "v8": 50.0})
    bench.world.fail["serving.read"] = Unreachable("gone")
    kind, message = outcome(bench.run(made))
    assert kind is OutcomeKind.UNKNOWN
    assert "it cannot be read to see whether it landed" in message


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
def test_an_alias_whose_answer_was_lost_is_looked_at_until_the_call_cannot_be_on_its_way(
    tmp_path: Path, error: BackendError
) -> None:
    bench = Bench(tmp_path, change=Promote("v8"))
    bench.world.fail["registries.send"] = error
    began = bench.world.clock()
    kind, message = outcome(bench.run())
    assert kind is OutcomeKind.FAILED
    assert message.startswith("the traffic is changed, but not the registry")
    assert message.endswith(f"{error}; not applied: looked again after 60 s")
    assert bench.world.clock() - began >= Timing().lost_s


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


def test_slow_progress_is_no_stall(bench: Bench) -> None:
    """Replicas become ready one by one, for longer than a change may stand still."""

    class Slow(FakeServing):
        def read(self, ref: EndpointRef) -> Endpoint:
            found, ready = super().read(ref), int(self.world.clock())
            return replace(found, variants=tuple(replace(one, ready=ready) for one in found.variants))

    bench.world.propagation = 100
    bench.serving = Slow(bench.world)
    assert outcome(bench.run())[0] is OutcomeKind.SETTLED
    assert not any(run.stalled for run in bench.said)


def test_a_system_that_says_that_it_is_stuck_is_believed(bench: Bench) -> None:
    class Stuck(FakeServing):
        def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
            progress = super().progress(before, now, change)
            return replace(progress, stalled=True) if isinstance(progress, Pending) else progress

    bench.world.propagation = 3
    bench.serving = Stuck(bench.world)
    bench.run()
    assert next(run for run in bench.said if run.stage is Stage.OBSERVING and run.message).stalled


def test_an_endpoint_that_is_gone_ends_the_observation_soon(bench: Bench) -> None:
    made = bench.plan()

    def go() -> None:
        if bench.world.sent:
            bench.world.fail["serving.read"] = Rejected("there is no endpoint lab:prod/sentiment")

    bench.world.on["serving.read"] = go
    began = bench.world.clock()
    run = bench.run(made)
    words = "sent, but it is gone: there is no endpoint lab:prod/sentiment"
    assert outcome(run) == (OutcomeKind.UNKNOWN, words)
    assert run.updated - began < 60.0


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


# ── an endpoint in the middle of a change ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def untidy(tmp_path: Path) -> Bench:
    """75 to 25 is asked for, 90 to 10 in effect, 93 to 7 measured; without a revision, some replicas not ready."""
    bench = Bench(tmp_path, change=Split({"v7": 100.0, "v8": 0.0}))
    bench.world.make_untidy()
    return bench


def test_what_is_asked_for_is_what_changes_and_what_is_recorded(untidy: Bench) -> None:
    untidy.world.propagation = 3
    run = untidy.run()
    assert outcome(run)[0] is OutcomeKind.SETTLED
    assert untidy.world.sent == ["traffic v7 75 → 100, traffic v8 25 → 0"]
    intent, sent, end = untidy.entries()
    unmirrored = {"v7": 0.0, "v8": 0.0}
    before = {"weights": {"v7": 75.0, "v8": 25.0}, "mirror": unmirrored, "revision": "", "release": "17"}
    assert intent.data["before"] == before
    assert sent.data["revision"] == ""
    assert end.data["observed"] == {"v7": 100.0, "v8": 0.0}


def test_what_is_not_in_effect_is_not_settled(untidy: Bench) -> None:
    untidy.world.propagation = NEVER
    run = untidy.run()
    assert untidy.world.endpoint("sentiment").desired == {"v7": 100.0, "v8": 0.0}
    assert outcome(run)[0] is OutcomeKind.UNKNOWN
