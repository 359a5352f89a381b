"""The GPUs of this machine, through NVIDIA's management library in a child process of its own."""

from __future__ import annotations

import platform
import sys
import threading
import time
from collections.abc import Mapping
from typing import ClassVar

from backends.accelerators.xid import fault
from backends.child import RESTART_S, Child
from backends.contracts import Gpu, GpuProcess, Probe, ProbeKind, Wiring
from backends.errors import BackendError, Malformed, Unsupported
from backends.options import Options

MODULE = "backends.accelerators.nvml_process"


class NvmlAccelerators:
    """Thread-safe. Without a driver it raises ``Unsupported``, and looks for a driver again after half a minute."""

    OPTIONS: ClassVar[type[Options]] = Options

    def __init__(self, wiring: Wiring[Options]) -> None:
        self._timeout = wiring.options.timeout_s
        self._lock = threading.Lock()
        self._child = Child(MODULE, "NVML")
        self._none: tuple[float, str] | None = None  # the time at which no driver was found, and the error's message
        self._closed = False

    def gpus(self) -> tuple[Gpu, ...]:
        with self._lock:
            if self._none is not None and time.monotonic() - self._none[0] < RESTART_S:
                raise Unsupported(self._none[1])
            try:
                answer = self._child.ask({"do": "gpus"}, self._timeout)
            except Unsupported as error:
                # End the process, as it has nothing to do without a driver.
                self._child.close()
                if not self._closed:
                    self._child = Child(MODULE, "NVML")
                self._none = (time.monotonic(), error.message)
                raise
            self._none = None
        return read_devices(answer, platform.node())

    def probe(self) -> tuple[Probe, ...]:
        began = time.monotonic()
        try:
            found = self.gpus()
        except Unsupported as error:
            return (Probe(ProbeKind.REACH, None, error.message, "a machine without a GPU needs nothing"),)
        except BackendError as error:
            return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
        models = ", ".join(sorted({gpu.model for gpu in found})) or "none"
        took = time.monotonic() - began
        return (Probe(ProbeKind.READ, True, f"{len(found)} GPUs ({models})", latency_s=took),)

    def close(self) -> None:
        self._closed = True
        self._child.close()


def read_devices(answer: object, node: str) -> tuple[Gpu, ...]:
    """The devices of this ``node``, from the answer of the child process.

    Raises:
        Malformed: the answer is not a list of devices.
    """
    if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
        raise Malformed("the answer of the NVML process is not a list of devices")
    return tuple(_gpu(one, node) for one in answer)


def _gpu(told: Mapping[str, object], node: str) -> Gpu:
    code = _integer(told, "xid")
    lost = told.get("lost") is True
    return Gpu(
        node=node,
        index=str(told.get("index", "")),
        uuid=str(told.get("uuid") or ""),
        model=str(told.get("model") or ""),
        utilisation=_number(told, "utilisation"),
        memory_used=_integer(told, "memory_used"),
        memory_total=_integer(told, "memory_total"),
        temperature=_number(told, "temperature"),
        power=_number(told, "power"),
        clock=_number(told, "clock"),
        xid=code,
        ecc=_integer(told, "ecc"),
        remapped=_integer(told, "remapped"),
        processes=_processes(told),
        fault="the driver has lost the device" if lost else fault(code, remap_failed=told.get("remap_failed") is True),
    )


def _processes(told: Mapping[str, object]) -> tuple[GpuProcess, ...]:
    listed = told.get("processes") or []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Malformed("the processes in the answer of the NVML process are not a list of objects")
    return tuple(
        GpuProcess(_integer(one, "pid") or 0, str(one.get("name") or ""), _integer(one, "memory")) for one in listed
    )


def _integer(told: Mapping[str, object], key: str) -> int | None:
    value = _number(told, key)
    return None if value is None else int(value)


def _number(told: Mapping[str, object], key: str) -> float | None:
    value = told.get(key)
    if value is None:
        return None
    # The value is compared, not converted: it can be an integer of any length.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise Malformed(f"the {key} in the answer of the NVML process is not a number")
    return float(value)
