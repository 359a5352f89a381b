"""The methods of scoring drift, with their directions and thresholds.

All default thresholds of distances stand for the same size of change, so that methods can be exchanged: the score in
ten bins if the mean of a normal distribution moves by half a standard deviation. At that shift PSI crosses its
customary 0.25. ``watch`` is the score at the shift at which PSI crosses 0.1. For p-values 0.05 is customary, and gives
a false alarm in every twentieth window without drift. So 0.05 is ``watch``, and 0.001 is the threshold. Evidently's
defaults are 0.1 for all distances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from backends.contracts import Direction
from backends.drift import distances, pvalues
from backends.drift.distances import FLOOR
from backends.drift.distribution import Distribution

COARSE_FLOOR = 1e-3
"""A second floor for empty bins. If it changes the verdict, the verdict depends on the floor and is not valid."""


Score = Callable[[Distribution, Distribution], float]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of scoring.

    ``score`` takes the live histogram and the reference. ``ordered`` methods need bins in order of value. ``floored``
    is the same score with a given floor for empty bins; ``None`` if the score uses no floor.
    """

    name: str
    title: str
    direction: Direction
    threshold: float
    watch: float
    score: Score
    ordered: bool = False
    floored: Callable[[Distribution, Distribution, float], float] | None = None

    def hangs_on_empty_bins(self, live: Distribution, reference: Distribution, value: float, threshold: float) -> bool:
        """Whether the verdict would change if the floor for empty bins were ten times as high."""
        if self.floored is None or not (live.has_empty or reference.has_empty):
            return False
        return (value > threshold) != (self.floored(live, reference, COARSE_FLOOR) > threshold)


def _of_shares(measure: Callable[[Sequence[float], Sequence[float]], float]) -> Score:
    return lambda live, reference: measure(live.shares, reference.shares)


def _psi(live: Distribution, reference: Distribution, floor: float = FLOOR) -> float:
    return distances.psi(live.shares, reference.shares, floor)


def _kl(live: Distribution, reference: Distribution, floor: float = FLOOR) -> float:
    return distances.kl(live.shares, reference.shares, floor)


def _wasserstein(live: Distribution, reference: Distribution) -> float:
    return distances.wasserstein(live.shares, reference.shares, reference.bounds)


ABOVE, BELOW = Direction.ABOVE, Direction.BELOW

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method("psi", "population stability index", ABOVE, 0.25, 0.1, _psi, floored=_psi),
            Method("js", "Jensen–Shannon distance", ABOVE, 0.2, 0.13, _of_shares(distances.js)),
            Method("kl", "Kullback–Leibler divergence", ABOVE, 0.125, 0.05, _kl, floored=_kl),
            Method("ks", "Kolmogorov–Smirnov distance", ABOVE, 0.2, 0.12, _of_shares(distances.ks), ordered=True),
            Method("wasserstein", "Wasserstein distance in σ", ABOVE, 0.5, 0.3, _wasserstein, ordered=True),
            Method("linf", "L∞ distance", ABOVE, 0.12, 0.07, _of_shares(distances.linf)),
            Method(
                "ks_p",
                "Kolmogorov–Smirnov p-value",
                BELOW,
                0.001,
                0.05,
                lambda live, reference: pvalues.ks_p(live.counts, reference.counts),
                ordered=True,
            ),
            Method(
                "chi2_p",
                "χ² p-value",
                BELOW,
                0.001,
                0.05,
                lambda live, reference: pvalues.chi2_p(live.counts, reference.counts),
            ),
        )
    }
)
