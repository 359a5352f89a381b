"""What scores say together, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import Direction, DriftScore, Gap
from shiftdeck.health import drift_help
from shiftdeck.health.drift import Extent, findings, gaps, told_apart
from tests.unit.builders import NOW, score

LIVE, REFERENCE = (0.1, 0.2, 0.7), (0.4, 0.4, 0.2)


def one(*scores: DriftScore) -> tuple[Extent, str]:
    (finding, *_) = findings(scores)
    return finding.extent, told_apart(finding)


def test_what_both_see_is_the_inputs_doing() -> None:
    both = (score("amount", 0.4, variant="v7"), score("amount", 0.38, variant="v8"))
    assert one(*both) == (Extent.ALL, "both v7 and v8 see it: the inputs changed, not the model")
    (finding,) = findings(both)
    assert "roll-back will not help" in drift_help.next_step(finding.worst, finding)


def test_what_one_sees_is_its_own_doing() -> None:
    extent, words = one(score("amount", 0.02, variant="v7"), score("amount", 0.38, variant="v8"))
    assert extent is Extent.ONE
    assert words == "only v8 sees it, not v7 (0.02): the model's own inputs changed, not the requests"


def test_two_on_either_side_of_the_threshold_that_see_the_same_are_both_counted() -> None:
    stable, canary = score("amount", 0.24, variant="v7"), score("amount", 0.26, variant="v8")
    assert one(stable, canary)[0] is Extent.ONE
    near = replace(canary, beside=0.01, beside_name="v7", watch=0.1)
    assert one(stable, near)[0] is Extent.ALL
    far = replace(canary, beside=0.3, beside_name="v7", watch=0.1)
    assert one(stable, far)[0] is Extent.ONE


def test_where_nobody_else_can_tell_that_is_said() -> None:
    assert one(score("amount", 0.4)) == (Extent.ALONE, "no other variant to compare with")
    few = replace(score("amount", None, variant="v7", note="n 48 of 200"), gap=Gap.FEW)
    assert one(score("amount", 0.4), few) == (Extent.ALONE, "v7 cannot tell: n 48 of 200")


def test_answers_that_changed_on_the_same_inputs_are_the_models_doing() -> None:
    inputs = (score("amount", 0.02, variant="v7"), score("amount", 0.03, variant="v8"))
    answers = (score("prediction", 0.01, variant="v7"), score("prediction", 0.5, variant="v8"))
    assert one(*inputs, *answers) == (
        Extent.ONE,
        "only v8 answers otherwise on inputs that did not change, not v7 (0.01)",
    )
    moved = tuple(replace(each, value=0.6) for each in inputs)
    both = (answers[1], replace(answers[0], value=0.4))
    assert [(each.feature, each.extent) for each in findings((*moved, *both))] == [
        ("amount", Extent.ALL),
        ("prediction", Extent.ALL),
    ]
    assert told_apart(findings((*moved, *both))[1]) == "both v7 and v8 answer otherwise, with the inputs"


def test_the_worst_comes_first_whatever_its_method() -> None:
    tiny = score("hour", 1e-9, method="ks_p", threshold=0.001, direction=Direction.BELOW)
    found = findings((score("amount", 0.4), tiny, score("velocity", 0.1)))
    assert [each.feature for each in found] == ["hour", "amount"]


def test_a_dead_scorer_is_named_before_too_few_samples() -> None:
    few = replace(score("a", None, note="n 1 of 200"), gap=Gap.FEW)
    dead = replace(score("b", None, note="unchanged for 2h"), gap=Gap.DEAD)
    assert [each.feature for each in gaps((few, score("c"), dead))] == ["b", "a"]


def test_where_the_values_went() -> None:
    numbers = replace(score("amount", 0.9), live=LIVE, reference=REFERENCE, bounds=(10.0, 85.0, float("inf")))
    assert drift_help.moved(numbers) == "70 % are above 85, 20 % in the reference"
    named = replace(score("country", 0.9), live=LIVE, reference=REFERENCE, categories=("DE", "FR", "XX"))
    assert drift_help.moved(named) == "70 % are XX, 20 % in the reference"
    assert drift_help.moved(score("amount")) == ""


def test_when_it_began_is_no_more_exact_than_its_window() -> None:
    known = replace(score("amount", 0.4), times=(NOW - 60, NOW - 30, NOW), history=(0.1, 0.3, 0.4), at=NOW)
    assert known.since == NOW - 30
    assert drift_help.onset(known) == (NOW - 30 - 3600, NOW - 30)
    assert drift_help.onset(replace(known, value=0.1)) is None


@pytest.mark.parametrize("gap", list(Gap))
def test_every_gap_is_explained(gap: Gap) -> None:
    assert drift_help.meaning(replace(score("a", None), gap=gap)).endswith(".")


def test_quality_says_how_late_it_is() -> None:
    late = replace(
        score("accuracy", 0.8, method="accuracy", threshold=0.85, direction=Direction.BELOW),
        delay_s=7200.0,
        baseline="training 0.9",
    )
    assert "2h late, training 0.9: lower is worse" in drift_help.meaning(late)
    (finding,) = findings((late,))
    assert "wrong more often" in drift_help.next_step(late, finding)
