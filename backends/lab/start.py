"""Starts the lab: the registry in a process of its own, and at the same time the models, the gateway and its load."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import uvicorn

from backends.lab.baseline import reference
from backends.lab.builder import registry_builder
from backends.lab.catalogue import catalogue, trained_keys
from backends.lab.config import config_text
from backends.lab.drills import Drills
from backends.lab.families import FAMILIES
from backends.lab.gateway import Gateway
from backends.lab.gpus import RateMeter, SimulatedGpus
from backends.lab.learn import Model, Trained, recipe, train
from backends.lab.load import LoadGenerator
from backends.lab.lock import RegistryLock
from backends.lab.meters import Meters
from backends.lab.pace import USUAL, Pace
from backends.lab.registry import registry_uri
from backends.lab.serving import Scorer
from backends.lab.state import DATABASE
from backends.lab.traffic import Traffic
from backends.lab.truth import Truth
from backends.lab.world import ENDPOINTS, SCOPE

Tell = Callable[[Mapping[str, object]], None]
Models = Mapping[tuple[str, str], Model]


@dataclass(frozen=True, slots=True)
class Options:
    """``folder`` holds all files of the lab. ``drills`` run from the start."""

    folder: Path
    seed: int = 7
    drills: tuple[str, ...] = ()
    pace: Pace = USUAL


async def live(options: Options, tell: Tell) -> None:
    """Run the lab until cancelled.

    Raises:
        LabError: the registry could not be written.
        OSError: a file or socket could not be created.
    """

    def step(progress: float, message: str) -> None:
        tell({"progress": round(progress, 3), "message": message})

    step(0.02, "opening the registry")
    database = options.folder / DATABASE
    async with registry_builder(database) as builder:
        trained = await _train(options.seed, lambda done: step(0.02 + 0.2 * done, "training the models"))
        served = _served(trained)
        _write(options.folder / "reference.json", json.dumps(reference(served, options.seed)))
        with _listening() as listener, _released(RegistryLock(database)) as lock:
            drills = Drills(options.pace)
            gateway = _gateway(options, served, drills, lock)
            port = listener.getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            server = _Server(_uvicorn(gateway))
            async with asyncio.TaskGroup() as group:
                group.create_task(server.serve(sockets=[listener]))
                group.create_task(gateway.tick())
                await _started(server)
                group.create_task(LoadGenerator(port, drills, options.seed, options.pace.rate).run())
                step(0.25, "sending requests")
                await builder.finish(
                    catalogue(trained, time.time(), options.seed),
                    lambda done: step(0.25 + 0.75 * done, "writing the registry"),
                )
                for drill in options.drills:
                    await gateway.start(drill)
                tell(_ready(options.folder, url, registry_uri(database)))
                # All objects so far live as long as the lab: the garbage collector need not check them again.
                gc.collect()
                gc.freeze()


class _Server(uvicorn.Server):
    """A server that does not handle signals, as the process does."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _train(seed: int, progress: Callable[[float], None]) -> Mapping[tuple[str, str], Trained]:
    trained: dict[tuple[str, str], Trained] = {}
    keys = trained_keys()
    for done, key in enumerate(keys, start=1):
        trained[key.model, str(key.version)] = train(FAMILIES[key.model], recipe(key.age), seed)
        progress(done / len(keys))
        await asyncio.sleep(0)  # so that the task can be cancelled between two models
    return trained


def _served(trained: Mapping[tuple[str, str], Trained]) -> Models:
    keys = [(spec.model, variant.version) for spec in ENDPOINTS for variant in spec.variants]
    return {key: trained[key].model for key in keys}


def _gateway(options: Options, models: Models, drills: Drills, lock: RegistryLock) -> Gateway:
    now, seed, pace = time.time(), options.seed, options.pace
    traffic = {
        spec.key: Traffic(spec, Random(f"{seed} traffic {spec.name}"), now, pace.replica_start_s) for spec in ENDPOINTS
    }
    rates = RateMeter(weight=1.0 / pace.rate)

    def ready(endpoint: str, variant: str) -> int:
        return traffic[SCOPE, endpoint].replicas[variant].ready

    truth = Truth(time.time, seed, pace.label_s)
    gpus = SimulatedGpus(rates, ready, lambda: drills.running("gpu-fault"), time.time, seed)
    meters = Meters((gpus, truth))
    return Gateway(traffic, Scorer(models, meters, rates, drills, truth, seed), meters, drills, lock, seed)


@contextmanager
def _listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        yield listener


@contextmanager
def _released(lock: RegistryLock) -> Iterator[RegistryLock]:
    try:
        yield lock
    finally:
        lock.release()


def _uvicorn(gateway: Gateway) -> uvicorn.Config:
    return uvicorn.Config(
        gateway.app(),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
    )


async def _started(server: uvicorn.Server) -> None:
    while not server.started:  # noqa: ASYNC110 — uvicorn has a flag for this, but no event
        await asyncio.sleep(0.01)


def _ready(folder: Path, url: str, registry: str) -> Mapping[str, object]:
    config = folder / "lab.toml"
    _write(config, config_text(folder, url, registry))
    return {"config": str(config), "gateway": url, "registry": registry, "metrics": f"{url}/metrics"}


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read, either completely or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.chmod(0o600)
    part.replace(path)
