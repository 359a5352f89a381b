"""Which alerts a silence is for, and which source takes it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from backends.contracts import Adapter, Alert, AlertState, Call, Receipt, Silence
from backends.errors import Conflict, Forbidden, Malformed, Rejected, TimedOut, Unsupported
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.changes.silence import EXPIRED, SilenceAlerts, SilencePlan, judge_silences, plan_expiry, plan_silences
from shiftdeck.fleet.view import FleetView
from shiftdeck.journal.journal import EntryKind, Journal
from tests.changing import carry_out, silences_of
from tests.fake_silences import NOW, Keeper


def alert(name: str, source: str = "am") -> Alert:
    return Alert(name, AlertState.FIRING, labels={"alertname": name}, fingerprint=name, source=source)


def planned(adapter: Callable[[str], object], *names: str) -> SilencePlan:
    return plan_silences(
        [alert(name) for name in names],
        adapter,
        context="prod",
        ref="",
        duration_s=60.0,
        reason="known",
        author="ada",
        now=NOW,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def test_each_alert_gets_a_silence_of_its_own(journal: Journal) -> None:
    keeper = Keeper()
    outcome, _ = carry_out(planned(lambda name: keeper, "A", "B"), silences_of(keeper), journal)
    assert outcome.kind is OutcomeKind.SETTLED
    assert [dict(one.matchers) for one in keeper.kept] == [{"alertname": "A"}, {"alertname": "B"}]
    kinds = [entry.kind for entry in journal.tail(10)]
    assert sorted(kinds) == sorted([EntryKind.INTENT, EntryKind.SENT, EntryKind.SENT, EntryKind.OUTCOME])


def test_a_source_without_silences_says_so() -> None:
    with pytest.raises(Unsupported, match="am knows no silences"):
        planned(lambda name: object(), "A")
    with pytest.raises(Rejected):
        planned(lambda name: Keeper())


@pytest.mark.parametrize(
    ("fault", "done_first", "kind"),
    [
        (Forbidden("no"), False, OutcomeKind.FAILED),
        (TimedOut("late", maybe_applied=False), False, OutcomeKind.FAILED),
        (TimedOut("late", maybe_applied=True), True, OutcomeKind.SETTLED),
        (TimedOut("late", maybe_applied=True), False, OutcomeKind.FAILED),
        (Conflict("409"), True, OutcomeKind.SETTLED),
        (Conflict("409"), False, OutcomeKind.FAILED),
    ],
)
def test_a_lost_answer_is_read_back(journal: Journal, fault: Exception, done_first: bool, kind: OutcomeKind) -> None:
    keeper = Keeper()
    keeper.fault, keeper.done_first = fault, done_first
    outcome, seq = carry_out(planned(lambda name: keeper, "A"), silences_of(keeper), journal)
    assert (outcome.kind, seq) == (kind, 1)
    assert len(keeper.kept) == done_first, "and never sent twice"
    assert not journal.unfinished()


def test_a_silence_that_comes_after_a_conflict_was_answered_is_found(journal: Journal) -> None:
    """Something on the way may answer 409 and pass the call on later."""
    keeper = Keeper()
    plan, looks = planned(lambda name: keeper, "A"), count()

    def silences() -> tuple[Silence, ...]:
        if next(looks) == 2:
            keeper.fault = None
            keeper.send(plan.steps[0].call)
        return tuple(keeper.kept)

    keeper.fault = Conflict("409")
    keeper.silences = silences  # type: ignore[method-assign]
    outcome, _ = carry_out(plan, silences_of(keeper), journal)
    assert outcome.kind is OutcomeKind.SETTLED


def test_a_conflict_that_cannot_be_read_back_at_once_is_looked_at_again(journal: Journal) -> None:
    """A reading that fails says nothing about the call."""
    keeper = Keeper()
    plan, looks = planned(lambda name: keeper, "A"), count()

    def silences() -> tuple[Silence, ...]:
        match next(looks):
            case 0:
                raise TimedOut("no answer")
            case 2:
                keeper.fault = None
                keeper.send(plan.steps[0].call)
        return tuple(keeper.kept)

    keeper.fault = Conflict("409")
    keeper.silences = silences  # type: ignore[method-assign]
    outcome, _ = carry_out(plan, silences_of(keeper), journal)
    assert outcome.kind is OutcomeKind.SETTLED


def test_half_done_is_not_called_undone(journal: Journal) -> None:
    keeper = Keeper()
    plan = planned(lambda name: keeper, "A", "B")
    first = keeper.send

    def then_refuse(call: Call) -> Receipt:
        receipt = first(call)
        keeper.fault = Forbidden("no more")
        return receipt

    keeper.send = then_refuse  # type: ignore[method-assign]
    outcome, _ = carry_out(plan, silences_of(keeper), journal)
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert "1 of 2 calls sent" in outcome.message
    data = journal.tail(10)
    intent = next(entry for entry in data if entry.kind is EntryKind.INTENT)
    kind, message = judge_silences(intent.data, lambda name: keeper.silences())
    assert (kind, message) == (OutcomeKind.UNKNOWN, "unknown: 1 of 2 silences are there")


def test_an_end_is_an_end_when_it_shows(journal: Journal) -> None:
    keeper = Keeper()
    carry_out(planned(lambda name: keeper, "A"), silences_of(keeper), journal)
    ending = plan_expiry("s0", "am", lambda name: keeper, context="prod", ref="", reason="over", now=NOW)
    outcome, _ = carry_out(ending, silences_of(keeper), journal)
    assert outcome.kind is OutcomeKind.SETTLED
    assert keeper.kept[0].state == EXPIRED


def test_a_source_of_alerts_that_cannot_be_made_keeps_no_silence_of_another_from_being_ended() -> None:
    keeper = Keeper()
    keeper.kept = [Silence("s0", {"alertname": "A"}, NOW, NOW + 60.0, "ada", "INC-42", "active")]

    def adapter(source: str) -> Adapter:
        if source == "broken":
            raise Malformed("the adapter failed: KeyError: 'url'")
        return cast("Adapter", keeper)

    kind = SilenceAlerts(adapter, ("broken", "alertmanager"))
    plan = kind.plan_end(FleetView(1, NOW, "prod", production=False), "s0", reason="over")
    assert [step.source for step in plan.steps] == ["alertmanager"]
