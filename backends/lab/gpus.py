"""Simulated accelerators with the DCGM exporter's metric names, and with the label ``simulated="true"``.

Their load follows the requests to the variants on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from backends.lab.world import SCOPE

LABELS = (
    "gpu", "UUID", "device", "modelName", "Hostname", "namespace", "pod", "container", "simulated"
)  # fmt: skip
FELL_OFF_THE_BUS = 79  # NVIDIA's XID for a GPU that no longer answers


@dataclass(frozen=True, slots=True)
class Kind:
    """A model of GPU. Memory in MiB, power in W, clock in MHz."""

    name: str
    memory: int
    idle_power: float
    full_power: float
    clock: float


A100 = Kind("NVIDIA A100-SXM4-80GB", 81_920, 62.0, 400.0, 1410.0)
H100 = Kind("NVIDIA H100 80GB HBM3", 81_559, 70.0, 700.0, 1980.0)


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU and the pod that holds it: replica ``replica`` of a variant. At ``full_rps`` the GPU is fully busy."""

    node: str
    index: int
    kind: Kind
    endpoint: str
    variant: str
    replica: int
    full_rps: float
    held: int  # MiB of memory that the model holds

    @property
    def uuid(self) -> str:
        digits = Random(f"{self.node}/{self.index}").getrandbits(128)
        text = f"{digits:032x}"
        return f"GPU-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    @property
    def pod(self) -> str:
        return f"{self.endpoint}-{self.variant}-{self.replica}"


DEVICES = (
    Device("gpu-a", 0, A100, "sentiment", "v7", 0, 9.0, 46_200),
    Device("gpu-a", 1, A100, "sentiment", "v8", 0, 10.0, 48_900),
    Device("gpu-b", 0, H100, "ranker", "v9", 0, 3.2, 61_400),
    Device("gpu-b", 1, H100, "ranker", "v10", 0, 3.5, 61_900),
    Device("gpu-c", 0, A100, "fraud", "v12", 0, 8.5, 22_700),
    Device("gpu-c", 1, A100, "pricing", "v21", 0, 16.0, 18_300),
)
FAULTY = DEVICES[4]  # the GPU that the drill breaks


@dataclass(slots=True)
class RateMeter:
    """Requests per second by (endpoint, variant), decaying with a time constant of ``tau_s``. Where the lab has more
    requests than usual, its GPUs are not busier: each request counts ``weight``.
    """

    tau_s: float = 8.0
    weight: float = 1.0
    _marks: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def mark(self, endpoint: str, variant: str, now: float) -> None:
        self._marks[endpoint, variant] = (self._sum(endpoint, variant, now) + self.weight, now)

    def rate(self, endpoint: str, variant: str, now: float) -> float:
        return self._sum(endpoint, variant, now) / self.tau_s

    def _sum(self, endpoint: str, variant: str, now: float) -> float:
        total, at = self._marks.get((endpoint, variant), (0.0, now))
        return total * math.exp((at - now) / self.tau_s)


class SimulatedGpus(Collector):
    """``ready`` returns the number of ready replicas of an endpoint's variant; ``faulty``, whether the drill runs."""

    def __init__(
        self,
        rates: RateMeter,
        ready: Callable[[str, str], int],
        faulty: Callable[[], bool],
        clock: Callable[[], float],
        seed: int,
    ) -> None:
        self._faulty = faulty
        self._rates = rates
        self._ready = ready
        self._clock = clock
        self._rng = Random(f"{seed} gpus")

    def collect(self) -> Iterable[Metric]:
        families = {
            name: GaugeMetricFamily(f"DCGM_FI_DEV_{name}", text, labels=LABELS)
            for name, text in (
                ("GPU_UTIL", "GPU utilization (in %)."),
                ("FB_USED", "Framebuffer memory used (in MiB)."),
                ("FB_FREE", "Framebuffer memory free (in MiB)."),
                ("GPU_TEMP", "GPU temperature (in C)."),
                ("POWER_USAGE", "Power draw (in W)."),
                ("SM_CLOCK", "SM clock frequency (in MHz)."),
                ("XID_ERRORS", "Value of the last XID error encountered."),
            )
        }
        now = self._clock()
        for device in DEVICES:
            held = self._ready(device.endpoint, device.variant) > device.replica
            owner = (SCOPE, device.pod, "model") if held else ("", "", "")
            labels = (
                str(device.index), device.uuid, f"nvidia{device.index}", device.kind.name, device.node, *owner, "true"
            )  # fmt: skip
            for name, value in self._values(device, held, now).items():
                families[name].add_metric(labels, value)
        return families.values()

    def _values(self, device: Device, held: bool, now: float) -> Mapping[str, float]:
        broken = self._faulty() and device is FAULTY
        kind = device.kind
        busy = 0.0
        if held and not broken:
            replicas = max(1, self._ready(device.endpoint, device.variant))
            rate = self._rates.rate(device.endpoint, device.variant, now) / replicas
            busy = min(1.0, max(0.0, rate / device.full_rps + self._rng.gauss(0.0, 0.02)))
        used = device.held + round(400 * busy) if held else 4
        power = kind.idle_power + (kind.full_power - kind.idle_power) * busy**0.8
        return {
            **({} if broken else {"GPU_UTIL": round(100 * busy)}),  # nobody can ask a device that is off the bus
            "FB_USED": used,
            "FB_FREE": kind.memory - used,
            "GPU_TEMP": round(31 + 42 * busy**0.7),
            "POWER_USAGE": round(power + self._rng.gauss(0.0, 1.5), 1),
            "SM_CLOCK": kind.clock if busy > 0.02 else 210.0,
            "XID_ERRORS": FELL_OFF_THE_BUS if broken else 0,
        }
