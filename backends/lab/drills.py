"""Faults to rehearse with. Each drill has a name, a sentence about its effect, and the time of its start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from backends.lab.pace import USUAL, Pace

SUMMARIES: Mapping[str, str] = MappingProxyType(
    {
        "bad-canary": "sentiment v8 fails about 9 % of its requests and is slow",
        "latency-regression": "pricing v22 takes three times as long",
        "feature-drift": "payments that reach fraud have larger amounts than in training",
        "canary-skew": "sentiment v8 counts text_len in other units than it was trained on",
        "gpu-fault": "the GPU that serves fraud falls off the bus (XID 79)",
        "registry-down": "the model registry's database is locked",
        "metrics-down": "/metrics answers 503",
        "slow-control-plane": "a change of traffic takes ten times as long as usual to propagate",
        "rival-operator": "ana changes sentiment's split while you plan a change of it",
    }
)

DRIFT_FACTOR = 3.0
SKEW_FACTOR = 4.0


@dataclass(frozen=True, slots=True)
class Fault:
    """The effect of a drill on one variant: its latency times ``slower``, and ``errors`` (0–1) added to its own."""

    slower: float = 1.0
    errors: float = 0.0


FAULTS: Mapping[tuple[str, str], tuple[str, Fault]] = MappingProxyType(
    {
        ("sentiment", "v8"): ("bad-canary", Fault(slower=3.4, errors=0.09)),
        ("pricing", "v22"): ("latency-regression", Fault(slower=3.0)),
    }
)
HEALTHY = Fault()


class Drills:
    """The drills that run. The parts of the lab query it; it notifies none of them."""

    def __init__(self, pace: Pace = USUAL) -> None:
        self._pace = pace
        self._since: dict[str, float] = {}

    def start(self, name: str, now: float) -> None:
        """Raises ``KeyError`` if there is no drill of that name. A second start of a drill changes nothing."""
        if name not in SUMMARIES:
            raise KeyError(name)
        self._since.setdefault(name, now)

    def end(self, name: str) -> None:
        """Raises ``KeyError`` if there is no drill of that name."""
        if name not in SUMMARIES:
            raise KeyError(name)
        self._since.pop(name, None)

    def since(self, name: str) -> float | None:
        return self._since.get(name)

    def running(self, name: str) -> bool:
        return name in self._since

    def behaviour(self, endpoint: str, variant: str) -> tuple[float, float]:
        """The current factor of a variant's latency, and its errors (0–1) in addition to the usual ones."""
        drill, fault = FAULTS.get((endpoint, variant), ("", HEALTHY))
        if not self.running(drill):
            fault = HEALTHY
        return fault.slower, fault.errors

    def propagation_s(self) -> tuple[float, float]:
        """The shortest and longest time that a change of traffic currently takes, in seconds."""
        return self._pace.slow_s if self.running("slow-control-plane") else self._pace.propagation_s

    def distort(self, model: str, features: Mapping[str, float]) -> Mapping[str, float]:
        """The features of a request, changed by the drill ``feature-drift``."""
        if model == "fraud-detector" and self.running("feature-drift"):
            return {**features, "amount": features["amount"] * DRIFT_FACTOR}
        return features

    def skew(self, endpoint: str, variant: str, names: Sequence[str], values: Sequence[float]) -> Sequence[float]:
        """The features that a variant's own preprocessing passes to its model, changed by the drill ``canary-skew``."""
        if (endpoint, variant) == ("sentiment", "v8") and self.running("canary-skew"):
            return [
                value * (SKEW_FACTOR if name == "text_len" else 1.0) for name, value in zip(names, values, strict=True)
            ]
        return values
