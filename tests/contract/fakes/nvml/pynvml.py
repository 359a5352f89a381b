"""A fake of NVIDIA's ``pynvml``, put before the real one by PYTHONPATH, in the mood that FAKE_NVML names: it has two
devices, one of which reports little; or it has no library, crashes, hangs, or prints."""

from __future__ import annotations

import os
import resource
import signal
import threading
from types import SimpleNamespace

MOOD = os.environ.get("FAKE_NVML", "")
NVML_TEMPERATURE_GPU = 0
NVML_CLOCK_SM = 1
NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1
NVML_VOLATILE_ECC = 0
NVML_DEVICE_MIG_ENABLE = 1
nvmlEventTypeXidCriticalError = 8  # noqa: N816
INSTANCES = {100: 3, 102: 5}  # handles of MIG instances on the first device, and their numbers


class NVMLError(Exception):
    pass


class NVMLError_LibraryNotFound(NVMLError):  # noqa: N801
    pass


class NVMLError_DriverNotLoaded(NVMLError):  # noqa: N801
    pass


class NVMLError_GpuIsLost(NVMLError):  # noqa: N801
    pass


class NVMLError_NotSupported(NVMLError):  # noqa: N801
    pass


events = [SimpleNamespace(device=0, eventType=nvmlEventTypeXidCriticalError, eventData=79)] if MOOD == "xid" else []


def nvmlInit() -> None:  # noqa: N802
    if MOOD == "no driver":
        raise NVMLError_LibraryNotFound
    if MOOD == "broken":
        raise NVMLError("driver and library differ")


def nvmlDeviceGetCount() -> int:  # noqa: N802
    if MOOD == "crash":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), signal.SIGSEGV)
    if MOOD == "hang":
        threading.Event().wait()
    if MOOD == "chatty":
        print("libnvidia-ml: a warning on standard output")  # noqa: T201
    return 2


def nvmlDeviceGetHandleByIndex(index: int) -> int:  # noqa: N802
    if MOOD == "lost" and index == 1:
        raise NVMLError_GpuIsLost
    return index


def nvmlDeviceGetUUID(handle: int) -> bytes:  # noqa: N802
    return (f"MIG-{handle}" if handle in INSTANCES else f"GPU-{handle}").encode()


def nvmlDeviceGetName(handle: int) -> str:  # noqa: N802
    return "Fake H100"


def nvmlDeviceGetPciInfo(handle: int) -> object:  # noqa: N802
    return object()


def nvmlDeviceGetMemoryInfo(handle: int) -> SimpleNamespace:  # noqa: N802
    return SimpleNamespace(used=2**30, total=2**33 if handle in INSTANCES else 2**36)


def nvmlDeviceGetUtilizationRates(handle: int) -> SimpleNamespace:  # noqa: N802
    if handle == 1:
        raise NVMLError_NotSupported
    return SimpleNamespace(gpu=87)


def nvmlDeviceGetPowerUsage(handle: int) -> int:  # noqa: N802
    if handle == 1:
        raise NVMLError_NotSupported
    return 250_500


def nvmlDeviceGetTemperature(handle: int, sensor: int) -> int:  # noqa: N802
    return 71


def nvmlDeviceGetClockInfo(handle: int, clock: int) -> int:  # noqa: N802
    return 1410


def nvmlEventSetCreate() -> object:  # noqa: N802
    return object()


def nvmlDeviceRegisterEvents(handle: int, kinds: int, events: object) -> None:  # noqa: N802
    if handle == 1:
        raise NVMLError_NotSupported


def nvmlEventSetWait(watched: object, timeout: int) -> SimpleNamespace:  # noqa: N802
    if not events:
        raise NVMLError
    return events.pop()


def nvmlDeviceGetTotalEccErrors(handle: int, kind: int, counter: int) -> int:  # noqa: N802
    if handle == 1:
        raise NVMLError_NotSupported
    return 2


def nvmlDeviceGetRemappedRows(handle: int) -> tuple[int, int, int, int]:  # noqa: N802
    if handle == 1:
        raise NVMLError_NotSupported
    return 1, 2, 0, int(MOOD == "worn")


def nvmlDeviceGetComputeRunningProcesses(handle: int) -> list[SimpleNamespace]:  # noqa: N802
    if handle == 1:
        raise NVMLError_NotSupported
    return [SimpleNamespace(pid=4711, usedGpuMemory=2**30), SimpleNamespace(pid=4712, usedGpuMemory=None)]


def nvmlSystemGetProcessName(pid: int) -> str:  # noqa: N802
    if pid == 4712:
        raise NVMLError
    return "/opt/models/bin/tritonserver --api-key=secret"


def nvmlDeviceGetMigMode(handle: int) -> list[int]:  # noqa: N802
    if handle == 1:
        raise NVMLError_NotSupported
    return [int(MOOD == "mig")] * 2


def nvmlDeviceGetMaxMigDeviceCount(handle: int) -> int:  # noqa: N802
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(handle: int, place: int) -> int:  # noqa: N802
    if 100 + place not in INSTANCES:
        raise NVMLError
    return 100 + place


def nvmlDeviceGetGpuInstanceId(handle: int) -> int:  # noqa: N802
    return INSTANCES[handle]
