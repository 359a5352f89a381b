"""The lab's six models: their features, the distributions of these, and the truth that the models learn.

The data is synthetic but has structure. Features differ in kind (counts, shares, amounts with a long tail). The truth
depends on them partly by steps and products, so that a better model has better metrics on a holdout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Literal

Task = Literal["classify", "regress"]


@dataclass(frozen=True, slots=True)
class Feature:
    """``draw`` returns one value. ``bounds`` are the upper bounds of its bins, without the last one (inf)."""

    name: str
    draw: Callable[[Random], float]
    bounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """One model and its data. ``truth`` returns the label for a vector of features: 0 or 1 for a classifier."""

    model: str
    task: Task
    description: str
    owner: str
    features: tuple[Feature, ...]
    truth: Callable[[Random, Sequence[float]], float]
    outputs: tuple[float, ...]  # bounds of the histogram of predictions

    def draw(self, rng: Random) -> tuple[float, ...]:
        """One vector of features, in the order of ``features``."""
        return tuple(feature.draw(rng) for feature in self.features)


def _amount(median: float, spread: float) -> Callable[[Random], float]:
    return lambda rng: median * math.exp(spread * rng.gauss(0.0, 1.0))


def _count(mean: float) -> Callable[[Random], float]:
    """A Poisson distribution: the number of exponential gaps within ``mean``."""

    def draw(rng: Random) -> float:
        count, passed = 0, rng.expovariate(1.0)
        while passed < mean and count < 50:
            count += 1
            passed += rng.expovariate(1.0)
        return float(count)

    return draw


def _share(a: float, b: float) -> Callable[[Random], float]:
    return lambda rng: rng.betavariate(a, b)


def _hour(rng: Random) -> float:
    """The hour of the day, with a peak before noon and one in the evening."""
    return (rng.gauss(11.0, 2.5) if rng.random() < 0.45 else rng.gauss(19.0, 3.5)) % 24.0


def _coin(rng: Random, logit: float) -> float:
    return float(rng.random() < 1.0 / (1.0 + math.exp(-logit)))


def _sentiment(rng: Random, x: Sequence[float]) -> float:
    text_len, exclamations, negations, praise, lang_score = x
    tone = 4.0 * (praise - 0.45) - 0.8 * negations + (2.6 if praise > 0.5 else 0.0) + 0.2 * exclamations
    return _coin(rng, 1.5 * tone + 1.5 * (lang_score - 0.8) - (1.2 if text_len > 110.0 else 0.0))


def _fraud(rng: Random, x: Sequence[float]) -> float:
    amount, hour, country_risk, velocity = x
    night = 1.8 if hour < 5.0 or hour > 22.0 else 0.0
    return _coin(rng, 1.3 * math.log(amount / 60.0) + night + 7.0 * country_risk + 0.9 * velocity - 4.4)


def _click(rng: Random, x: Sequence[float]) -> float:
    bm25, clicks, freshness_days, title_match = x
    stale = -1.9 if freshness_days > 30.0 else 0.4
    return _coin(rng, 0.35 * (bm25 - 9.0) + 1.1 * math.log1p(clicks) + stale + 4.0 * title_match - 3.6)


def _churn(rng: Random, x: Sequence[float]) -> float:
    tenure_months, tickets, usage_ratio, plan_price = x
    fresh = 2.4 if tenure_months < 6.0 else -0.6
    return _coin(rng, fresh + 0.8 * tickets - 6.0 * (usage_ratio - 0.4) + 0.03 * (plan_price - 30.0))


def _price(rng: Random, x: Sequence[float]) -> float:
    demand, stock, competitor_price, season = x
    scarce = 6.0 if stock < 40.0 else 0.0
    return max(1.0, 0.85 * competitor_price + 9.0 * math.log1p(demand) + scarce + 8.0 * season + rng.gauss(0.0, 3.0))


def _eta(rng: Random, x: Sequence[float]) -> float:
    distance_km, congestion, stops, rain_mm = x
    wet = 4.0 if rain_mm > 2.0 else 0.0
    return max(2.0, 2.4 * distance_km * (0.7 + congestion) + 2.5 * stops + wet + rng.gauss(0.0, 2.0))


_TENTHS = tuple(round(step / 10, 1) for step in range(1, 10))
_COUNTS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.model: family
        for family in (
            Family(
                "sentiment-classifier",
                "classify",
                "Is a customer's message positive? Feeds the support queue's priorities.",
                "nlp-platform",
                (
                    Feature("text_len", _amount(80.0, 0.7), (20, 35, 50, 65, 85, 110, 150, 220, 350)),
                    Feature("exclamations", _count(0.7), _COUNTS),
                    Feature("negations", _count(0.9), _COUNTS),
                    Feature("praise", _share(2.0, 2.2), _TENTHS),
                    Feature("lang_score", _share(9.0, 1.6), (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)),
                ),
                _sentiment,
                _TENTHS,
            ),
            Family(
                "fraud-detector",
                "classify",
                "How likely is a card payment to be charged back as fraud?",
                "risk-models",
                (
                    Feature("amount", _amount(42.0, 0.9), (8, 14, 21, 30, 42, 60, 85, 130, 220, 400)),
                    Feature("hour", _hour, (3, 6, 8, 10, 12, 14, 16, 18, 20, 22)),
                    Feature("country_risk", _share(1.5, 7.0), (0.03, 0.06, 0.1, 0.14, 0.19, 0.25, 0.33, 0.45, 0.6)),
                    Feature("velocity", _count(1.1), _COUNTS),
                ),
                _fraud,
                _TENTHS,
            ),
            Family(
                "search-ranker",
                "classify",
                "Will a shopper click this result? Orders the first page of search.",
                "search",
                (
                    Feature("bm25", lambda rng: rng.gammavariate(5.0, 2.0), (3, 5, 6.5, 8, 9.5, 11, 13, 16, 20)),
                    Feature("clicks", _count(1.6), _COUNTS),
                    Feature(
                        "freshness_days",
                        lambda rng: rng.expovariate(1 / 25.0),
                        (2, 5, 8, 12, 17, 23, 32, 45, 70),
                    ),
                    Feature("title_match", _share(2.0, 3.0), _TENTHS),
                ),
                _click,
                _TENTHS,
            ),
            Family(
                "churn-predictor",
                "classify",
                "Will a subscriber leave within 30 days?",
                "growth",
                (
                    Feature("tenure_months", lambda rng: rng.expovariate(1 / 18.0), (2, 4, 6, 9, 13, 18, 25, 35, 55)),
                    Feature("tickets", _count(0.8), _COUNTS),
                    Feature("usage_ratio", _share(2.4, 2.6), _TENTHS),
                    Feature("plan_price", _amount(29.0, 0.35), (15, 19, 23, 26, 30, 35, 41, 50, 65)),
                ),
                _churn,
                _TENTHS,
            ),
            Family(
                "price-optimizer",
                "regress",
                "The price, in euros, that sells an item at the best margin.",
                "pricing",
                (
                    Feature("demand", _amount(20.0, 0.8), (5, 8, 11, 15, 20, 27, 38, 55, 90)),
                    Feature("stock", lambda rng: rng.gammavariate(2.0, 50.0), (15, 30, 45, 60, 80, 105, 135, 180, 260)),
                    Feature("competitor_price", _amount(60.0, 0.4), (25, 34, 42, 51, 60, 70, 83, 102, 140)),
                    Feature("season", _share(2.0, 2.0), _TENTHS),
                ),
                _price,
                (50, 60, 70, 80, 90, 100, 115, 135, 170),
            ),
            Family(
                "eta-regressor",
                "regress",
                "Minutes until a courier arrives.",
                "logistics",
                (
                    Feature(
                        "distance_km",
                        lambda rng: rng.gammavariate(2.2, 1.8),
                        (0.8, 1.4, 2, 2.7, 3.5, 4.5, 6, 8, 12),
                    ),
                    Feature("congestion", _share(2.0, 3.0), _TENTHS),
                    Feature("stops", _count(1.3), _COUNTS),
                    Feature("rain_mm", lambda rng: rng.expovariate(1 / 1.2), (0.1, 0.3, 0.5, 0.8, 1.2, 1.8, 2.6, 4, 7)),
                ),
                _eta,
                (4, 7, 10, 13, 17, 22, 28, 36, 50),
            ),
        )
    }
)  # fmt: skip
