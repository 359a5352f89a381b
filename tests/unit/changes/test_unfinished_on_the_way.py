"""Recovery of changes whose call may still be on its way when the next process starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.contracts import EndpointRef
from shiftdeck.changes.recovery import Bounds, Finding, resolve
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.time_known import Ages
from shiftdeck.changes.timing import Timing
from shiftdeck.common.clock import time_of_day
from shiftdeck.journal.entry import Entry, EntryKind
from shiftdeck.journal.journal import Journal
from tests.unit.bench import Bench

LATER_S = Timing().lost_s + Timing().read_back_s


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A process that was killed a second after it had sent a write that is held on its way."""
    made = Bench(tmp_path)
    made.world.hold_s = 1000.0
    made.ending.at = made.world.clock() + 1.0
    made.run()
    return made


def found(bench: Bench) -> Finding:
    (finding,) = resolve(bench.journal, "prod-eu", lambda: [bench.traffic()], bench.bounds)
    return finding


def test_a_state_as_before_proves_nothing_and_the_message_says_until_when(bench: Bench) -> None:
    began = bench.world.clock() - 1.0
    finding = found(bench)
    assert finding.outcome is None
    assert finding.message == (
        f"unknown until {time_of_day(began + LATER_S)}: the call may still be on its way; "
        "look again then: shiftdeck --context prod-eu status"
    )
    assert bench.kinds() == ["intent"]
    assert len(bench.journal.unfinished()) == 1


def test_a_call_that_lands_after_the_start_is_applied(bench: Bench) -> None:
    assert found(bench).outcome is None
    bench.world.deliver(all_held=True)
    finding = found(bench)
    assert (finding.outcome, finding.message) == (OutcomeKind.SETTLED, "applied")


def test_the_second_look_after_the_bound_decides(bench: Bench) -> None:
    assert found(bench).outcome is None
    bench.world.clock.tick(LATER_S)
    finding = found(bench)
    assert (finding.outcome, finding.message) == (OutcomeKind.FAILED, "not applied: the endpoint is as it was before")
    assert bench.entries()[-1].data["by_look"] is True


def test_a_fence_decides_at_once_where_the_context_may_be_written(bench: Bench) -> None:
    bench.world.fences = True
    finding = found(bench)
    assert (finding.outcome, finding.message) == (OutcomeKind.FAILED, "not applied: a fence was set after it")
    assert bench.kinds() == ["intent", "sent", "outcome"]
    bench.world.deliver(all_held=True)
    assert bench.world.endpoint("sentiment").desired == {"v7": 90.0, "v8": 10.0}


def test_where_nothing_may_be_changed_no_fence_is_set(bench: Bench) -> None:
    bench.world.fences = True
    bench.refusal = "read-only until armed"
    assert found(bench).outcome is None
    assert bench.kinds() == ["intent"]


def test_a_call_that_lands_before_the_fence_is_applied(bench: Bench) -> None:
    bench.world.fences = True
    bench.world.on["serving.send"] = lambda: bench.world.deliver(all_held=True)
    finding = found(bench)
    assert (finding.outcome, finding.message) == (OutcomeKind.SETTLED, "applied")


def test_a_fence_without_an_answer_is_tried_once_and_the_second_look_decides(bench: Bench) -> None:
    bench.world.fences = True
    bench.world.lost_answers = 1
    assert found(bench).outcome is None
    assert found(bench).outcome is None
    assert bench.kinds() == ["intent", "sent"]
    bench.world.clock.tick(LATER_S)
    assert found(bench).outcome in (OutcomeKind.FAILED, OutcomeKind.UNKNOWN)


def test_somebody_else_who_set_the_same_is_named(bench: Bench) -> None:
    bench.world.rival("sentiment", {"v7": 75.0, "v8": 25.0}, by="ana")
    assert found(bench).message == "in effect: ana set the same"


def test_a_change_that_is_not_in_effect_is_not_called_settled(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.world.propagation = 1_000_000
    bench.ending.at = bench.world.clock() + 5.0
    bench.run()
    assert found(bench).message == "applied, still on its way; looking again"
    bench.world.endpoint("sentiment").behind = 1
    assert found(bench).outcome is OutcomeKind.SETTLED


# ── how long ago ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step_s", [-3600.0, 86_400.0])
def test_a_step_of_the_wall_clock_shortens_no_wait(bench: Bench, step_s: float) -> None:
    bench.world.clock.step(step_s)
    bench.world.clock.follow()
    assert found(bench).outcome is None
    bench.world.clock.tick(LATER_S)
    assert found(bench).outcome is OutcomeKind.FAILED


def entry(at: float, **data: object) -> Entry:
    return Entry(1, at, EntryKind.INTENT, "prod-eu", "lab:prod/sentiment", "ada", "bastion", data)


def test_an_age_of_another_boot_follows_the_wall_clock_and_is_never_negative(tmp_path: Path) -> None:
    clock = Bench(tmp_path).world.clock
    stamped = {"id": "another", "s": 5.0}
    assert Ages(clock).of(entry(clock() - 30.0, boot=stamped)) == pytest.approx(30.0)
    assert Ages(clock).of(entry(clock() + 30.0, boot=stamped)) == 0.0


def test_what_this_process_has_waited_counts(tmp_path: Path) -> None:
    clock = Bench(tmp_path).world.clock
    ages, ahead = Ages(clock), entry(clock() + 3600.0)
    assert ages.of(ahead) == 0.0
    clock.tick(10.0)
    assert ages.of(ahead) == pytest.approx(10.0)


def test_within_one_boot_the_wall_clock_does_not_matter(tmp_path: Path) -> None:
    clock = Bench(tmp_path).world.clock
    made = entry(0.0, boot={"id": "this", "s": clock.elapsed() - 12.0})
    assert Ages(clock, boot=lambda: "this").of(made) == pytest.approx(12.0)


def test_a_change_of_an_older_version_without_a_stamp_is_resolved(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    journal = Journal(tmp_path / "old.jsonl", clock=bench.world.clock)
    data = {**bench.traffic().intent(bench.plan(), reason="", override="")}
    journal.begin(context="prod-eu", ref=str(EndpointRef("lab", "prod", "sentiment")), data=data).leave()
    bench.world.clock.tick(LATER_S)
    (finding,) = resolve(journal, "prod-eu", lambda: [bench.traffic()], Bounds(ages=Ages(bench.world.clock)))
    assert finding.outcome is OutcomeKind.FAILED
