"""What turned out to be true: labels that arrive a minute after the answers, and how right those were.

In production labels take hours or weeks (a chargeback, a cancelled subscription); the metrics look the same.
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
from backends.lab.world import EndpointSpec, VariantSpec

DELAY_S = 60.0
WINDOW = 1000  # answers that count
LABELS = ("scope", "endpoint", "variant", "model", "version")


@dataclass(slots=True)
class _Answers:
    """``waiting`` are (moment, how far off) of answers whose truth is still to come; ``judged`` are how far off."""

    waiting: deque[tuple[float, float]] = field(default_factory=deque)
    judged: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))


class Truth(Collector):
    """``model_quality``: accuracy where a model classifies, else the mean absolute error. On the gateway's event
    loop."""

    def __init__(self, clock: Callable[[], float], seed: int) -> None:
        self._clock = clock
        self._rng = Random(f"{seed} truth")
        self._answers: dict[tuple[EndpointSpec, VariantSpec], _Answers] = {}

    def answered(self, spec: EndpointSpec, variant: VariantSpec, features: Sequence[float], prediction: float) -> None:
        """Draw what is true of that request; it counts once its time has come."""
        family = FAMILIES[spec.model]
        truth = family.truth(self._rng, features)
        off = float((prediction > 0.5) != (truth > 0.5)) if family.task == "classify" else abs(prediction - truth)
        self._answers.setdefault((spec, variant), _Answers()).waiting.append((self._clock(), off))

    def collect(self) -> Iterable[Metric]:
        quality = GaugeMetricFamily(
            "model_quality",
            "How right the answers were whose truth is known, the last thousand of them. delay: its age in seconds.",
            labels=(*LABELS, "metric", "delay"),
        )
        counted = GaugeMetricFamily("model_quality_samples", "How many answers that is.", labels=(*LABELS, "metric"))
        now = self._clock()
        for (spec, variant), answers in self._answers.items():
            while answers.waiting and answers.waiting[0][0] <= now - DELAY_S:
                answers.judged.append(answers.waiting.popleft()[1])
            if answers.judged:
                mean = sum(answers.judged) / len(answers.judged)
                classified = FAMILIES[spec.model].task == "classify"
                metric, value = ("accuracy", 1.0 - mean) if classified else ("mae", mean)
                labels = (spec.scope, spec.name, variant.name, spec.model, variant.version, metric)
                quality.add_metric((*labels, f"{DELAY_S:.0f}"), value)
                counted.add_metric(labels, len(answers.judged))
        return quality, counted
