"""Answers requests: chooses the variant, the latency and the failures, and scores mirrored copies."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from backends.lab.drills import Drills
from backends.lab.families import FAMILIES
from backends.lab.gpus import RateMeter
from backends.lab.learn import Model
from backends.lab.meters import Meters
from backends.lab.traffic import Traffic
from backends.lab.truth import Truth
from backends.lab.world import EndpointSpec, VariantSpec

MAX_LATENCY_S = 1.8


@dataclass(frozen=True, slots=True)
class Answer:
    """``prediction`` is ``None`` if the model failed."""

    code: int
    variant: str
    version: str
    prediction: float | None
    error: str = ""


class Scorer:
    """Answers requests for all endpoints, on the gateway's event loop."""

    def __init__(
        self,
        models: Mapping[tuple[str, str], Model],
        meters: Meters,
        rates: RateMeter,
        drills: Drills,
        truth: Truth,
        seed: int,
    ) -> None:
        self._truth = truth
        self._models = models
        self._meters = meters
        self._rates = rates
        self._drills = drills
        self._rng = Random(f"{seed} scorer")
        self._copies: set[asyncio.Task[Answer]] = set()

    async def answer(self, traffic: Traffic, features: Sequence[float]) -> Answer:
        """Route one request by the observed split, and copy it to the mirrored variants."""
        for name in traffic.copies():
            copy = asyncio.create_task(self._score(traffic, name, features, mirrored=True))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)
        return await self._score(traffic, traffic.pick(), features, mirrored=False)

    async def _score(self, traffic: Traffic, name: str, features: Sequence[float], *, mirrored: bool) -> Answer:
        spec = traffic.spec
        variant = next(variant for variant in spec.variants if variant.name == name)
        began = time.perf_counter()
        self._rates.mark(spec.name, name, time.time())
        answer = await self._run(spec, variant, traffic, features)
        self._meters.answered(spec, variant, answer.code, time.perf_counter() - began, mirrored)
        return answer

    async def _run(
        self, spec: EndpointSpec, variant: VariantSpec, traffic: Traffic, features: Sequence[float]
    ) -> Answer:
        if not traffic.replicas[variant.name].ready:
            return Answer(503, variant.name, variant.version, None, "no replica is ready")
        slower, errors = self._drills.behaviour(spec.name, variant.name)
        latency = variant.median_s * slower * math.exp(variant.sigma * self._rng.gauss(0.0, 1.0))
        await asyncio.sleep(min(MAX_LATENCY_S, latency))
        names = [feature.name for feature in FAMILIES[spec.model].features]
        given = self._drills.skew(spec.name, variant.name, names, features)
        prediction = self._models[spec.model, variant.version].predict(given)
        self._meters.scored(spec, variant, given, prediction)
        self._truth.answered(spec, variant, features, prediction)
        if self._rng.random() < variant.error_ratio + errors:
            return Answer(500, variant.name, variant.version, None, "the model failed")
        return Answer(200, variant.name, variant.version, prediction)


def vector(model: str, given: object) -> tuple[float, ...]:
    """The features of a request in the model's order.

    Raises:
        ValueError: ``given`` is not an object with a finite number for each feature.
    """
    if not isinstance(given, dict):
        raise ValueError("features is not an object")  # noqa: TRY004 — one exception for all faults of the input
    values: list[float] = []
    for feature in FAMILIES[model].features:
        value = given.get(feature.name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"feature {feature.name!r} is missing or not a number")
        values.append(float(value))
    return tuple(values)
