"""Where a rollback may lead: not to what is known to be bad, however the system numbers its releases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.contracts import Abort, Endpoint, Release, Rollback
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.plan import Friction
from shiftdeck.changes.release_memory import Memory, Past, ReleaseMemory, just_went_back, memory_of, remembered
from shiftdeck.changes.way_back import condemnation, last_good
from shiftdeck.engine.engine import Engine
from shiftdeck.journal.entry import Entry, EntryKind
from shiftdeck.journal.journal import Journal
from tests.fakes import FakeWorld
from tests.unit.builders import NOW, canary, endpoint, release, stable
from tests.unit.cli_world import Shell, shell
from tests.unit.engines import engine, world
from tests.unit.planned import check, look, plan

__all__ = ["engine", "shell", "world"]

WHY = ("--reason", "INC-42", "--yes")


def good(of: Endpoint) -> str | None:
    world = FakeWorld()
    view = look(world).endpoint(world.ref("sentiment"))
    assert view is not None
    found = last_good(replace(view, endpoint=of))
    return found.id if found else None


def releases(*made: Release) -> Endpoint:
    return endpoint(stable(100.0), canary(0.0), releases=made)


# ── by what the system tells ────────────────────────────────────────────────────────────────────────────────────


def test_another_step_of_a_canary_that_was_rolled_back_from_is_no_target() -> None:
    of = releases(
        release("20", {"v7": 100.0}, current=True),
        release("19", {"v7": 90.0, "v8": 10.0}, good=False),
        release("18", {"v7": 95.0, "v8": 5.0}),
        release("17", {"v7": 100.0}),
    )
    assert good(of) is None
    assert "v8: release 19 was rolled back from" in condemnation(of, of.releases[2])


def test_the_variant_that_stayed_in_service_is_not_condemned_with_its_canary() -> None:
    of = releases(
        release("21", {"v8": 100.0}, current=True),
        release("20", {"v7": 100.0}),
        release("19", {"v7": 90.0, "v9": 10.0}, good=False),
    )
    assert good(of) == "20"


def test_a_release_that_deploys_its_image_need_not_be_a_variant_yet() -> None:
    gone = releases(release("2", {"aaa": 100.0}, current=True), release("1", {"zzz": 100.0}))
    assert good(gone) is None
    deploys = replace(gone, releases=(gone.releases[0], replace(gone.releases[1], image="m:1")))
    assert good(deploys) == "1"


def test_a_release_that_is_newer_than_the_current_one_is_no_way_back() -> None:
    of = releases(release("3", {"v8": 100.0}), release("2", {"v7": 100.0}, current=True))
    world = FakeWorld()
    assert good(of) is None
    made = plan(world, "sentiment", Rollback("3"), fresh=of)
    assert check(made, "release").verdict is CheckVerdict.WARN
    assert (made.friction, made.back) == (Friction.TYPE_NAME, False)


def test_a_bad_release_that_is_named_is_blocked_and_can_be_overridden() -> None:
    world = FakeWorld()
    state = world.endpoint("sentiment")
    state.releases[1] = replace(state.releases[1], good=False, why="did not become ready", by="grace", image="m:broken")
    made = plan(world, "sentiment", Rollback("16"))
    found = check(made, "release")
    assert found.verdict is CheckVerdict.BLOCK
    for words in ("release 16", "image m:broken", "by grace", "did not become ready"):
        assert words in found.evidence
    assert (made.back, made.unable) == (False, "")


def test_an_abort_that_leads_to_what_was_rolled_back_from_is_blocked() -> None:
    """While a rollback goes through its steps, the stable variant is the one that is left."""
    of = endpoint(
        releases=(release("6", {"v8": 100.0}, current=True), release("5", {"v7": 100.0}, good=False)),
        actions=dict.fromkeys(plan(FakeWorld(), "sentiment", Abort()).before.actions),
    )
    made = plan(FakeWorld(), "sentiment", Abort(), fresh=of)
    assert "v7: release 5 was rolled back from" in check(made, "release").evidence
    assert not made.back


# ── by what the journal remembers ───────────────────────────────────────────────────────────────────────────────


def past(seq: int, words: str = "roll back to release 2", **how: Any) -> Past:
    told: dict[str, Any] = {
        "at": NOW - 100.0 + seq,
        "by": "ada",
        "back": True,
        "leaves": {"v8": ("", "")},
        "gives": frozenset({"v7"}),
        "outcome": "settled",
        **how,
    }
    return Past(seq, words=words, **told)


def test_what_was_left_stays_left_until_it_is_given_traffic_again() -> None:
    assert memory_of([past(1)]).left.keys() == {"v8"}
    forward = past(2, "promote v8", back=False, leaves={"v7": ("", "")}, gives=frozenset({"v8"}))
    assert memory_of([past(1), forward]).left == {}
    assert memory_of([past(1), replace(forward, outcome="unknown")]).left.keys() == {"v8"}
    assert memory_of([past(1), forward, past(3)]).left.keys() == {"v8"}


@pytest.mark.parametrize(("outcome", "left"), [("refused", 0), ("conflict", 0), ("failed", 0), ("unknown", 1), ("", 1)])
def test_a_change_back_that_may_have_been_applied_counts(outcome: str, left: int) -> None:
    assert len(memory_of([past(1, outcome=outcome)]).left) == left


def test_another_image_under_the_same_name_was_not_left() -> None:
    """A group of servers keeps its name when it gets another version."""
    of = replace(
        releases(release("2", {"v7": 100.0}, current=True), release("1", {"v8": 100.0})),
        variants=(stable(100.0), canary(0.0, image="m:9")),
    )
    left = memory_of([past(1, leaves={"v8": ("", "m:8")})])
    assert remembered(of, left, NOW).releases[1].good is None
    same = memory_of([past(1, leaves={"v8": ("", "m:9")})])
    marked = remembered(of, same, NOW).releases[1]
    assert (marked.good, marked.why) == (False, "was rolled back from 1m ago by ada (#1)")


@pytest.mark.parametrize(
    ("operator", "ago", "outcome", "told"),
    [
        ("grace", 300.0, "settled", True),
        ("grace", 700.0, "settled", False),
        ("ada", 30.0, "settled", True),
        ("ada", 300.0, "settled", False),
        ("ada", 300.0, "", True),
    ],
)
def test_after_a_way_back_the_next_one_names_its_release(operator: str, ago: float, outcome: str, told: bool) -> None:
    memory = Memory(newest=past(5, at=NOW - ago, outcome=outcome))
    words = just_went_back(releases(release("18", {"v7": 100.0}, current=True)), memory, NOW, operator)
    assert words.startswith("#5 roll back to release 2 by ada") if told else words == ""


def test_a_rollback_may_follow_an_abort_that_left_the_version_in_the_spec() -> None:
    aborted = releases(release("18", {"v8": 100.0}, current=True, good=False), release("17", {"v7": 100.0}, good=True))
    memory = Memory(newest=past(5, "abort", at=NOW - 1.0))
    assert just_went_back(aborted, memory, NOW, "grace") == ""


def test_where_no_journal_tells_of_it_the_system_may() -> None:
    current = replace(release("4", {"v7": 100.0}, current=True), returned_at=NOW - 30.0)
    assert just_went_back(releases(current), Memory(), NOW, "ada") == "somebody went back to release 4 30s ago"


def test_the_journal_is_read_on_from_where_it_was_read_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "journal.jsonl", clock=lambda: NOW, operator="ada", host="bastion")
    data = {"kind": "traffic", "change": "roll back to release 2", "back": True, "leaves": {"v8": {}}, "gives": ["v7"]}
    memory = ReleaseMemory(journal, "prod")
    for ref in ("a:b/c", "a:b/d"):
        flight = journal.begin(context="prod", ref=ref, data=data)
        flight.finish({"outcome": "settled"})
    journal.append(EntryKind.INTENT, context="other", ref="a:b/e", data=data)
    assert {ref: sorted(one.left) for ref, one in memory.read().items()} == {"a:b/c": ["v8"], "a:b/d": ["v8"]}
    asked: list[int] = []
    since = journal.since

    def counted(seq: int, **how: Any) -> tuple[Entry, ...]:
        asked.append(seq)
        return since(seq, **how)

    monkeypatch.setattr(journal, "since", counted)
    memory.read()
    journal.begin(context="prod", ref="a:b/f", data=data).finish({"outcome": "failed"})
    assert memory.of("a:b/f").left == {}
    assert asked == [5], "nothing is read that was read before"


def test_the_author_is_the_one_of_the_journal_where_the_system_names_none() -> None:
    of = releases(release("2", {"v8": 100.0}, current=True), release("1", {"v7": 100.0}))
    memory = memory_of([past(1, "promote v7", back=False, leaves={}, gives=frozenset({"v7"}))])
    assert remembered(of, memory, NOW).releases[1].by == "ada"
    named = replace(of, releases=(of.releases[0], replace(of.releases[1], by="grace")))
    assert remembered(named, memory, NOW).releases[1].by == "grace"


def test_a_release_that_this_program_saw_fail_stays_known_after_the_next_version(tmp_path: Path) -> None:
    """At 0 replicas nothing tells that it never had a ready pod."""
    memory = ReleaseMemory(Journal(tmp_path / "journal.jsonl"), "prod")
    failing = release("3", {"v8": 100.0}, current=True, good=False)
    memory.saw([releases(replace(failing, why="did not become ready"), release("2", {"v7": 100.0}))])
    of = releases(
        release("4", {"v9": 100.0}, current=True),
        replace(failing, current=False, good=None),
        release("2", {"v7": 100.0}),
    )
    known = remembered(of, memory.of(of.ref), NOW)
    assert [(one.good, one.why) for one in known.releases][1] == (False, "did not become ready")
    assert good(known) == "2"
    memory.saw([releases(replace(failing, good=True))])
    assert remembered(of, memory.of(of.ref), NOW).releases[1].good is None, "it became ready after all"


def test_a_plan_for_a_release_that_was_not_named_is_blocked_where_somebody_has_just_gone_back(
    engine: Engine, world: FakeWorld
) -> None:
    """The screen that it was chosen on may have been older than that."""
    ref, data = world.ref("sentiment"), {"kind": "traffic", "change": "roll back to release 9", "back": True}
    back = {**data, "leaves": {"v9": {}}, "gives": ["v7"]}
    engine.journal.begin(context="prod-eu", ref=str(ref), data=back).finish({"outcome": "settled"})
    assert engine.plan(ref, Rollback("15")).blocked is False, "named"
    found = check(engine.plan(ref, Rollback("15"), unnamed=True), "taken back already")
    assert found.verdict is CheckVerdict.BLOCK
    assert found.evidence.startswith("#1 roll back to release 9 by ")


def test_entries_of_an_earlier_version_are_understood(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    before, after = {"weights": {"v7": 90.0, "v8": 10.0}}, {"weights": {"v7": 100.0, "v8": 0.0}}
    data = {"change": "roll back to release 15", "before": before, "after": after}
    journal.begin(context="prod", ref="a:b/c", data=data).finish({"outcome": "settled"})
    assert ReleaseMemory(journal, "prod").of("a:b/c").left.keys() == {"v8"}


# ── on the command line ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_rollback_that_names_no_release_is_refused_and_says_who_did_the_first(shell: Shell) -> None:
    """Two operators who type it at the same time must not go back two releases."""
    state = shell.world.endpoint("ranker")
    state.releases = [
        release("9", {"v11": 100.0}, current=True),
        release("8", {"v10": 100.0}),
        release("7", {"v9": 100.0}),
    ]
    shell.world.rival("ranker", {"v9": 0.0, "v10": 0.0, "v11": 100.0})
    first = shell.type("rollback", "ranker", *WHY)
    assert first.code == 0, first.err
    sent = len(shell.world.sent)
    again = shell.type("rollback", "ranker", *WHY)
    assert (again.code, len(shell.world.sent)) == (3, sent)
    assert "was taken back already: #" in again.err
    assert "shiftdeck rollback lab:prod/ranker" in again.err


def test_the_release_that_was_left_is_blocked_when_it_is_named(shell: Shell) -> None:
    assert shell.type("rollback", "sentiment", *WHY).code == 0
    left = shell.world.endpoint("sentiment").releases[1].id
    shell.world.endpoint("sentiment").releases[1] = replace(
        shell.world.endpoint("sentiment").releases[1], good=None
    )  # a system that forgets
    said = shell.type("rollback", "sentiment", left, *WHY)
    assert said.code == 3
    assert "was rolled back from" in said.out + said.err
    assert shell.type("rollback", "sentiment", left, *WHY, "--override").code == 0


def test_a_promotion_is_no_way_back(shell: Shell) -> None:
    assert shell.type("promote", "sentiment", "v8", *WHY).code == 0
    intent = next(one for one in shell.journal() if one.kind is EntryKind.INTENT)
    assert intent.data["gives"] == ["v8"]
    assert ReleaseMemory(Journal(shell.path), "prod-eu").of(intent.ref).left == {}


def test_where_nothing_is_remembered_the_endpoint_stays_the_same_object() -> None:
    now = endpoint()
    assert remembered(now, Memory(), NOW) is now
