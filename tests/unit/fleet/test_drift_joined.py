"""What drift does to a verdict and to a plan: what is not known is never green, and blocks nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import Action, Direction, DriftScore, Gap, ModelRef, Role, Split, Subject
from shiftdeck.changes.access import Arming
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.changes.checks import drift, quality
from shiftdeck.changes.proposal import Proposal
from shiftdeck.config.loader import Access
from shiftdeck.fleet.endpoint import VariantView
from shiftdeck.fleet.joiner import Joiner
from shiftdeck.health.verdict import Level
from tests.unit.builders import NOW, canary, endpoint, score, stable
from tests.unit.fleet.test_fleet import CONTEXT, readings
from tests.views import fleet_view

DEAD = replace(score("hour", None, note="unchanged for 2h"), gap=Gap.DEAD)


def checked(*scores: DriftScore) -> tuple[CheckVerdict, str]:
    fleet = fleet_view(CONTEXT, readings(drift=scores), Arming(Access.READ_WRITE, True), NOW)
    (view,) = fleet.endpoints
    of_canary = view.in_role(Role.CANARY)
    assert of_canary is not None
    change = Split({"v7": 75.0, "v8": 25.0})
    found = drift(Proposal(fleet, fleet.arming, view, view.endpoint, Action.SHIFT, change, ()), of_canary)
    return found.verdict, found.evidence


def test_a_plan_says_who_sees_it() -> None:
    verdict, evidence = checked(score("amount", 0.4, variant="v7"), score("amount", 0.38, variant="v8"))
    assert verdict is CheckVerdict.WARN
    assert evidence.endswith("both v7 and v8 see it: the inputs changed, not the model")
    verdict, evidence = checked(score("amount", 0.02, variant="v7"), score("amount", 0.38, variant="v8"))
    assert verdict is CheckVerdict.WARN
    assert "only v8 sees it, not v7 (0.02)" in evidence


@pytest.mark.parametrize("gap", list(Gap))
def test_a_feature_without_a_score_does_not_pass(gap: Gap) -> None:
    verdict, evidence = checked(score("amount", 0.02), replace(DEAD, gap=gap))
    assert verdict is CheckVerdict.UNKNOWN
    assert "no score of hour: unchanged for 2h" in evidence


@pytest.mark.parametrize(("others", "words"), [(0, ""), (1, " and 1 more"), (2, " and 2 more")])
def test_of_several_features_without_a_score_the_first_is_named_and_the_others_counted(others: int, words: str) -> None:
    lacking = (DEAD, *(replace(DEAD, feature=f"other{number}", gap=Gap.FEW) for number in range(others)))
    _, evidence = checked(score("amount", 0.02), *lacking)
    assert evidence.endswith(f"but no score of hour: unchanged for 2h{words}")


def test_a_dead_scorer_is_not_green() -> None:
    (view,), _ = Joiner(CONTEXT).join(readings(drift=(score("amount", 0.02), DEAD)))
    assert view.verdict.level is Level.NO_DATA
    assert "unchanged for 2h" in view.verdict.reasons[0].text


def test_what_all_see_is_no_variants_doing() -> None:
    both = (score("amount", 0.4, variant="v7"), score("amount", 0.38, variant="v8"))
    (view,), _ = Joiner(CONTEXT).join(readings(drift=both))
    assert [(reason.text, reason.variant) for reason in view.verdict.reasons] == [("drift amount 0.40", "")]


def test_scores_that_name_a_model_join_the_variants_that_serve_it() -> None:
    served = endpoint(stable(model=ModelRef("m", "7")), canary(model=ModelRef("m", "8")))
    told = replace(score("amount", 0.4), subject=Subject(""), model=ModelRef("m", "8"))
    every = replace(told, feature="hour", model=ModelRef("m", ""))
    stranger = replace(told, model=ModelRef("other", "1"))
    (view,), strangers = Joiner(CONTEXT).join(readings(served, drift=(told, every, stranger)))
    found = {(one.feature, one.subject.variant) for one in view.drift}
    assert found == {("amount", "v8"), ("hour", "v7"), ("hour", "v8")}
    assert strangers == ("drift of model other 1",)


def test_quality_has_a_check_of_its_own_and_never_stands_for_drift() -> None:
    late = replace(score("accuracy", 0.8, method="accuracy", threshold=0.85, direction=Direction.BELOW), delay_s=7200.0)
    (view,), _ = Joiner(CONTEXT).join(readings(drift=(score("amount", 0.02), late)))
    assert view.worst_drift is not None
    assert view.worst_drift.feature == "amount"
    (found,) = quality(view.variant("v8") or VariantView(canary()))
    assert (found.name, found.verdict) == ("v8 accuracy", CheckVerdict.WARN)
    assert "truth 2h old" in found.evidence
