"""GPUs that pods share, XID codes that stay, and names of newer exporters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.accelerators.dcgm import FRESH_S, DcgmAccelerators, DcgmOptions
from backends.contracts import Gpu, Sample, Subject, Wiring
from tests.examples import examples
from tests.unit.metrics.test_dcgm import Metrics

Line = tuple[str, dict[str, str], float]
GPU = {"gpu": "0", "UUID": "GPU-0a", "Hostname": "node-1", "modelName": "T4"}
UTIL, XID, COUNT = "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_XID_ERRORS", "DCGM_EXP_XID_ERRORS_COUNT"


class Exporter:
    """An adapter, with the lines of the exporter's next answer and the time by the wall clock."""

    def __init__(self) -> None:
        self.lines: Sequence[Line] = ()
        self.now = 1_000_000.0
        options = DcgmOptions(metrics="gpus")
        self._adapter = DcgmAccelerators(Wiring("dcgm", options, lambda kind, name: self._metrics(), lambda: self.now))

    def _metrics(self) -> Metrics:
        found: dict[str, list[Sample]] = {}
        for name, labels, value in self.lines:
            found.setdefault(name, []).append(Sample(labels, value))
        return Metrics(found)

    def read(self, *lines: Line) -> tuple[Gpu, ...]:
        self.lines = lines
        return self._adapter.gpus()

    def one(self, *lines: Line) -> Gpu:
        (gpu,) = self.read(*lines)
        return gpu


def held(pod: str, vgpu: str) -> dict[str, str]:
    return {**GPU, "namespace": "ml-prod", "pod": pod, "container": "m", "vgpu": vgpu}


def test_a_gpu_that_pods_share_is_one_gpu_of_both_in_any_order_of_lines() -> None:
    """NVIDIA/dcgm-exporter #340, #307, #587: time slicing writes a line for each pod."""
    lines = [
        (UTIL, held("sentiment-v7-0", "0"), 71.0),
        (UTIL, held("fraud-v13-0", "1"), 71.0),
        ("DCGM_FI_DEV_FB_USED", held("sentiment-v7-0", "0"), 9000.0),
        ("DCGM_FI_DEV_FB_FREE", held("fraud-v13-0", "1"), 6000.0),
    ]
    found = {Exporter().one(*order) for order in permutations(lines)}
    (gpu,) = found
    assert gpu.subjects == (Subject("fraud", "v13", "ml-prod"), Subject("sentiment", "v7", "ml-prod"))
    assert (gpu.utilisation, gpu.memory_used, gpu.memory_total) == (71.0, 9000 * 2**20, 15000 * 2**20)


@pytest.mark.parametrize(
    ("pod", "subject"),
    [
        ("sentiment-v7-6c9f7d44b5-x2x4z", ("sentiment", "v7")),
        ("fraud-detection-v12-0", ("fraud-detection", "v12")),
        ("sentiment-predictor-00003-deployment-6c9f7d44b5-x2x4z", None),
        ("standalone", None),
    ],
)
def test_pods_of_deployments_and_stateful_sets_are_known_by_their_names(
    pod: str, subject: tuple[str, str] | None
) -> None:
    gpu = Exporter().one((UTIL, held(pod, "0"), 1.0))
    assert [(one.endpoint, one.variant) for one in gpu.subjects] == ([subject] if subject else [])


def test_a_code_that_was_there_before_is_no_fault_and_nobody_knows_when_it_came() -> None:
    """NVIDIA/dcgm-exporter #500, #190, NVIDIA/DCGM #277: the gauge keeps the last code until the exporter restarts."""
    exporter = Exporter()
    for _ in range(3):
        gpu = exporter.one((XID, GPU, 31.0), (UTIL, GPU, 64.0))
        assert (gpu.xid, gpu.fault, gpu.xid_at) == (31, "", None)
        exporter.now += 86_400


def test_an_error_that_comes_is_a_fault_at_first_and_history_later() -> None:
    exporter = Exporter()
    exporter.one((XID, GPU, 0.0), (UTIL, GPU, 64.0))
    began = exporter.now = exporter.now + 10
    gpu = exporter.one((XID, GPU, 31.0), (UTIL, GPU, 64.0))
    assert (gpu.fault[:7], gpu.xid_at) == ("XID 31:", began)
    exporter.now += FRESH_S
    gpu = exporter.one((XID, GPU, 31.0), (UTIL, GPU, 64.0))
    assert (gpu.fault, gpu.xid, gpu.xid_at) == ("", 31, began)


@pytest.mark.parametrize(("count", "fault"), [(0.0, False), (2.0, True)])
def test_the_count_of_the_window_decides_where_it_is_there(count: float, fault: bool) -> None:
    counted = {**GPU, "window_size_in_ms": "300000", "xid": "31"}
    exporter = Exporter()
    exporter.one((XID, GPU, 0.0), (COUNT, counted, 0.0))
    gpu = exporter.one((XID, GPU, 31.0), (UTIL, GPU, 64.0), (COUNT, counted, count))
    assert bool(gpu.fault) is fault


def test_a_gpu_off_the_bus_is_a_fault_and_one_that_works_again_is_not() -> None:
    assert Exporter().one((XID, GPU, 79.0)).fault.startswith("XID 79: the GPU has fallen off the bus")
    assert Exporter().one((XID, GPU, 79.0), (UTIL, GPU, 64.0)).fault == ""
    assert Exporter().one((XID, GPU, 64.0), (UTIL, GPU, 64.0)).fault.startswith("XID 64"), "until the GPU is replaced"
    assert Exporter().one((XID, GPU, 0.0), (UTIL, GPU, 64.0)).fault == ""


def test_an_instance_is_as_busy_as_its_engine_and_not_as_its_device_says() -> None:
    """NVIDIA/dcgm-exporter #216, #3: the device's utilisation is 0 or absent for instances."""
    instance = {**GPU, "GPU_I_ID": "7", "GPU_I_PROFILE": "1g.5gb"}
    active = ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", instance, 0.83)
    assert Exporter().one((UTIL, instance, 0.0), active).utilisation == pytest.approx(83.0)
    assert Exporter().one((UTIL, instance, 0.0)).utilisation is None
    assert Exporter().one((UTIL, GPU, 5.0), ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", GPU, 0.83)).utilisation == 5.0


def test_a_node_is_one_whichever_way_its_label_is_written() -> None:
    """NVIDIA/dcgm-exporter PR #655: ``Hostname`` became ``hostname``."""
    newer = {"hostname" if name == "Hostname" else name: value for name, value in GPU.items()}
    gpu = Exporter().one((UTIL, newer, 5.0), ("DCGM_FI_DEV_GPU_TEMP", GPU, 50.0))
    assert (gpu.node, gpu.utilisation, gpu.temperature) == ("node-1", 5.0, 50.0)


@examples(100)
@given(st.lists(st.tuples(st.sampled_from([UTIL, XID, COUNT]), st.integers(0, 3), st.floats()), max_size=8))
def test_other_devices_lines_change_nothing_about_a_device(others: list[tuple[str, int, float]]) -> None:
    own = [(UTIL, GPU, 64.0), (XID, GPU, 0.0)]
    foreign = [
        (name, {**GPU, "UUID": f"GPU-{n}", "gpu": f"{n + 1}", "xid": f"{n}"}, value) for name, n, value in others
    ]
    found = Exporter().read(*foreign, *own)
    assert [gpu for gpu in found if gpu.uuid == "GPU-0a"] == [Exporter().one(*own)]
