"""The child process that talks to NVIDIA's management library (NVML), which may hang or crash with its driver.

Answers ``{"do": "gpus"}`` with a list of objects: ``index``, ``uuid``, ``model``, ``utilisation`` (percent),
``memory_used`` and ``memory_total`` (bytes), ``temperature`` (°C), ``power`` (W), ``clock`` (MHz), ``xid`` (the last
one since this process began, 0 for none) and ``lost``. What a device does not report is null.
API: https://docs.nvidia.com/deploy/nvml-api/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backends.child import Request, serve
from backends.errors import Unreachable, Unsupported


class Nvml:
    """The library, initialised, and the XID errors that were seen since."""

    def __init__(self) -> None:
        import pynvml

        self._lib: Any = pynvml
        try:
            pynvml.nvmlInit()
        except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
            raise Unsupported("no NVIDIA driver on this machine") from None
        except pynvml.NVMLError as error:
            raise Unreachable(f"NVML does not start: {error}") from None
        self._xids: dict[str, int] = {}
        self._events: Any = self._maybe(pynvml.nvmlEventSetCreate)
        self._watched: set[str] = set()

    def gpus(self) -> list[dict[str, object]]:
        lib = self._lib
        try:
            count = lib.nvmlDeviceGetCount()
        except lib.NVMLError as error:
            raise Unreachable(f"NVML does not count the devices: {error}") from None
        devices = [self._device(index) for index in range(count)]
        self._drain()
        return [{**device, "xid": self._xid(str(device["uuid"]))} for device in devices]

    def _device(self, index: int) -> dict[str, object]:
        lib = self._lib
        try:
            handle = lib.nvmlDeviceGetHandleByIndex(index)
            uuid = _text(lib.nvmlDeviceGetUUID(handle))
        except lib.NVMLError:
            return {"index": index, "uuid": "", "lost": True}
        self._watch(handle, uuid)
        memory = self._maybe(lib.nvmlDeviceGetMemoryInfo, handle)
        rates = self._maybe(lib.nvmlDeviceGetUtilizationRates, handle)
        power = self._maybe(lib.nvmlDeviceGetPowerUsage, handle)  # mW
        return {
            "index": index,
            "uuid": uuid,
            "lost": self._lost(handle),
            "model": _text(self._maybe(lib.nvmlDeviceGetName, handle)),
            "utilisation": None if rates is None else rates.gpu,
            "memory_used": None if memory is None else memory.used,
            "memory_total": None if memory is None else memory.total,
            "temperature": self._maybe(lib.nvmlDeviceGetTemperature, handle, lib.NVML_TEMPERATURE_GPU),
            "power": None if power is None else power / 1000,
            "clock": self._maybe(lib.nvmlDeviceGetClockInfo, handle, lib.NVML_CLOCK_SM),
        }

    def _lost(self, handle: Any) -> bool:
        try:
            self._lib.nvmlDeviceGetPciInfo(handle)
        except self._lib.NVMLError_GpuIsLost:
            return True
        except self._lib.NVMLError:
            return False
        return False

    def _maybe(self, read: Callable[..., Any], *arguments: object) -> Any:
        """What NVML reads, or ``None`` where this device, driver or user cannot have it."""
        try:
            return read(*arguments)
        except self._lib.NVMLError:
            return None

    def _watch(self, handle: Any, uuid: str) -> None:
        """Be told of XID errors from now on, where the device can tell: they come as events, and only once."""
        if self._events is None or uuid in self._watched:
            return
        self._watched.add(uuid)
        lib = self._lib
        try:
            lib.nvmlDeviceRegisterEvents(handle, lib.nvmlEventTypeXidCriticalError, self._events)
            self._xids[uuid] = 0
        except lib.NVMLError:
            return

    def _drain(self) -> None:
        lib = self._lib
        for _ in range(1000 if self._xids else 0):
            data = self._maybe(lib.nvmlEventSetWait, self._events, 0)
            if data is None:
                return
            uuid = _text(self._maybe(lib.nvmlDeviceGetUUID, data.device))
            if data.eventType == lib.nvmlEventTypeXidCriticalError and uuid:
                self._xids[uuid] = int(data.eventData)

    def _xid(self, uuid: str) -> int | None:
        return self._xids.get(uuid)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def main() -> None:
    opened: list[Nvml] = []

    def handle(_request: Request) -> object:
        if not opened:
            opened.append(Nvml())
        return opened[0].gpus()

    serve(handle)


if __name__ == "__main__":
    main()
