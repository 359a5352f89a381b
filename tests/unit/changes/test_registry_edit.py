"""What is written to a registry, and what a crash left of it, told from what the registry shows. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from backends.contracts import Adapter, Call, ModelRef, ModelVersion, Receipt
from backends.errors import Conflict, Malformed
from shiftdeck.changes.kind import REGISTERED
from shiftdeck.changes.registry_edit import Kind, Registered, RegistryEdits, RegistryPlan, intent_data, judge_registered
from shiftdeck.changes.run import OutcomeKind
from shiftdeck.journal.journal import Journal
from tests.changing import carry_out

REF = ModelRef("m", "7")
CHANGES = (
    Registered(Kind.TAG, REF, "scan", "passed"),
    Registered(Kind.TAG, REF, "old", ""),
    Registered(Kind.STAGE, REF, value="staging"),
    Registered(Kind.ALIAS, REF, "champion"),
)
DONE = ModelVersion(REF, ("champion",), "Staging", tags={"scan": "passed"})


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (DONE, OutcomeKind.SETTLED),
        (ModelVersion(REF, tags={"old": "1"}), OutcomeKind.FAILED),
        (ModelVersion(REF, tags={"scan": "passed", "old": "1"}), OutcomeKind.UNKNOWN),
    ],
)
def test_what_the_journal_kept_is_held_against_the_registry(now: ModelVersion, kind: OutcomeKind) -> None:
    plan = RegistryPlan("p", "prod", "mlflow", CHANGES, (Call("POST", "/", None),) * 4, "why")
    data = intent_data(plan)
    assert (
        data["change"] == "tag scan=passed of m/7, untag old of m/7, stage of m/7 to staging, alias champion of m to 7"
    )
    assert judge_registered(data, lambda source, ref: now)[0] is kind


class Tags:
    """A registry whose one tag lands ``late`` looks after the call was answered with a conflict; 0: it never lands."""

    def __init__(self, late: int) -> None:
        self.late = late
        self.looks = self.sent = 0

    def own(self, ref: ModelRef) -> ModelVersion:
        self.looks += 1
        landed = self.late and self.looks >= self.late
        return ModelVersion(ref, tags={"scan": "passed"} if landed else {})

    def compile_tag(self, *_: object) -> tuple[Call, ...]:
        raise AssertionError("the plan was made before")

    compile_stage = compile_tag

    def send(self, call: Call) -> Receipt:
        self.sent += 1
        raise Conflict("it answered 409")


@pytest.mark.parametrize(
    ("late", "kind"), [(1, OutcomeKind.SETTLED), (3, OutcomeKind.SETTLED), (0, OutcomeKind.FAILED)]
)
def test_a_conflict_that_something_on_the_way_answered_is_no_outcome(
    tmp_path: Path, late: int, kind: OutcomeKind
) -> None:
    registry = Tags(late)
    plan = RegistryPlan("p", "prod", "mlflow", CHANGES[:1], (Call("POST", "/", None),), "why")
    edits = RegistryEdits(lambda source: cast("Adapter", registry))
    outcome, _ = carry_out(plan, edits, Journal(tmp_path / "journal.jsonl"))
    assert (outcome.kind, registry.sent) == (kind, 1)


@pytest.mark.parametrize("raw", [3, {}, {"kind": "nothing"}])
def test_another_entry_is_malformed(raw: object) -> None:
    with pytest.raises(Malformed):
        judge_registered({REGISTERED: [raw]}, lambda source, ref: DONE)
