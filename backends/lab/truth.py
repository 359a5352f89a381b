"""Labels that arrive some time after the answers, a minute by default, and the quality of the answers by these labels.

In production labels take hours or weeks (a chargeback, a cancelled subscription); the metrics are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from backends.lab.families import FAMILIES
from backends.lab.pace import USUAL
from backends.lab.world import EndpointSpec, VariantSpec

WINDOW = 1000  # the number of newest answers that count
LABELS = ("scope", "endpoint", "variant", "model", "version")


@dataclass(slots=True)
class _Answers:
    """``waiting`` holds (time, error) of answers whose label has not arrived; ``judged`` holds the errors of others."""

    waiting: deque[tuple[float, float]] = field(default_factory=deque)
    judged: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))


class Truth(Collector):
    """``model_quality``: the accuracy of a classifier, else the mean absolute error. It runs on the gateway's event
    loop.
    """

    def __init__(self, clock: Callable[[], float], seed: int, delay_s: float = USUAL.label_s) -> None:
        self._clock = clock
        self._delay_s = delay_s
        self._rng = Random(f"{seed} truth")
        self._answers: dict[tuple[EndpointSpec, VariantSpec], _Answers] = {}

    def answered(self, spec: EndpointSpec, variant: VariantSpec, features: Sequence[float], prediction: float) -> None:
        """Draw the label of that request. The answer counts after the delay of the labels."""
        family = FAMILIES[spec.model]
        truth = family.truth(self._rng, features)
        off = float((prediction > 0.5) != (truth > 0.5)) if family.task == "classify" else abs(prediction - truth)
        self._answers.setdefault((spec, variant), _Answers()).waiting.append((self._clock(), off))

    def collect(self) -> Iterable[Metric]:
        quality = GaugeMetricFamily(
            "model_quality",
            "Quality of the last thousand answers with a known label. delay: the age of the labels in seconds.",
            labels=(*LABELS, "metric", "delay"),
        )
        counted = GaugeMetricFamily("model_quality_samples", "The number of these answers.", labels=(*LABELS, "metric"))
        now = self._clock()
        for (spec, variant), answers in self._answers.items():
            while answers.waiting and answers.waiting[0][0] <= now - self._delay_s:
                answers.judged.append(answers.waiting.popleft()[1])
            if answers.judged:
                mean = sum(answers.judged) / len(answers.judged)
                classified = FAMILIES[spec.model].task == "classify"
                metric, value = ("accuracy", 1.0 - mean) if classified else ("mae", mean)
                labels = (spec.scope, spec.name, variant.name, spec.model, variant.version, metric)
                quality.add_metric((*labels, f"{self._delay_s:.0f}"), value)
                counted.add_metric(labels, len(answers.judged))
        return quality, counted
