"""One change of an endpoint is under way at a time; a change back supersedes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.contracts import Mirror, Phase, Rollback, Split
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.run import OutcomeKind, Run, Stage
from shiftdeck.changes.timing import Timing
from shiftdeck.changes.traffic import Traffic
from shiftdeck.changes.under_way import UnderWay, whose_change
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.journal import EntryKind, Journal
from tests.fakes import FakeWorld, eventually, running
from tests.unit.builders import NOW, release, untidy
from tests.unit.engines import FORWARD, NEVER, QUICK, engine, outcome, world
from tests.unit.planned import check, verdicts
from tests.waiting import wait_until

__all__ = ["engine", "world"]

FURTHER = Split({"v7": 50.0, "v8": 50.0})
BACK = Rollback("15")


def begun(engine: Engine, world: FakeWorld) -> None:
    """A forward change that is sent and never comes into effect."""
    world.propagation = NEVER
    engine.execute(engine.plan(world.ref("sentiment"), FORWARD), reason="INC-42")
    eventually(engine, lambda view: any(run.stage is Stage.OBSERVING for run in view.runs))


def first(engine: Engine) -> Run[object]:  # type: ignore[type-var]  # whichever kind
    return engine.runs()[0]


def test_a_second_forward_change_is_told_of_the_first(engine: Engine, world: FakeWorld) -> None:
    begun(engine, world)
    plan = engine.plan(world.ref("sentiment"), FURTHER)
    found = check(plan, "one at a time")
    assert found.verdict is CheckVerdict.BLOCK
    assert found.evidence.startswith("#1 shift v7=75 v8=25 by ")
    assert "under way" in plan.unable
    run = engine.carry_out(plan, reason="INC-43", override="please")
    assert run.outcome is not None
    assert run.outcome.kind is OutcomeKind.REFUSED
    assert "#1 shift v7=75 v8=25" in run.outcome.message
    assert len(world.sent) == 1
    assert not first(engine).done, "and the first goes on"


def test_one_that_was_planned_before_the_first_began_is_refused_as_well(engine: Engine, world: FakeWorld) -> None:
    late = engine.plan(world.ref("sentiment"), FURTHER)
    begun(engine, world)
    run = engine.carry_out(late, reason="INC-43")
    assert run.outcome is not None
    assert (run.outcome.kind, len(world.sent)) == (OutcomeKind.REFUSED, 1)


def test_a_change_back_supersedes_the_one_under_way(engine: Engine, world: FakeWorld) -> None:
    begun(engine, world)
    plan = engine.plan(world.ref("sentiment"), BACK)
    found = check(plan, "one at a time")
    assert (found.verdict, "this supersedes it" in found.evidence) == (CheckVerdict.WARN, True)
    thread = engine.execute(plan, reason="errors")
    wait_until(lambda: first(engine).done, 10.0, "the end of the first")
    ended = first(engine).outcome
    assert ended is not None
    assert (ended.kind, ended.message.split(" (")[0]) == (OutcomeKind.SUPERSEDED, "superseded by #3")
    world.propagation = 0
    world.endpoint("sentiment").behind = 1
    thread.join(10.0)
    assert outcome(engine, plan) is OutcomeKind.SETTLED
    entries = engine.journal.entries(newest_first=False)
    assert [entry.data.get("outcome") for entry in entries if entry.kind is EntryKind.OUTCOME] == [
        "superseded",
        "settled",
    ]


def test_another_endpoint_is_nobodys_concern(engine: Engine, world: FakeWorld) -> None:
    begun(engine, world)
    plan = engine.plan(world.ref("fraud"), Mirror("v13", 50.0))
    world.propagation = 0
    assert all(one.name != "one at a time" for one in plan.checks)
    run = engine.carry_out(plan, reason="INC-43")
    assert run.outcome is not None
    assert run.outcome.kind is OutcomeKind.SETTLED


def test_it_holds_across_processes(world: FakeWorld, tmp_path: Path) -> None:
    """Another process is another engine on the same journal."""
    with running(world, tmp_path, context=QUICK) as one, running(world, tmp_path, context=QUICK) as other:
        begun(one, world)
        forward = other.carry_out(other.plan(world.ref("sentiment"), FURTHER), reason="INC-43")
        assert forward.outcome is not None
        assert forward.outcome.kind is OutcomeKind.REFUSED
        thread = other.execute(other.plan(world.ref("sentiment"), BACK), reason="errors")
        wait_until(lambda: first(one).done, 10.0, "the end of the first")
        ended = first(one).outcome
        assert ended is not None
        assert ended.kind is OutcomeKind.SUPERSEDED
        world.endpoint("sentiment").behind = 1
        thread.join(10.0)


@pytest.mark.parametrize("back", [False, True])
def test_of_two_that_begin_at_once_the_later_intent_yields(world: FakeWorld, tmp_path: Path, back: bool) -> None:
    """The first began between the look of the second and its intent."""
    with running(world, tmp_path, context=QUICK) as engine:
        plan = engine.plan(world.ref("sentiment"), BACK if back else FURTHER)
        journal = Journal(tmp_path / "journal.jsonl")
        flight = journal.begin(context="prod-eu", ref=str(world.ref("sentiment")), data={"change": "shift v8=25"})
        try:
            run = engine.carry_out(plan, reason="INC-43")
        finally:
            flight.leave()
        assert run.outcome is not None
        assert run.outcome.kind is (OutcomeKind.SETTLED if back else OutcomeKind.REFUSED)


@pytest.mark.parametrize("ended", ["conflict", "failed", "refused"])
def test_a_change_back_that_sent_nothing_supersedes_nothing(engine: Engine, world: FakeWorld, ended: str) -> None:
    """Of two changes back that begin at once, the system refuses the second: the first is in effect and is observed."""
    begun(engine, world)
    ref = str(world.ref("sentiment"))
    other = Journal(engine.journal.path).begin(context="prod-eu", ref=ref, data={"change": "roll back", "back": True})
    eventually(engine, lambda view: True)
    other.finish({"outcome": ended})
    world.propagation = 0
    world.endpoint("sentiment").behind = 1
    wait_until(lambda: first(engine).done, 10.0, "the end of the first")
    found = first(engine).outcome
    assert found is not None
    assert found.kind is OutcomeKind.SETTLED


def test_a_change_back_that_may_send_yet_keeps_the_next_call_from_being_sent(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    traffic = Traffic(lambda ref: pytest.fail("no adapter is needed"), dict, lambda endpoint: None, Timing())
    first = journal.begin(context="prod", ref="lab:prod/m", data={"change": "shift"})
    journal.begin(context="prod", ref="lab:prod/m", data={"change": "roll back", "back": True})
    others = UnderWay(journal, "prod", "lab:prod/m", traffic)
    assert others.superseding(first.seq, pending=False) is None
    found = others.superseding(first.seq, pending=True)
    assert found is not None
    assert found.seq == 2


# ── changes that no journal of ours has ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("by", "ago", "words"),
    [("grace", 60.0, "this plan meets grace's change, to release 17"), ("", 60.0, "this plan meets somebody's change")],
)
def test_a_plan_on_a_state_that_is_still_changing_says_whose_change_it_meets(by: str, ago: float, words: str) -> None:
    current = release("17", {"v7": 90.0, "v8": 10.0}, current=True, by=by, at=NOW - ago)
    assert whose_change(untidy(releases=(current,)), NOW).startswith(words)
    assert whose_change(untidy(releases=(current,), phase=Phase.STEADY), NOW) == ""


def test_the_plan_warns_of_it(engine: Engine, world: FakeWorld) -> None:
    assert "still changing" not in verdicts(engine.plan(world.ref("sentiment"), BACK))
    world.make_untidy()
    found = check(engine.plan(world.ref("sentiment"), BACK), "still changing")
    assert (found.verdict, found.evidence.startswith("this plan meets ")) == (CheckVerdict.WARN, True)
    flight = engine.journal.begin(
        context="prod-eu", ref=str(world.ref("sentiment")), data={"change": "promote v8", "kind": "traffic"}
    )
    flight.finish({"outcome": "unknown"})
    told = check(engine.plan(world.ref("sentiment"), BACK), "still changing").evidence
    assert told.startswith(f"this plan meets #{flight.seq} promote v8 by "), "our own, whose outcome is not known"
