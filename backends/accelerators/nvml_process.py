"""The child process that calls NVIDIA's management library (NVML), which can hang or crash with its driver.

It answers ``{"do": "gpus"}`` with a list of objects: ``index``, ``uuid``, ``model``, ``utilisation`` (percent),
``memory_used`` and ``memory_total`` (bytes), ``temperature`` (°C), ``power`` (W), ``clock`` (MHz), ``xid`` (the last
code since this process began, 0 for none), ``ecc`` (uncorrected errors since the driver was loaded), ``remapped``
(rows), ``remap_failed``, ``processes`` (``pid``, ``name``, ``memory`` in bytes) and ``lost``. A value that a device
does not report is null. A divided device (MIG) is listed as its instances, each with its own memory and processes.
API: https://docs.nvidia.com/deploy/nvml-api/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backends.child import Request, serve
from backends.errors import Unreachable, Unsupported


class Nvml:
    """The initialised library, and the XID errors since then."""

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
        told = ({**one, "xid": self._xid(str(one["uuid"]))} for one in devices)
        return [one for device in told for one in self._instances(device)]

    def _device(self, index: int) -> dict[str, object]:
        lib = self._lib
        try:
            handle = lib.nvmlDeviceGetHandleByIndex(index)
            uuid = self._uuid(handle)
        except lib.NVMLError:
            return {"index": index, "uuid": "", "lost": True}
        self._watch(handle, uuid)
        rates = self._maybe(lib.nvmlDeviceGetUtilizationRates, handle)
        power = self._maybe(lib.nvmlDeviceGetPowerUsage, handle)  # mW
        return {
            "index": index,
            "uuid": uuid,
            "lost": self._lost(handle),
            "model": _text(self._maybe(lib.nvmlDeviceGetName, handle)),
            "utilisation": None if rates is None else rates.gpu,
            **self._held(handle),
            "temperature": self._maybe(lib.nvmlDeviceGetTemperature, handle, lib.NVML_TEMPERATURE_GPU),
            "power": None if power is None else power / 1000,
            "clock": self._maybe(lib.nvmlDeviceGetClockInfo, handle, lib.NVML_CLOCK_SM),
            "ecc": self._maybe(
                lib.nvmlDeviceGetTotalEccErrors, handle, lib.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, lib.NVML_VOLATILE_ECC
            ),
            **self._rows(handle),
        }

    def _held(self, handle: Any) -> dict[str, object]:
        """The memory of a device or of an instance, and its compute processes."""
        lib = self._lib
        memory = self._maybe(lib.nvmlDeviceGetMemoryInfo, handle)
        processes = self._maybe(lib.nvmlDeviceGetComputeRunningProcesses, handle)
        return {
            "memory_used": None if memory is None else memory.used,
            "memory_total": None if memory is None else memory.total,
            "processes": [
                {"pid": one.pid, "name": self._program(one.pid), "memory": one.usedGpuMemory} for one in processes or ()
            ],
        }

    def _program(self, pid: int) -> str:
        """The name of the program's file, without folders, and without arguments, as these can hold secrets."""
        path = _text(self._maybe(self._lib.nvmlSystemGetProcessName, pid))
        return path.partition(" ")[0].rpartition("/")[2]

    def _rows(self, handle: Any) -> dict[str, object]:
        rows = self._maybe(self._lib.nvmlDeviceGetRemappedRows, handle)
        if rows is None:
            return {}
        corrected, uncorrected, _pending, failed = rows
        return {"remapped": corrected + uncorrected, "remap_failed": bool(failed)}

    def _instances(self, device: dict[str, object]) -> list[dict[str, object]]:
        """The MIG instances of a device; the device itself if it is not divided."""
        lib = self._lib
        whole = None if device["lost"] else self._maybe(lib.nvmlDeviceGetHandleByIndex, device["index"])
        mode = None if whole is None else self._maybe(lib.nvmlDeviceGetMigMode, whole)
        if not mode or mode[0] != lib.NVML_DEVICE_MIG_ENABLE:
            return [device]
        found = []
        for place in range(self._maybe(lib.nvmlDeviceGetMaxMigDeviceCount, whole) or 0):
            handle = self._maybe(lib.nvmlDeviceGetMigDeviceHandleByIndex, whole, place)
            if handle is None:
                continue  # there is no instance at this index
            number = self._maybe(lib.nvmlDeviceGetGpuInstanceId, handle)
            own = {
                "index": f"{device['index']}.{place if number is None else number}",
                "uuid": _text(self._maybe(lib.nvmlDeviceGetUUID, handle)),
                "utilisation": None,  # NVML has no utilisation of an instance
                **self._held(handle),
            }
            found.append({**device, **own})
        return found or [device]

    def _lost(self, handle: Any) -> bool:
        try:
            self._lib.nvmlDeviceGetPciInfo(handle)
        except self._lib.NVMLError_GpuIsLost:
            return True
        except (self._lib.NVMLError, UnicodeDecodeError):
            return False
        return False

    def _maybe(self, read: Callable[..., Any], *arguments: object) -> Any:
        """The result of a call of NVML; ``None`` if the device or driver does not support it, the user may not, or the
        library cannot decode the driver's text."""
        try:
            return read(*arguments)
        except (self._lib.NVMLError, UnicodeDecodeError):
            return None

    def _uuid(self, handle: Any) -> str:
        """The UUID of a device, "" if it is no text. Raises ``NVMLError`` if the device does not answer."""
        try:
            return _text(self._lib.nvmlDeviceGetUUID(handle))
        except UnicodeDecodeError:
            return ""

    def _watch(self, handle: Any, uuid: str) -> None:
        """Register for the XID errors of a device, if it supports this. Each error is one event, delivered once."""
        if self._events is None or not uuid or uuid in self._watched:
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
