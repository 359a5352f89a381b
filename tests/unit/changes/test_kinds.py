"""Every kind of change is carried out, recovered and refused by the same engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backends.contracts import Call
from backends.errors import BackendError, Unsupported
from shiftdeck.changes.kind import Application, ChangeKind, Desk, Fence, Judgement, Planned, Shown, Shows, Sight
from shiftdeck.changes.kinds import kind_of, owner_of
from shiftdeck.changes.plan import Step
from shiftdeck.changes.recovery import resolve
from shiftdeck.changes.registry_edit import Kind, Registered
from shiftdeck.changes.run import Outcome, OutcomeKind
from shiftdeck.engine.engine import Engine
from shiftdeck.fleet.view import FleetView
from shiftdeck.journal.entry import Entry
from shiftdeck.journal.journal import EntryKind, Journal
from tests.changing import carry_out, readable, silences_of
from tests.fake_silences import Keeper
from tests.fakes import FakeRegistry, FakeWorld
from tests.unit.changes.test_silence import planned
from tests.unit.engines import engine, world

__all__ = ["engine", "world"]


def test_a_defect_during_a_silence_leaves_no_change_in_flight(tmp_path: Path) -> None:
    journal, keeper = Journal(tmp_path / "journal.jsonl"), Keeper()
    keeper.fault = KeyError("id")
    outcome, seq = carry_out(planned(lambda name: keeper, "A"), silences_of(keeper), journal)
    assert (outcome.kind, seq) == (OutcomeKind.UNKNOWN, 1)
    assert "KeyError" in outcome.message
    assert [entry.kind for entry in journal.tail(5)] == [EntryKind.INTENT, EntryKind.OUTCOME]
    assert (journal.unfinished(), journal.in_flight()) == ((), ())


def test_a_defect_during_an_edit_of_a_registry_leaves_no_change_in_flight(
    engine: Engine, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = world.versions[0].ref
    plan = engine.changes.kinds.registry_edits.plan(
        engine.view, (Registered(Kind.TAG, ref, "scan", "passed"),), reason="CVE"
    )

    def broken(self: FakeRegistry, call: Call) -> None:
        raise KeyError("version")

    monkeypatch.setattr(FakeRegistry, "send", broken)
    run = engine.carry_out(plan, reason="CVE")
    assert run.outcome is not None
    assert run.outcome.kind is OutcomeKind.UNKNOWN
    assert engine.journal.in_flight() == ()
    assert run in engine.runs(), "it is a run like any other"


# ── a kind that is new ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Scaling:
    """A plan of a kind that only this test knows."""

    wanted: int
    id: str = "s1"
    context: str = "prod"
    subject: str = "lab:prod/sentiment"
    back: bool = False

    @property
    def words(self) -> str:
        return f"scale to {self.wanted}"

    @property
    def steps(self) -> Sequence[Step]:
        return (Step("lab", "serving", Call("PATCH", "/scale", {"replicas": self.wanted}, summary=self.words)),)


class Scale:
    name = "scale"
    exclusive = True

    def __init__(self) -> None:
        self.replicas = 1

    def plans(self, plan: Planned) -> bool:
        return isinstance(plan, Scaling)

    def owns(self, data: Mapping[str, object]) -> bool:
        return data.get("kind") == self.name

    def idle(self, plan: Scaling) -> Outcome | None:
        return None

    def refusal(self, plan: Scaling, *, reason: str, override: str) -> str:
        return "" if plan.wanted > 0 else "nobody would be left"

    def intent(self, plan: Scaling, *, reason: str, override: str) -> Mapping[str, object]:
        return {"change": plan.words, "wanted": plan.wanted}

    def apply(self, plan: Scaling, desk: Desk) -> Application:
        return Applied(self, plan)

    def judge(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Judgement:
        there = self.replicas == entry.data["wanted"]
        return Judgement(OutcomeKind.SETTLED if there else OutcomeKind.FAILED, f"{len(sent())} sent")

    def fence(self, entry: Entry, sent: Callable[[], Sequence[str]]) -> Fence | None:
        return None

    def shown(self, entry: Entry, fleet: FleetView) -> Shown | None:
        return None


class Applied:
    def __init__(self, scale: Scale, plan: Scaling) -> None:
        self.scale, self.plan = scale, plan

    def announced(self) -> AbstractContextManager[None]:
        return nullcontext()

    def before(self, number: int) -> None:
        pass

    def send(self, number: int) -> Mapping[str, object]:
        self.scale.replicas = self.plan.wanted
        return {"answer": "taken"}

    def look(self, number: int) -> Sight:
        there = self.scale.replicas == self.plan.wanted
        return Sight(Shows.EFFECT if there else Shows.BEFORE, exact=there)

    def fence(self, number: int) -> Fence | None:
        return None

    def conflict(self, number: int, error: BackendError) -> Outcome:
        return Outcome(OutcomeKind.CONFLICT, str(error))

    def failed(self, number: int, error: BackendError, proof: str = "") -> Outcome:
        return Outcome(OutcomeKind.FAILED, f"{error}; {proof}")

    def confirm(self) -> Outcome:
        return Outcome(OutcomeKind.SETTLED, f"{self.scale.replicas} replicas", confirmed=True)

    def record(self, outcome: Outcome) -> Mapping[str, object]:
        return {"replicas": self.scale.replicas}


def test_a_new_kind_is_one_object(tmp_path: Path) -> None:
    journal, scale = Journal(tmp_path / "journal.jsonl"), Scale()
    assert carry_out(Scaling(3), scale, journal) == (Outcome(OutcomeKind.SETTLED, "3 replicas", confirmed=True), 1)
    intent, _, ended = journal.tail(5)
    assert (intent.data["kind"], ended.data["replicas"]) == ("scale", 3)
    assert carry_out(Scaling(0), scale, journal)[0].kind is OutcomeKind.REFUSED


def test_a_new_kind_is_recovered_too_and_nobody_elses(tmp_path: Path) -> None:
    journal, scale = Journal(tmp_path / "journal.jsonl"), Scale()
    data = {"kind": "scale", "change": "scale to 3", "wanted": 3}
    journal.begin(context="prod", ref="lab:prod/sentiment", data=data).leave()
    world = FakeWorld()
    (unknown,) = resolve(journal, "prod", lambda: [readable(world.read), silences_of(Keeper())])
    assert unknown.outcome is None, "an older version leaves it to who knows it"
    assert "knows no changes of kind 'scale'" in unknown.message
    (found,) = resolve(journal, "prod", lambda: [readable(world.read), scale])
    assert (found.outcome, found.message) == (OutcomeKind.FAILED, "0 sent")


def test_each_plan_and_each_intent_has_one_kind() -> None:
    kinds: list[ChangeKind[Any]] = [readable(FakeWorld().read), silences_of(Keeper())]
    assert kind_of(kinds, planned(lambda name: Keeper(), "A")).name == "silence"
    with pytest.raises(Unsupported):
        kind_of(kinds, Scaling(1))
    assert owner_of(kinds, {"before": {}}).name == "traffic", "as the version before wrote it"
    assert owner_of(kinds, {"silences": [{}]}).name == "silence"
    assert owner_of(kinds, {"kind": "traffic"}).name == "traffic"
    with pytest.raises(Unsupported):
        owner_of(kinds, {"kind": "scale"})


class Broken(Scale):
    """Fails at one point with one error."""

    def __init__(self, point: str, error: type[BaseException]) -> None:
        super().__init__()
        self.point, self.error = point, error

    def apply(self, plan: Scaling, desk: Desk) -> Application:
        applied = Applied(self, plan)
        setattr(applied, self.point, self.fail)
        return applied

    def fail(self, *_: object) -> None:
        raise self.error("defect")


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("point", ["announced", "before", "send", "confirm"])
def test_an_adapter_that_exits_leaves_no_change_in_flight(
    tmp_path: Path, point: str, error: type[BaseException]
) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    outcome, _ = carry_out(Scaling(3), Broken(point, error), journal)
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert error.__name__ in outcome.message
    assert (journal.unfinished(), journal.in_flight()) == ((), ())


@pytest.mark.parametrize("error", [KeyError, SystemExit])
@pytest.mark.parametrize("point", ["idle", "refusal", "intent"])
def test_a_defect_before_the_intent_ends_the_run_as_refused(
    tmp_path: Path, point: str, error: type[BaseException]
) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    broken = Broken("send", error)
    setattr(broken, point, lambda *_, **__: broken.fail())
    outcome, _ = carry_out(Scaling(3), broken, journal)
    assert outcome.kind is OutcomeKind.REFUSED
    assert "nothing was sent" in outcome.message
    assert journal.tail(1) == ()


@pytest.mark.parametrize("kept", [object(), {"observed": {1, 2}}, {"observed": object()}])
def test_an_outcome_is_recorded_without_what_json_cannot_hold(tmp_path: Path, kept: object) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    outcome, _ = carry_out(Scaling(3), Recording(kept), journal)
    assert outcome.kind is OutcomeKind.SETTLED
    (entry,) = journal.tail(1)
    assert (entry.kind, entry.data["outcome"]) == (EntryKind.OUTCOME, "settled")
    assert "TypeError" in str(entry.data["unrecorded"])
    assert journal.in_flight() == ()


class Recording(Scale):
    """Has the journal keep that of an outcome."""

    def __init__(self, kept: object) -> None:
        super().__init__()
        self.kept = kept

    def apply(self, plan: Scaling, desk: Desk) -> Application:
        applied = Applied(self, plan)
        applied.record = lambda outcome: self.kept  # type: ignore[method-assign,assignment,return-value]
        return applied
