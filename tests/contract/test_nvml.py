"""The NVML adapter and its child process, on a fake ``pynvml`` (see ``fakes/nvml``) and on what this machine has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends import child
from backends.accelerators.nvml import NvmlAccelerators
from backends.contracts import Adapter, GpuProcess, Wiring
from backends.errors import TimedOut, Unreachable, Unsupported
from backends.options import Options

FAKES = Path(__file__).parent / "fakes" / "nvml"

Made = Callable[..., NvmlAccelerators]


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    made: list[NvmlAccelerators] = []

    def no_source(kind: str, name: str) -> Adapter:
        raise LookupError(kind, name)

    def make(mood: str = "", timeout: float = 20.0) -> NvmlAccelerators:
        monkeypatch.setenv("PYTHONPATH", str(FAKES))
        monkeypatch.setenv("FAKE_NVML", mood)
        made.append(NvmlAccelerators(Wiring("nvml", Options(timeout), no_source, time.time)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_devices_with_what_each_reports(nvml: Made) -> None:
    first, second = nvml().gpus()
    assert (first.index, first.uuid, first.model) == ("0", "GPU-0", "Fake H100")
    assert (first.utilisation, first.temperature, first.power, first.clock) == (87, 71, 250.5, 1410)
    assert (first.memory_used, first.memory_total) == (2**30, 2**36)
    assert (first.xid, first.fault, first.simulated) == (0, "", False)
    assert (second.utilisation, second.power, second.xid) == (None, None, None), "not supported is not 0"
    assert second.temperature == 71


def test_memory_that_wears_out_and_who_computes(nvml: Made) -> None:
    first, second = nvml().gpus()
    assert (first.ecc, first.remapped) == (2, 3)
    assert first.processes == (GpuProcess(4711, "tritonserver", 2**30), GpuProcess(4712, "", None))
    assert (second.ecc, second.remapped, second.processes) == (None, None, ()), "not supported is not 0"
    assert "replace the GPU" in nvml("worn").gpus()[0].fault


def test_a_divided_device_is_told_as_its_instances(nvml: Made) -> None:
    found = nvml("mig").gpus()
    assert [(one.index, one.uuid) for one in found] == [("0.3", "MIG-100"), ("0.5", "MIG-102"), ("1", "GPU-1")]
    assert [one.memory_total for one in found] == [2**33, 2**33, 2**36]
    assert (found[0].utilisation, found[0].temperature, found[0].xid) == (None, 71, 0)


def test_an_xid_error_is_remembered(nvml: Made) -> None:
    adapter = nvml("xid")
    for _ in range(2):
        first, second = adapter.gpus()
        assert (first.xid, second.xid) == (79, None)
        assert "fallen off the bus" in first.fault


def test_a_lost_device_is_a_fault(nvml: Made) -> None:
    first, second = nvml("lost").gpus()
    assert first.fault == ""
    assert "lost" in second.fault


def test_what_the_library_prints_does_not_disturb(nvml: Made) -> None:
    assert len(nvml("chatty").gpus()) == 2


def test_no_driver_is_not_supported_and_not_asked_for_all_the_time(nvml: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = nvml("no driver")
    with pytest.raises(Unsupported, match="no NVIDIA driver on this machine"):
        adapter.gpus()
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(Unsupported, match="no NVIDIA driver on this machine"):
        adapter.gpus()
    assert [probe.ok for probe in adapter.probe()] == [None]


def test_a_driver_that_does_not_start_is_said(nvml: Made) -> None:
    with pytest.raises(Unreachable, match="driver and library differ"):
        nvml("broken").gpus()


def test_a_crash_harms_nobody_else_and_is_not_repeated_at_once(nvml: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = nvml("crash")
    with pytest.raises(Unreachable, match=r"NVML process ended \(signal 11\)"):
        adapter.gpus()
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", None)
        with pytest.raises(Unreachable, match=r"ended \(signal 11\)") as caught:
            adapter.gpus()
        assert "started again in" in caught.value.hint
    monkeypatch.setenv("FAKE_NVML", "")
    adapter._child._restart_s = 0.0
    assert len(adapter.gpus()) == 2, "and it comes back"


def test_a_child_that_hangs_is_ended(nvml: Made) -> None:
    adapter = nvml("hang", timeout=1.0)
    began = time.monotonic()
    with pytest.raises(TimedOut, match="NVML process gave no answer within 1 s"):
        adapter.gpus()
    assert time.monotonic() - began < 4
    with pytest.raises(Unreachable, match="gave no answer"):
        adapter.gpus()


def test_close_ends_the_child(nvml: Made) -> None:
    adapter = nvml()
    adapter.gpus()
    process = adapter._child._process
    assert process is not None
    adapter.close()
    assert process.poll() is not None
    with pytest.raises(Unreachable):
        adapter.gpus()


def test_the_child_ends_with_its_parent_even_while_it_hangs() -> None:
    """The parent is killed outright, so that nothing but the end of standard input can tell the child."""
    script = (
        "import sys, threading\n"
        "from backends.child import Child\n"
        "child = Child('backends.accelerators.nvml_process', 'NVML')\n"
        "threading.Thread(target=child.ask, args=({'do': 'gpus'}, 60), daemon=True).start()\n"
        "while child._process is None: pass\n"
        "print(child._process.pid, flush=True)\n"
        "threading.Event().wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(FAKES), "FAKE_NVML": "hang"}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while _alive(pid):
        assert time.monotonic() < deadline, "the child outlived its parent"


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_on_this_machine_it_answers_one_way_or_the_other(nvml: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = nvml()
    monkeypatch.delenv("PYTHONPATH")
    try:
        found = adapter.gpus()
    except Unsupported:
        return
    assert all(gpu.uuid and gpu.model and not gpu.simulated for gpu in found)


def test_a_child_module_that_does_not_start_is_said() -> None:
    one = child.Child("backends.no_such_module", "test")
    with pytest.raises(Unreachable, match=r"test process ended \(status 1\)"):
        one.ask({}, 20)
    one.close()
