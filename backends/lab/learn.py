"""Small real models in pure Python: a linear model by stochastic gradient descent, with boosted stumps added.

To score one vector takes a few microseconds. Metrics are computed on a holdout that is not used in training.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, pstdev

from backends.lab.families import Family, Task

Vector = Sequence[float]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The training of one version. Newer versions get more rows, more epochs and more stumps."""

    rows: int
    epochs: int
    rate: float
    l2: float
    stumps: int


@dataclass(frozen=True, slots=True)
class Stump:
    """Adds ``low`` if feature number ``feature`` is at most ``cut``, else ``high``."""

    feature: int
    cut: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model: ``bias + Σ weight·(x − mean)/scale + Σ stumps``; a classifier applies a logistic function."""

    task: Task
    means: tuple[float, ...]
    scales: tuple[float, ...]
    bias: float
    weights: tuple[float, ...]
    stumps: tuple[Stump, ...]
    centre: float  # of the target; 0 for a classifier
    spread: float  # of the target; 1 for a classifier

    def raw(self, x: Vector) -> float:
        """The sum before the link function."""
        total = self.bias
        for value, mean, scale, weight in zip(x, self.means, self.scales, self.weights, strict=True):
            total += weight * max(-4.0, min(4.0, (value - mean) / scale))
        for stump in self.stumps:
            total += stump.low if x[stump.feature] <= stump.cut else stump.high
        return total

    def predict(self, x: Vector) -> float:
        """A probability for a classifier, else the predicted value."""
        raw = self.raw(x)
        return _logistic(raw) if self.task == "classify" else self.centre + self.spread * raw


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with its recipe, its training rows, and its metrics on the holdout."""

    model: Model
    recipe: Recipe
    rows: tuple[tuple[float, ...], ...]
    metrics: Mapping[str, float]


def recipe(age: int) -> Recipe:
    """The recipe of the version that is ``age`` versions behind the newest."""
    return Recipe(
        rows=max(250, 1000 - 250 * age),
        epochs=max(1, 5 - 2 * age),
        rate=0.04,
        l2=0.001 * (1 + age),
        stumps=max(0, 5 - 2 * age),
    )


def train(family: Family, how: Recipe, seed: int, holdout: int = 800) -> Trained:
    """Train on rows of the family's data, and evaluate on other rows, which are the same for all versions."""
    rng = Random(f"{seed} {how}")
    rows = tuple(family.draw(rng) for _ in range(how.rows))
    labels = [family.truth(rng, row) for row in rows]
    model = _boost(_linear(family.task, rows, labels, how, rng), rows, labels, how.stumps)
    rng = Random(f"{seed} holdout")
    unseen = [family.draw(rng) for _ in range(holdout)]
    truth = [family.truth(rng, row) for row in unseen]
    return Trained(model, how, rows, evaluate(family.task, [model.predict(row) for row in unseen], truth))


def evaluate(task: Task, predicted: Sequence[float], truth: Sequence[float]) -> Mapping[str, float]:
    """f1, auc, accuracy and log loss for a classifier; rmse, mae and r2 otherwise."""
    if task == "regress":
        errors = [guess - real for guess, real in zip(predicted, truth, strict=True)]
        variance = pstdev(truth) ** 2
        return {
            "rmse": math.sqrt(fmean(error * error for error in errors)),
            "mae": fmean(abs(error) for error in errors),
            "r2": 1.0 - fmean(error * error for error in errors) / variance if variance else 0.0,
        }
    pairs = [(guess >= 0.5, real >= 0.5) for guess, real in zip(predicted, truth, strict=True)]
    hits = pairs.count((True, True))
    misses = pairs.count((True, False)) + pairs.count((False, True))
    return {
        "f1": 2 * hits / (2 * hits + misses) if hits else 0.0,
        "auc": _auc(predicted, truth),
        "accuracy": fmean(float(guess == real) for guess, real in pairs),
        "log_loss": -fmean(
            math.log(max(1e-12, guess if real >= 0.5 else 1.0 - guess))
            for guess, real in zip(predicted, truth, strict=True)
        ),
    }


def _auc(predicted: Sequence[float], truth: Sequence[float]) -> float:
    """The share of (negative, positive) pairs in the right order. A tie counts as the wrong order."""
    negatives = sorted(guess for guess, real in zip(predicted, truth, strict=True) if real < 0.5)
    positives = [guess for guess, real in zip(predicted, truth, strict=True) if real >= 0.5]
    if not negatives or not positives:
        return 0.5
    below = sum(bisect_left(negatives, guess) for guess in positives)
    return below / (len(negatives) * len(positives))


def _linear(task: Task, rows: Sequence[Vector], labels: Sequence[float], how: Recipe, rng: Random) -> Model:
    columns = list(zip(*rows, strict=True))
    means = tuple(fmean(column) for column in columns)
    scales = tuple(pstdev(column) or 1.0 for column in columns)
    centre, spread = (fmean(labels), pstdev(labels) or 1.0) if task == "regress" else (0.0, 1.0)
    scaled = [
        [max(-4.0, min(4.0, (value - mean) / scale)) for value, mean, scale in zip(row, means, scales, strict=True)]
        for row in rows
    ]
    targets = [(label - centre) / spread for label in labels]
    bias, weights = 0.0, [0.0] * len(columns)
    order = list(range(len(rows)))
    for epoch in range(how.epochs):
        rng.shuffle(order)
        rate = how.rate / (1 + epoch)
        for index in order:
            x = scaled[index]
            raw = bias + sum(weight * value for weight, value in zip(weights, x, strict=True))
            error = (_logistic(raw) if task == "classify" else raw) - targets[index]
            bias -= rate * error
            weights = [
                weight - rate * (error * value + how.l2 * weight) for weight, value in zip(weights, x, strict=True)
            ]
    return Model(task, means, scales, bias, tuple(weights), (), centre, spread)


def _boost(model: Model, rows: Sequence[Vector], labels: Sequence[float], count: int) -> Model:
    """Add ``count`` stumps. Each is the best split (in squared error) of the current residuals."""
    raws = [model.raw(row) for row in rows]
    targets = [(label - model.centre) / model.spread for label in labels]
    stumps: list[Stump] = []
    for _ in range(count):
        left = [
            target - (_logistic(raw) if model.task == "classify" else raw)
            for raw, target in zip(raws, targets, strict=True)
        ]
        stump = _best_stump(rows, left, step=5.0 if model.task == "classify" else 0.9)
        stumps.append(stump)
        raws = [
            raw + (stump.low if row[stump.feature] <= stump.cut else stump.high)
            for raw, row in zip(raws, rows, strict=True)
        ]
    return Model(
        model.task, model.means, model.scales, model.bias, model.weights, tuple(stumps), model.centre, model.spread
    )


def _best_stump(rows: Sequence[Vector], left: Sequence[float], step: float) -> Stump:
    best, best_gain = Stump(0, 0.0, 0.0, 0.0), -1.0
    for feature in range(len(rows[0])):
        pairs = sorted((row[feature], residual) for row, residual in zip(rows, left, strict=True))
        total, below = sum(left), 0.0
        for index, (value, residual) in enumerate(pairs[:-1], start=1):
            below += residual
            if value == pairs[index][0] or index < 20 or len(pairs) - index < 20:
                continue
            above = total - below
            gain = below * below / index + above * above / (len(pairs) - index)
            if gain > best_gain:
                low, high = step * below / index, step * above / (len(pairs) - index)
                best, best_gain = Stump(feature, value, low, high), gain
    return best


def _logistic(raw: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, raw))))
