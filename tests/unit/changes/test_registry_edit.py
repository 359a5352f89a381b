"""What is written to a registry, and what a crash left of it, told from what the registry shows. Pure."""

from __future__ import annotations

import pytest

from backends.contracts import Call, ModelRef, ModelVersion
from backends.errors import Malformed
from shiftdeck.changes.kind import REGISTERED
from shiftdeck.changes.registry_edit import Kind, Registered, RegistryPlan, intent_data, judge_registered
from shiftdeck.changes.run import OutcomeKind

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


@pytest.mark.parametrize("raw", [3, {}, {"kind": "nothing"}])
def test_another_entry_is_malformed(raw: object) -> None:
    with pytest.raises(Malformed):
        judge_registered({REGISTERED: [raw]}, lambda source, ref: DONE)
