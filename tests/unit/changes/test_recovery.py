"""What became of changes that an earlier process left without an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from backends.contracts import (
    Advance,
    Change,
    Endpoint,
    EndpointRef,
    Mirror,
    ModelRef,
    ModelVersion,
    Pause,
    Promote,
    Registry,
    Rollback,
    Split,
)
from backends.errors import Unreachable
from shiftdeck.changes.kind import Judgement
from shiftdeck.changes.record import intent_data
from shiftdeck.changes.recovery import Recovery, resolve
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.timing import Timing
from shiftdeck.changes.traffic import Traffic
from shiftdeck.changes.traffic_judgement import is_as_before, judge_intent
from shiftdeck.journal.entry import Entry, EntryKind
from shiftdeck.journal.journal import Journal, JournalError
from tests.changing import long_after, readable
from tests.fakes import FakeRegistry, FakeServing, FakeWorld
from tests.unit.planned import plan
from tests.waiting import wait_until

FORWARD = Split({"v7": 75.0, "v8": 25.0})
APPLIED, NOT_APPLIED, UNKNOWN = OutcomeKind.SETTLED, OutcomeKind.FAILED, OutcomeKind.UNKNOWN


def intent(world: FakeWorld, name: str = "sentiment", change: Change = FORWARD) -> dict[str, object]:
    """What the journal would hold of that change."""
    return intent_data(plan(world, name, change), "INC-42", "")


def applied(world: FakeWorld, name: str, change: Change) -> Endpoint:
    serving = FakeServing(world)
    (call,) = serving.compile(world.read(name), change)
    serving.send(call)
    return world.read(name)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sentiment", FORWARD),
        ("sentiment", Rollback("15")),
        ("fraud", Mirror("v13", 50.0)),
        ("fraud", Mirror("v13", 0.0)),
        ("fraud", Promote("v13")),
        ("ranker", Split({"v9": 33.4, "v10": 33.3, "v11": 33.3})),
    ],
)
def test_applied_not_applied_and_who_knows(name: str, change: Change) -> None:
    world = FakeWorld()
    data = intent(world, name, change)
    assert judge_intent(data, world.read(name)) == (NOT_APPLIED, "not applied: the endpoint is as it was before")
    kind, message = judge_intent(data, applied(world, name, change))
    assert (kind, message.startswith("applied")) == (APPLIED, True)
    first, second, *_ = world.endpoint(name).desired
    world.rival(name, {first: 60.0, second: 40.0})
    assert judge_intent(data, world.read(name))[0] is UNKNOWN


def test_on_its_way_is_said() -> None:
    world = FakeWorld()
    world.propagation = 5
    data = intent(world)
    assert judge_intent(data, applied(world, "sentiment", FORWARD)) == (UNKNOWN, "applied, still on its way")


def of_a_promotion(world: FakeWorld, registries: Mapping[str, Registry]) -> Judgement:
    """What is found out about a promotion whose program ended; its traffic is in effect."""
    data = intent(world, change=Promote("v8"))
    applied(world, "sentiment", Promote("v8"))
    serving = FakeServing(world)
    kind = Traffic(lambda ref: serving, lambda: registries, lambda endpoint: None, Timing())
    entry = Entry(1, 0.0, EntryKind.INTENT, "prod-eu", "lab:prod/sentiment", "me", "bastion", data)
    return kind.judge(entry, list)


def test_a_promotion_is_applied_once_its_alias_has_moved() -> None:
    world = FakeWorld()
    registry = FakeRegistry(world)
    without = of_a_promotion(world, {"mlflow": registry})
    words = "the traffic is in effect, but not the registry: champion of sentiment-classifier is not at 8"
    assert (without.outcome, without.message) == (NOT_APPLIED, words)
    assert without.may_land, "the call that moves it may be on its way"
    registry.set_alias("sentiment-classifier", "champion", "8")
    moved = of_a_promotion(FakeWorld(), {"mlflow": registry})
    assert (moved.outcome, moved.message) == (APPLIED, "applied; champion of sentiment-classifier is at 8")


@pytest.mark.parametrize("configured", [True, False])
def test_an_alias_that_cannot_be_read_is_to_be_looked_at(configured: bool) -> None:
    world = FakeWorld()

    class Gone(FakeRegistry):
        def own(self, ref: ModelRef) -> ModelVersion:
            raise Unreachable("gone")

    found = of_a_promotion(world, {"mlflow": Gone(world)} if configured else {})
    assert found.outcome is APPLIED
    assert found.message.startswith("applied; look whether champion of sentiment-classifier is at 8")


@pytest.mark.parametrize("change", [Advance(), Pause()])
def test_what_the_weights_cannot_tell_is_not_called_applied(change: Change) -> None:
    world = FakeWorld()
    data = intent(world, change=change)
    assert judge_intent(data, world.read("sentiment"))[0] is NOT_APPLIED
    assert judge_intent(data, replace(world.read("sentiment"), revision="99"))[0] is UNKNOWN


@pytest.mark.parametrize("revision", ["", None])
def test_without_a_revision_a_change_by_others_is_not_taken_for_one_that_was_not_applied(revision: str | None) -> None:
    """No revision before and none after does not mean that nothing happened in between."""
    world = FakeWorld()
    world.make_untidy()
    data = intent(world, change=Split({"v7": 50.0, "v8": 50.0}))
    before = cast("dict[str, object]", data["before"])
    assert before["revision"] == ""
    data["before"] = {**before, "revision": revision}
    world.rival("sentiment", {"v7": 60.0, "v8": 40.0})
    kind, message = judge_intent(data, world.read("sentiment"))
    assert kind is UNKNOWN
    assert "v7 60 %, v8 40 %" in message


def test_what_is_asked_for_and_not_in_effect_is_applied_and_on_its_way() -> None:
    world = FakeWorld()
    data = intent(world)
    world.make_untidy()
    assert judge_intent(data, world.read("sentiment")) == (UNKNOWN, "applied, still on its way")


def test_a_target_that_is_gone_was_not_reached() -> None:
    world = FakeWorld()
    data = intent(world)
    now = world.read("sentiment")
    lonely = replace(now, variants=(replace(now.variants[0], desired=75.0),), revision="99")
    assert judge_intent(data, lonely)[0] is UNKNOWN


def test_rounding_by_the_system_is_forgiven() -> None:
    world = FakeWorld()
    data = intent(world, "ranker", Split({"v9": 33.3333, "v10": 33.3333, "v11": 33.3334}))
    now = world.read("ranker")
    rounded = tuple(replace(one, desired=33.33, observed=33.33) for one in now.variants)
    assert judge_intent(data, replace(now, variants=rounded, revision="99"))[0] is APPLIED


@pytest.mark.parametrize("data", [{}, {"before": None, "after": 3}, {"after": {"weights": "v7"}}])
def test_an_intent_of_another_make_is_not_known(data: dict[str, object]) -> None:
    assert judge_intent(data, FakeWorld().read("sentiment"))[0] is UNKNOWN


def test_a_change_that_moves_no_weight_is_as_before_by_the_revision_alone() -> None:
    now = FakeWorld().read("sentiment")
    told = [{"before": {"revision": one}} for one in (now.revision, "another", None)]
    assert [is_as_before(data, now) for data in told] == [True, False, False]


# ── with the journal ────────────────────────────────────────────────────────────────────────────────────────────


def begin(journal: Journal, world: FakeWorld, name: str = "sentiment", context: str = "prod-eu") -> int:
    """A change that was begun by a process which is no more."""
    flight = journal.begin(context=context, ref=f"lab:prod/{name}", data=intent(world, name, Rollback("16")))
    flight.leave()
    return flight.seq


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def test_all_of_this_context_are_resolved_and_no_other(journal: Journal) -> None:
    world = FakeWorld()
    mine, other = begin(journal, world), begin(journal, world, context="staging")
    findings = resolve(journal, "prod-eu", lambda: [readable(FakeServing(world).read)], long_after())
    assert [(finding.entry.seq, finding.outcome) for finding in findings] == [(mine, NOT_APPLIED)]
    assert [entry.seq for entry in journal.unfinished()] == [other]
    assert resolve(journal, "prod-eu", lambda: [readable(FakeServing(world).read)]) == ()


@pytest.mark.parametrize("error", [Unreachable("gone"), TypeError("a defect"), LookupError("no such source")])
def test_what_cannot_be_read_stays_open_and_hides_nothing_else(journal: Journal, error: Exception) -> None:
    world = FakeWorld()
    first, second = begin(journal, world), begin(journal, world, "pricing")

    def read(ref: EndpointRef) -> Endpoint:
        if ref.name == "sentiment":
            raise error
        return world.read(ref)

    findings = resolve(journal, "prod-eu", lambda: [readable(read)], long_after())
    assert [(finding.entry.seq, finding.outcome) for finding in findings] == [(first, None), (second, NOT_APPLIED)]
    assert "cannot be resolved yet" in findings[0].message
    assert [entry.seq for entry in journal.unfinished()] == [first]


def test_an_odd_ref_stays_open(journal: Journal) -> None:
    journal.begin(context="prod-eu", ref="nonsense", data={}).leave()
    (finding,) = resolve(journal, "prod-eu", lambda: [readable(FakeWorld().read)])
    assert finding.outcome is None


def test_a_change_that_is_looked_after_is_left_alone(journal: Journal) -> None:
    world = FakeWorld()
    journal.begin(context="prod-eu", ref="lab:prod/sentiment", data=intent(world))
    assert resolve(journal, "prod-eu", lambda: [readable(world.read)]) == ()


class Rested(Recovery):
    """One that does not wait between attempts."""

    def tend(self) -> None:
        self._tried_at = None
        super().tend()


def test_recovery_goes_on_until_everything_is_known(journal: Journal) -> None:
    world = FakeWorld()
    seq = begin(journal, world)
    world.fail["serving.read"] = Unreachable("gone")
    changes: list[int] = []
    kinds = [readable(FakeServing(world).read)]
    recovery = Rested(journal, "prod-eu", lambda: kinds, lambda: changes.append(1), long_after())
    recovery.tend()
    wait_until(lambda: recovery.unfinished, 10.0, "the open change", every_s=0.005)
    assert [entry.seq for entry in recovery.unfinished] == [seq]
    del world.fail["serving.read"]

    def resolved() -> bool:
        recovery.tend()
        return not recovery.unfinished

    wait_until(resolved, 10.0, "the outcome", every_s=0.005)
    assert [finding.outcome for finding in recovery.findings] == [NOT_APPLIED]
    assert len(changes) >= 2
    wait_until(lambda: not recovery._again, 10.0, "the last attempt", every_s=0.005)
    reads = world.calls["serving.read"]
    recovery.tend()
    assert world.calls["serving.read"] == reads


def test_recovery_tries_again_when_the_journal_could_not_be_read(tmp_path: Path) -> None:
    world = FakeWorld()

    class Locked(Journal):
        locked = True

        def unfinished(self) -> tuple[object, ...]:  # type: ignore[override]  # entries, as there
            if self.locked:
                raise JournalError("locked by another process")
            return super().unfinished()

    journal = Locked(tmp_path / "journal.jsonl")
    begin(journal, world)
    recovery = Rested(journal, "prod-eu", lambda: [readable(FakeServing(world).read)], lambda: None)
    recovery.tend()
    wait_until(lambda: recovery._thread and not recovery._thread.is_alive(), 10.0, "the attempt", every_s=0.005)
    assert recovery.findings == ()
    journal.locked = False

    def found() -> bool:
        recovery.tend()
        return bool(recovery.findings)

    wait_until(found, 10.0, "the finding", every_s=0.005)


def test_what_another_process_resolved_is_not_open_any_more(journal: Journal) -> None:
    world = FakeWorld()
    begin(journal, world)
    world.fail["serving.read"] = Unreachable("gone")
    recovery = Recovery(journal, "prod-eu", lambda: [readable(FakeServing(world).read)], lambda: None)
    recovery.resolve()
    assert [entry.ref for entry in recovery.unfinished] == ["lab:prod/sentiment"]
    resolve(journal, "prod-eu", lambda: [readable(world.read)], long_after())
    recovery.resolve()
    assert not recovery.unfinished
