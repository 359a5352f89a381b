"""The lab's gateway in this process, with as many endpoints as a run wants, quick, and without load of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from random import Random
from types import TracebackType
from typing import Any

import uvicorn

from backends.lab.drills import Drills
from backends.lab.gateway import Gateway
from backends.lab.meters import Meters
from backends.lab.traffic import ReleaseRecord, Traffic
from backends.lab.world import BY_KEY, SCOPE, EndpointSpec, PastRelease, VariantSpec
from tests.realservers.processes import free_port
from tests.waiting import wait_until

MODEL = BY_KEY[SCOPE, "sentiment"].model
STABLE, CANARY = "v7", "v8"
COUNTED_S = 0.1


class _QuickDrills(Drills):
    def propagation_s(self) -> tuple[float, float]:
        return 0.02, 0.2


class _Stuck(Traffic):
    def tick(self, now: float) -> None:
        """Nothing moves."""


class LabGateway:
    """Use it as a context manager. ``traffic`` is the gateway's own state by endpoint: the truth about each."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._drills = _QuickDrills()
        self._meters = Meters()
        self.traffic: dict[str, Traffic] = {}
        self._by_key: dict[tuple[str, str], Traffic] = {}
        self.port = free_port()
        self._server: uvicorn.Server | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-gateway", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, name: str, *, stuck: bool = False) -> None:
        """One more endpoint: v7 at 90 %, v8 at 10 %. A ``stuck`` one takes what it is told, and never gets there."""
        variants = (VariantSpec(STABLE, "7", 90.0, 0.06), VariantSpec(CANARY, "8", 10.0, 0.06))
        past = (
            PastRelease(900_000.0, {STABLE: 100.0, CANARY: 0.0}, "ana", "promote v7", good=True),
            PastRelease(3_600.0, {STABLE: 90.0, CANARY: 10.0}, "kofi", "first canary step of v8"),
        )
        # So many replicas that none has to be started: what takes its time is the split alone.
        spec = EndpointSpec(name, MODEL, STABLE, 1.0, 1, variants, past)
        traffic = (_Stuck if stuck else Traffic)(spec, Random(f"{self._seed} {name}"), time.time())
        self.traffic[name] = self._by_key[spec.key] = traffic

    def weights(self, name: str) -> Mapping[str, float]:
        """The split in effect."""
        return dict(self.traffic[name].observed)

    def history(self, name: str) -> list[ReleaseRecord]:
        """What the endpoint was told so far, oldest first."""
        return list(reversed(self.traffic[name].releases))

    def count(self, rps: float) -> threading.Thread:
        """From now on, count requests by the split in effect, as if clients sent them."""
        thread = threading.Thread(target=self._count, args=(rps,), name="soak-requests", daemon=True)
        thread.start()
        return thread

    def __enter__(self) -> LabGateway:
        self._thread.start()
        wait_until(lambda: self._server is not None and self._server.started, 30, "the gateway to listen")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(10)

    # ── its thread ──────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        unused: Any = None
        gateway = Gateway(self._by_key, unused, self._meters, self._drills, unused, self._seed)
        config = uvicorn.Config(
            gateway.app(),
            host="127.0.0.1",
            port=self.port,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        ticking = asyncio.create_task(gateway.tick(0.02))
        watching = asyncio.create_task(self._watch(self._server))
        try:
            await self._server.serve()
        finally:
            ticking.cancel()
            watching.cancel()

    async def _watch(self, server: uvicorn.Server) -> None:
        await asyncio.to_thread(self._ending.wait)
        server.should_exit = True

    def _count(self, rps: float) -> None:
        random = Random(f"{self._seed} requests")
        while not self._ending.wait(COUNTED_S):
            for traffic in list(self.traffic.values()):
                for variant in traffic.spec.variants:
                    share = traffic.observed[variant.name] / 100
                    for _ in range(int(rps * COUNTED_S * share + random.random())):
                        self._meters.answered(traffic.spec, variant, 200, 0.05, False)
