"""GPUs from the DCGM exporter's metrics, as a metrics source gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import pytest

from backends.accelerators.dcgm import DcgmAccelerators, DcgmOptions
from backends.contracts import Gpu, Histogram, Measure, Probe, Sample, Series, Subject, VariantMetrics, Wiring
from backends.errors import BackendError, Rejected, Unreachable
from backends.options import Options

LABELS = {
    "gpu": "0",
    "UUID": "GPU-1",
    "modelName": "NVIDIA A100",
    "Hostname": "node-a",
    "namespace": "prod",
    "pod": "fraud-detection-v12-0",
}


class Metrics:
    """A metrics adapter that has just these samples."""

    OPTIONS: ClassVar[type[Options]] = Options

    def __init__(self, samples: Mapping[str, list[Sample]], failure: BackendError | None = None) -> None:
        self._samples = samples
        self._failure = failure

    def samples(self, name: str) -> tuple[Sample, ...]:
        if self._failure is not None:
            raise self._failure
        return tuple(self._samples.get(name, ()))

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        return ()

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series:
        return Series(subject, measure, ())

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        return ()

    def probe(self) -> tuple[Probe, ...]:
        return ()

    def close(self) -> None:
        pass


def dcgm(metrics: Metrics, **options: object) -> DcgmAccelerators:
    given = DcgmOptions(metrics="gateway", **options)
    return DcgmAccelerators(Wiring("dcgm", given, lambda kind, name: metrics, lambda: 0.0))


def one(labels: Mapping[str, str] = LABELS, **values: float) -> Gpu:
    samples = {f"DCGM_FI_DEV_{name}": [Sample(labels, value)] for name, value in values.items()}
    (gpu,) = dcgm(Metrics(samples)).gpus()
    return gpu


def test_units_and_whose_it_is() -> None:
    gpu = one(GPU_UTIL=87, FB_USED=1024, FB_FREE=3072, GPU_TEMP=71, POWER_USAGE=250.5, SM_CLOCK=1410, XID_ERRORS=0)
    assert (gpu.node, gpu.index, gpu.uuid, gpu.model) == ("node-a", "0", "GPU-1", "NVIDIA A100")
    assert (gpu.utilisation, gpu.temperature, gpu.power, gpu.clock) == (87, 71, 250.5, 1410)
    assert (gpu.memory_used, gpu.memory_total) == (2**30, 4 * 2**30)
    assert (gpu.xid, gpu.fault, gpu.simulated) == (0, "", False)
    assert gpu.subject == Subject("fraud-detection", "v12", "prod")


def test_what_is_not_reported_is_not_known() -> None:
    gpu = one(GPU_TEMP=40, FB_USED=100, POWER_USAGE=math.nan, SM_CLOCK=140737488355328.0)
    assert (gpu.utilisation, gpu.memory_total, gpu.power, gpu.clock, gpu.xid) == (None, None, None, None, None)


@pytest.mark.parametrize(("code", "said"), [(79, "fallen off the bus"), (48, "double-bit ECC"), (9999, "")])
def test_an_error_that_lasts_is_said_in_words(code: int, said: str) -> None:
    gpu = one(XID_ERRORS=code)
    assert gpu.xid == code
    assert said in gpu.fault


def test_memory_that_wears_out() -> None:
    gpu = one(ECC_DBE_VOL_TOTAL=2, CORRECTABLE_REMAPPED_ROWS=1, UNCORRECTABLE_REMAPPED_ROWS=3, ROW_REMAP_FAILURE=0)
    assert (gpu.ecc, gpu.remapped, gpu.fault) == (2, 4, "")
    assert "replace the GPU" in one(ROW_REMAP_FAILURE=1).fault
    assert (one(GPU_UTIL=1).ecc, one(GPU_UTIL=1).remapped) == (None, None)


def test_labels_that_prometheus_renamed() -> None:
    labels = {**LABELS, "pod": "dcgm-exporter-x-1", "namespace": "gpu-operator"}
    assert one({**labels, "exported_pod": "eta-v5-2", "exported_namespace": "prod"}, GPU_UTIL=1).subject == Subject(
        "eta", "v5", "prod"
    )
    assert one({**labels, "exported_pod": "", "exported_namespace": ""}, GPU_UTIL=1).subject is None, "nobody's"


def test_simulated_ones_say_so() -> None:
    assert one({**LABELS, "simulated": "true"}, GPU_UTIL=1).simulated


def test_devices_and_instances_in_order() -> None:
    samples = [
        Sample({**LABELS, "Hostname": host, "gpu": gpu, "UUID": host + gpu, "GPU_I_ID": instance}, 1)
        for host, gpu, instance in (("b", "0", ""), ("a", "10", ""), ("a", "2", "7"), ("a", "2", "1"))
    ]
    found = dcgm(Metrics({"DCGM_FI_DEV_FB_USED": samples})).gpus()
    assert [(gpu.node, gpu.index) for gpu in found] == [("a", "2.1"), ("a", "2.7"), ("a", "10"), ("b", "0")]


def test_other_pod_names_can_be_told() -> None:
    samples = {"DCGM_FI_DEV_GPU_UTIL": [Sample({**LABELS, "pod": "v3.churn.x"}, 1)]}
    (gpu,) = dcgm(Metrics(samples), pod_pattern=r"(?P<variant>v\d+)\.(?P<endpoint>\w+)").gpus()
    assert gpu.subject == Subject("churn", "v3", "prod")
    for wrong in ("(", "no groups"):
        with pytest.raises(Rejected):
            dcgm(Metrics(samples), pod_pattern=wrong).gpus()


def test_no_exporter_is_said_by_the_probe_and_a_dead_source_raises() -> None:
    none = dcgm(Metrics({}))
    assert none.gpus() == ()
    assert [probe.ok for probe in none.probe()] == [False]
    dead = dcgm(Metrics({}, Unreachable("gone")))
    with pytest.raises(Unreachable):
        dead.gpus()
    assert [probe.detail for probe in dead.probe()] == ["gone"]
