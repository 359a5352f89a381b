"""Interprets drift scores together: which feature changed, and whether the requests or one variant did. Pure.

One score says that the values of a feature differ from its reference. The scores of the other variants say why. Where
every variant drifted, the requests have changed. Where one variant drifted, it is given other values than the others,
or it answers differently.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from backends.contracts import Direction, Gap

if TYPE_CHECKING:
    from backends.contracts import DriftScore

ANSWERS = frozenset({"prediction", "predictions", "score", "output", "target", "label"})
"""The names of features that are answers of the model. All other features are its inputs."""


class Extent(StrEnum):
    """Which variants drifted."""

    ALL = "all"
    ONE = "one"  # or some, while others did not
    ALONE = "alone"  # no other variant is measured, so the cause is not known


@dataclass(frozen=True, slots=True)
class Finding:
    """One feature that drifted. ``worst`` is the score furthest past its threshold. ``drifted`` and ``steady`` are the
    scores of the variants that drifted and that did not, worst first; ``unknown`` are the scores without a value.
    ``inputs_steady`` is whether no input of the drifted variants drifted."""

    feature: str
    extent: Extent
    worst: DriftScore
    drifted: tuple[DriftScore, ...]
    steady: tuple[DriftScore, ...] = ()
    unknown: tuple[DriftScore, ...] = ()
    inputs_steady: bool = False

    @property
    def since(self) -> float | None:
        return min((score.since for score in self.drifted if score.since is not None), default=None)

    @property
    def of_answers(self) -> bool:
        """Whether the feature is an answer of the model, and not an input."""
        return is_answer(self.worst)


def is_answer(score: DriftScore) -> bool:
    """Whether the score is about an answer of the model."""
    return score.delay_s is not None or score.feature.lower() in ANSWERS


def severity(score: DriftScore) -> float:
    """How far past its threshold a score is: 1 at the threshold, more beyond it. A p-value of 0 is infinitely severe.
    A score without a value is -1."""
    if score.value is None:
        return -1.0
    high, low = (score.value, score.threshold) if score.direction is Direction.ABOVE else (score.threshold, score.value)
    if low <= 0.0:
        return math.inf if high > 0.0 else 1.0
    return high / low


def findings(scores: Iterable[DriftScore]) -> tuple[Finding, ...]:
    """The features of one endpoint that drifted, worst first."""
    by_feature: dict[str, dict[str, DriftScore]] = {}
    for score in scores:
        by_variant = by_feature.setdefault(score.feature, {})
        known = by_variant.get(score.subject.variant)
        if known is None or severity(score) > severity(known):
            by_variant[score.subject.variant] = score
    inputs = [one for by in by_feature.values() for one in by.values() if not is_answer(one) and one.value is not None]
    moved = frozenset(one.subject.variant for one in inputs if one.crossed)
    steady = frozenset(one.subject.variant for one in inputs) - moved
    found = [_finding(feature, list(by.values()), steady) for feature, by in by_feature.items()]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (-severity(one.worst), one.feature)))


def _finding(feature: str, scores: Sequence[DriftScore], steady_inputs: frozenset[str]) -> Finding | None:
    ranked = sorted(scores, key=severity, reverse=True)
    drifted = tuple(score for score in ranked if score.crossed)
    if not drifted:
        return None
    steady = tuple(score for score in ranked if score.crossed is False)
    unknown = tuple(score for score in ranked if score.value is None)
    if not steady and len(drifted) == 1:
        extent = Extent.ALONE
    elif all(_alike(score, drifted) for score in steady):
        extent = Extent.ALL
    else:
        extent = Extent.ONE
    undisturbed = all(score.subject.variant in steady_inputs for score in drifted)
    return Finding(feature, extent, drifted[0], drifted, steady, unknown, undisturbed)


def _alike(steady: DriftScore, drifted: Sequence[DriftScore]) -> bool:
    """Whether a variant below its threshold gets the same values as a drifted one, and is only just below."""
    variant = steady.subject.variant
    for one, other in ((score, variant) for score in drifted):
        if one.beside_name == other and one.beside is not None and one.watch is not None:
            return not one.beyond(one.beside, one.watch)
        if steady.beside_name == one.subject.variant and steady.beside is not None and steady.watch is not None:
            return not steady.beyond(steady.beside, steady.watch)
    return False


def gaps(scores: Iterable[DriftScore]) -> tuple[DriftScore, ...]:
    """The scores that have no value, the most serious reason first."""
    order = {
        gap: rank for rank, gap in enumerate((Gap.DEAD, Gap.NO_REFERENCE, Gap.BINS, Gap.BLIND, Gap.EMPTY, Gap.FEW))
    }
    without = [score for score in scores if score.value is None]
    return tuple(sorted(without, key=lambda score: order.get(score.gap, 9) if score.gap else 9))


# ── in words ────────────────────────────────────────────────────────────────────────────────────────────────────


def figure(score: DriftScore) -> str:
    """The value in words: a p-value with its magnitude, a distance with two digits."""
    return number(score.value, score.direction)


def number(value: float | None, direction: Direction) -> str:
    if value is None:
        return "–"
    if direction is Direction.ABOVE or value >= 0.1 or value == 0:
        return f"{value:.2f}"
    return f"{value:.1g}" if value >= 0.001 else "<0.001"


def named(variants: Iterable[str]) -> str:
    """ "v7", "v7 and v8", "v9, v10 and v11"."""
    names = list(variants)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def told_apart(finding: Finding) -> str:
    """One clause: which variants drifted, and what that means."""
    who = named(sorted((score.subject.variant for score in finding.drifted), key=_by_number))
    others = named(f"{score.subject.variant} ({figure(score)})" for score in finding.steady)
    match finding.extent:
        case Extent.ALONE:
            if finding.unknown:
                return ", ".join(f"{score.subject.variant} cannot tell: {score.note}" for score in finding.unknown)
            return "no other variant to compare with"
        case Extent.ALL:
            everyone = [score.subject.variant for score in (*finding.drifted, *finding.steady)]
            both = "both " if len(everyone) == 2 else ""
            seen = f"{both}{named(sorted(everyone, key=_by_number))}"
            if finding.of_answers:
                moved = "though no input did" if finding.inputs_steady else "with the inputs"
                return f"{seen} answer otherwise, {moved}"
            return f"{seen} see it: the inputs changed, not the model"
        case _:
            if finding.of_answers:
                same = " on inputs that did not change" if finding.inputs_steady else ""
                return f"only {who} answers otherwise{same}, not {others}"
            return f"only {who} sees it, not {others}: the model's own inputs changed, not the requests"


def _by_number(name: str) -> tuple[str, int, str]:
    digits = name.lstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")
    return (name[: len(name) - len(digits)], int(digits) if digits.isdecimal() else 0, name)
