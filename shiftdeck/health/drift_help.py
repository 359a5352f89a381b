"""What a drift score means and what to check next, in one sentence each. For the engineer on call. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from backends.contracts import Direction, DriftScore, Gap
from shiftdeck.common.durations import age
from shiftdeck.health.drift import Extent, Finding, figure, is_answer, named, told_apart

MEANING: Mapping[str, str] = {
    "psi": "PSI adds up how far the share of each bin moved: up to 0.1 is noise, beyond 0.25 another population.",
    "js": "Jensen–Shannon: 0 is the same distribution, 1 has nothing in common with it; beyond 0.2 is a clear change.",
    "kl": "Kullback–Leibler: how badly the live values stand in for the reference; what is missing weighs most.",
    "ks": "Kolmogorov–Smirnov: the largest part of the values that lies on another side of some point than it did.",
    "ks_p": "A p-value: how likely so large a difference is by chance. It says how sure, and not how large.",
    "chi2_p": "A p-value: how likely such counts are by chance. It says how sure, and not how large.",
    "wasserstein": "Wasserstein: how far the values moved on average, in standard deviations of the reference.",
    "linf": "L∞: the largest change of the share of one bin.",
}

GAPS: Mapping[Gap, str] = {
    Gap.FEW: "Too few values to tell: wait, or widen the window, or lower min_samples knowing that noise then alarms.",
    Gap.NO_REFERENCE: "Nothing to compare with: add this model's version to the reference, or compare with stable.",
    Gap.BINS: "The live histogram has other bins than its reference: make the reference anew with the live bounds.",
    Gap.EMPTY: "One side has an empty bin, and how that is counted would decide: use js, or wait for more values.",
    Gap.BLIND: "Nearly every value is above the last bound, where all look alike: give the histogram higher bounds.",
    Gap.DEAD: "Whoever computes this score has stopped: look at the scorer's job before you trust any older figure.",
}


def meaning(score: DriftScore) -> str:
    """One sentence on what the value says; where there is no value, on why there is none."""
    if score.value is None:
        return GAPS.get(score.gap, "There is no score.") if score.gap else "There is no score."
    if score.delay_s is not None:
        worse = "higher" if score.direction is Direction.ABOVE else "lower"
        held = f", {score.baseline}" if score.baseline else ""
        return (
            f"{score.feature} of the answers whose truth is known, {age(score.delay_s)} late{held}: {worse} is worse."
        )
    usual = "lower is more certain" if score.direction is Direction.BELOW else "higher is further"
    return MEANING.get(score.method, f"{score.method}, as whoever reports it computes it: {usual}.")


def moved(score: DriftScore) -> str:
    """Where the values went: "61 % are above 85, 26 % in the reference"; "" where the bins are not known."""
    if not score.live or len(score.live) != len(score.reference):
        return ""
    if score.categories:
        at = max(range(len(score.live)), key=lambda i: abs(score.live[i] - score.reference[i]))
        return (
            f"{_percent(score.live[at])} are {score.categories[at]}, {_percent(score.reference[at])} in the reference"
        )
    if len(score.bounds) != len(score.live) or len(score.live) < 2:
        return ""
    gaps = list(accumulate(p - q for p, q in zip(score.live, score.reference, strict=True)))[:-1]
    at = max(range(len(gaps)), key=lambda i: abs(gaps[i]))
    above = (sum(score.live[at + 1 :]), sum(score.reference[at + 1 :]))
    return f"{_percent(above[0])} are above {score.bounds[at]:g}, {_percent(above[1])} in the reference"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def next_step(score: DriftScore, finding: Finding | None) -> str:
    """One sentence on what to check next."""
    if score.value is None:
        return ""
    if finding is None or not score.crossed:
        if score.watched:
            return (
                f"Beyond {score.watch:.2g}, short of {score.threshold:.2g}: look again before you give it more traffic."
            )
        return "Nothing to do."
    who = named(sorted(one.subject.variant for one in finding.drifted if one.subject.variant)) or "the model"
    if score.delay_s is not None:
        return f"{who} is wrong more often than it was: see whether an input drifted before it, else roll back."
    if is_answer(score):
        if finding.extent is Extent.ONE:
            return f"If {who} was not meant to answer otherwise, roll it back; if it was, give it its own reference."
        return "Look at the inputs first: answers follow them. If none moved, suspect one that is not measured."
    if finding.extent is Extent.ALL:
        return "A roll-back will not help: look upstream for a new client, a changed unit, a broken feature job."
    if finding.extent is Extent.ONE:
        return f"Compare how {who} prepares {score.feature} (units, encoding, defaults); no more traffic until then."
    return "Compare with an earlier window to see when it began; then look upstream, and at the last release."


def headline(finding: Finding) -> str:
    """ "amount psi 1.42: both v12 and v13 see it: the inputs changed, not the model"."""
    return f"{finding.feature} {finding.worst.method} {figure(finding.worst)}: {told_apart(finding)}"


def onset(score: DriftScore) -> tuple[float, float] | None:
    """The two moments between which the change began; ``None`` where the score did not cross its threshold. A score
    looks back over its window, so the change began before the crossing."""
    return None if score.since is None else (score.since - score.window_s, score.since)
