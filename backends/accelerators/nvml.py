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
    """Thread-safe. Without a driver it raises ``Unsupported``, and looks again only after half a minute."""

    OPTIONS: ClassVar[type[Options]] = Options

    def __init__(self, wiring: Wiring[Options]) -> None:
        self._timeout = wiring.options.timeout_s
        self._lock = threading.Lock()
        self._child = Child(MODULE, "NVML")
        self._none: tuple[float, str] | None = None  # since when there is no driver, and in what words
        self._closed = False

    def gpus(self) -> tuple[Gpu, ...]:
        with self._lock:
            if self._none is not None and time.monotonic() - self._none[0] < RESTART_S:
                raise Unsupported(self._none[1])
            try:
                answer = self._child.ask({"do": "gpus"}, self._timeout)
            except Unsupported as error:
                # Nothing to keep a process for.
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
            return (Probe(ProbeKind.REACH, None, error.message, "nothing to do where there is no GPU"),)
        except BackendError as error:
            return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
        models = ", ".join(sorted({gpu.model for gpu in found})) or "none"
        took = time.monotonic() - began
        return (Probe(ProbeKind.READ, True, f"{len(found)} GPUs ({models})", latency_s=took),)

    def close(self) -> None:
        self._closed = True
        self._child.close()


def read_devices(answer: object, node: str) -> tuple[Gpu, ...]:
    """What the child process answered, as devices of this ``node``.

    Raises:
        Malformed: it is not what that process answers.
    """
    if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
        raise Malformed("the NVML process answered with what is not a list of devices")
    return tuple(_gpu(one, node) for one in answer)


def _gpu(told: Mapping[str, object], node: str) -> Gpu:
    code = _whole(told, "xid")
    lost = told.get("lost") is True
    return Gpu(
        node=node,
        index=str(told.get("index", "")),
        uuid=str(told.get("uuid") or ""),
        model=str(told.get("model") or ""),
        utilisation=_number(told, "utilisation"),
        memory_used=_whole(told, "memory_used"),
        memory_total=_whole(told, "memory_total"),
        temperature=_number(told, "temperature"),
        power=_number(told, "power"),
        clock=_number(told, "clock"),
        xid=code,
        ecc=_whole(told, "ecc"),
        remapped=_whole(told, "remapped"),
        processes=_processes(told),
        fault="the driver has lost the device" if lost else fault(code, remap_failed=told.get("remap_failed") is True),
    )


def _processes(told: Mapping[str, object]) -> tuple[GpuProcess, ...]:
    listed = told.get("processes") or []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Malformed("the NVML process told processes that are no list of objects")
    return tuple(
        GpuProcess(_whole(one, "pid") or 0, str(one.get("name") or ""), _whole(one, "memory")) for one in listed
    )


def _whole(told: Mapping[str, object], key: str) -> int | None:
    value = _number(told, key)
    return None if value is None else int(value)


def _number(told: Mapping[str, object], key: str) -> float | None:
    value = told.get(key)
    if value is None:
        return None
    # Compared, not converted: a whole number of any length may have been told.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise Malformed(f"the NVML process told a {key} that is not a number")
    return float(value)
