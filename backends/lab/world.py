"""The lab at its start: endpoints with their variants, rates, latencies and past releases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

SCOPE = "prod"

HOUR = 3600.0
DAY = 24 * HOUR


class Mode(StrEnum):
    """How an endpoint uses its variants: a stable one and a canary, or several candidates at once."""

    CANARY = "canary"
    CANDIDATES = "candidates"


@dataclass(frozen=True, slots=True, eq=False)
class VariantSpec:
    """``median_s`` and ``sigma`` are the parameters of its lognormal latency. ``error_ratio`` is 0–1."""

    name: str
    version: str
    weight: float
    median_s: float
    mirror: float = 0.0
    sigma: float = 0.45
    error_ratio: float = 0.002


@dataclass(frozen=True, slots=True)
class PastRelease:
    """A release before the start of the lab: ``age_s`` ago. ``weights`` is percent by variant."""

    age_s: float
    weights: Mapping[str, float]
    by: str
    reason: str
    good: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EndpointSpec:
    """An endpoint, compared and hashed by identity.

    ``rps`` is its mean request rate. ``replicas`` are distributed among its variants by weight. ``past`` is oldest
    first, and ends with the release that is current at the start of the lab. ``p95_slo_s`` goes into the configuration.
    """

    name: str
    model: str
    stable: str
    rps: float
    replicas: int
    variants: tuple[VariantSpec, ...]
    past: tuple[PastRelease, ...]
    mode: Mode = Mode.CANARY
    p95_slo_s: float | None = None
    scope: str = field(default=SCOPE)

    @property
    def key(self) -> tuple[str, str]:
        return self.scope, self.name


ENDPOINTS: tuple[EndpointSpec, ...] = (
    EndpointSpec(
        "sentiment",
        "sentiment-classifier",
        "v7",
        rps=32.0,
        replicas=6,
        variants=(
            VariantSpec("v7", "7", 90.0, 0.060, sigma=0.50),
            VariantSpec("v8", "8", 10.0, 0.056, sigma=0.50),
        ),
        past=(
            PastRelease(9 * DAY, {"v7": 100.0, "v8": 0.0}, "ana", "promote v7", good=True),
            PastRelease(2 * HOUR, {"v7": 95.0, "v8": 5.0}, "kofi", "first canary step of v8"),
            PastRelease(35 * 60.0, {"v7": 90.0, "v8": 10.0}, "kofi", "second canary step of v8"),
        ),
    ),
    EndpointSpec(
        "fraud",
        "fraud-detector",
        "v12",
        rps=16.0,
        replicas=4,
        variants=(
            VariantSpec("v12", "12", 100.0, 0.026, sigma=0.40, error_ratio=0.001),
            VariantSpec("v13", "13", 0.0, 0.030, mirror=20.0, sigma=0.40, error_ratio=0.001),
        ),
        past=(PastRelease(16 * DAY, {"v12": 100.0, "v13": 0.0}, "mei", "promote v12", good=True),),
    ),
    EndpointSpec(
        "ranker",
        "search-ranker",
        "v9",
        rps=14.0,
        replicas=6,
        mode=Mode.CANDIDATES,
        p95_slo_s=0.400,
        variants=(
            VariantSpec("v9", "9", 50.0, 0.110),
            VariantSpec("v10", "10", 30.0, 0.102),
            VariantSpec("v11", "11", 20.0, 0.118),
        ),
        past=(
            PastRelease(30 * DAY, {"v9": 100.0, "v10": 0.0, "v11": 0.0}, "jonas", "promote v9", good=True),
            PastRelease(6 * DAY, {"v9": 50.0, "v10": 30.0, "v11": 20.0}, "jonas", "three-way test of relevance"),
        ),
    ),
    EndpointSpec(
        "churn",
        "churn-predictor",
        "v3",
        rps=4.0,
        replicas=1,
        variants=(VariantSpec("v3", "3", 100.0, 0.019, sigma=0.35, error_ratio=0.0005),),
        past=(PastRelease(41 * DAY, {"v3": 100.0}, "priya", "promote v3", good=True),),
    ),
    EndpointSpec(
        "pricing",
        "price-optimizer",
        "v21",
        rps=18.0,
        replicas=3,
        variants=(
            VariantSpec("v21", "21", 95.0, 0.044, sigma=0.40),
            VariantSpec("v22", "22", 5.0, 0.047, sigma=0.40),
        ),
        past=(
            PastRelease(12 * DAY, {"v21": 100.0, "v22": 0.0}, "mei", "promote v21", good=True),
            PastRelease(5 * HOUR, {"v21": 95.0, "v22": 5.0}, "mei", "first canary step of v22"),
        ),
    ),
    EndpointSpec(
        "eta",
        "eta-regressor",
        "v5",
        rps=6.0,
        replicas=2,
        variants=(VariantSpec("v5", "5", 100.0, 0.034, sigma=0.40, error_ratio=0.001),),
        past=(PastRelease(22 * DAY, {"v5": 100.0}, "sam", "promote v5", good=True),),
    ),
)

BY_KEY: Mapping[tuple[str, str], EndpointSpec] = MappingProxyType({spec.key: spec for spec in ENDPOINTS})
