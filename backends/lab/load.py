"""The lab's requests: Poisson arrivals with a rate that depends on the hour and on slow noise."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from backends.lab.client import LoopbackClient
from backends.lab.drills import Drills
from backends.lab.families import FAMILIES, Family
from backends.lab.world import DAY, ENDPOINTS, HOUR, EndpointSpec

MAX_IN_FLIGHT = 200
TIMEOUT_S = 10.0
WANDER = 0.06  # standard deviation of the slow noise around 1


def daily_factor(at: float) -> float:
    """The rate at that hour relative to the mean: 0.85 at 03:00 and 1.15 at 15:00 (UTC)."""
    return 1.0 + 0.15 * math.sin(2 * math.pi * (at - 9 * HOUR) / DAY)


@dataclass(slots=True)
class Wander:
    """Noise that changes slowly. It returns to 1 with a time constant of half a minute."""

    rng: Random
    value: float = 1.0

    def step(self, dt: float) -> float:
        pull = min(1.0, dt / 30.0)
        self.value += pull * (1.0 - self.value) + WANDER * math.sqrt(2 * pull) * self.rng.gauss(0.0, 1.0)
        self.value = min(1.4, max(0.6, self.value))
        return self.value


class LoadGenerator:
    """Sends real requests to the gateway on that port of this machine until it is cancelled. ``rate`` multiplies the
    requests per second of all endpoints.
    """

    def __init__(self, port: int, drills: Drills, seed: int, rate: float = 1.0) -> None:
        self._client = LoopbackClient("127.0.0.1", port)
        self._drills = drills
        self._seed = seed
        self._rate = rate
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for spec in ENDPOINTS:
                    group.create_task(self._arrivals(spec))
        finally:
            self._client.close()

    async def _arrivals(self, spec: EndpointSpec) -> None:
        rng = Random(f"{self._seed} load {spec.name}")
        family, wander = FAMILIES[spec.model], Wander(rng)
        due = last = time.time()
        while True:
            now = time.time()
            rate = self._rate * spec.rps * daily_factor(now) * wander.step(now - last)
            last = now
            # A schedule, not a pause after each request: so requests that a busy loop delays are sent later.
            due = max(due + rng.expovariate(rate), now - 1.0)
            await asyncio.sleep(max(0.0, due - time.time()))
            if len(self._in_flight) < MAX_IN_FLIGHT:
                request = asyncio.create_task(self._request(spec, self._features(family, rng)))
                self._in_flight.add(request)
                request.add_done_callback(self._in_flight.discard)

    def _features(self, family: Family, rng: Random) -> Mapping[str, float]:
        names = (feature.name for feature in family.features)
        drawn = dict(zip(names, (round(value, 4) for value in family.draw(rng)), strict=True))
        return self._drills.distort(family.model, drawn)

    async def _request(self, spec: EndpointSpec, features: Mapping[str, float]) -> None:
        # A client ignores a missing answer; the gateway counts its errors itself.
        with suppress(OSError):
            await self._client.post(
                f"/v1/endpoints/{spec.scope}/{spec.name}/predict", {"features": features}, TIMEOUT_S
            )
