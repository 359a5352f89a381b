"""What the in-memory world of the tests holds when it begins: endpoints like the lab's, busier, and in good health."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from backends.contracts import Gpu, Histogram, ModelRef, ModelVersion, Subject

SCOPE = "prod"
HOUR = 3600.0
DAY = 24 * HOUR
GIB = 1 << 30

BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, math.inf)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a variant answers: a lognormal latency (``median_s``, ``sigma``) and ``error_ratio`` 0–1."""

    median_s: float
    sigma: float = 0.45
    error_ratio: float = 0.002

    def quantile(self, z: float) -> float:
        """Seconds at ``z`` standard deviations: 0 is the median, 1.645 the 95th percentile."""
        return self.median_s * math.exp(self.sigma * z)

    def histogram(self, samples: float) -> Histogram:
        """What a latency histogram would have counted of that many requests."""
        return Histogram({}, BOUNDS, tuple(part * samples for part in _parts(self.median_s, self.sigma)))


@cache
def _parts(median_s: float, sigma: float) -> tuple[float, ...]:
    below = [
        1.0 if math.isinf(bound) else 0.5 * math.erfc(-math.log(bound / median_s) / (sigma * math.sqrt(2.0)))
        for bound in BOUNDS
    ]
    return tuple(high - low for low, high in zip([0.0, *below], below, strict=False))


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """``weight`` and ``mirror`` are percent."""

    name: str
    weight: float
    behaviour: Behaviour
    mirror: float = 0.0

    @property
    def version(self) -> str:
        return self.name.removeprefix("v")


@dataclass(frozen=True, slots=True)
class Past:
    """A release ``age_s`` before the world began."""

    age_s: float
    weights: Mapping[str, float]
    by: str
    note: str
    good: bool | None = None


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """``past`` is oldest first and ends with the current release; ``drift`` is the PSI by feature."""

    name: str
    model: str
    stable: str
    rps: float
    replicas: int
    variants: tuple[VariantSpec, ...]
    past: tuple[Past, ...]
    candidates: bool = False
    quality: tuple[str, float] = ("f1", 0.93)
    drift: Mapping[str, float] = field(default_factory=dict)


ENDPOINTS: tuple[EndpointSpec, ...] = (
    EndpointSpec(
        "sentiment",
        "sentiment-classifier",
        "v7",
        812.0,
        10,
        (VariantSpec("v7", 90.0, Behaviour(0.062, 0.5)), VariantSpec("v8", 10.0, Behaviour(0.058, 0.5))),
        (
            Past(9 * DAY, {"v7": 100.0, "v8": 0.0}, "ana", "promote v7", good=True),
            Past(2 * HOUR, {"v7": 95.0, "v8": 5.0}, "kofi", "first canary step of v8"),
            Past(35 * 60.0, {"v7": 90.0, "v8": 10.0}, "kofi", "second canary step of v8"),
        ),
        quality=("f1", 0.941),
        drift={"text_len": 0.08, "lang_score": 0.03, "prediction": 0.02},
    ),
    EndpointSpec(
        "fraud",
        "fraud-detector",
        "v12",
        420.0,
        6,
        (
            VariantSpec("v12", 100.0, Behaviour(0.026, 0.37, 0.001)),
            VariantSpec("v13", 0.0, Behaviour(0.031, 0.37, 0.001), mirror=20.0),
        ),
        (Past(16 * DAY, {"v12": 100.0, "v13": 0.0}, "mei", "promote v12", good=True),),
        quality=("auc", 0.971),
        drift={"amount": 0.11, "country_risk": 0.04, "velocity": 0.06},
    ),
    EndpointSpec(
        "ranker",
        "search-ranker",
        "v9",
        1240.0,
        12,
        (
            VariantSpec("v9", 50.0, Behaviour(0.111)),
            VariantSpec("v10", 30.0, Behaviour(0.104)),
            VariantSpec("v11", 20.0, Behaviour(0.119)),
        ),
        (
            Past(30 * DAY, {"v9": 100.0, "v10": 0.0, "v11": 0.0}, "jonas", "promote v9", good=True),
            Past(6 * DAY, {"v9": 50.0, "v10": 30.0, "v11": 20.0}, "jonas", "three-way test of relevance"),
        ),
        candidates=True,
        quality=("ndcg", 0.612),
        drift={"bm25": 0.05, "freshness_days": 0.13},
    ),
    EndpointSpec(
        "churn",
        "churn-predictor",
        "v3",
        38.0,
        2,
        (VariantSpec("v3", 100.0, Behaviour(0.019, 0.35, 0.0)),),
        (Past(41 * DAY, {"v3": 100.0}, "priya", "promote v3", good=True),),
        quality=("auc", 0.884),
        drift={"tenure_months": 0.02, "usage_ratio": 0.07},
    ),
    EndpointSpec(
        "pricing",
        "price-optimizer",
        "v21",
        265.0,
        4,
        (VariantSpec("v21", 95.0, Behaviour(0.044, 0.4)), VariantSpec("v22", 5.0, Behaviour(0.046, 0.4))),
        (
            Past(12 * DAY, {"v21": 100.0, "v22": 0.0}, "mei", "promote v21", good=True),
            Past(5 * HOUR, {"v21": 95.0, "v22": 5.0}, "mei", "first canary step of v22"),
        ),
        quality=("mape", 0.064),
        drift={"demand": 0.09, "competitor_price": 0.05},
    ),
    EndpointSpec(
        "eta",
        "eta-regressor",
        "v5",
        96.0,
        2,
        (VariantSpec("v5", 100.0, Behaviour(0.034, 0.4, 0.001)),),
        (Past(22 * DAY, {"v5": 100.0}, "sam", "promote v5", good=True),),
        quality=("mae", 2.31),
        drift={"distance_km": 0.03, "rain_mm": 0.12},
    ),
)


def many(count: int) -> tuple[EndpointSpec, ...]:
    """That many endpoints, alike but not the same: ``model-00042`` with a canary at every third."""
    return tuple(_one_of_many(number) for number in range(count))


def _one_of_many(number: int) -> EndpointSpec:
    name = f"model-{number:05d}"
    median_s = 0.02 + 0.001 * (number * 7 % 60)
    stable = VariantSpec("v1", 100.0 if number % 3 else 90.0, Behaviour(median_s, 0.4, 0.001))
    canary = VariantSpec("v2", 10.0, Behaviour(median_s, 0.4, 0.001))
    variants = (stable,) if number % 3 else (stable, canary)
    return EndpointSpec(
        name,
        f"{name}-model",
        "v1",
        50.0 + number * 13 % 400,
        4,
        variants,
        (Past(DAY + number, {variant.name: variant.weight for variant in variants}, "ana", "promote v1", good=True),),
    )


def versions_of(spec: EndpointSpec, now: float) -> list[ModelVersion]:
    measure, best = spec.quality
    newest_first = sorted(spec.variants, key=lambda variant: int(variant.version), reverse=True)
    second = next((variant.name for variant in newest_first if variant.name != spec.stable), "")
    aliases = {spec.stable: ("champion",), second: ("challenger",)}
    return [
        ModelVersion(
            ModelRef(spec.model, variant.version),
            aliases.get(variant.name, ()),
            created=now - spec.past[0].age_s * (0.2 + age) - 3600.0,
            author=spec.past[-1].by,
            run=f"{spec.name}{variant.version}".encode().hex()[:16],
            metrics={measure: round(best * (1.0 - 0.006 * age), 3)},
            tags={"team": spec.name},
            source=f"models:/{spec.model}/{variant.version}",
            status="READY",
        )
        for age, variant in enumerate(newest_first)
    ]


def gpus_of(specs: tuple[EndpointSpec, ...]) -> list[Gpu]:
    used = (61, 44, 57, 18, 39, 27)
    busy = (87.0, 62.0, 93.0, 12.0, 55.0, 34.0)
    return [
        Gpu(
            node=f"node-{'abc'[number // 2]}",
            index=str(number % 2),
            uuid=f"GPU-{number:08x}-5f1e-4c1d-9a77-0c5b1f3d9e20",
            model="NVIDIA A100-SXM4-80GB",
            utilisation=busy[number],
            memory_used=used[number] * GIB,
            memory_total=80 * GIB,
            temperature=42.0 + busy[number] * 0.33,
            power=70.0 + busy[number] * 3.1,
            clock=1410.0,
            xid=0,
            simulated=True,
            subject=Subject(spec.name, spec.stable, SCOPE),
        )
        for number, spec in enumerate(specs)
    ]
