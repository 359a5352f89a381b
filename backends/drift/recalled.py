"""Past values of scores from gauges, for the adapters that read scores from gauges."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from backends.contracts import DriftScore, Metrics, ModelRef, Past, Remembers, Sample, ScoreKey, Subject
from backends.errors import Unsupported

Identity = tuple[Subject, ModelRef | None, str, str]  # subject, model, feature, method
Values = dict[Identity, dict[float, float]]


def remembering(metrics: Metrics, name: str) -> Remembers:
    """The metrics adapter of the source ``name``, which must keep past values.

    Raises:
        Unsupported: the adapter keeps no past values.
    """
    if not isinstance(metrics, Remembers):
        raise Unsupported(f"source {name} keeps no past")
    return metrics


@dataclass(frozen=True, slots=True)
class Gauges:
    """``names`` holds the names of the gauges, and ``labels`` the names of labels by role. ``identify`` returns the
    identity of a sample of a gauge.
    """

    metrics: Remembers
    names: Sequence[str]
    labels: Mapping[str, str]
    identify: Callable[[str, Sample], Identity]

    def past(self, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        """One query for each gauge and endpoint. Scores without a result are then queried by model."""
        endpoints = {self.labels["endpoint"]: (score.subject.endpoint for score in scores)}
        found = self._found(scores, endpoints, window_s, step_s)
        left = [score for score in scores if score.key not in found and score.model is not None]
        models = {self.labels["model"]: (score.model.model for score in left if score.model is not None)}
        return {**found, **self._found(left, models, window_s, step_s)}

    def _found(
        self, scores: Sequence[DriftScore], places: Mapping[str, Iterable[str]], window_s: float, step_s: float
    ) -> Mapping[ScoreKey, Past]:
        values: Values = {}
        for label, names in places.items():
            for where in [{label: name} for name in dict.fromkeys(names)]:
                for gauge in self.names:
                    for at, samples in self.metrics.past_samples(gauge, where, window_s, step_s).items():
                        for sample in samples:
                            if math.isfinite(sample.value):
                                values.setdefault(self._key(gauge, sample), {})[at] = sample.value
        found: dict[ScoreKey, Past] = {}
        for score in scores:
            rest = (score.model, score.feature, score.method)
            # A gauge can name a model but no endpoint. Its score got the endpoint that serves that model.
            known = values.get((score.subject, *rest)) or values.get((NO_SUBJECT, *rest))
            if known:
                found[score.key] = tuple(sorted(known.items()))
        return found

    def _key(self, gauge: str, sample: Sample) -> Identity:
        subject, model, feature, method = self.identify(gauge, sample)
        return subject if subject.endpoint else NO_SUBJECT, model, feature, method


NO_SUBJECT = Subject("")
