"""Every system that the fault run attacks, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tests.soak.cases import System
from tests.soak.haproxy_system import HaproxySystem
from tests.soak.kube_systems import IstioSystem, PairSystem, RouteSystem, api_server
from tests.soak.lab_system import LabSystem
from tests.soak.registry_system import MlflowSystem
from tests.soak.silence_system import AlertmanagerSystem

OWN = {kind.name: kind for kind in (LabSystem, HaproxySystem, AlertmanagerSystem, MlflowSystem)}
KUBE = {kind.name: kind for kind in (RouteSystem, IstioSystem, PairSystem)}
NAMES = (*OWN, *KUBE)


def systems(folder: Path, seed: int, names: Sequence[str]) -> Iterator[Callable[[], System]]:
    """What starts each of these systems. Those on Kubernetes share an API server, which ends with the iteration."""
    for name in names:
        if name in OWN:
            yield partial(OWN[name], folder, seed)
    if kinds := [KUBE[name] for name in names if name in KUBE]:
        server = api_server(folder / "apiserver")
        try:
            for kind in kinds:
                yield partial(kind, server, folder)
        finally:
            server.stop()
